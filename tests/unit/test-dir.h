/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A directory of its own for each test, and failures that the kernel itself makes. */

typedef struct {
    char *path;
    int fd;
} TestDir;

static inline void test_dir_open(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    dir->path = g_dir_make_tmp("berth-test-XXXXXX", &error);
    g_assert_no_error(error);
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(dir->fd, >=, 0);
}

/* The same on a tmpfs, where there is one, for tests that do hundreds of rounds: an fsync costs nothing there, and
 * what it protects from is not what they look for. */
static inline void test_dir_open_fast(TestDir *dir, gconstpointer unused)
{
    dir->path = g_strdup("/dev/shm/berth-test-XXXXXX");
    if (!g_mkdtemp(dir->path)) {
        g_free(dir->path);
        test_dir_open(dir, unused);
        return;
    }
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(dir->fd, >=, 0);
}

static inline int test_dir_remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static inline void test_dir_close(TestDir *dir, gconstpointer unused)
{
    close(dir->fd);
    nftw(dir->path, test_dir_remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    g_assert_false(g_file_test(dir->path, G_FILE_TEST_EXISTS));
    g_free(dir->path);
}

#define TEST_DIR_ADD(path, function) g_test_add(path, TestDir, NULL, test_dir_open, function, test_dir_close)

/* Files below the test's directory, for tests to make and look at. */
static inline void test_dir_write(TestDir *dir, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(dir->path, name, NULL);
    g_autoptr(GError) error = NULL;
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

static inline char *test_dir_read(TestDir *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir->path, name, NULL);
    char *text = NULL;
    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

static inline void test_dir_mkdir(TestDir *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir->path, name, NULL);
    g_assert_cmpint(g_mkdir_with_parents(path, 0755), ==, 0);
}

static inline void test_dir_link(TestDir *dir, const char *target, const char *name)
{
    g_assert_cmpint(symlinkat(target, dir->fd, name), ==, 0);
}

/* Whether there is an entry, be it a dangling link. */
static inline gboolean test_dir_has(TestDir *dir, const char *name)
{
    return faccessat(dir->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline mode_t test_dir_mode(TestDir *dir, const char *name)
{
    struct stat st;
    g_assert_cmpint(fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW), ==, 0);
    return st.st_mode & 07777;
}

static inline guint test_dir_count(TestDir *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir->path, name, NULL);
    g_autoptr(GDir) listing = g_dir_open(path, 0, NULL);
    g_assert_nonnull(listing);
    guint count = 0;
    while (g_dir_read_name(listing))
        count++;
    return count;
}

typedef void (*TestFunc)(TestDir *dir);

/* What limits, filters or mounts would break for the tests that follow is done in a child, which exits with 0 or
 * aborts; TEST_SKIP where the host refuses what the test needs. */
#define TEST_SKIP 77

static inline void test_in_child(TestFunc func, TestDir *dir, const char *need)
{
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        func(dir);
        _exit(0);
    }
    int status;
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_SKIP)
        g_test_skip(need);
    else
        g_assert_cmpint(status, ==, 0);
}

/* A descriptor from before a mount does not see it. */
static inline void test_dir_reopen(TestDir *dir)
{
    close(dir->fd);
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(dir->fd, >=, 0);
}

/* For children: mounts that nobody else sees, and that go with the child. */
static inline void test_private_mounts(TestDir *dir)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        _exit(TEST_SKIP);
    test_dir_reopen(dir);
}

static inline void test_mount_tmpfs(TestDir *dir, const char *name, const char *options)
{
    g_autofree char *path = g_build_filename(dir->path, name, NULL);
    if (mount("berth-test", path, "tmpfs", 0, options) < 0)
        _exit(TEST_SKIP);
}

static inline void test_mount_read_only(TestDir *dir)
{
    if (mount(dir->path, dir->path, NULL, MS_BIND, NULL) < 0 ||
        mount(NULL, dir->path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
        _exit(TEST_SKIP);
    test_dir_reopen(dir);
}
