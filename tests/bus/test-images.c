/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tooled.h"

/* Imports as jobs, and what becomes of images. */

#define INVALID "org.freedesktop.DBus.Error.InvalidArgs"
#define MIB (1 << 20)
#define FOR_EVER ((off_t) 1 << 40) /* so many zeroes take hours */

/* Files to import */

static char *make_file(Fixture *fixture, const char *name, const char *contents, gsize length, off_t size)
{
    g_autoptr(GError) error = NULL;
    char *path = g_build_filename(fixture->dir, name, NULL);
    g_file_set_contents(path, contents, (gssize) length, &error);
    g_assert_no_error(error);
    g_assert_cmpint(truncate(path, size), ==, 0);
    return path;
}

static int open_hole(Fixture *fixture, off_t size)
{
    g_autofree char *path = make_file(fixture, "hole", "", 0, size);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static void run_qemu_img(const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    int status = -1;
    g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, NULL,
                 &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
}

/* qemu-img is asked about it; of a raw disk there is nothing to ask. */
static int open_qcow2(Fixture *fixture)
{
    g_autofree char *path = g_build_filename(fixture->dir, "qcow2", NULL);
    run_qemu_img((const char *const[]){"qemu-img", "create", "-q", "-f", "qcow2", path, "4M", NULL});
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* boot_flag and "HdrS" are what makes a bzImage. */
static int open_kernel(Fixture *fixture)
{
    char contents[4096] = {0};
    memcpy(contents + 0x1fe, "\x55\xaa", 2);
    memcpy(contents + 0x202, "HdrS", 4);
    g_autofree char *path = make_file(fixture, "kernel", contents, sizeof contents, sizeof contents);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Importing. Descriptors are closed; the second and third are the handles 1 and 2. */

typedef struct {
    const char *name, *options;
    int fds[3];
    guint n_fds;
} Request;

static char *try_import(Fixture *fixture, const Request *request, GError **error)
{
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(request->fds, (int) request->n_fds);
    g_autoptr(GVariant) answer = fixture_call_with_fds(
        fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "ImportImage",
        g_variant_new("(sh@a{sv})", request->name, 0, tooled_asv(request->options)), fds, NULL, error);
    char *job = NULL;
    if (answer)
        g_variant_get(answer, "(o)", &job);
    return job;
}

/* One job's story, as it is told from before its beginning. */
typedef struct {
    Fixture *fixture;
    guint subscription;
    gboolean added, completed, removed, image_added;
    double progress;
    guint n_progress;
    char *result, *error_name, *error_text;
} Story;

static void note_progress(Story *story, GVariant *parameters)
{
    g_autoptr(GVariant) changed = g_variant_get_child_value(parameters, 1);
    double progress;
    guint64 done, total;
    g_assert_true(g_variant_lookup(changed, "Progress", "d", &progress));
    g_assert_true(g_variant_lookup(changed, "BytesDone", "t", &done));
    g_assert_true(g_variant_lookup(changed, "BytesTotal", "t", &total));
    g_assert_cmpfloat(progress, >=, story->progress);
    g_assert_cmpfloat(progress, <=, 1);
    g_assert_cmpuint(done, <=, total);
    g_assert_false(story->completed);
    story->progress = progress;
    story->n_progress++;
}

static gboolean is_of(GVariant *parameters, const char *prefix)
{
    g_autoptr(GVariant) path = g_variant_get_child_value(parameters, 0);
    return g_str_has_prefix(g_variant_get_string(path, NULL), prefix);
}

static void on_signal(GDBusConnection *client, const char *sender, const char *path, const char *interface,
                      const char *signal, GVariant *parameters, gpointer data)
{
    Story *story = data;
    if (story->removed)
        return; /* the next job's */
    if (g_str_equal(signal, "PropertiesChanged") && g_str_has_prefix(path, BERTH_PATH_JOB "/")) {
        note_progress(story, parameters);
    } else if (g_str_equal(signal, "InterfacesAdded") && is_of(parameters, BERTH_PATH_JOB "/")) {
        g_assert_false(story->added);
        story->added = TRUE;
    } else if (g_str_equal(signal, "InterfacesAdded") && is_of(parameters, BERTH_PATH_IMAGE "/")) {
        story->image_added = TRUE;
    } else if (g_str_equal(signal, "Completed")) {
        g_assert_true(story->added && !story->removed && !story->completed);
        story->completed = TRUE;
        g_variant_get(parameters, "(o(ss))", &story->result, &story->error_name, &story->error_text);
    } else if (g_str_equal(signal, "InterfacesRemoved") && is_of(parameters, BERTH_PATH_JOB "/")) {
        g_assert_true(story->completed);
        story->removed = TRUE;
    }
}

static Story *story_begin(Fixture *fixture)
{
    Story *story = g_new0(Story, 1);
    story->fixture = fixture;
    story->subscription = g_dbus_connection_signal_subscribe(fixture->client, BERTH_BUS_NAME, NULL, NULL, NULL, NULL,
                                                             G_DBUS_SIGNAL_FLAGS_NONE, on_signal, story, NULL);
    return story;
}

static void story_free(Story *story)
{
    g_dbus_connection_signal_unsubscribe(story->fixture->client, story->subscription);
    g_free(story->result);
    g_free(story->error_name);
    g_free(story->error_text);
    g_free(story);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Story, story_free)

static guint n_images(Fixture *fixture)
{
    return tooled_count_entries(fixture->state_dir, BERTH_DIR_IMAGES);
}

static void succeed(Fixture *fixture, const Request *request)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Story) story = story_begin(fixture);
    g_autofree char *job = try_import(fixture, request, &error);
    g_assert_no_error(error);
    AWAIT(story->removed);
    g_assert_cmpstr(story->error_text, ==, "");
    g_assert_true(story->image_added);
}

static void import_hole(Fixture *fixture, const char *name)
{
    succeed(fixture, &(Request){name, "{}", {open_hole(fixture, MIB)}, 1});
}

/* By the answer or by the job's end; and nothing is left of it. */
static void fail(Fixture *fixture, const Request *request, const char *error_name, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Story) story = story_begin(fixture);
    guint before = n_images(fixture);
    g_autofree char *job = try_import(fixture, request, &error);
    if (job) {
        AWAIT(story->removed);
        g_assert_cmpstr(story->result, ==, "/");
        error = g_dbus_error_new_for_dbus_error(story->error_name, story->error_text);
    }
    tooled_assert_error(error, error_name, words);
    g_assert_false(story->image_added);
    g_assert_cmpuint(n_images(fixture), ==, before);
}

/* The way of a good one */
static void test_job(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autoptr(GError) error = NULL;
    g_autoptr(Story) story = story_begin(fixture);
    g_autofree char *job = try_import(
        fixture,
        &(Request){"deb.ian-12", "{'description': <'A hole'>, 'version': <'12'>}", {open_hole(fixture, 256 * MIB)}, 1},
        &error);
    g_assert_no_error(error);
    g_autoptr(GVariant) operation = fixture_get(fixture, job, BERTH_IFACE_JOB, "Operation");
    g_assert_cmpstr(g_variant_get_string(operation, NULL), ==, "import-image");
    AWAIT(story->removed);
    g_assert_true(story->image_added);
    g_assert_cmpuint(story->n_progress, >, 1);
    g_assert_cmpfloat(story->progress, ==, 1);
    g_assert_cmpstr(story->error_name, ==, "");
    g_autoptr(GVariant) all = tooled_get_all(fixture, story->result, BERTH_IFACE_IMAGE);
    g_autoptr(GVariant) expected = g_variant_ref_sink(tooled_asv(
        "{'Name': <'deb.ian-12'>, 'Description': <'A hole'>, 'Version': <'12'>, 'SizeBytes': <uint64 268435456>, "
        "'SHA256': <'a6d72ac7690f53be6ae46ba88506bd97302a093f7108472bd9efc3cefda06484'>, 'UsedBy': <@ao []>}"));
    for (gsize i = 0; i < g_variant_n_children(expected); i++) {
        g_autoptr(GVariant) a = g_variant_get_child_value(expected, i), b = g_variant_get_child_value(all, i);
        g_assert_cmpvariant(a, b);
    }
    fixture_call_fails(fixture, job, BERTH_IFACE_JOB, "Cancel", g_variant_new("(a{sv})", NULL),
                       "org.freedesktop.DBus.Error.UnknownObject", "");
}

static void cancel(Fixture *fixture, const char *job)
{
    g_variant_unref(fixture_call(fixture, job, BERTH_IFACE_JOB, "Cancel", g_variant_new("(a{sv})", NULL)));
}

static void assert_cancelled(Story *story)
{
    AWAIT(story->removed);
    g_assert_cmpstr(story->error_name, ==, BERTH_ERROR_PREFIX "Cancelled");
    g_assert_cmpstr(story->result, ==, "/");
    g_assert_false(story->image_added);
    g_assert_cmpuint(n_images(story->fixture), ==, 0);
}

static void test_cancel_copy(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autoptr(Story) story = story_begin(fixture);
    g_autofree char *job = try_import(fixture, &(Request){"long", "{}", {open_hole(fixture, FOR_EVER)}, 1}, NULL);
    AWAIT(story->n_progress > 0);
    fixture_call_fails(fixture, job, BERTH_IFACE_JOB, "Cancel",
                       g_variant_new("(@a{sv})", tooled_asv("{'force': <true>}")), INVALID, "force");
    cancel(fixture, job);
    assert_cancelled(story);
    import_hole(fixture, "long");
}

static void test_cancel_qemu_img(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autoptr(Story) story = story_begin(fixture);
    fake_tools_hold(tooled->tools);
    g_autofree char *job = try_import(fixture, &(Request){"disk", "{}", {open_qcow2(fixture)}, 1}, NULL);
    AWAIT(tooled->tools->n_held == 1);
    cancel(fixture, job);
    fake_tools_release(tooled->tools);
    assert_cancelled(story);
}

/* What is not taken */

static void test_bad_descriptors(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *path = make_file(fixture, "file", "", 0, MIB);
    int ends[2];
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    fail(fixture, &(Request){"disk", "{}", {ends[0]}, 1}, INVALID, "regular");
    close(ends[1]);
    fail(fixture, &(Request){"disk", "{}", {open("/", O_RDONLY | O_CLOEXEC)}, 1}, INVALID, "regular");
    fail(fixture, &(Request){"disk", "{}", {open("/dev/zero", O_RDONLY | O_CLOEXEC)}, 1}, INVALID, "regular");
    fail(fixture, &(Request){"disk", "{}", {open(path, O_WRONLY | O_CLOEXEC)}, 1}, INVALID, "reading");
    fail(fixture, &(Request){"disk", "{}", {open(path, O_PATH | O_CLOEXEC)}, 1}, INVALID, "reading");
    fail(fixture, &(Request){"disk", "{}", {open_hole(fixture, 0)}, 1}, INVALID, "neither a disk nor a kernel");
    /* A handle beyond the descriptors that came. */
    g_autoptr(GError) error = NULL;
    g_autofree char *job =
        try_import(fixture, &(Request){"disk", "{'kernel': <handle 7>}", {open_hole(fixture, MIB)}, 1}, &error);
    g_assert_null(job);
    g_assert_nonnull(error);
    import_hole(fixture, "disk");
}

static void test_bad_options(Tooled *tooled, gconstpointer unused)
{
    static const struct {
        const char *name, *options, *words;
    } bad[] = {
        {"disk", "{'colour': <'red'>}", "colour"},
        {"disk", "{'format': <true>}", "format|type s"},
        {"disk", "{'format': <'vmdk'>}", "format|qcow2"},
        {"disk", "{'format': <'qcow2'>}", "qcow2|raw"},
        {"disk", "{'sha256': <'beef'>}", "SHA-256|64"},
        {"disk", "{'sha256': <'0000000000000000000000000000000000000000000000000000000000000000'>}",
         "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58|000000"},
        {"disk", "{'cmdline': <'quiet'>}", "command line|kernel"},
        {"disk", "{'description': <'\\u0007'>}", "description"},
        {"../disk", "{}", "ame"},
        {"", "{}", "ame"},
        {".new-x", "{}", "ame"},
    };
    Fixture *fixture = &tooled->fixture;
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_test_message("%s", bad[i].options);
        fail(fixture, &(Request){bad[i].name, bad[i].options, {open_hole(fixture, MIB)}, 1}, INVALID, bad[i].words);
    }
    succeed(fixture, &(Request){"disk",
                                "{'sha256': <'30E14955EBF1352266DC2FF8067E68104607E750ABB9D3B36582B8AF909FCB58'>, "
                                "'format': <'raw'>}",
                                {open_hole(fixture, MIB)},
                                1});
}

static void test_backing_file(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *base = make_file(fixture, "base", "", 0, MIB);
    g_autofree char *overlay = g_build_filename(fixture->dir, "overlay", NULL);
    run_qemu_img(
        (const char *const[]){"qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", overlay, NULL});
    fail(fixture, &(Request){"disk", "{}", {open(overlay, O_RDONLY | O_CLOEXEC)}, 1}, INVALID, "backing file|convert");
    fail(fixture, &(Request){"disk", "{'format': <'raw'>}", {open(overlay, O_RDONLY | O_CLOEXEC)}, 1}, INVALID, "raw");
    run_qemu_img((const char *const[]){"qemu-img", "create", "-q", "-f", "qcow2", overlay, "4M", NULL});
    succeed(fixture, &(Request){"disk", "{}", {open(overlay, O_RDONLY | O_CLOEXEC)}, 1});
}

static void test_name_taken(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autoptr(Story) story = story_begin(fixture);
    fake_tools_hold(tooled->tools);
    g_autofree char *job = try_import(fixture, &(Request){"disk", "{}", {open_qcow2(fixture)}, 1}, NULL);
    AWAIT(tooled->tools->n_held == 1);
    g_autoptr(GError) error = NULL;
    g_assert_null(try_import(fixture, &(Request){"disk", "{}", {open_hole(fixture, MIB)}, 1}, &error));
    tooled_assert_error(error, "NameTaken", "\"disk\"");
    /* Not an image yet. */
    FixtureCall *vm =
        fixture_begin(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                      g_variant_new("(s@a{sv}@a{sv})", "web", tooled_config("{'image': <'disk'>}"), tooled_asv("{}")));
    tooled_fails(vm, INVALID, "image|\"disk\"");
    fake_tools_release(tooled->tools);
    AWAIT(story->removed);
    g_assert_cmpstr(story->result, ==, BERTH_PATH_IMAGE "/disk");
    fail(fixture, &(Request){"disk", "{}", {open_hole(fixture, MIB)}, 1}, "NameTaken", "\"disk\"");
}

static void test_kernel_only(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    fail(fixture, &(Request){"boot", "{'initrd': <handle 1>}", {open_hole(fixture, 0), open_kernel(fixture)}, 2},
         INVALID, "neither a disk nor a kernel");
    g_autofree char *junk = make_file(fixture, "junk", "MZ", 2, 8192);
    fail(fixture,
         &(Request){"boot", "{'kernel': <handle 1>}", {open_hole(fixture, 0), open(junk, O_RDONLY | O_CLOEXEC)}, 2},
         INVALID, "kernel|bzImage");
    succeed(fixture, &(Request){"boot",
                                "{'kernel': <handle 1>, 'initrd': <handle 2>, 'cmdline': <'quiet'>}",
                                {open_hole(fixture, 0), open_kernel(fixture), open_kernel(fixture)},
                                3});
    g_autofree char *dir = g_build_filename(fixture->state_dir, BERTH_DIR_IMAGES, "boot", NULL);
    g_autofree char *files = tooled_files(dir);
    g_assert_nonnull(strstr(files, BERTH_FILE_KERNEL));
    g_assert_nonnull(strstr(files, BERTH_FILE_INITRD));
    g_assert_null(strstr(files, "boot/" BERTH_FILE_DISK));
    g_autofree char *vm = fixture_create(fixture, "web", tooled_config("{'image': <'boot'>}"));
    fixture_vm(fixture, vm, "Start");
}

/* Its users */

static guint count_users(GVariant *users)
{
    return users ? (guint) g_variant_n_children(users) : G_MAXUINT;
}

static gboolean users_told(const Recorder *recorder, guint n)
{
    g_autoptr(GVariant) users = recorder_last(recorder, "UsedBy");
    return count_users(users) == n;
}

static void remove_image_fails(Fixture *fixture, const char *image, const char *words)
{
    fixture_call_fails(fixture, image, BERTH_IFACE_IMAGE, "Remove", g_variant_new("(a{sv})", NULL), "ImageInUse",
                       words);
}

static void test_users(Tooled *tooled, gconstpointer unused)
{
    const char *image = BERTH_PATH_IMAGE "/disk";
    Fixture *fixture = &tooled->fixture;
    import_hole(fixture, "disk");
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, image);
    fake_tools_hold(tooled->tools);
    FixtureCall *creation =
        fixture_begin(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                      g_variant_new("(s@a{sv}@a{sv})", "web", tooled_config("{'image': <'disk'>}"), tooled_asv("{}")));
    AWAIT(tooled->tools->n_held == 1);
    remove_image_fails(fixture, image, "being made");
    fake_tools_release(tooled->tools);
    tooled_succeeds(creation);
    AWAIT(users_told(recorder, 1));
    g_autofree char *db = fixture_create(fixture, "db", tooled_config("{'image': <'disk'>}"));
    AWAIT(users_told(recorder, 2));
    remove_image_fails(fixture, image, "2 VMs");
    g_autoptr(GVariant) users = fixture_get(fixture, image, BERTH_IFACE_IMAGE, "UsedBy");
    g_assert_cmpuint(count_users(users), ==, 2);
    fixture_vm(fixture, db, "Remove");
    fixture_await_gone(fixture, db);
    AWAIT(users_told(recorder, 1));
    g_autoptr(GPtrArray) vms = fixture_vms(fixture);
    fixture_vm(fixture, vms->pdata[0], "Remove");
    fixture_await_gone(fixture, vms->pdata[0]);
    AWAIT(users_told(recorder, 0));
    fixture_call_fails(fixture, image, BERTH_IFACE_IMAGE, "Remove",
                       g_variant_new("(@a{sv})", tooled_asv("{'force': <true>}")), INVALID, "force");
    g_variant_unref(fixture_call(fixture, image, BERTH_IFACE_IMAGE, "Remove", g_variant_new("(a{sv})", NULL)));
    AWAIT(recorder_ends_with_removal(recorder));
    g_assert_cmpuint(n_images(fixture), ==, 0);
    fixture_call_fails(fixture, image, BERTH_IFACE_IMAGE, "Remove", g_variant_new("(a{sv})", NULL),
                       "org.freedesktop.DBus.Error.UnknownObject", "");
}

/* The daemon's end */

static void test_survives(Tooled *tooled, gconstpointer unused)
{
    const char *image = BERTH_PATH_IMAGE "/disk";
    Fixture *fixture = &tooled->fixture;
    import_hole(fixture, "disk");
    g_autofree char *vm = fixture_create(fixture, "web", tooled_config("{'image': <'disk'>}"));
    g_autoptr(GVariant) before = tooled_get_all(fixture, image, BERTH_IFACE_IMAGE);
    fixture_restart_daemon(fixture);
    g_autoptr(GVariant) after = tooled_get_all(fixture, image, BERTH_IFACE_IMAGE);
    g_assert_cmpvariant(before, after);
    remove_image_fails(fixture, image, "\"web\"");
    fixture_vm(fixture, vm, "Start");
}

static void test_killed_half_way(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autoptr(Story) story = story_begin(fixture);
    g_autofree char *job = try_import(fixture, &(Request){"long", "{}", {open_hole(fixture, FOR_EVER)}, 1}, NULL);
    AWAIT(story->n_progress > 0);
    g_assert_cmpuint(n_images(fixture), ==, 1);
    g_clear_pointer(&story, story_free);
    fixture_restart_daemon(fixture);
    g_assert_cmpuint(n_images(fixture), ==, 0);
    import_hole(fixture, "long");
}

/* It stops with an import under way, which it does not wait for. */
static void test_stopped_half_way(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autoptr(Story) story = story_begin(fixture);
    g_autofree char *job = try_import(fixture, &(Request){"long", "{}", {open_hole(fixture, FOR_EVER)}, 1}, NULL);
    AWAIT(story->n_progress > 0);
    int status = fixture_stop_daemon(fixture, SIGTERM);
    g_assert_cmpint(status, ==, 0);
    fixture_start_daemon(fixture);
    g_assert_cmpuint(n_images(fixture), ==, 0);
}

static void add(void)
{
    TOOLED_ADD("/images/job", NULL, test_job);
    TOOLED_ADD("/images/cancel-copy", NULL, test_cancel_copy);
    TOOLED_ADD("/images/cancel-qemu-img", NULL, test_cancel_qemu_img);
    TOOLED_ADD("/images/bad-descriptors", NULL, test_bad_descriptors);
    TOOLED_ADD("/images/bad-options", NULL, test_bad_options);
    TOOLED_ADD("/images/backing-file", NULL, test_backing_file);
    TOOLED_ADD("/images/name-taken", NULL, test_name_taken);
    TOOLED_ADD("/images/kernel-only", NULL, test_kernel_only);
    TOOLED_ADD("/images/users", NULL, test_users);
    TOOLED_ADD("/images/survives", NULL, test_survives);
    TOOLED_ADD("/images/killed-half-way", NULL, test_killed_half_way);
    TOOLED_ADD("/images/stopped-half-way", NULL, test_stopped_half_way);
}

int main(int argc, char **argv)
{
    return tooled_main(argc, argv, add);
}
