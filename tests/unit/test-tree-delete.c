/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "src/core/autofd.h"
#include "src/core/error.h"
#include "src/host/tree-delete.h"
#include "syscall-faults.h"
#include "test-dir.h"

static void delete_all(TestDir *dir, const char *const *last)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *blocker = NULL;
    gboolean gone = berth_tree_delete(dir->fd, "tree", last, &blocker, &error);
    g_assert_no_error(error);
    g_assert_true(gone);
    g_assert_null(blocker);
    g_assert_false(test_dir_has(dir, "tree"));
}

/* TRUE: @what is in the message. */
static void delete_blocked(TestDir *dir, const char *const *last, const char *what)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *blocker = NULL;
    g_assert_false(berth_tree_delete(dir->fd, "tree", last, &blocker, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    g_assert_nonnull(strstr(error->message, blocker));
    if (!g_str_has_prefix(blocker, what))
        g_error("\"%s\" does not begin with \"%s\"", blocker, what);
    g_assert_true(test_dir_has(dir, "tree"));
}

static void test_shapes(TestDir *dir, gconstpointer unused)
{
    delete_all(dir, NULL); /* gone already */
    test_dir_mkdir(dir, "tree");
    delete_all(dir, NULL);
    test_dir_write(dir, "tree", "a file");
    delete_all(dir, NULL);
    test_dir_mkdir(dir, "tree/a/b/c");
    test_dir_write(dir, "tree/a/b/c/file", "");
    test_dir_write(dir, "tree/a/file", "");
    test_dir_write(dir, "tree/.hidden", "");
    g_assert_cmpint(mkfifoat(dir->fd, "tree/a/fifo", 0600), ==, 0);
    g_assert_cmpint(mkdirat(dir->fd, "tree/...", 0700), ==, 0);
    g_assert_cmpint(mkdirat(dir->fd, "tree/\377\n\t \\", 0700), ==, 0);
    test_dir_write(dir, "tree/\377\n\t \\/\201", "");
    delete_all(dir, NULL);
}

static void test_links(TestDir *dir, gconstpointer unused)
{
    test_dir_mkdir(dir, "outside/kept");
    test_dir_write(dir, "outside/file", "kept");
    test_dir_mkdir(dir, "tree/sub");
    test_dir_link(dir, "../outside", "tree/to-directory");
    test_dir_link(dir, "../../outside/file", "tree/sub/to-file");
    test_dir_link(dir, ".", "tree/to-itself");
    test_dir_link(dir, "..", "tree/sub/to-above");
    test_dir_link(dir, "/nowhere", "tree/dangling");
    g_autofree char *absolute = g_build_filename(dir->path, "outside", NULL);
    test_dir_link(dir, absolute, "tree/absolute");
    g_assert_cmpint(linkat(dir->fd, "outside/file", dir->fd, "tree/hard", 0), ==, 0);
    delete_all(dir, NULL);
    test_dir_link(dir, "outside", "tree"); /* the top itself */
    delete_all(dir, NULL);
    g_autofree char *text = test_dir_read(dir, "outside/file");
    g_assert_cmpstr(text, ==, "kept");
    g_assert_true(test_dir_has(dir, "outside/kept"));
}

/* Far deeper than any path can be, with hardly a descriptor to spare. */
static void delete_deep(TestDir *dir)
{
    test_dir_mkdir(dir, "tree");
    int fd = openat(dir->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 1000; i++) {
        g_assert_cmpint(mkdirat(fd, "a-directory-deep-below", 0700), ==, 0);
        int below = openat(fd, "a-directory-deep-below", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_assert_cmpint(below, >=, 0);
        close(openat(fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        close(fd);
        fd = below;
    }
    close(fd);
    int lowest = next_fd();
    struct rlimit limit = {lowest + 4, lowest + 4};
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    delete_all(dir, NULL);
    g_assert_cmpint(next_fd(), ==, lowest);
}

static void test_deep(TestDir *dir, gconstpointer unused)
{
    test_in_child(delete_deep, dir, NULL);
}

/* More directories than one batch holds, more entries than one read gives. */
static void test_wide(TestDir *dir, gconstpointer unused)
{
    test_dir_mkdir(dir, "tree");
    for (int i = 0; i < 2500; i++) {
        g_autofree char *name = g_strdup_printf("tree/d%d", i);
        g_autofree char *file = g_strdup_printf("tree/f%d", i);
        g_assert_cmpint(mkdirat(dir->fd, name, 0700), ==, 0);
        close(openat(dir->fd, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    delete_all(dir, NULL);
}

/* Whatever else there is goes, and what goes last stays for the next try, when the blocker has gone. */
static const char *const last[] = {"vm.json", ".removing", NULL};

static void make_tree(TestDir *dir)
{
    test_dir_mkdir(dir, "tree/a/b");
    test_dir_mkdir(dir, "tree/z");
    test_dir_write(dir, "tree/a/file", "");
    test_dir_write(dir, "tree/a/b/stuck", "");
    test_dir_write(dir, "tree/z/file", "");
    test_dir_write(dir, "tree/vm.json", "");
    test_dir_write(dir, "tree/.removing", "");
}

static void assert_only_blocker_left(TestDir *dir)
{
    g_assert_true(test_dir_has(dir, "tree/vm.json"));
    g_assert_true(test_dir_has(dir, "tree/.removing"));
    g_assert_false(test_dir_has(dir, "tree/z"));
    g_assert_false(test_dir_has(dir, "tree/a/file"));
    g_assert_cmpuint(test_dir_count(dir, "tree"), ==, 3);
}

static gboolean set_immutable(TestDir *dir, const char *name, gboolean immutable)
{
    BERTH_AUTOFD fd = openat(dir->fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    int flags;
    if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
        return FALSE;
    flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

static void test_immutable(TestDir *dir, gconstpointer name)
{
    g_autofree char *path = g_strconcat("tree/", name, NULL);
    make_tree(dir);
    if (!set_immutable(dir, path, TRUE)) {
        g_test_skip("this file system or user can't make a file immutable");
        return;
    }
    delete_blocked(dir, last,
                   g_str_equal(name, "a/b") ? "a/b/stuck is in a directory with the immutable"
                                            : "a/b/stuck has the immutable");
    assert_only_blocker_left(dir);
    g_assert_true(set_immutable(dir, path, FALSE));
    delete_all(dir, last);
}

/* In words, and nothing of what is mounted is touched. The child's mounts are gone when it ends. */
static void blocked_by_mount(TestDir *dir)
{
    test_private_mounts(dir);
    test_mount_tmpfs(dir, "tree/a/b", "");
    test_dir_write(dir, "tree/a/b/other", "kept");
    delete_blocked(dir, last, "a/b is a mount point (Device or resource busy)");
    assert_only_blocker_left(dir);
    g_autofree char *text = test_dir_read(dir, "tree/a/b/other");
    g_assert_cmpstr(text, ==, "kept");
    g_autofree char *path = g_build_filename(dir->path, "tree/a/b", NULL);
    g_assert_cmpint(umount(path), ==, 0);
    delete_all(dir, last);
}

/* The same file system, mounted once more: its device number does not tell. */
static void blocked_by_bind_mount(TestDir *dir)
{
    test_private_mounts(dir);
    test_dir_write(dir, "outside", "kept");
    test_dir_mkdir(dir, "elsewhere");
    test_dir_write(dir, "elsewhere/file", "kept");
    g_autofree char *source = g_build_filename(dir->path, "elsewhere", NULL);
    g_autofree char *target = g_build_filename(dir->path, "tree/a/b", NULL);
    if (mount(source, target, NULL, MS_BIND, NULL) < 0)
        _exit(TEST_SKIP);
    delete_blocked(dir, last, "a/b is a mount point");
    g_assert_true(test_dir_has(dir, "elsewhere/file"));
    g_assert_cmpint(umount(target), ==, 0);

    g_autofree char *file = g_build_filename(dir->path, "outside", NULL);
    g_autofree char *over = g_build_filename(dir->path, "tree/a/b/stuck", NULL);
    g_assert_cmpint(mount(file, over, NULL, MS_BIND, NULL), ==, 0);
    delete_blocked(dir, last, "a/b/stuck is a mount point");
    g_assert_true(test_dir_has(dir, "outside"));
}

static void blocked_top(TestDir *dir)
{
    test_private_mounts(dir);
    test_mount_tmpfs(dir, "tree", "");
    test_dir_write(dir, "tree/file", "kept");
    delete_blocked(dir, last, "tree is a mount point");
    g_assert_true(test_dir_has(dir, "tree/file"));
}

static void blocked_by_read_only(TestDir *dir)
{
    test_private_mounts(dir);
    test_mount_read_only(dir);
    delete_blocked(dir, last, "");
    g_autoptr(GError) error = NULL;
    g_assert_false(berth_tree_delete(dir->fd, "tree", last, NULL, &error));
    g_assert_nonnull(strstr(error->message, g_strerror(EROFS)));
}

/* Everything has gone, and the kernel can't say that it will stay gone. */
static void blocked_by_fsync(TestDir *dir)
{
    if (!fail_syscall(SYS_fsync, -1, EIO))
        _exit(TEST_SKIP);
    delete_blocked(dir, last, "tree can't be deleted: Input/output error");
}

/* The tree is gone, and may come back with the next power cut: that is no success. */
static void blocked_by_parent_fsync(TestDir *dir)
{
    g_autoptr(GError) error = NULL;
    if (!fail_syscall(SYS_fsync, dir->fd, EIO))
        _exit(TEST_SKIP);
    g_assert_false(berth_tree_delete(dir->fd, "tree", last, NULL, &error));
    g_assert_nonnull(strstr(error->message, g_strerror(EIO)));
    g_assert_false(test_dir_has(dir, "tree"));
}

static const struct {
    const char *path;
    TestFunc func;
    const char *need;
} blockers[] = {
    {"/tree-delete/blocked/mount", blocked_by_mount, "needs root for a mount namespace"},
    {"/tree-delete/blocked/bind-mount", blocked_by_bind_mount, "needs root for a mount namespace"},
    {"/tree-delete/blocked/top", blocked_top, "needs root for a mount namespace"},
    {"/tree-delete/blocked/read-only", blocked_by_read_only, "needs root for a mount namespace"},
    {"/tree-delete/blocked/fsync", blocked_by_fsync, "no seccomp filters"},
    {"/tree-delete/blocked/parent-fsync", blocked_by_parent_fsync, "no seccomp filters"},
};

static void test_blocked(TestDir *dir, gconstpointer index)
{
    make_tree(dir);
    test_in_child(blockers[GPOINTER_TO_UINT(index)].func, dir, blockers[GPOINTER_TO_UINT(index)].need);
}

/* More stuck directories than one batch holds hide none of the others. */
static void blocked_many(TestDir *dir)
{
    g_assert_cmpint(fchmod(dir->fd, 0755), ==, 0);
    test_dir_mkdir(dir, "tree");
    for (int i = 0; i < 2200; i++) {
        g_autofree char *name = g_strdup_printf("tree/d%d", i);
        g_autofree char *file = g_strdup_printf("tree/d%d/file", i);
        g_assert_cmpint(mkdirat(dir->fd, name, 0755), ==, 0);
        if (i % 2)
            close(openat(dir->fd, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    g_assert_cmpint(fchownat(dir->fd, "tree", 54321, 54321, 0), ==, 0);
    if (setresuid(54321, 54321, 54321) < 0)
        _exit(TEST_SKIP);
    delete_blocked(dir, NULL, "d");
    /* Not ours: the filled ones are stuck, and the empty ones go, also those behind them. */
    g_assert_cmpuint(test_dir_count(dir, "tree"), ==, 1100);
}

/* Directories that their owner closed to himself. Root would not notice. */
static void delete_locked(TestDir *dir)
{
    g_assert_cmpint(fchmod(dir->fd, 0777), ==, 0);
    if (setresuid(54321, 54321, 54321) < 0)
        _exit(TEST_SKIP);
    test_dir_mkdir(dir, "tree/a/b");
    test_dir_write(dir, "tree/a/b/file", "");
    test_dir_write(dir, "tree/a/file", "");
    test_dir_mkdir(dir, "tree/r");
    test_dir_write(dir, "tree/r/file", "");
    g_assert_cmpint(fchmodat(dir->fd, "tree/a/b", 0000, 0), ==, 0);
    g_assert_cmpint(fchmodat(dir->fd, "tree/a", 0000, 0), ==, 0);
    g_assert_cmpint(fchmodat(dir->fd, "tree/r", 0500, 0), ==, 0);
    g_assert_cmpint(fchmodat(dir->fd, "tree", 0000, 0), ==, 0);
    delete_all(dir, NULL);
}

static void test_as_user(TestDir *dir, gconstpointer func)
{
    test_in_child(func ? delete_locked : blocked_many, dir, "needs root to become another user");
}

/* Those that go last go in their order, also where they are directories. */
static void test_last(TestDir *dir, gconstpointer unused)
{
    make_tree(dir);
    delete_all(dir, last);
    make_tree(dir);
    g_assert_cmpint(unlinkat(dir->fd, "tree/.removing", 0), ==, 0);
    g_assert_cmpint(unlinkat(dir->fd, "tree/vm.json", 0), ==, 0);
    test_dir_mkdir(dir, "tree/vm.json/below");
    test_dir_mkdir(dir, "tree/.removing");
    test_dir_mkdir(dir, "tree/z/vm.json");
    test_dir_write(dir, "tree/z/vm.json/.removing", "");
    delete_all(dir, last);
}

/* The definition blocks: the marker stays. */
static void test_last_blocked(TestDir *dir, gconstpointer unused)
{
    make_tree(dir);
    if (!set_immutable(dir, "tree/vm.json", TRUE)) {
        g_test_skip("this file system or user can't make a file immutable");
        return;
    }
    delete_blocked(dir, last, "vm.json has the immutable");
    g_assert_true(test_dir_has(dir, "tree/.removing"));
    g_assert_cmpuint(test_dir_count(dir, "tree"), ==, 2);
    g_assert_true(set_immutable(dir, "tree/vm.json", FALSE));
    delete_all(dir, last);
}

static gpointer delete_too(gpointer data)
{
    TestDir *dir = data;
    g_autofree char *path = g_build_filename(dir->path, "tree", NULL);
    nftw(path, test_dir_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return NULL;
}

/* Somebody else deletes the same at the same time. What he took from under us counts as gone; a way up that is
 * lost is an error, and the next try ends it. */
static void test_company(TestDir *dir, gconstpointer unused)
{
    for (int i = 0; i < 300; i++) {
        g_autofree char *name = g_strdup_printf("tree/%d/%d", i % 20, i);
        test_dir_mkdir(dir, name);
    }
    GThread *other = g_thread_new("other", delete_too, dir);
    for (int tries = 0; tries < 100; tries++)
        if (berth_tree_delete(dir->fd, "tree", NULL, NULL, NULL))
            break;
    g_thread_join(other);
    delete_all(dir, NULL);
}

static void test_sweep(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    test_dir_mkdir(dir, ".new-a/b");
    test_dir_write(dir, ".new-b", "");
    test_dir_mkdir(dir, "kept/.new-c");
    g_assert_true(berth_tree_sweep(dir->fd, ".new-", &error));
    g_assert_no_error(error);
    g_assert_cmpuint(test_dir_count(dir, "."), ==, 1);
    g_assert_true(test_dir_has(dir, "kept/.new-c"));
    g_assert_false(berth_tree_sweep(-1, ".new-", &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
}

static void test_printable_path(TestDir *dir, gconstpointer unused)
{
    g_assert_cmpint(mkdirat(dir->fd, "tree", 0700), ==, 0);
    test_dir_write(dir, "tree/\377\n", "");
    if (!set_immutable(dir, "tree/\377\n", TRUE)) {
        g_test_skip("this file system or user can't make a file immutable");
        return;
    }
    delete_blocked(dir, NULL, "\\377\\n has the immutable");
    g_assert_true(set_immutable(dir, "tree/\377\n", FALSE));
    delete_all(dir, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST_DIR_ADD("/tree-delete/shapes", test_shapes);
    TEST_DIR_ADD("/tree-delete/links", test_links);
    TEST_DIR_ADD("/tree-delete/deep", test_deep);
    TEST_DIR_ADD("/tree-delete/wide", test_wide);
    TEST_DIR_ADD("/tree-delete/last", test_last);
    TEST_DIR_ADD("/tree-delete/last/blocked", test_last_blocked);
    TEST_DIR_ADD("/tree-delete/company", test_company);
    TEST_DIR_ADD("/tree-delete/sweep", test_sweep);
    TEST_DIR_ADD("/tree-delete/printable", test_printable_path);
    g_test_add("/tree-delete/immutable/file", TestDir, "a/b/stuck", test_dir_open, test_immutable, test_dir_close);
    g_test_add("/tree-delete/immutable/directory", TestDir, "a/b", test_dir_open, test_immutable, test_dir_close);
    g_test_add("/tree-delete/many-blocked", TestDir, NULL, test_dir_open, test_as_user, test_dir_close);
    g_test_add("/tree-delete/locked", TestDir, "locked", test_dir_open, test_as_user, test_dir_close);
    for (guint i = 0; i < G_N_ELEMENTS(blockers); i++)
        g_test_add(blockers[i].path, TestDir, GUINT_TO_POINTER(i), test_dir_open, test_blocked, test_dir_close);
    return g_test_run();
}
