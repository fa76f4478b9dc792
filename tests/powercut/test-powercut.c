/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "power.h"
#include "src/core/names.h"
#include "tests/lib/await.h"

/* What a client was promised is kept, and what it did not ask for has not happened, wherever power is cut. */

/* Promises, in the order in which the act gets them. */
#define FIRST 1u
#define SECOND 2u

#define MIB (1 << 20)
#define BYSTANDER "bystander" /* is there in each scenario, and stays as it is */
#define SUBJECT "subject"

/* (transfer full): the path of the VM that the scenario is about; another stands by. */
static char *make_vms(Power *power)
{
    g_autofree char *bystander = tooled_vm(power_tooled(power), BYSTANDER, NULL);
    return tooled_vm(power_tooled(power), SUBJECT, NULL);
}

static PowerFates unless(guint kept, guint promise, PowerFates fates)
{
    return kept & promise ? 0 : fates;
}

static void expect_bystander(Power *power)
{
    g_autofree char *path = power_expect_vm(power, BYSTANDER, POWER_ALIVE);
}

/* Its memory is @before or @after; after @promise, the latter. */
static void expect_memory(Power *power, gboolean promised, guint64 before, guint64 after)
{
    g_autoptr(GVariant) memory = power_get(power, SUBJECT, "MemoryBytes");
    guint64 has = memory ? g_variant_get_uint64(memory) : 0;
    if (has != after && (promised || has != before))
        power_violation(power, "its memory is %" G_GUINT64_FORMAT " bytes", has);
}

static void expect_wanted(Power *power, gboolean promised, gboolean wanted)
{
    g_autoptr(GVariant) value = power_get(power, SUBJECT, "WantRunning");
    if (promised && value && g_variant_get_boolean(value) != wanted)
        power_violation(power, "it is %swanted", wanted ? "not " : "");
}

/* Creation */

/* (transfer full): its path. The answer is a promise. */
static char *create(Power *power, const char *config, const char *options)
{
    char *path;
    g_autofree char *bystander = tooled_vm(power_tooled(power), BYSTANDER, NULL);
    power_begin(power);
    g_autoptr(GVariant) answer =
        power_call(power, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                   g_variant_new("(s@a{sv}@a{sv})", SUBJECT, tooled_config(config), tooled_asv(options)), NULL);
    g_variant_get(answer, "(o)", &path);
    return path;
}

static void act_create(Power *power)
{
    g_autofree char *path = create(power, "{}", "{}");
}

static void check_created(Power *power, guint kept)
{
    expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SUBJECT, POWER_ALIVE | unless(kept, FIRST, POWER_ABSENT));
    if (path)
        expect_memory(power, TRUE, 0, 64 * MIB);
}

static const PowerScenario scenario_create = {act_create, check_created};

static void act_create_and_start(Power *power)
{
    g_autofree char *path = create(power, "{}", "{'start': <true>}");
    fixture_await_state(power_fixture(power), path, "running");
}

static void check_created_and_wanted(Power *power, guint kept)
{
    check_created(power, kept);
    expect_wanted(power, TRUE, TRUE);
}

static const PowerScenario scenario_create_and_start = {act_create_and_start, check_created_and_wanted};

/* Configuration, and what is wanted */

static void act_configure(Power *power)
{
    g_autofree char *path = make_vms(power);
    power_begin(power);
    g_autoptr(GVariant) answer = power_call(
        power, path, BERTH_IFACE_VM, "Configure",
        g_variant_new("(@a{sv}@a{sv})", tooled_asv("{'memory': <uint64 134217728>}"), tooled_asv("{}")), NULL);
}

static void check_configured(Power *power, guint kept)
{
    expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SUBJECT, POWER_ALIVE);
    expect_memory(power, kept & FIRST, 64 * MIB, 128 * MIB);
}

static const PowerScenario scenario_configure = {act_configure, check_configured};

static void act_start(Power *power)
{
    g_autofree char *path = make_vms(power);
    power_begin(power);
    power_vm(power, path, "Start", "{}");
}

static void check_started(Power *power, guint kept)
{
    expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SUBJECT, POWER_ALIVE);
    expect_wanted(power, kept & FIRST, TRUE);
}

static const PowerScenario scenario_start = {act_start, check_started};

static void act_power_off(Power *power)
{
    g_autofree char *path = make_vms(power);
    fixture_vm(power_fixture(power), path, "Start");
    power_begin(power);
    power_vm(power, path, "PowerOff", "{}");
}

static void check_powered_off(Power *power, guint kept)
{
    expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SUBJECT, POWER_ALIVE);
    expect_wanted(power, kept & FIRST, FALSE);
}

static const PowerScenario scenario_power_off = {act_power_off, check_powered_off};

/* Images */

static char *make_file(Power *power, const char *name, const char *contents, gsize length)
{
    g_autoptr(GError) error = NULL;
    char *path = g_build_filename(power_fixture(power)->dir, name, NULL);
    g_file_set_contents(path, contents, (gssize) length, &error);
    g_assert_no_error(error);
    return path;
}

static gint32 add_file(GUnixFDList *fds, const char *path)
{
    g_autoptr(GError) error = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    gint32 handle = g_unix_fd_list_append(fds, fd, &error);
    g_assert_no_error(error);
    close(fd);
    return handle;
}

/* A raw disk and a kernel. (transfer full): the job */
static GVariant *import(Power *power)
{
    g_autofree char *disk_bytes = g_strnfill(64 * 1024, 'd');
    char kernel_bytes[4096] = {0};
    memcpy(kernel_bytes + 0x1fe, "\x55\xaa", 2); /* what makes a bzImage */
    memcpy(kernel_bytes + 0x202, "HdrS", 4);
    g_autofree char *disk = make_file(power, "disk", disk_bytes, 64 * 1024);
    g_autofree char *kernel = make_file(power, "kernel", kernel_bytes, sizeof kernel_bytes);
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    gint32 disk_handle = add_file(fds, disk), kernel_handle = add_file(fds, kernel);
    GVariantDict options;
    g_variant_dict_init(&options, NULL);
    g_variant_dict_insert(&options, "kernel", "h", kernel_handle);
    return power_call(power, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "ImportImage",
                      g_variant_new("(sh@a{sv})", SUBJECT, disk_handle, g_variant_dict_end(&options)), fds);
}

static void on_completed(GDBusConnection *client, const char *sender, const char *path, const char *interface,
                         const char *signal, GVariant *parameters, gpointer data)
{
    const char *error_name, *text;
    g_variant_get(parameters, "(&o(&s&s))", NULL, &error_name, &text);
    g_assert_cmpstr(error_name, ==, "");
    *(gboolean *) data = TRUE;
}

/* Its answer, and that it is completed, are promises. */
static void import_and_wait(Power *power)
{
    gboolean completed = FALSE;
    GDBusConnection *client = power_fixture(power)->client;
    guint subscription =
        g_dbus_connection_signal_subscribe(client, BERTH_BUS_NAME, BERTH_IFACE_JOB, "Completed", NULL, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_completed, &completed, NULL);
    g_autoptr(GVariant) answer = import(power);
    const char *job;
    g_variant_get(answer, "(&o)", &job);
    power_promise_signal(power, "Completed", job);
    AWAIT(completed);
    g_dbus_connection_signal_unsubscribe(client, subscription);
}

static void act_import(Power *power)
{
    g_autofree char *bystander = tooled_vm(power_tooled(power), BYSTANDER, NULL);
    power_begin(power);
    import_and_wait(power);
}

static void check_imported(Power *power, guint kept)
{
    expect_bystander(power);
    power_expect_image(power, SUBJECT, TRUE, !(kept & SECOND));
}

static const PowerScenario scenario_import = {act_import, check_imported};

static void act_remove_image(Power *power)
{
    g_autofree char *bystander = tooled_vm(power_tooled(power), BYSTANDER, NULL);
    import_and_wait(power);
    power_begin(power);
    g_autoptr(GVariant) answer = power_call(power, BERTH_PATH_IMAGE "/" SUBJECT, BERTH_IFACE_IMAGE, "Remove",
                                            g_variant_new("(@a{sv})", tooled_asv("{}")), NULL);
}

static void check_image_removed(Power *power, guint kept)
{
    expect_bystander(power);
    power_expect_image(power, SUBJECT, !(kept & FIRST), TRUE);
}

static const PowerScenario scenario_remove_image = {act_remove_image, check_image_removed};

/* An overlay, a qcow2 that stands alone, and a raw disk: qemu-img writes the first two. */
static void act_create_with_disks(Power *power)
{
    import_and_wait(power);
    g_autofree char *path = create(power,
                                   "{'image': <'" SUBJECT "'>, 'disks': <[@a{sv} {}, {'size': <uint64 1048576>}, "
                                   "{'size': <uint64 1048576>, 'format': <'raw'>}]>}",
                                   "{}");
}

static void check_created_with_disks(Power *power, guint kept)
{
    power_expect_image(power, SUBJECT, TRUE, FALSE);
    check_created(power, kept);
}

static const PowerScenario scenario_create_with_disks = {act_create_with_disks, check_created_with_disks};

/* Removal */

/* The answer, and InterfacesRemoved, are promises. */
static void remove_and_wait(Power *power, const char *path)
{
    power_vm(power, path, "Remove", "{}");
    power_promise_signal(power, "InterfacesRemoved", path);
    fixture_await_gone(power_fixture(power), path);
}

static void act_remove_stopped(Power *power)
{
    g_autofree char *path = make_vms(power);
    power_begin(power);
    remove_and_wait(power, path);
}

/* The answer says that it will be gone, the signal that it is. */
static PowerFates removed(guint kept, PowerFates before)
{
    return POWER_ABSENT | unless(kept, SECOND, POWER_REMOVING) | unless(kept, FIRST, before);
}

static void check_removed(Power *power, guint kept)
{
    expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SUBJECT, removed(kept, POWER_ALIVE));
}

static const PowerScenario scenario_remove_stopped = {act_remove_stopped, check_removed};

/* It is wanted: a boot starts it where it is not marked. */
static void act_remove_running(Power *power)
{
    g_autofree char *path = make_vms(power);
    fixture_vm(power_fixture(power), path, "Start");
    power_begin(power);
    remove_and_wait(power, path);
}

static const PowerScenario scenario_remove_running = {act_remove_running, check_removed};

static char *file_of(Power *power, const char *path, const char *name)
{
    return tooled_vm_file(power_fixture(power), path, name);
}

static char *read_file(const char *file)
{
    g_autoptr(GError) error = NULL;
    char *text;
    g_file_get_contents(file, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static void write_file(const char *file, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_file_set_contents(file, text, -1, &error);
    g_assert_no_error(error);
}

/* One text in a file for another. */
static void replace(const char *file, const char *pattern, const char *with)
{
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
    g_autofree char *text = read_file(file);
    g_assert_true(g_regex_match(regex, text, 0, NULL));
    g_autofree char *replaced = g_regex_replace_literal(regex, text, -1, 0, with, 0, NULL);
    write_file(file, replaced);
}

static void act_remove_broken(Power *power)
{
    g_autofree char *path = make_vms(power);
    g_autofree char *definition = file_of(power, path, BERTH_FILE_DEFINITION);
    fixture_stop_daemon(power_fixture(power), SIGTERM);
    replace(definition, "67108864", "\"much\"");
    fixture_start_daemon(power_fixture(power));
    fixture_await_state(power_fixture(power), path, "broken");
    power_begin(power);
    remove_and_wait(power, path);
}

static void check_broken_removed(Power *power, guint kept)
{
    expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SUBJECT, removed(kept, POWER_BROKEN));
}

static const PowerScenario scenario_remove_broken = {act_remove_broken, check_broken_removed};

/* What keeps it from being started stays, until what makes it go is there. */
static void act_remove_marked_badly(Power *power)
{
    g_autofree char *path = make_vms(power);
    g_autofree char *marker = file_of(power, path, BERTH_FILE_MARKER);
    fixture_stop_daemon(power_fixture(power), SIGTERM);
    write_file(marker, "not a marker");
    fixture_start_daemon(power_fixture(power));
    fixture_await_state(power_fixture(power), path, "broken");
    power_begin(power);
    remove_and_wait(power, path);
}

static const PowerScenario scenario_remove_marked_badly = {act_remove_marked_badly, check_broken_removed};

/* Its directory is a link, which has no room for a marker. */
static void act_remove_link(Power *power)
{
    g_autofree char *path = make_vms(power);
    g_autofree char *definition = file_of(power, path, BERTH_FILE_DEFINITION);
    g_autofree char *directory = g_path_get_dirname(definition);
    g_autofree char *aside = g_build_filename(power_fixture(power)->dir, "aside", NULL);
    fixture_stop_daemon(power_fixture(power), SIGTERM);
    g_assert_cmpint(g_rename(directory, aside), ==, 0);
    g_assert_cmpint(symlink(aside, directory), ==, 0);
    fixture_start_daemon(power_fixture(power));
    fixture_await_state(power_fixture(power), path, "broken");
    power_begin(power);
    remove_and_wait(power, path);
}

static const PowerScenario scenario_remove_link = {act_remove_link, check_broken_removed};

/* A grace time, and the way back */

#define GRACE "{'grace-seconds': <uint32 3600>}"

static void act_remove_with_grace(Power *power)
{
    g_autofree char *path = make_vms(power);
    fixture_vm(power_fixture(power), path, "Start");
    power_begin(power);
    power_vm(power, path, "Remove", GRACE);
}

static void check_in_grace(Power *power, guint kept)
{
    expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SUBJECT, POWER_REMOVING | unless(kept, FIRST, POWER_ALIVE));
    g_autoptr(GVariant) phase = power_get(power, SUBJECT, "RemovalPhase");
    if (!path && g_strcmp0(phase ? g_variant_get_string(phase, NULL) : NULL, "grace") != 0)
        power_violation(power, "its grace time is lost");
}

static const PowerScenario scenario_remove_with_grace = {act_remove_with_grace, check_in_grace};

/* Remove without a grace time ends an earlier one. */
static void act_end_grace(Power *power)
{
    g_autofree char *path = make_vms(power);
    power_vm(power, path, "Remove", GRACE);
    power_begin(power);
    remove_and_wait(power, path);
}

static void check_grace_ended(Power *power, guint kept)
{
    expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SUBJECT, removed(kept, POWER_REMOVING));
    g_autoptr(GVariant) phase = power_get(power, SUBJECT, "RemovalPhase");
    if (kept & FIRST && phase && g_str_equal(g_variant_get_string(phase, NULL), "grace"))
        power_violation(power, "its grace time was to end");
}

static const PowerScenario scenario_end_grace = {act_end_grace, check_grace_ended};

static void act_cancel(Power *power)
{
    g_autofree char *path = make_vms(power);
    fixture_vm(power_fixture(power), path, "Start");
    power_vm(power, path, "Remove", GRACE);
    power_begin(power);
    power_vm(power, path, "CancelRemoval", "{}");
}

static void check_cancelled(Power *power, guint kept)
{
    expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SUBJECT, POWER_ALIVE | unless(kept, FIRST, POWER_REMOVING));
    expect_wanted(power, path != NULL, TRUE);
}

static const PowerScenario scenario_cancel = {act_cancel, check_cancelled};

/* Removals that another daemon began */

/* Answered, and the daemon is killed before it has deleted anything. (transfer full): the path */
static char *begin_removal(Power *power)
{
    Fixture *fixture = power_fixture(power);
    FakeService *systemd = fake_systemd_service(fixture->systemd);
    char *path = make_vms(power);
    fake_service_hold(systemd, "StopUnit");
    fixture_vm(fixture, path, "Remove");
    fixture_stop_daemon(fixture, SIGKILL);
    fake_service_release(systemd, "StopUnit");
    return path;
}

static void resume(Power *power, const char *path)
{
    power_begin(power);
    power_promise_signal(power, "InterfacesRemoved", path);
    fixture_start_daemon(power_fixture(power));
    fixture_await_gone(power_fixture(power), path);
}

static void act_resume_marked(Power *power)
{
    g_autofree char *path = begin_removal(power);
    resume(power, path);
}

static void check_resumed(Power *power, guint kept)
{
    expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SUBJECT, POWER_ABSENT | unless(kept, FIRST, POWER_REMOVING));
}

static const PowerScenario scenario_resume_marked = {act_resume_marked, check_resumed};

/* (transfer full): the first group of @pattern in the file */
static char *look_up(const char *file, const char *pattern)
{
    g_autofree char *text = read_file(file);
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_assert_true(g_regex_match(regex, text, 0, &match));
    return g_match_info_fetch(match, 1);
}

/* Half of it is deleted. */
static void act_resume_doomed(Power *power)
{
    const char *state_dir = power_fixture(power)->state_dir;
    g_autofree char *bystander = tooled_vm(power_tooled(power), BYSTANDER, NULL);
    g_autofree char *path = tooled_vm(power_tooled(power), SUBJECT, NULL);
    g_autofree char *definition = file_of(power, path, BERTH_FILE_DEFINITION);
    g_autofree char *directory = g_path_get_dirname(definition), *id = g_path_get_basename(directory);
    g_autofree char *incarnation = look_up(definition, "\"incarnation\" *: *\"([^\"]*)\"");
    g_autofree char *name = g_strconcat(id, ".", incarnation, NULL);
    g_autofree char *doomed = g_build_filename(state_dir, BERTH_DIR_REMOVING, name, NULL);
    g_autofree char *logs = g_build_filename(directory, BERTH_DIR_LOGS, NULL);
    fixture_stop_daemon(power_fixture(power), SIGKILL);
    g_assert_cmpint(g_rmdir(logs), ==, 0);
    g_assert_cmpint(g_rename(directory, doomed), ==, 0);
    resume(power, path);
}

static const PowerScenario scenario_resume_doomed = {act_resume_doomed, check_resumed};

static void copy_directory(const char *from, const char *above, const char *name)
{
    g_autoptr(FsTree) tree = fs_tree_scan(from);
    g_autofree char *to = g_build_filename(above, name, NULL);
    fs_tree_write(tree, to);
}

/* What unfinished creations and imports left is swept. */
static void act_sweep(Power *power)
{
    Fixture *fixture = power_fixture(power);
    g_autofree char *path = tooled_vm(power_tooled(power), BYSTANDER, NULL);
    g_autofree char *definition = file_of(power, path, BERTH_FILE_DEFINITION);
    g_autofree char *vm = g_path_get_dirname(definition), *vms = g_path_get_dirname(vm);
    g_autofree char *images = g_build_filename(fixture->state_dir, BERTH_DIR_IMAGES, NULL);
    g_autofree char *image = g_build_filename(images, SUBJECT, NULL);
    import_and_wait(power);
    fixture_stop_daemon(fixture, SIGTERM);
    copy_directory(vm, vms, BERTH_STAGING_PREFIX "vm");
    copy_directory(image, images, BERTH_STAGING_PREFIX "image");
    power_begin(power);
    fixture_start_daemon(fixture);
}

static void check_swept(Power *power, guint kept)
{
    expect_bystander(power);
    power_expect_image(power, SUBJECT, TRUE, FALSE);
}

static const PowerScenario scenario_sweep = {act_sweep, check_swept};

/* A marker that is good and was not there before, as after the restoring of a file. */
static void act_reload(Power *power)
{
    Fixture *fixture = power_fixture(power);
    g_autofree char *path = make_vms(power);
    g_autofree char *marker = file_of(power, path, BERTH_FILE_MARKER);
    power_vm(power, path, "Remove", GRACE);
    g_autofree char *text = read_file(marker);
    fixture_vm(fixture, path, "CancelRemoval");
    write_file(marker, text);
    replace(marker, "\"grace-until\" *: *[0-9]+", "\"grace-until\": 0");
    power_begin(power);
    power_promise_signal(power, "InterfacesRemoved", path);
    g_autoptr(GVariant) answer = power_call(power, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload",
                                            g_variant_new("(@a{sv})", tooled_asv("{}")), NULL);
    fixture_await_gone(fixture, path);
}

static const PowerScenario scenario_reload = {act_reload, check_resumed};

static void add(void)
{
    power_add("M03/configure", &scenario_configure);
    power_add("M03/start", &scenario_start);
    power_add("M03/power-off", &scenario_power_off);
    power_add("M03/remove-stopped", &scenario_remove_stopped);
    power_add("M03/remove-running", &scenario_remove_running);
    power_add("M03/remove-broken", &scenario_remove_broken);
    power_add("M03/remove-with-grace", &scenario_remove_with_grace);
    power_add("M03/remove-marked-badly", &scenario_remove_marked_badly);
    power_add("M03/remove-link", &scenario_remove_link);
    power_add("M03/end-grace", &scenario_end_grace);
    power_add("M03/cancel-removal", &scenario_cancel);
    power_add("M03/resume-marked", &scenario_resume_marked);
    power_add("M03/resume-doomed", &scenario_resume_doomed);
    power_add("M03/reload", &scenario_reload);
    power_add("M21/create", &scenario_create);
    power_add("M21/create-with-disks", &scenario_create_with_disks);
    power_add("M21/create-and-start", &scenario_create_and_start);
    power_add("M21/import-image", &scenario_import);
    power_add("M21/remove-image", &scenario_remove_image);
    power_add("M21/sweep", &scenario_sweep);
}

int main(int argc, char **argv)
{
    return power_main(argc, argv, add);
}
