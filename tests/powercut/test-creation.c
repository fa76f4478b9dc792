/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "scenes.h"
#include "tests/lib/await.h"

/* What is made is whole or has no trace, and what was answered stays. */

#define MIB (1 << 20)

/* Its memory is @before or @after; after @promise, the latter. */
static void expect_memory(Power *power, gboolean promised, guint64 before, guint64 after)
{
    g_autoptr(GVariant) memory = power_get(power, SCENE_VM, "MemoryBytes");
    guint64 has = memory ? g_variant_get_uint64(memory) : 0;
    if (has != after && (promised || has != before))
        power_violation(power, "its memory is %" G_GUINT64_FORMAT " bytes", has);
}

/* Creation */

/* (transfer full): its path. The answer is a promise. */
static char *create(Power *power, const char *config, const char *options)
{
    char *path;
    scene_make_bystander(power);
    power_begin(power);
    g_autoptr(GVariant) answer =
        power_call(power, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                   g_variant_new("(s@a{sv}@a{sv})", SCENE_VM, tooled_config(config), tooled_asv(options)), NULL);
    g_variant_get(answer, "(o)", &path);
    return path;
}

static void act_create(Power *power)
{
    g_autofree char *path = create(power, "{}", "{}");
}

static void check_created(Power *power, guint kept)
{
    scene_expect_bystander(power);
    g_autofree char *path =
        power_expect_vm(power, SCENE_VM, POWER_ALIVE | scene_unless(kept, SCENE_FIRST, POWER_ABSENT));
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
    scene_expect_wanted(power, TRUE, TRUE);
}

static const PowerScenario scenario_create_and_start = {act_create_and_start, check_created_and_wanted};

/* Configuration, and what is wanted */

static void act_configure(Power *power)
{
    g_autofree char *path = scene_make_vms(power);
    power_begin(power);
    g_autoptr(GVariant) answer = power_call(
        power, path, BERTH_IFACE_VM, "Configure",
        g_variant_new("(@a{sv}@a{sv})", tooled_asv("{'memory': <uint64 134217728>}"), tooled_asv("{}")), NULL);
}

static void check_configured(Power *power, guint kept)
{
    scene_expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SCENE_VM, POWER_ALIVE);
    expect_memory(power, kept & SCENE_FIRST, 64 * MIB, 128 * MIB);
}

static const PowerScenario scenario_configure = {act_configure, check_configured};

static void act_start(Power *power)
{
    g_autofree char *path = scene_make_vms(power);
    power_begin(power);
    power_vm(power, path, "Start", "{}");
}

static void check_started(Power *power, guint kept)
{
    scene_expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SCENE_VM, POWER_ALIVE);
    scene_expect_wanted(power, kept & SCENE_FIRST, TRUE);
}

static const PowerScenario scenario_start = {act_start, check_started};

static void act_power_off(Power *power)
{
    g_autofree char *path = scene_make_vms(power);
    fixture_vm(power_fixture(power), path, "Start");
    power_begin(power);
    power_vm(power, path, "PowerOff", "{}");
}

static void check_powered_off(Power *power, guint kept)
{
    scene_expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SCENE_VM, POWER_ALIVE);
    scene_expect_wanted(power, kept & SCENE_FIRST, FALSE);
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
                      g_variant_new("(sh@a{sv})", SCENE_VM, disk_handle, g_variant_dict_end(&options)), fds);
}

static void on_completed(GDBusConnection *client, const char *sender, const char *path, const char *interface,
                         const char *signal, GVariant *parameters, gpointer data)
{
    const char *error_name, *text;
    g_variant_get(parameters, "(&o(&s&s))", NULL, &error_name, &text);
    g_assert_cmpstr(error_name, ==, "");
    *(gboolean *) data = TRUE;
}

/* Its answer, and that it is completed, are promises. @begin: its call, with the job as the answer */
static void await_job(Power *power, GVariant *(*begin)(Power *power))
{
    gboolean completed = FALSE;
    GDBusConnection *client = power_fixture(power)->client;
    guint subscription =
        g_dbus_connection_signal_subscribe(client, BERTH_BUS_NAME, BERTH_IFACE_JOB, "Completed", NULL, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_completed, &completed, NULL);
    g_autoptr(GVariant) answer = begin(power);
    const char *job;
    g_variant_get(answer, "(&o)", &job);
    power_promise_signal(power, "Completed", job);
    AWAIT(completed);
    g_dbus_connection_signal_unsubscribe(client, subscription);
}

static void import_and_wait(Power *power)
{
    await_job(power, import);
}

static void act_import(Power *power)
{
    scene_make_bystander(power);
    power_begin(power);
    import_and_wait(power);
}

static void check_imported(Power *power, guint kept)
{
    scene_expect_bystander(power);
    power_expect_image(power, SCENE_VM, TRUE, !(kept & SCENE_SECOND));
}

static const PowerScenario scenario_import = {act_import, check_imported};

static void act_remove_image(Power *power)
{
    scene_make_bystander(power);
    import_and_wait(power);
    power_begin(power);
    g_autoptr(GVariant) answer = power_call(power, BERTH_PATH_IMAGE "/" SCENE_VM, BERTH_IFACE_IMAGE, "Remove",
                                            g_variant_new("(@a{sv})", tooled_asv("{}")), NULL);
}

static void check_image_removed(Power *power, guint kept)
{
    scene_expect_bystander(power);
    power_expect_image(power, SCENE_VM, !(kept & SCENE_FIRST), TRUE);
}

static const PowerScenario scenario_remove_image = {act_remove_image, check_image_removed};

/* An overlay, a qcow2 that stands alone, and a raw disk: qemu-img writes the first two. */
static void act_create_with_disks(Power *power)
{
    import_and_wait(power);
    g_autofree char *path = create(power,
                                   "{'image': <'" SCENE_VM "'>, 'disks': <[@a{sv} {}, {'size': <uint64 1048576>}, "
                                   "{'size': <uint64 1048576>, 'format': <'raw'>}]>}",
                                   "{}");
}

static void check_created_with_disks(Power *power, guint kept)
{
    power_expect_image(power, SCENE_VM, TRUE, FALSE);
    check_created(power, kept);
}

static const PowerScenario scenario_create_with_disks = {act_create_with_disks, check_created_with_disks};

/* Clones */

#define SOURCE "source"

/* A guest wrote to its disks, and was shut down. */
static void make_source(Power *power)
{
    g_autofree char *path = tooled_vm_with(power_tooled(power), SOURCE,
                                           "{'disks': <[{'size': <uint64 1048576>}, {'size': <uint64 1048576>, "
                                           "'format': <'raw'>}]>}",
                                           NULL);
    g_autofree char *disk = scene_file(power, path, BERTH_DIR_DISKS "/disk1.raw");
    int fd = open(disk, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(pwrite(fd, "begin", 5, 0), ==, 5);
    g_assert_cmpint(pwrite(fd, "end", 3, MIB - 3), ==, 3);
    g_assert_cmpint(fsync(fd), ==, 0);
    close(fd);
}

static char *find(Power *power, const char *name)
{
    char *path;
    g_autoptr(GVariant) answer =
        fixture_call(power_fixture(power), BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", name));
    g_variant_get(answer, "(o)", &path);
    return path;
}

static GVariant *clone_source(Power *power)
{
    g_autofree char *path = find(power, SOURCE);
    return power_call(power, path, BERTH_IFACE_VM, "Clone", g_variant_new("(sa{sv}a{sv})", SCENE_VM, NULL, NULL), NULL);
}

static GBytes *read_disk(Power *power, const char *name, const char *disk)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = find(power, name);
    g_autofree char *file = scene_file(power, path, disk);
    char *bytes;
    gsize length;
    g_file_get_contents(file, &bytes, &length, &error);
    g_assert_no_error(error);
    return g_bytes_new_take(bytes, length);
}

static void assert_same_disk(Power *power, const char *disk)
{
    g_autoptr(GBytes) source = read_disk(power, SOURCE, disk);
    g_autoptr(GBytes) copy = read_disk(power, SCENE_VM, disk);
    g_assert_true(g_bytes_equal(source, copy));
}

static void act_clone(Power *power)
{
    scene_make_bystander(power);
    make_source(power);
    power_begin(power);
    await_job(power, clone_source);
    assert_same_disk(power, BERTH_DIR_DISKS "/disk0.qcow2");
    assert_same_disk(power, BERTH_DIR_DISKS "/disk1.raw");
}

static void check_cloned(Power *power, guint kept)
{
    scene_expect_bystander(power);
    g_free(power_expect_vm(power, SOURCE, POWER_ALIVE));
    g_autofree char *path =
        power_expect_vm(power, SCENE_VM, POWER_ALIVE | scene_unless(kept, SCENE_SECOND, POWER_ABSENT));
    if (path)
        expect_memory(power, TRUE, 0, 64 * MIB);
}

static const PowerScenario scenario_clone = {act_clone, check_cloned};

/* Sweeping */

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
    g_autofree char *path = tooled_vm(power_tooled(power), SCENE_BYSTANDER, NULL);
    g_autofree char *definition = scene_file(power, path, BERTH_FILE_DEFINITION);
    g_autofree char *vm = g_path_get_dirname(definition), *vms = g_path_get_dirname(vm);
    g_autofree char *images = g_build_filename(fixture->state_dir, BERTH_DIR_IMAGES, NULL);
    g_autofree char *image = g_build_filename(images, SCENE_VM, NULL);
    import_and_wait(power);
    fixture_stop_daemon(fixture, SIGTERM);
    copy_directory(vm, vms, BERTH_STAGING_PREFIX "vm");
    copy_directory(image, images, BERTH_STAGING_PREFIX "image");
    power_begin(power);
    fixture_start_daemon(fixture);
}

static void check_swept(Power *power, guint kept)
{
    scene_expect_bystander(power);
    power_expect_image(power, SCENE_VM, TRUE, FALSE);
}

static const PowerScenario scenario_sweep = {act_sweep, check_swept};

static void add(void)
{
    power_add("M21/create", &scenario_create);
    power_add("M21/create-with-disks", &scenario_create_with_disks);
    power_add("M21/create-and-start", &scenario_create_and_start);
    power_add("M21/clone", &scenario_clone);
    power_add("M21/import-image", &scenario_import);
    power_add("M21/remove-image", &scenario_remove_image);
    power_add("M21/sweep", &scenario_sweep);
    power_add("M03/configure", &scenario_configure);
    power_add("M03/start", &scenario_start);
    power_add("M03/power-off", &scenario_power_off);
}

int main(int argc, char **argv)
{
    return power_main(argc, argv, add);
}
