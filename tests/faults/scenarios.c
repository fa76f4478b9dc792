/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scenarios.h"
#include "clones.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "src/core/names.h"

#define NO_OPTIONS "@a{sv} {}"
#define GRACE "{'grace-seconds': <uint32 600>}"

static void prepare_nothing(Stage *stage)
{
}

static void prepare_stopped(Stage *stage)
{
    stage_create(stage);
}

static void prepare_running(Stage *stage)
{
    stage_create(stage);
    stage_start(stage);
}

/* Creation */

static void act_create(Stage *stage)
{
    stage_try_create(stage, NO_OPTIONS);
    stage_rest(stage);
}

/* It was answered that the VM is made; its State tells whether it started. */
static void act_create_with_start(Stage *stage)
{
    stage_try_create(stage, "{'start': <true>}");
    stage->vm->wanted = stage->vm->runs = WORLD_EITHER;
    stage_rest(stage);
}

/* Configuration */

static void act_configure(Stage *stage)
{
    const guint64 old = STAGE_MEMORY, new = 2 * STAGE_MEMORY;
    StageAnswer answer = stage_call(stage, stage->path, BERTH_IFACE_VM, "Configure",
                                    g_variant_new_parsed("({'memory': <%t>}, @a{sv} {})", new), NULL);
    stage->vm->memory[0] = answer == STAGE_OK ? new : old;
    stage->vm->memory[1] = answer == STAGE_LOST ? new : 0;
    stage_rest(stage);
}

/* Starting and stopping */

static void expect_process(Stage *stage, WorldTruth truth)
{
    stage->vm->wanted = stage->vm->runs = truth;
}

static void act_start(Stage *stage)
{
    StageAnswer answer = stage_vm(stage, "Start", NO_OPTIONS);
    expect_process(stage, answer == STAGE_OK ? WORLD_YES : answer == STAGE_LOST ? WORLD_EITHER : WORLD_NO);
    stage_rest(stage);
}

/* Whether QEMU was told to end: what was sent to it before comes before this. */
static void find_out(Stage *stage)
{
    if (stage->vm->runs != WORLD_EITHER)
        return;
    if (stage_vm(stage, "Pause", NO_OPTIONS) != STAGE_OK)
        stage->vm->runs = WORLD_NO;
    else
        stage_vm(stage, "Resume", NO_OPTIONS);
}

/* What a daemon that was killed had begun, the next one finishes: it is wanted and runs, or neither. */
static void finish(Stage *stage)
{
    if (!stage->was_killed || stage->vm->runs != WORLD_EITHER)
        return;
    world_settle(stage->world);
    g_autofree char *state = fixture_get_string(&stage->fixture, stage->path, "State");
    g_autoptr(GVariant) wanted = fixture_get(&stage->fixture, stage->path, BERTH_IFACE_VM, "WantRunning");
    if (!g_str_equal(state, g_variant_get_boolean(wanted) ? "running" : "stopped"))
        g_error("It is %s, and is %swanted", state, g_variant_get_boolean(wanted) ? "" : "not ");
    expect_process(stage, g_variant_get_boolean(wanted) ? WORLD_YES : WORLD_NO);
}

/* Also of the lines that its QEMUs write. */
static void prepare_unstarted(Stage *stage)
{
    scripted_forget(&stage->fixture, STAGE_VM);
    stage_create(stage);
}

/* As soon as its keeper was let go the next daemon knows of the start, and goes on with it: no guest that has begun to boot is
 * killed, and begins anew. */
static void finish_start(Stage *stage)
{
    finish(stage);
    world_settle(stage->world);
    const guint n_qemus = scripted_count(&stage->fixture, STAGE_VM, "start");
    if (stage->was_killed && n_qemus > 1)
        g_error("It was started %u times", n_qemus);
}

/* It goes in any case: an error says that it may come back after a boot. */
static void act_power_off(Stage *stage)
{
    StageAnswer answer = stage_vm(stage, "PowerOff", NO_OPTIONS);
    expect_process(stage, answer == STAGE_OK ? WORLD_NO : WORLD_EITHER);
    stage_rest(stage);
    if (answer == STAGE_LOST && stage->fixture.daemon != 0)
        find_out(stage);
}

static void act_shutdown(Stage *stage)
{
    StageAnswer answer = stage_vm(stage, "Shutdown", NO_OPTIONS);
    expect_process(stage, answer == STAGE_OK ? WORLD_NO : WORLD_EITHER);
    stage_rest(stage);
    if (answer == STAGE_LOST && stage->fixture.daemon != 0)
        find_out(stage);
}

/* What is begun again by a daemon that may be killed over it, too */

/* A VM whose QEMU has this script, where "go" is a file that is not there yet. */
static void prepare_script(Stage *stage, const char *script)
{
    scripted_untouch(&stage->fixture, "go");
    scripted_forget(&stage->fixture, STAGE_VM);
    scripted_write(&stage->fixture, STAGE_VM, script);
    stage_create(stage);
}

/* A start that has come to its QEMU, which says nothing as long. */
static void prepare_half_started(Stage *stage)
{
    prepare_script(stage, "once query-status wait go");
    g_autoptr(FixtureCall) start = scripted_begin(&stage->fixture, stage->path, "Start");
    scripted_await(&stage->fixture, STAGE_VM, "qmp query-status", 1);
    fixture_stop_daemon(&stage->fixture, SIGKILL);
    AWAIT(start->done);
    scripted_touch(&stage->fixture, "go");
    expect_process(stage, WORLD_YES);
    world_forbid_starts(stage->world, stage->vm);
}

/* A PowerOff that its QEMU does not hear, and a Shutdown that the guest heard and has not followed yet. */
static void interrupt(Stage *stage, const char *method, const char *command)
{
    g_autoptr(FixtureCall) call = scripted_begin(&stage->fixture, stage->path, method);
    scripted_await(&stage->fixture, STAGE_VM, command, 1);
    fixture_stop_daemon(&stage->fixture, SIGKILL);
    AWAIT(call->done);
    expect_process(stage, WORLD_NO);
    world_forbid_starts(stage->world, stage->vm);
}

static void prepare_half_off(Stage *stage)
{
    prepare_script(stage, "once quit ignore");
    stage_start(stage);
    interrupt(stage, "PowerOff", "qmp quit");
}

static void prepare_half_down(Stage *stage)
{
    prepare_script(stage, "once system_powerdown wait go");
    stage_start(stage);
    interrupt(stage, "Shutdown", "qmp system_powerdown");
    scripted_touch(&stage->fixture, "go");
}

/* Images */

static void check_image(Stage *stage, const char *source)
{
    g_autofree char *disk =
        g_build_filename(stage->fixture.state_dir, BERTH_DIR_IMAGES, STAGE_IMAGE, BERTH_FILE_DISK, NULL);
    g_autofree char *expected = NULL, *text = NULL;
    gsize length = 0;
    g_assert_true(g_file_get_contents(source, &expected, &length, NULL));
    if (!g_file_get_contents(disk, &text, NULL, NULL) || memcmp(text, expected, length) != 0)
        g_error("The image was imported, and is not what was brought");
}

static void act_import(Stage *stage)
{
    g_autofree char *source = g_build_filename(stage->fixture.dir, "source", NULL);
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    int fd = open(source, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(g_unix_fd_list_append(fds, fd, NULL), ==, 0);
    close(fd);
    WorldTruth exists = stage_import(stage, fds);
    world_image(stage->world, STAGE_IMAGE, exists);
    if (exists == WORLD_YES)
        check_image(stage, source);
    stage_rest(stage);
}

/* Removal */

static void act_remove(Stage *stage)
{
    world_forbid_starts(stage->world, stage->vm);
    stage_expect_removal(stage, stage_vm(stage, "Remove", NO_OPTIONS));
    stage_rest(stage);
}

/* There is room for another only when nothing of it is left: who keeps asking for a new VM gets none before. */
static void act_replace(Stage *stage)
{
    WorldVm *heir = world_vm(stage->world, STAGE_HEIR);
    g_autofree char *owner = g_strdup(stage->fixture.owner);
    StageAnswer answer = stage_vm(stage, "Remove", NO_OPTIONS);
    stage_expect_removal(stage, answer);
    for (answer = answer == STAGE_OK ? STAGE_REFUSED : STAGE_LOST; answer == STAGE_REFUSED;) {
        answer = stage_call(stage, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                            g_variant_new("(sa{sv}a{sv})", STAGE_HEIR, NULL, NULL), NULL);
        /* A daemon that lost the bus in between could not tell. */
        if (answer == STAGE_OK && g_strcmp0(owner, stage->fixture.owner) == 0 &&
            !world_was_told_gone(stage->world, stage->path))
            g_error("There was room for another before the VM was gone");
        if (answer == STAGE_REFUSED)
            stage_vm(stage, "Remove", NO_OPTIONS); /* where it waits to try again, it does so at once */
        world_vm_reset(heir, answer == STAGE_OK ? WORLD_YES : answer == STAGE_LOST ? WORLD_EITHER : WORLD_NO);
    }
    stage_rest(stage);
}

static void act_grace(Stage *stage)
{
    world_forbid_starts(stage->world, stage->vm);
    StageAnswer asked = stage_vm(stage, "Remove", GRACE);
    StageAnswer taken_back = asked == STAGE_OK ? stage_vm(stage, "CancelRemoval", NO_OPTIONS) : asked;
    stage->vm->grace = taken_back == STAGE_LOST                           ? WORLD_EITHER
                       : asked == STAGE_OK && taken_back == STAGE_REFUSED ? WORLD_YES
                                                                          : WORLD_NO;
    stage_rest(stage);
}

static void reload(Stage *stage)
{
    if (stage_call(stage, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new("(a{sv})", NULL), NULL) !=
        STAGE_OK)
        g_error("Reload fails");
}

static void prepare_broken(Stage *stage)
{
    stage_create(stage);
    g_autofree char *file = g_build_filename(stage->fixture.state_dir, BERTH_DIR_VMS, stage->id, "vm.json", NULL);
    g_assert_true(g_file_set_contents(file, "{", -1, NULL));
    reload(stage);
    stage->vm->broken = WORLD_YES;
    stage->vm->wanted = WORLD_EITHER;
    stage->vm->memory[0] = 0;
}

/* A removal that has been answered, and was interrupted before anything was deleted. */
static void interrupt_removal(Stage *stage)
{
    FakeService *systemd = fake_systemd_service(stage->fixture.systemd);
    fake_service_hold(systemd, "StopUnit");
    if (stage_vm(stage, "Remove", NO_OPTIONS) != STAGE_OK)
        g_error("Remove fails");
    world_forbid_starts(stage->world, stage->vm);
    stage->vm->exists = WORLD_NO;
    fixture_stop_daemon(&stage->fixture, SIGKILL);
    fake_service_release(systemd, "StopUnit");
    fixture_forget_boot(&stage->fixture);
}

/* Of a VM that ran: its processes are there, or their runtime directory. */
static void prepare_marked(Stage *stage)
{
    prepare_running(stage);
    interrupt_removal(stage);
}

/* And the host went down with it: nothing that lives in memory is left, and only the disk says that it was wanted. */
static void prepare_booted(Stage *stage)
{
    const Fixture *fixture = &stage->fixture;
    prepare_marked(stage);
    test_cgroup_signal(fixture->cgroup, SIGKILL);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
    g_autofree char *runtime = g_build_filename(fixture->runtime_dir, stage->id, NULL);
    g_autoptr(GDir) dir = g_dir_open(runtime, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *file = g_build_filename(runtime, name, NULL);
        g_unlink(file);
    }
    g_rmdir(runtime);
}

static char *vm_dir(Stage *stage)
{
    return g_build_filename(stage->fixture.state_dir, BERTH_DIR_VMS, stage->id, NULL);
}

/* And one that came a step further. */
static void prepare_doomed(Stage *stage)
{
    prepare_marked(stage);
    g_autofree char *dir = vm_dir(stage);
    g_autofree char *file = g_build_filename(dir, BERTH_FILE_DEFINITION, NULL);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    const char *key = strstr(text, "\"incarnation\"");
    g_assert_nonnull(key);
    g_auto(GStrv) words = g_strsplit(key, "\"", 5);
    g_autofree char *name = g_strconcat(stage->id, ".", words[3], NULL);
    g_autofree char *doomed = g_build_filename(stage->fixture.state_dir, BERTH_DIR_REMOVING, name, NULL);
    g_assert_cmpint(g_rename(dir, doomed), ==, 0);
}

static void act_resume(Stage *stage)
{
    fixture_spawn_daemon(&stage->fixture);
    stage_rest(stage);
}

/* Reload */

static void prepare_changed(Stage *stage)
{
    stage_create(stage);
    g_autofree char *dir = vm_dir(stage);
    g_autofree char *file = g_build_filename(dir, BERTH_FILE_DEFINITION, NULL);
    scripted_replace(file, "67108864", "134217728");
    stage->vm->memory[1] = 2 * STAGE_MEMORY;
}

/* A directory whose marker the daemon has not seen yet. */
static void prepare_put_back(Stage *stage)
{
    stage_create(stage);
    interrupt_removal(stage);
    g_autofree char *dir = vm_dir(stage);
    g_autofree char *aside = g_build_filename(stage->fixture.dir, "aside", NULL);
    g_assert_cmpint(g_rename(dir, aside), ==, 0);
    fixture_start_daemon(&stage->fixture);
    g_assert_cmpint(g_rename(aside, dir), ==, 0);
}

static void act_reload(Stage *stage)
{
    StageAnswer answer =
        stage_call(stage, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new("(a{sv})", NULL), NULL);
    stage->is_unknown = answer != STAGE_OK;
    if (answer == STAGE_OK)
        stage->vm->memory[0] = stage->vm->memory[1];
    stage_rest(stage);
}

const Scenario scenarios[] = {
    {"create", "M21", prepare_nothing, act_create, NULL, FALSE, 1, FALSE},
    {"create-with-start", "M21", prepare_nothing, act_create_with_start, NULL, FALSE, 1, TRUE},
    {"import", "M21", prepare_nothing, act_import, NULL, FALSE, 1, FALSE},
    {"configure", "M21", prepare_stopped, act_configure, NULL, FALSE, 1, FALSE},
    {"start", "M09", prepare_unstarted, act_start, finish_start, FALSE, 1, TRUE},
    {"power-off", "M09", prepare_running, act_power_off, finish, FALSE, 1, FALSE},
    {"shutdown", "M09", prepare_running, act_shutdown, finish, FALSE, 1, FALSE},
    {"resume-start", "M09", prepare_half_started, act_resume, NULL, FALSE, 1, FALSE},
    {"resume-power-off", "M09", prepare_half_off, act_resume, NULL, FALSE, 1, FALSE},
    {"resume-shutdown", "M09", prepare_half_down, act_resume, NULL, FALSE, 1, FALSE},
    {"remove-stopped", "M01", prepare_stopped, act_remove, NULL, TRUE, 1, FALSE},
    {"remove-running", "M01", prepare_running, act_remove, NULL, TRUE, 1, FALSE},
    {"replace", "M17", prepare_stopped, act_replace, NULL, FALSE, 1, FALSE},
    {"remove-broken", "M12", prepare_broken, act_remove, NULL, TRUE, 1, FALSE},
    {"grace-and-cancel", "M01", prepare_running, act_grace, NULL, TRUE, 1, FALSE},
    {"resume-marked", "M04", prepare_marked, act_resume, NULL, TRUE, 1, FALSE},
    {"resume-booted", "M27", prepare_booted, act_resume, NULL, TRUE, 1, FALSE},
    {"resume-doomed", "M04", prepare_doomed, act_resume, NULL, TRUE, 1, FALSE},
    {"reload-changed", "M01", prepare_changed, act_reload, NULL, FALSE, 1, FALSE},
    {"clone", "M21", clones_prepare, clones_act, clones_check, FALSE, 2, FALSE},
    {"clone-and-remove", "M01", clones_prepare, clones_act_and_remove, clones_check, TRUE, 2, FALSE},
    {"reload-marked", "M04", prepare_put_back, act_reload, NULL, TRUE, 1, FALSE},
};
const guint n_scenarios = G_N_ELEMENTS(scenarios);

const Scenario *scenario_find(const char *name)
{
    for (guint i = 0; i < n_scenarios; i++)
        if (g_str_equal(scenarios[i].name, name))
            return &scenarios[i];
    return NULL;
}
