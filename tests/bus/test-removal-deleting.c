/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "removal-scene.h"
#include "tests/lib/preloads/hold.h"

/* M11 to M14 and M16: the tree goes, or says why not. */

/* M11: what can't be deleted is seen, keeps its CID, and is tried again; M13: nothing else can be done with it. */

/* (transfer full): a file of the VM that can't be deleted, where it lies when its directory is doomed; NULL: skip */
static char *stuck(Fixture *fixture, const char *path)
{
    g_autofree char *file = scripted_vm_file(fixture, path, "disks/stuck");
    removal_make_empty(file);
    if (!scripted_set_immutable(file, TRUE)) {
        g_test_skip("files can't be made immutable here");
        return NULL;
    }
    fixture_vm(fixture, path, "Remove");
    removal_await_phase(fixture, path, "waiting");
    g_autofree char *doomed = removal_doomed_dir(fixture);
    return g_build_filename(doomed, "disks/stuck", NULL);
}

static void assert_stuck(Fixture *fixture, const char *path)
{
    scripted_assert_string(fixture, path, "State", "removing");
    scripted_assert_string(fixture, path, "Name", "web");
    g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), ==, 2000);
    removal_assert_cid_kept(fixture);
}

static void test_immutable(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *file = stuck(fixture, path);
    if (!file)
        return;
    assert_stuck(fixture, path);
    scripted_assert_last_error(fixture, path, "disks/stuck");
    removal_await_blocker(fixture, path, "disks/stuck");
    /* It is tried again by itself. */
    guint attempt = fixture_get_uint(fixture, path, "RemovalAttempt");
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    AWAIT(recorder_changes(recorder, "RemovalAttempt") > 0);
    g_assert_cmpuint(fixture_get_uint(fixture, path, "RemovalAttempt"), >, attempt);
    removal_await_phase(fixture, path, "waiting");
    g_autoptr(GVariant) next = fixture_get(fixture, path, BERTH_IFACE_VM, "RemovalNextAttemptTimestamp");
    gint64 pause = (gint64) g_variant_get_uint64(next) - g_get_real_time();
    /* A second at first, then twice the one before; who was slow to ask may have come to a later one. */
    attempt = fixture_get_uint(fixture, path, "RemovalAttempt");
    g_assert_cmpint(pause, <=, (G_USEC_PER_SEC << (attempt - 1)));
    assert_stuck(fixture, path);
    g_assert_true(scripted_set_immutable(file, FALSE));
    removal_and_await(fixture, path); /* at once */
    removal_assert_cids_free(fixture);
}

/* Without a second Remove; and a daemon that is killed meanwhile goes on with it (M1). */
static void test_immutable_restart(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *file = stuck(fixture, path);
    if (!file)
        return;
    fixture_restart_daemon(fixture);
    assert_stuck(fixture, path);
    removal_await_phase(fixture, path, "waiting");
    g_assert_true(scripted_set_immutable(file, FALSE));
    removal_assert_gone(fixture, path);
}

static void test_mount_point(Fixture *fixture, gconstpointer unused)
{
    if (!removal_start_apart(fixture))
        return;
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *below = scripted_vm_file(fixture, path, "disks/mnt");
    removal_make_directory(below);
    g_assert_cmpint(mount("tmpfs", below, "tmpfs", 0, NULL), ==, 0);
    g_autofree char *inside = g_build_filename(below, "precious", NULL);
    removal_make_empty(inside);
    fixture_vm(fixture, path, "Remove");
    removal_await_phase(fixture, path, "waiting");
    g_autofree char *doomed = removal_doomed_dir(fixture);
    g_autofree char *moved = g_build_filename(doomed, "disks/mnt", NULL);
    g_autofree char *precious = g_build_filename(moved, "precious", NULL);
    removal_await_blocker(fixture, path, "mount point");
    g_assert_true(g_file_test(precious, G_FILE_TEST_EXISTS)); /* it was not asked to go */
    g_assert_cmpint(umount(moved), ==, 0);
    removal_and_await(fixture, path);
}

/* The VM's directory itself can't be renamed away: EBUSY, and nothing in it is touched. */
static void test_mounted_on(Fixture *fixture, gconstpointer unused)
{
    if (!removal_start_apart(fixture))
        return;
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    g_assert_cmpint(mount(dir, dir, NULL, MS_BIND, NULL), ==, 0);
    fixture_vm(fixture, path, "Remove");
    removal_await_phase(fixture, path, "waiting");
    removal_await_blocker(fixture, path, "mount point");
    g_assert_true(g_file_test(definition, G_FILE_TEST_EXISTS));
    g_assert_cmpint(umount(dir), ==, 0);
    removal_assert_gone(fixture, path);
}

/* M12: what can't be loaded can be removed. */

static void remove_broken(Fixture *fixture, void (*damage)(const char *file), const char *words)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    removal_kill_all(fixture);
    damage(definition);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, words);
    fixture_vm(fixture, path, "Remove");
    fixture_await_gone(fixture, path);
    fixture_assert_clean(fixture);
}

static void test_definition_garbage(Fixture *fixture, gconstpointer unused)
{
    remove_broken(fixture, removal_make_garbage, BERTH_FILE_DEFINITION);
}

static void test_definition_directory(Fixture *fixture, gconstpointer unused)
{
    remove_broken(fixture, removal_make_directory, BERTH_FILE_DEFINITION);
}

static void test_definition_missing(Fixture *fixture, gconstpointer unused)
{
    remove_broken(fixture, removal_delete, BERTH_FILE_DEFINITION);
}

/* Somebody has taken its directory away: there is nothing to mark, and nothing that could come back. */
static void test_directory_missing(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    int pidfd = scripted_pidfd(scripted_qemu(fixture, path));
    removal_delete(dir);
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_remove(fixture, path, REMOVAL_GRACE);
    fixture_vm(fixture, path, "CancelRemoval");
    scripted_assert_string(fixture, path, "State", "broken");
    removal_and_await(fixture, path);
    scripted_await_dead(pidfd);
}

/* Its image was not brought back with it. */
static void test_image_missing(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    fixture_stop_daemon(fixture, SIGTERM);
    scripted_replace(definition, "\"image\" : \"\"", "\"image\" : \"debian\"");
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, "\"debian\" is not there");
    fixture_vm_fails(fixture, path, "Start", "WrongState", "broken");
    scripted_reload(fixture, 0, 0, 0);
    scripted_assert_string(fixture, path, "State", "broken");
    removal_and_await(fixture, path);
}

/* M13: after the rename nothing makes the directory anew. */
static void test_nothing_re_creates(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *file = stuck(fixture, path);
    if (!file)
        return;
    removal_assert_refuses_all(fixture, path);
    scripted_reload(fixture, 0, 0, 0);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                       g_variant_new("(sa{sv}a{sv})", "web", NULL, NULL), "NameTaken", "web");
    g_assert_false(g_file_test(dir, G_FILE_TEST_EXISTS));
    fixture_restart_daemon(fixture);
    removal_assert_refuses_all(fixture, path);
    g_assert_false(g_file_test(dir, G_FILE_TEST_EXISTS));
    g_assert_true(scripted_set_immutable(file, FALSE));
    removal_and_await(fixture, path);
}

/* Nor does who was writing there when it came: the rename waits for that. */
static void test_waits_for_writers(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *holds = g_build_filename(fixture->dir, "hold", NULL);
    Hold *hold = hold_new(holds, g_getenv("BERTH_HOLD_PRELOAD"), &fixture->environ);
    fixture_start_daemon(fixture);
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    hold_at(hold, HOLD_SAVE);
    g_autoptr(FixtureCall) configure =
        fixture_begin(fixture, path, BERTH_IFACE_VM, "Configure",
                      g_variant_new("(@a{sv}a{sv})", g_variant_new_parsed("{'description': <'x'>}"), NULL));
    hold_await(hold, HOLD_SAVE);
    fixture_vm(fixture, path, "Remove");
    removal_await_phase(fixture, path, "deleting");
    await_silence(200);
    g_assert_true(g_file_test(dir, G_FILE_TEST_IS_DIR));
    hold_release(hold);
    AWAIT(configure->done);
    g_assert_no_error(configure->error);
    removal_assert_gone(fixture, path);
    hold_free(hold);
}

/* M14: everything inside goes, nothing outside is touched. */

static void make_link(const char *to, const char *dir, const char *name)
{
    g_autofree char *file = g_build_filename(dir, name, NULL);
    removal_make_link(to, file);
}

/* So deep that no path leads there. */
static void make_deep(const char *dir, guint depth)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY);
    for (guint i = 0; i < depth; i++) {
        g_assert_cmpint(mkdirat(fd, "a-directory-with-a-long-name", 0700), ==, 0);
        int below = openat(fd, "a-directory-with-a-long-name", O_RDONLY | O_DIRECTORY);
        g_assert_cmpint(below, >=, 0);
        close(fd);
        fd = below;
    }
    close(fd);
}

static void make_hostile(const char *dir, const char *outside)
{
    g_autofree char *inode = g_build_filename(outside, "inode", NULL);
    g_autofree char *linked = g_build_filename(dir, "hard", NULL);
    g_autofree char *raw = g_build_filename(dir, "\xff\xfe\n\x01", NULL);
    g_autofree char *foreign = g_build_filename(dir, "foreign", NULL);
    g_autofree char *pipe = g_build_filename(dir, "pipe", NULL);
    g_autofree char *closed = g_build_filename(dir, "closed", NULL);
    removal_write(inode, "precious");
    g_assert_cmpint(link(inode, linked), ==, 0);
    make_link(outside, dir, "to-directory");
    make_link(inode, dir, "to-file");
    make_link("..", dir, "up");
    make_link("itself", dir, "itself");
    make_link("/nonexistent", dir, "dangling");
    removal_make_directory(raw);
    removal_make_empty(foreign);
    g_assert_cmpint(chown(foreign, 12345, 12345), ==, 0);
    g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
    removal_make_directory(closed);
    make_deep(closed, 300);
    g_assert_cmpint(g_chmod(closed, 0), ==, 0);
}

static void test_hostile_tree(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *disks = scripted_vm_file(fixture, path, BERTH_DIR_DISKS);
    g_autofree char *outside = g_build_filename(fixture->dir, "outside", NULL);
    g_autofree char *inode = g_build_filename(outside, "inode", NULL);
    g_autofree char *text = NULL;
    struct stat before, after;
    removal_make_directory(outside);
    make_hostile(disks, outside);
    g_assert_cmpint(stat(inode, &before), ==, 0);
    removal_and_await(fixture, path);
    g_assert_cmpint(stat(inode, &after), ==, 0);
    g_assert_cmpuint(after.st_nlink, ==, before.st_nlink - 1);
    g_assert_cmpuint(after.st_mode, ==, before.st_mode);
    g_assert_true(g_file_get_contents(inode, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "precious");
}

/* A VM's directory that is a link is broken, and only the link goes. */
static void test_link(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *real = g_build_filename(fixture->dir, "real", NULL);
    g_autofree char *definition = g_build_filename(real, BERTH_FILE_DEFINITION, NULL);
    fixture_stop_daemon(fixture, SIGTERM);
    g_assert_cmpint(g_rename(dir, real), ==, 0);
    removal_make_link(real, dir);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, "symbolic link");
    fixture_vm_fails(fixture, path, "Start", "WrongState", "broken");
    removal_and_await(fixture, path);
    g_assert_true(g_file_test(definition, G_FILE_TEST_IS_REGULAR));
}

/* M16: what can't be released is tried again, by itself, and keeps the VM. */

static void test_runtime_stuck(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on quit wait go");
    g_autofree char *runtime = scripted_runtime_dir(fixture, path);
    g_autofree char *nobodys = g_build_filename(runtime, "nobodys", NULL);
    removal_make_directory(nobodys); /* it is flat: who made that? */
    fixture_vm(fixture, path, "Remove");
    scripted_touch(fixture, "go");
    removal_await_phase(fixture, path, "waiting");
    removal_await_blocker(fixture, path, "runtime");
    assert_stuck(fixture, path);
    removal_delete(nobodys);
    removal_assert_gone(fixture, path);
    g_assert_false(g_file_test(runtime, G_FILE_TEST_EXISTS));
    removal_assert_cids_free(fixture);
}

static void test_scope_stuck(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    fake_service_fail(service, "StopUnit", "org.freedesktop.DBus.Error.LimitsExceeded", G_MAXUINT);
    fixture_vm(fixture, path, "Remove");
    removal_await_phase(fixture, path, "waiting");
    removal_await_blocker(fixture, path, "LimitsExceeded");
    g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), ==, 2000);
    fake_service_fail(service, "StopUnit", "", 0);
    removal_assert_gone(fixture, path);
    g_assert_cmpuint(fake_service_count(service, "StopUnit"), >=, 2);
    removal_assert_cids_free(fixture);
}

static void add(void)
{
    REMOVAL_ADD_TWO_CIDS("M11/immutable", test_immutable);
    REMOVAL_ADD_TWO_CIDS("M11/immutable-restart", test_immutable_restart);
    REMOVAL_ADD_APART("M11/mount-point", test_mount_point);
    REMOVAL_ADD_APART("M11/mounted-on", test_mounted_on);
    REMOVAL_ADD("M12/definition-garbage", test_definition_garbage);
    REMOVAL_ADD("M12/definition-directory", test_definition_directory);
    REMOVAL_ADD("M12/definition-missing", test_definition_missing);
    REMOVAL_ADD("M12/directory-missing", test_directory_missing);
    REMOVAL_ADD("M12/image-missing", test_image_missing);
    REMOVAL_ADD("M13/nothing-re-creates", test_nothing_re_creates);
    REMOVAL_ADD_APART("M13/waits-for-writers", test_waits_for_writers);
    REMOVAL_ADD("M14/hostile-tree", test_hostile_tree);
    REMOVAL_ADD("M14/link", test_link);
    REMOVAL_ADD_TWO_CIDS("M16/runtime-directory", test_runtime_stuck);
    REMOVAL_ADD_TWO_CIDS("M16/scope", test_scope_stuck);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
