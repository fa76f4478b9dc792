/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scripted.h"
#include "src/core/autofd.h"
#include "src/core/names.h"
#include "tests/lib/preloads/hold.h"

/* Clone: a VM with another's disks, whole or not at all. */

#define INVALID "org.freedesktop.DBus.Error.InvalidArgs"
#define DISK_SIZE 1048576
#define ONE_DISK "{'disks': <[{'size': <uint64 1048576>, 'format': <'raw'>}]>}"
#define SOURCE                                                                                                         \
    "{'disks': <[{'size': <uint64 1048576>, 'format': <'raw'>}]>, 'protected': <false>, 'description': <'of old'>, "   \
    "'networks': <[{'mac': <'52:54:00:12:34:56'>, 'ports': <[{'host-port': <uint32 18080>, 'guest-port': "             \
    "<uint32 80>}]>}]>}"

typedef struct {
    Fixture fixture; /* first */
    Hold *hold;
    char *source;
    guint subscription;
    char *result, *error_name, *error_text; /* of the job that has completed */
} Scene;

static void on_completed(GDBusConnection *client, const char *sender, const char *path, const char *interface,
                         const char *signal, GVariant *parameters, gpointer data)
{
    Scene *scene = data;
    g_assert_null(scene->result);
    g_variant_get(parameters, "(o(ss))", &scene->result, &scene->error_name, &scene->error_text);
}

static char *disk_of(Scene *scene, const char *path)
{
    return scripted_vm_file(&scene->fixture, path, "disks/disk0.raw");
}

static void set_up(Scene *scene, gconstpointer unused)
{
    Fixture *fixture = &scene->fixture;
    scripted_prepare(fixture, "");
    g_autofree char *dir = g_build_filename(fixture->dir, "hold", NULL);
    scene->hold = hold_new(dir, g_getenv("BERTH_HOLD_PRELOAD"), &fixture->environ);
    fixture_start_daemon(fixture);
    scene->source = scripted_vm_with(fixture, "old", SOURCE, NULL);
    scene->subscription =
        g_dbus_connection_signal_subscribe(fixture->client, BERTH_BUS_NAME, BERTH_IFACE_JOB, "Completed", NULL, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_completed, scene, NULL);
    g_autofree char *disk = disk_of(scene, scene->source);
    int fd = open(disk, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(pwrite(fd, "begin", 5, 0), ==, 5);
    g_assert_cmpint(pwrite(fd, "end", 3, DISK_SIZE - 3), ==, 3);
    close(fd);
}

static void forget_job(Scene *scene)
{
    g_clear_pointer(&scene->result, g_free);
    g_clear_pointer(&scene->error_name, g_free);
    g_clear_pointer(&scene->error_text, g_free);
}

static void tear_down(Scene *scene, gconstpointer unused)
{
    if (scene->subscription)
        g_dbus_connection_signal_unsubscribe(scene->fixture.client, scene->subscription);
    hold_free(scene->hold);
    forget_job(scene);
    g_free(scene->source);
    fixture_tear_down(&scene->fixture, NULL);
}

static GVariant *arguments(const char *name, const char *changes)
{
    g_autofree char *text = g_strdup_printf("('%s', @a{sv} %s, @a{sv} {})", name, changes);
    return g_variant_new_parsed(text);
}

/* (transfer full): the job's path */
static char *begin(Scene *scene, const char *name, const char *changes)
{
    g_autoptr(GVariant) answer =
        fixture_call(&scene->fixture, scene->source, BERTH_IFACE_VM, "Clone", arguments(name, changes));
    char *job;
    g_variant_get(answer, "(o)", &job);
    return job;
}

static void refuse(Scene *scene, const char *name, const char *changes, const char *error, const char *words)
{
    fixture_call_fails(&scene->fixture, scene->source, BERTH_IFACE_VM, "Clone", arguments(name, changes), error, words);
}

/* (transfer full): its path */
static char *make_clone(Scene *scene, const char *name, const char *changes)
{
    g_autofree char *job = begin(scene, name, changes);
    AWAIT(scene->result);
    g_assert_cmpstr(scene->error_text, ==, "");
    char *path = g_steal_pointer(&scene->result);
    forget_job(scene);
    return path;
}

/* Nothing is there beyond @n VMs, neither for the bus nor on disk. */
static void assert_only(Scene *scene, guint n)
{
    g_autoptr(GPtrArray) vms = fixture_vms(&scene->fixture);
    g_autofree char *dir = g_build_filename(scene->fixture.state_dir, BERTH_DIR_VMS, NULL);
    g_autoptr(GDir) entries = g_dir_open(dir, 0, NULL);
    guint n_entries = 0;
    while (g_dir_read_name(entries))
        n_entries++;
    g_assert_cmpuint(vms->len, ==, n);
    g_assert_cmpuint(n_entries, ==, n);
}

static void assert_same_disk(Scene *scene, const char *path)
{
    g_autofree char *old = disk_of(scene, scene->source), *new = disk_of(scene, path);
    g_autofree char *dir = g_path_get_dirname(new);
    g_autofree char *a = NULL, *b = NULL;
    gsize a_length, b_length;
    struct stat old_st, new_st, dir_st;
    g_assert_true(g_file_get_contents(old, &a, &a_length, NULL) && g_file_get_contents(new, &b, &b_length, NULL));
    g_assert_cmpmem(a, a_length, b, b_length);
    g_assert_cmpuint(a_length, ==, DISK_SIZE);
    g_assert_no_errno(stat(old, &old_st));
    g_assert_no_errno(stat(new, &new_st));
    g_assert_no_errno(stat(dir, &dir_st));
    g_assert_cmpuint(new_st.st_uid, ==, dir_st.st_uid);
    g_assert_cmpuint(new_st.st_uid, !=, old_st.st_uid); /* another guest's user can't read it */
    g_assert_cmpuint(new_st.st_mode & 0777, ==, 0600);
    g_assert_cmpuint(new_st.st_blocks, <, DISK_SIZE / 512); /* a hole is one */
}

static void test_whole(Scene *scene, gconstpointer unused)
{
    Fixture *fixture = &scene->fixture;
    fixture_call(fixture, scene->source, BERTH_IFACE_VM, "Configure",
                 g_variant_new_parsed("({'protected': <true>}, @a{sv} {})"));
    g_autofree char *path = make_clone(scene, "new", "{'memory': <uint64 268435456>}");
    g_autoptr(GVariant) config = fixture_get(fixture, path, BERTH_IFACE_VM, "Config");
    g_autofree char *text = g_variant_print(config, FALSE);
    g_test_message("%s", text);
    g_assert_nonnull(strstr(text, "'memory': <uint64 268435456>"));
    g_assert_nonnull(strstr(text, "'description': <'of old'>"));
    g_assert_null(strstr(text, "'mac'"));
    g_assert_null(strstr(text, "'ports'"));
    g_assert_nonnull(strstr(text, "'protected': <false>"));
    g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), !=, fixture_get_uint(fixture, scene->source, "CID"));
    assert_same_disk(scene, path);
    scripted_write(fixture, "new", NULL);
    scripted_start(fixture, path);
    scripted_start(fixture, scene->source);
    assert_only(scene, 2);
    fixture_restart_daemon(fixture);
    assert_only(scene, 2);
    fixture_call(fixture, scene->source, BERTH_IFACE_VM, "Configure",
                 g_variant_new_parsed("({'protected': <false>}, @a{sv} {})"));
}

static void test_refused(Scene *scene, gconstpointer unused)
{
    Fixture *fixture = &scene->fixture;
    refuse(scene, "old", "{}", "NameTaken", "\"old\"");
    refuse(scene, "a b", "{}", INVALID, "The name");
    refuse(scene, "new", "{'memory': <uint64 1>}", INVALID, "memory is 1");
    refuse(scene, "new", "{'disks': <[{'size': <uint64 2097152>}]>}", "Unsupported", "disks:");
    refuse(scene, "new", "{'firmware': <'uefi'>}", "Unsupported", "firmware:");
    refuse(scene, "new", "{'networks': <[{'ports': <[{'host-port': <uint32 18080>, 'guest-port': <uint32 80>}]>}]>}",
           INVALID, "18080");
    fixture_call_fails(fixture, scene->source, BERTH_IFACE_VM, "Clone",
                       g_variant_new_parsed("('new', @a{sv} {}, {'quickly': <true>})"), INVALID, "quickly");
    scripted_start(fixture, scene->source);
    refuse(scene, "new", "{}", "WrongState", "\"old\"");
    assert_only(scene, 1);
}

/* While it is copied: its source rests, its name is taken, and nobody sees it. */
static void test_in_flight(Scene *scene, gconstpointer unused)
{
    Fixture *fixture = &scene->fixture;
    hold_at(scene->hold, HOLD_COPY);
    g_autofree char *job = begin(scene, "new", "{}");
    hold_await(scene->hold, HOLD_COPY);
    fixture_vm_fails(fixture, scene->source, "Start", "Busy", "Clone");
    refuse(scene, "newer", "{}", "Busy", "Clone");
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                       g_variant_new_parsed("('new', @a{sv} {}, @a{sv} {})"), "NameTaken", "\"new\"");
    g_autoptr(GPtrArray) vms = fixture_vms(fixture);
    g_assert_cmpuint(vms->len, ==, 1);
    g_autoptr(GVariant) operation = fixture_get(fixture, job, BERTH_IFACE_JOB, "Operation");
    g_assert_cmpstr(g_variant_get_string(operation, NULL), ==, "clone-vm");
    g_autoptr(GVariant) answer =
        fixture_call(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Audit", g_variant_new_parsed("(@a{sv} {},)"));
    g_autoptr(GVariant) findings = g_variant_get_child_value(answer, 0);
    g_assert_cmpuint(g_variant_n_children(findings), ==, 0);
    hold_release(scene->hold);
    AWAIT(scene->result);
    assert_same_disk(scene, scene->result);
    scripted_start(fixture, scene->source);
    assert_only(scene, 2);
}

static void assert_cancelled(Scene *scene)
{
    AWAIT(scene->result);
    g_assert_cmpstr(scene->error_name, ==, BERTH_ERROR_PREFIX "Cancelled");
    g_assert_cmpstr(scene->error_text, ==, "The clone was cancelled");
    g_assert_cmpstr(scene->result, ==, "/");
}

static void test_cancelled(Scene *scene, gconstpointer unused)
{
    Fixture *fixture = &scene->fixture;
    hold_at(scene->hold, HOLD_COPY);
    g_autofree char *job = begin(scene, "new", "{}");
    hold_await(scene->hold, HOLD_COPY);
    fixture_call(fixture, job, BERTH_IFACE_JOB, "Cancel", g_variant_new_parsed("(@a{sv} {},)"));
    hold_release(scene->hold);
    assert_cancelled(scene);
    assert_only(scene, 1);
    scripted_start(fixture, scene->source);
    /* The name is free again. */
    g_autofree char *path = fixture_create(fixture, "new", NULL);
}

/* Its source goes: that does not wait for the end of a long copy, and takes nothing away under its hands. */
static void test_source_removed(Scene *scene, gconstpointer unused)
{
    Fixture *fixture = &scene->fixture;
    hold_at(scene->hold, HOLD_COPY);
    g_autofree char *job = begin(scene, "new", "{}");
    hold_await(scene->hold, HOLD_COPY);
    fixture_vm(fixture, scene->source, "Remove");
    fixture_await_property(fixture, scene->source, "RemovalPhase", g_variant_new_string("deleting"));
    hold_release(scene->hold);
    assert_cancelled(scene);
    fixture_await_gone(fixture, scene->source);
    assert_only(scene, 0);
}

/* It is taken back in time, however much is left to copy. */
static void test_removal_taken_back(Scene *scene, gconstpointer unused)
{
    Fixture *fixture = &scene->fixture;
    hold_at(scene->hold, HOLD_COPY);
    g_autofree char *job = begin(scene, "new", "{}");
    hold_await(scene->hold, HOLD_COPY);
    scripted_remove(fixture, scene->source, "{'grace-seconds': <uint32 600>}");
    fixture_vm(fixture, scene->source, "CancelRemoval");
    fixture_vm_fails(fixture, scene->source, "Start", "Busy", "Clone");
    hold_release(scene->hold);
    AWAIT(scene->result);
    assert_same_disk(scene, scene->result);
    scripted_start(fixture, scene->source);
    assert_only(scene, 2);
}

/* Long copies don't hold up the end of others, nor that of VMs whose own copy has not had its turn. */
static void test_removed_beside(Scene *scene, gconstpointer unused)
{
    Fixture *fixture = &scene->fixture;
    g_autofree char *other = scripted_vm(fixture, "other", NULL), *last = NULL;
    g_dbus_connection_signal_unsubscribe(fixture->client, scene->subscription);
    scene->subscription = 0;
    hold_at(scene->hold, HOLD_COPY);
    for (guint i = 0; i < 8; i++) {
        g_autofree char *name = g_strdup_printf("source%u", i), *new = g_strdup_printf("new%u", i);
        g_free(last);
        last = scripted_vm_with(fixture, name, ONE_DISK, NULL);
        fixture_call(fixture, last, BERTH_IFACE_VM, "Clone", arguments(new, "{}"));
    }
    hold_await(scene->hold, HOLD_COPY);
    fixture_vm(fixture, other, "Remove");
    fixture_await_gone(fixture, other);
    fixture_vm(fixture, last, "Remove");
    fixture_await_gone(fixture, last);
    hold_release(scene->hold);
    /* All jobs have ended then. */
    g_assert_cmpint(fixture_stop_daemon(fixture, SIGTERM), ==, 0);
    fixture_start_daemon(fixture);
}

/* What is begun while the daemon ends is not waited for any more than what was. */
static void test_begun_at_the_end(Scene *scene, gconstpointer unused)
{
    Fixture *fixture = &scene->fixture;
    BERTH_AUTOFD notified = scripted_notify_socket(fixture);
    fixture_restart_daemon(fixture);
    g_autofree char *other = scripted_vm_with(fixture, "other", ONE_DISK, NULL);
    g_dbus_connection_signal_unsubscribe(fixture->client, scene->subscription);
    scene->subscription = 0;
    hold_at(scene->hold, HOLD_COPY);
    g_autofree char *job = begin(scene, "new", "{}");
    hold_await(scene->hold, HOLD_COPY);
    g_assert_cmpint(kill(fixture->daemon, SIGTERM), ==, 0);
    scripted_await_notified(notified, "STOPPING=1");
    fixture_vm_fails(fixture, scene->source, "Start", "Busy", "Clone"); /* in a turn after that of its end */
    fixture_call(fixture, other, BERTH_IFACE_VM, "Clone", arguments("newer", "{}"));
    hold_release(scene->hold);
    g_assert_cmpint(fixture_stop_daemon(fixture, SIGTERM), ==, 0);
    fixture_start_daemon(fixture);
    assert_only(scene, 2);
}

static void test_killed(Scene *scene, gconstpointer unused)
{
    hold_at(scene->hold, HOLD_COPY);
    g_autofree char *job = begin(scene, "new", "{}");
    hold_await(scene->hold, HOLD_COPY);
    fixture_restart_daemon(&scene->fixture);
    hold_release(scene->hold);
    assert_only(scene, 1);
    g_autofree char *path = make_clone(scene, "new", "{}");
    assert_same_disk(scene, path);
    assert_only(scene, 2);
}

/* What QEMU's user may have put in the place of its disk. */
static void test_foreign_files(Scene *scene, gconstpointer unused)
{
    g_autofree char *disk = disk_of(scene, scene->source);
    g_autofree char *aside = g_strconcat(disk, ".aside", NULL);
    g_assert_no_errno(rename(disk, aside));
    g_assert_no_errno(symlink("/etc/passwd", disk));
    g_autofree char *link_job = begin(scene, "new", "{}");
    AWAIT(scene->result);
    g_assert_cmpstr(scene->error_name, ==, BERTH_ERROR_PREFIX "StorageFailed");
    forget_job(scene);
    g_assert_no_errno(unlink(disk));
    g_assert_true(g_file_set_contents(disk, "secret", -1, NULL)); /* root's */
    g_autofree char *root_job = begin(scene, "new", "{}");
    AWAIT(scene->result);
    g_assert_nonnull(strstr(scene->error_text, "not a file of the VM's own"));
    g_assert_no_errno(rename(aside, disk));
    assert_only(scene, 1);
}

static void add(void)
{
    static const struct {
        const char *path;
        void (*func)(Scene *scene, gconstpointer unused);
    } tests[] = {
        {"/clone/whole", test_whole},
        {"/clone/refused", test_refused},
        {"/clone/in-flight", test_in_flight},
        {"/clone/cancelled", test_cancelled},
        {"/clone/source-removed", test_source_removed},
        {"/clone/removal-taken-back", test_removal_taken_back},
        {"/clone/removed-beside", test_removed_beside},
        {"/clone/begun-at-the-end", test_begun_at_the_end},
        {"/clone/killed", test_killed},
        {"/clone/foreign-files", test_foreign_files},
    };
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Scene, NULL, set_up, tests[i].func, tear_down);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
