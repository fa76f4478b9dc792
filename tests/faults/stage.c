/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/core/names.h"

#define BYSTANDER "bystander"

/* No CID more than are needed: one that is not given back is noticed at once. A power button whose press is lost is pressed
 * again after a sixth of ShutdownTimeoutSec=. */
#define CID_FIRST 1000u
static const char config[] = "[Manager]\nCIDFirst=%u\nCIDLast=%u\n[QEMU]\nFirmwareVars=%s/vars.fd\n[VM]\n"
                             "ShutdownTimeoutSec=30\n%s";

static guint n_starts(const char *name, gpointer data)
{
    return scripted_count(data, name, "start");
}

static void write_file(const char *dir, const char *name, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

/* A tree outside, with the names that a VM's files have. */
static char *make_canary(Fixture *fixture)
{
    char *dir = g_build_filename(fixture->dir, "canary", NULL);
    g_autofree char *disks = g_build_filename(dir, BERTH_DIR_DISKS, NULL);
    g_assert_cmpint(g_mkdir_with_parents(disks, 0755), ==, 0);
    write_file(dir, BERTH_FILE_DEFINITION, "{}");
    write_file(disks, "disk0.raw", "data");
    return dir;
}

static void add_bystander(Stage *stage)
{
    Fixture *fixture = &stage->fixture;
    g_autofree char *path = scripted_vm(fixture, BYSTANDER, NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *canary = make_canary(fixture);
    WorldVm *vm = world_vm(stage->world, BYSTANDER);
    vm->exists = WORLD_YES;
    world_forbid_starts(stage->world, vm);
    world_protect(stage->world, dir);
    world_protect(stage->world, canary);
}

static void append_config(Fixture *fixture, guint n_vms, const char *deadlines)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_file_get_contents(fixture->config, &text, NULL, &error);
    g_assert_no_error(error);
    g_autofree char *more = g_strdup_printf(config, CID_FIRST, CID_FIRST + n_vms, fixture->dir, deadlines);
    g_autofree char *all = g_strconcat(text, more, NULL);
    g_file_set_contents(fixture->config, all, -1, &error);
    g_assert_no_error(error);
}

/* Each ends once. */
static void on_completed(GDBusConnection *client, const char *sender, const char *path, const char *interface,
                         const char *signal, GVariant *parameters, gpointer data)
{
    Stage *stage = data;
    char *error;
    g_variant_get(parameters, "(o(ss))", NULL, &error, NULL);
    if (!g_hash_table_insert(stage->jobs, g_strconcat(sender, path, NULL), error))
        g_error("%s has completed twice", path);
}

static void watch_jobs(Stage *stage)
{
    stage->jobs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    stage->jobs_watch =
        g_dbus_connection_signal_subscribe(stage->fixture.client, BERTH_BUS_NAME, BERTH_IFACE_JOB, "Completed", NULL,
                                           NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_completed, stage, NULL);
}

void stage_set_up(Stage *stage, guint n_vms, const char *deadlines)
{
    Fixture *fixture = &stage->fixture;
    *stage = (Stage){0};
    scripted_prepare(fixture, "");
    append_config(fixture, n_vms, deadlines);
    write_file(fixture->dir, "vars.fd", STAGE_VARS);
    write_file(fixture->dir, "source", "an image's disk");
    stage->faults = faults_new(fixture->dir);
    fixture->environ = faults_environ(stage->faults, fixture->environ);
    const WorldPlace place = {
        .client = fixture->client,
        .state_dir = fixture->state_dir,
        .runtime_dir = fixture->runtime_dir,
        .daemon = &fixture->daemon,
        .n_starts = n_starts,
        .data = fixture,
    };
    stage->world = world_new(&place);
    watch_jobs(stage);
    fixture_start_daemon(fixture);
    scripted_write(fixture, STAGE_VM, NULL);
    add_bystander(stage);
    stage->vm = world_vm(stage->world, STAGE_VM);
}

void stage_tear_down(Stage *stage)
{
    g_dbus_connection_signal_unsubscribe(stage->fixture.client, stage->jobs_watch);
    g_hash_table_unref(stage->jobs);
    world_free(stage->world);
    faults_free(stage->faults);
    fixture_tear_down(&stage->fixture, NULL);
    g_free(stage->cloned);
    g_free(stage->path);
    g_free(stage->id);
}

/* Calls */

static gboolean is_lost(const GError *error)
{
    return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
           g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED);
}

static StageAnswer take_answer(FixtureCall *taken, const char *method, GVariant **answer)
{
    g_autoptr(FixtureCall) call = taken;
    AwaitDeadline deadline;
    await_begin(&deadline, AWAIT_SECONDS * 1000);
    while (!call->done)
        if (!await_step(&deadline))
            g_error("%s is not answered", method);
    await_end(&deadline);
    if (answer && call->answer)
        *answer = g_variant_ref(call->answer);
    if (call->error)
        g_test_message("%s: %s", method, call->error->message);
    return call->answer ? STAGE_OK : is_lost(call->error) ? STAGE_LOST : STAGE_REFUSED;
}

StageAnswer stage_call(Stage *stage, const char *path, const char *interface, const char *method, GVariant *parameters,
                       GVariant **answer)
{
    return take_answer(fixture_begin(&stage->fixture, path, interface, method, parameters), method, answer);
}

StageAnswer stage_vm(Stage *stage, const char *method, const char *options)
{
    g_autoptr(GVariant) parsed = g_variant_ref_sink(g_variant_new_parsed(options));
    return stage_call(stage, stage->path, BERTH_IFACE_VM, method, g_variant_new("(@a{sv})", parsed), NULL);
}

void stage_expect_removal(Stage *stage, StageAnswer answer)
{
    stage->vm->exists = answer == STAGE_OK ? WORLD_NO : answer == STAGE_LOST ? WORLD_EITHER : WORLD_YES;
}

/* A disk of qemu-img's, variables of the daemon's own writing, and a port that nobody else may have. */
static GVariant *definition(void)
{
    return g_variant_new_parsed("{'memory': <%t>, 'disks': <[{'size': <%t>, 'format': <'raw'>}]>,"
                                " 'firmware': <'uefi'>, 'networks': <[{'mode': <'user'>, 'ports': <[{'host-port':"
                                " <uint32 40022>, 'guest-port': <uint32 22>}]>}]>}",
                                STAGE_MEMORY, (guint64) STAGE_DISK);
}

static StageAnswer create(Stage *stage, const char *options, GVariant **answer)
{
    g_autoptr(GVariant) parsed = g_variant_ref_sink(g_variant_new_parsed(options));
    return stage_call(stage, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                      g_variant_new("(s@a{sv}@a{sv})", STAGE_VM, definition(), parsed), answer);
}

/* What is true of a new VM, and of one that may or may not have come to be. */
static void expect_new(Stage *stage, WorldTruth exists)
{
    world_vm_reset(stage->vm, exists);
    stage->vm->memory[0] = STAGE_MEMORY;
}

StageAnswer stage_try_create(Stage *stage, const char *options)
{
    StageAnswer answer = create(stage, options, NULL);
    expect_new(stage, answer == STAGE_OK ? WORLD_YES : answer == STAGE_LOST ? WORLD_EITHER : WORLD_NO);
    return answer;
}

void stage_create(Stage *stage)
{
    g_autoptr(GVariant) answer = NULL;
    if (create(stage, "@a{sv} {}", &answer) != STAGE_OK)
        g_error("A VM can't be made any more");
    g_clear_pointer(&stage->path, g_free);
    g_clear_pointer(&stage->id, g_free);
    g_variant_get(answer, "(o)", &stage->path);
    stage->id = fixture_get_string(&stage->fixture, stage->path, "Id");
    expect_new(stage, WORLD_YES);
    stage->vm->id = g_strdup(stage->id);
}

void stage_start(Stage *stage)
{
    if (stage_vm(stage, "Start", "@a{sv} {}") != STAGE_OK)
        g_error("The VM can't be started any more");
    stage->vm->wanted = stage->vm->runs = WORLD_YES;
}

/* Jobs */

/* How the job has ended that the daemon @owner has answered with: one whose daemon went off the bus has ended in a way that
 * nobody was told of. */
static StageAnswer await_job(Stage *stage, const char *owner, GVariant *answer)
{
    const Fixture *fixture = &stage->fixture;
    const char *path, *error = NULL;
    g_variant_get(answer, "(&o)", &path);
    g_autofree char *key = g_strconcat(owner, path, NULL);
    AWAIT((error = g_hash_table_lookup(stage->jobs, key)) || fixture->daemon == 0 ||
          g_strcmp0(fixture->owner, owner) != 0);
    stage->was_cancelled = g_strcmp0(error, BERTH_ERROR_PREFIX "Cancelled") == 0;
    return !error ? STAGE_LOST : *error ? STAGE_REFUSED : STAGE_OK;
}

static WorldTruth truth_of(StageAnswer answer)
{
    return answer == STAGE_OK ? WORLD_YES : answer == STAGE_LOST ? WORLD_EITHER : WORLD_NO;
}

WorldTruth stage_import(Stage *stage, GUnixFDList *fds)
{
    Fixture *fixture = &stage->fixture;
    g_autoptr(GError) error = NULL;
    g_autofree char *owner = g_strdup(fixture->owner);
    g_autoptr(GVariant) answer = fixture_call_with_fds(
        fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "ImportImage",
        g_variant_new("(sh@a{sv})", STAGE_IMAGE, 0, g_variant_new_parsed("{'format': <'raw'>}")), fds, NULL, &error);
    if (answer)
        return truth_of(await_job(stage, owner, answer));
    return is_lost(error) ? WORLD_EITHER : WORLD_NO;
}

void stage_begin_clone(Stage *stage)
{
    stage->clone_owner = g_strdup(stage->fixture.owner);
    g_clear_pointer(&stage->cloned, g_free);
    stage->cloned = g_strdup(stage->path);
    stage->clone = fixture_begin(&stage->fixture, stage->path, BERTH_IFACE_VM, "Clone",
                                 g_variant_new("(sa{sv}a{sv})", STAGE_HEIR, NULL, NULL));
}

void stage_end_clone(Stage *stage)
{
    g_autoptr(GVariant) job = NULL;
    g_autofree char *owner = g_steal_pointer(&stage->clone_owner);
    WorldVm *heir = world_vm(stage->world, STAGE_HEIR);
    StageAnswer answer = take_answer(g_steal_pointer(&stage->clone), "Clone", &job);
    world_vm_reset(heir, truth_of(job ? await_job(stage, owner, job) : answer));
    heir->memory[0] = STAGE_MEMORY;
}

void stage_rest(Stage *stage)
{
    const Fixture *fixture = &stage->fixture;
    AwaitDeadline deadline;
    await_begin(&deadline, AWAIT_SECONDS * 1000);
    /* Each try asks over the bus, and takes in whatever news there is; none in vain blocks. */
    do {
        if (deadline.expired)
            g_error("The daemon neither answers nor ends");
        AWAIT(fixture->daemon == 0 || fixture->owner);
    } while (fixture->daemon != 0 && !world_try_settle(stage->world));
    await_end(&deadline);
}

/* Daemons */

void stage_restart(Stage *stage, gboolean booted)
{
    Fixture *fixture = &stage->fixture;
    if (fixture->daemon != 0)
        fixture_stop_daemon(fixture, SIGKILL);
    AWAIT(!fixture->owner);
    if (booted)
        fixture_forget_boot(fixture);
    fixture_start_daemon(fixture);
}

/* Clearing up */

static void remove_image(Stage *stage, const char *name)
{
    g_autofree char *path = g_build_path("/", BERTH_PATH_IMAGE, name, NULL);
    if (stage_call(stage, path, BERTH_IFACE_IMAGE, "Remove", g_variant_new("(a{sv})", NULL), NULL) == STAGE_LOST)
        g_error("The daemon has died");
    world_image(stage->world, name, WORLD_NO);
}

static void remove_vm(Stage *stage, const char *name)
{
    g_autofree char *path = world_find(stage->world, name);
    g_autoptr(GVariant) none = g_variant_ref_sink(g_variant_new("(a{sv})", NULL));
    if (!path)
        return;
    /* From where there is a way back; else it is refused. */
    stage_call(stage, path, BERTH_IFACE_VM, "CancelRemoval", none, NULL);
    if (stage_call(stage, path, BERTH_IFACE_VM, "Remove", none, NULL) != STAGE_OK)
        g_error("The VM can't be removed");
}

void stage_clear(Stage *stage)
{
    world_settle(stage->world);
    remove_vm(stage, STAGE_VM);
    remove_vm(stage, STAGE_HEIR);
    remove_image(stage, STAGE_IMAGE);
    world_vm_reset(stage->vm, WORLD_NO);
    world_vm_reset(world_vm(stage->world, STAGE_HEIR), WORLD_NO);
    world_check(stage->world);
}

void stage_probe(Stage *stage)
{
    g_autofree char *path = world_find(stage->world, STAGE_VM);
    g_autofree char *heir = world_find(stage->world, STAGE_HEIR);
    if (!path && !heir)
        stage_create(stage);
}
