/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "src/core/autofd.h"
#include "src/core/error.h"
#include "src/host/durable-file.h"
#include "syscall-faults.h"
#include "test-dir.h"

#define assert_failed(error, code) g_assert_error(error, BERTH_ERROR, BERTH_ERROR_##code)

static void test_write(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    mode_t old = umask(0077);
    g_assert_true(berth_durable_write(dir->fd, "file", "first, longer", 13, 0644, &error));
    umask(old);
    g_assert_no_error(error);
    g_assert_cmpuint(test_dir_mode(dir, "file"), ==, 0644);
    g_assert_true(berth_durable_write(dir->fd, "file", "second", 6, 0600, &error));
    g_autofree char *text = test_dir_read(dir, "file");
    g_assert_cmpstr(text, ==, "second");
    g_assert_cmpuint(test_dir_mode(dir, "file"), ==, 0600);
    g_assert_cmpuint(test_dir_count(dir, "."), ==, 1);
}

/* What a killed writer left is in nobody's way, and a link that lies there is replaced, not followed. */
static void test_write_over_leftovers(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    test_dir_write(dir, "other", "untouched");
    test_dir_link(dir, "other", ".new-file");
    test_dir_link(dir, "other", "file");
    g_assert_true(berth_durable_write(dir->fd, "file", "new", 3, 0600, &error));
    g_autofree char *other = test_dir_read(dir, "other");
    g_assert_cmpstr(other, ==, "untouched");
    g_assert_false(test_dir_has(dir, ".new-file"));
    struct stat st;
    g_assert_cmpint(fstatat(dir->fd, "file", &st, AT_SYMLINK_NOFOLLOW), ==, 0);
    g_assert_true(S_ISREG(st.st_mode));
}

static void test_write_over_directory(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    test_dir_mkdir(dir, "file");
    g_assert_false(berth_durable_write(dir->fd, "file", "new", 3, 0600, &error));
    assert_failed(error, STORAGE_FAILED);
    g_assert_nonnull(strstr(error->message, "file"));
    g_assert_nonnull(strstr(error->message, g_strerror(EISDIR)));
    g_assert_cmpuint(test_dir_count(dir, "."), ==, 1);
}

/* The old content stands, and nothing lies beside it. */
static void assert_unchanged(TestDir *dir, int errnum)
{
    g_autoptr(GError) error = NULL;
    char big[8192] = "new";
    g_assert_false(berth_durable_write(dir->fd, "file", big, sizeof big, 0600, &error));
    assert_failed(error, STORAGE_FAILED);
    g_assert_nonnull(strstr(error->message, g_strerror(errnum)));
    g_autofree char *text = test_dir_read(dir, "file");
    g_assert_cmpstr(text, ==, "old");
    g_assert_cmpuint(test_dir_count(dir, "."), ==, 1);
}

static void with_size_limit(TestDir *dir)
{
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {1024, 1024};
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    assert_unchanged(dir, EFBIG);
}

static void with_full_disk(TestDir *dir)
{
    test_private_mounts(dir);
    test_dir_mkdir(dir, "full");
    test_mount_tmpfs(dir, "full", "size=4k");
    g_autofree char *path = g_build_filename(dir->path, "full", NULL);
    BERTH_AUTOFD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    TestDir full = {path, fd};
    test_dir_write(&full, "file", "old");
    assert_unchanged(&full, ENOSPC);
}

static void with_read_only(TestDir *dir)
{
    test_private_mounts(dir);
    test_mount_read_only(dir);
    assert_unchanged(dir, EROFS);
    g_autoptr(GError) error = NULL;
    g_assert_false(berth_durable_touch(dir->fd, "flag", &error));
    assert_failed(error, STORAGE_FAILED);
    g_clear_error(&error);
    g_assert_false(berth_durable_unlink(dir->fd, "file", &error));
    assert_failed(error, STORAGE_FAILED);
}

static void with_failing_fsync(TestDir *dir)
{
    if (!fail_syscall(SYS_fsync, -1, EIO))
        _exit(TEST_SKIP);
    assert_unchanged(dir, EIO);
}

static void with_failing_rename(TestDir *dir)
{
    if (!fail_syscall(SYS_renameat2, -1, EIO))
        _exit(TEST_SKIP);
    assert_unchanged(dir, EIO);
}

/* The directory's fsync alone, and so the one that would make the old content durable again: both are told. A flag that was
 * not there goes again. */
static void with_failing_directory(TestDir *dir)
{
    if (!fail_syscall(SYS_fsync, dir->fd, EIO))
        _exit(TEST_SKIP);
    g_autoptr(GError) error = NULL;
    g_assert_false(berth_durable_write(dir->fd, "file", "new", 3, 0600, &error));
    assert_failed(error, STORAGE_FAILED);
    g_assert_nonnull(strstr(error->message, "can't be brought back"));
    g_autofree char *text = test_dir_read(dir, "file");
    g_assert_cmpstr(text, ==, "old");
    g_clear_error(&error);
    g_assert_false(berth_durable_touch(dir->fd, "flag", &error));
    assert_failed(error, STORAGE_FAILED);
    g_assert_false(test_dir_has(dir, "flag"));
    g_clear_error(&error);
    g_assert_false(berth_durable_touch(dir->fd, "file", &error));
    g_assert_true(test_dir_has(dir, "file"));
    g_clear_error(&error);
    g_assert_false(berth_durable_unlink(dir->fd, "absent", &error));
    assert_failed(error, STORAGE_FAILED);
}

static void test_write_fails(TestDir *dir, gconstpointer func)
{
    static const struct {
        TestFunc func;
        const char *need;
    } ways[] = {
        {with_size_limit, "no file size limit"},
        {with_full_disk, "needs root for a mount namespace"},
        {with_read_only, "needs root for a mount namespace"},
        {with_failing_fsync, "no seccomp filters"},
        {with_failing_rename, "no seccomp filters"},
        {with_failing_directory, "no seccomp filters"},
    };
    test_dir_write(dir, "file", "old");
    test_in_child(ways[GPOINTER_TO_INT(func)].func, dir, ways[GPOINTER_TO_INT(func)].need);
    g_assert_cmpint(unlinkat(dir->fd, "full", AT_REMOVEDIR) == 0 || errno == ENOENT, ==, TRUE);
}

static void test_create(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(berth_file_create(dir->fd, "file", "one", 3, 0444, &error));
    g_assert_cmpuint(test_dir_mode(dir, "file"), ==, 0444);
    g_assert_false(berth_file_create(dir->fd, "file", "two", 3, 0444, &error));
    assert_failed(error, STORAGE_FAILED);
    g_autofree char *text = test_dir_read(dir, "file");
    g_assert_cmpstr(text, ==, "one");
}

static void test_touch_and_unlink(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(berth_durable_touch(dir->fd, "flag", &error));
    g_assert_true(berth_durable_touch(dir->fd, "flag", &error));
    g_assert_true(test_dir_has(dir, "flag"));
    g_assert_true(berth_durable_unlink(dir->fd, "flag", &error));
    g_assert_true(berth_durable_unlink(dir->fd, "flag", &error));
    g_assert_false(test_dir_has(dir, "flag"));
    g_assert_no_error(error);

    test_dir_mkdir(dir, "flag");
    g_assert_false(berth_durable_touch(dir->fd, "flag", &error));
    assert_failed(error, STORAGE_FAILED);
    g_clear_error(&error);
    g_assert_false(berth_durable_unlink(dir->fd, "flag", &error));
    assert_failed(error, STORAGE_FAILED);
    g_clear_error(&error);
    test_dir_link(dir, "nowhere", "link");
    g_assert_false(berth_durable_touch(dir->fd, "link", &error));
    assert_failed(error, STORAGE_FAILED);
    g_assert_false(test_dir_has(dir, "nowhere"));
}

static void test_directories(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    mode_t old = umask(0077);
    BERTH_AUTOFD made = berth_dir_ensure(dir->fd, "d", 0711, &error);
    umask(old);
    g_assert_no_error(error);
    g_assert_cmpuint(test_dir_mode(dir, "d"), ==, 0711);
    g_assert_true(berth_dir_sync(made, &error));
    BERTH_AUTOFD again = berth_dir_ensure(dir->fd, "d", 0700, &error);
    g_assert_cmpint(again, >=, 0);
    g_assert_cmpuint(test_dir_mode(dir, "d"), ==, 0711);
    g_autofree char *path = g_build_filename(dir->path, "e", NULL);
    BERTH_AUTOFD absolute = berth_dir_ensure(AT_FDCWD, path, 0700, &error);
    g_assert_cmpint(absolute, >=, 0);
    g_assert_cmpint(fcntl(absolute, F_GETFD), ==, FD_CLOEXEC);
    g_assert_no_error(error);

    test_dir_link(dir, "d", "link");
    g_assert_cmpint(berth_dir_open(dir->fd, "link", &error), ==, -1);
    assert_failed(error, STORAGE_FAILED);
    g_clear_error(&error);
    g_assert_cmpint(berth_dir_ensure(dir->fd, "link", 0700, &error), ==, -1);
    assert_failed(error, STORAGE_FAILED);
    g_clear_error(&error);
    test_dir_write(dir, "file", "");
    g_assert_cmpint(berth_dir_ensure(dir->fd, "file", 0700, &error), ==, -1);
    assert_failed(error, STORAGE_FAILED);
    g_clear_error(&error);
    g_assert_false(berth_dir_sync(-1, &error));
    assert_failed(error, STORAGE_FAILED);
}

static void assert_unreadable(TestDir *dir, const char *name, gsize max, BerthError code)
{
    g_autoptr(GError) error = NULL;
    gsize length = 4711;
    g_assert_null(berth_file_read(dir->fd, name, max, &length, &error));
    g_assert_error(error, BERTH_ERROR, (int) code);
    g_assert_nonnull(strstr(error->message, name));
    g_assert_cmpuint(length, ==, 4711);
}

static void test_read(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    gsize length = 0;
    test_dir_write(dir, "file", "0123456789");
    g_autofree char *text = berth_file_read(dir->fd, "file", 10, &length, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, "0123456789");
    g_assert_cmpuint(length, ==, 10);
    assert_unreadable(dir, "file", 9, BERTH_ERROR_STORAGE_FAILED);
    assert_unreadable(dir, "absent", 9, BERTH_ERROR_NOT_FOUND);
    test_dir_link(dir, "file", "link");
    assert_unreadable(dir, "link", 10, BERTH_ERROR_STORAGE_FAILED);
    test_dir_link(dir, "nowhere", "dangling");
    assert_unreadable(dir, "dangling", 10, BERTH_ERROR_STORAGE_FAILED);
    test_dir_mkdir(dir, "dir");
    assert_unreadable(dir, "dir", 10, BERTH_ERROR_STORAGE_FAILED);
    g_assert_cmpint(mkfifoat(dir->fd, "fifo", 0600), ==, 0);
    assert_unreadable(dir, "fifo", 10, BERTH_ERROR_STORAGE_FAILED);
    test_dir_write(dir, "empty", "");
    g_autofree char *empty = berth_file_read(dir->fd, "empty", 10, NULL, &error);
    g_assert_cmpstr(empty, ==, "");
}

/* Files whose size is not told beforehand, as in /proc: read whole, and bounded all the same. */
static void test_read_growing(void)
{
    g_autoptr(GError) error = NULL;
    gsize length = 0;
    BERTH_AUTOFD proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_autofree char *text = berth_file_read(proc, "status", 65536, &length, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(length, >, 100);
    g_assert_cmpuint(length, ==, strlen(text));
    g_assert_null(berth_file_read(proc, "status", 100, &length, &error));
    assert_failed(error, STORAGE_FAILED);
}

int main(int argc, char **argv)
{
    static const char *const failing[] = {"size-limit", "full-disk", "read-only", "fsync", "rename", "directory-fsync"};
    g_test_init(&argc, &argv, NULL);
    TEST_DIR_ADD("/durable-file/write", test_write);
    TEST_DIR_ADD("/durable-file/write/leftovers", test_write_over_leftovers);
    TEST_DIR_ADD("/durable-file/write/directory", test_write_over_directory);
    for (guint i = 0; i < G_N_ELEMENTS(failing); i++) {
        g_autofree char *path = g_strconcat("/durable-file/write/fails/", failing[i], NULL);
        g_test_add(path, TestDir, GUINT_TO_POINTER(i), test_dir_open, test_write_fails, test_dir_close);
    }
    TEST_DIR_ADD("/durable-file/create", test_create);
    TEST_DIR_ADD("/durable-file/touch", test_touch_and_unlink);
    TEST_DIR_ADD("/durable-file/directories", test_directories);
    TEST_DIR_ADD("/durable-file/read", test_read);
    g_test_add_func("/durable-file/read/growing", test_read_growing);
    return g_test_run();
}
