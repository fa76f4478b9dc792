/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "syscall-faults.h"
#include "vm-store-fixture.h"

/* The VM store on a host that fails it: killed and refused at every system call, full, read-only and vanished disks. */

/* The daemon is killed after every single system call of a creation: a whole VM, or none (M21). */
static void create_whole(TestDir *dir)
{
    g_autoptr(BerthVmStore) store = open_store(dir);
    g_autoptr(BerthVmRecord) record = new_record(ID, "web");
    g_autofree char *staged = berth_vm_store_stage(store, record, (uid_t) -1, NULL);
    g_assert_nonnull(staged);
    g_autofree char *disk = g_build_filename(staged, "disks/disk0", NULL);
    close(open(disk, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    g_assert_true(berth_vm_store_publish(store, ID, NULL));
}

static gboolean exists_whole(BerthVmStore *store, TestDir *dir)
{
    if (!test_dir_has(dir, VM))
        return FALSE;
    assert_kind(store, BERTH_STORED_WHOLE);
    g_assert_true(test_dir_has(dir, VM "/disks/disk0"));
    g_assert_true(test_dir_has(dir, VM "/logs"));
    return TRUE;
}

static void test_create_killed(TestDir *dir, gconstpointer unused)
{
    guint n = 1, whole = 0, none = 0;
    while (kill_at_syscall(create_whole, dir, n)) {
        g_autoptr(GError) error = NULL;
        g_autoptr(BerthVmStore) store = open_store(dir);
        g_assert_true(berth_vm_store_sweep(store, &error));
        g_assert_no_error(error);
        if (exists_whole(store, dir)) {
            whole++;
            mark(store, INCARNATION);
            doom_and_purge(store, INCARNATION);
        } else {
            none++;
        }
        g_assert_cmpuint(test_dir_count(dir, "vms"), ==, 0);
        n++;
    }
    g_assert_cmpuint(whole, >, 0);
    g_assert_cmpuint(none, >, 20);
}

/* The same for a removal (M1): from the marker on it goes, before that it is as it was, and what was begun is ended by
 * doing it again. */
static void remove_whole(TestDir *dir)
{
    g_autoptr(BerthVmStore) store = open_store(dir);
    g_assert_true(berth_vm_store_mark(store, ID, INCARNATION, &intent, NULL));
    g_assert_true(berth_vm_store_doom(store, ID, INCARNATION, NULL));
    g_assert_true(berth_vm_store_purge(store, ID, INCARNATION, NULL, NULL));
}

static void test_remove_killed(TestDir *dir, gconstpointer unused)
{
    guint seen[BERTH_STORED_DOOMED + 2] = {0}; /* the last: gone */
    guint n = 1;
    for (gboolean more = TRUE; more; n++) {
        create_whole(dir);
        more = kill_at_syscall(remove_whole, dir, n);
        g_autoptr(BerthVmStore) store = open_store(dir);
        g_autoptr(GPtrArray) found = NULL, notes = NULL;
        g_assert_true(berth_vm_store_scan(store, &found, &notes, NULL));
        g_assert_cmpuint(notes->len, ==, 0);
        g_assert_cmpuint(found->len, <=, 1);
        guint kind = found->len ? ((BerthStoredVm *) found->pdata[0])->kind : BERTH_STORED_DOOMED + 1;
        g_assert_cmpuint(kind, !=, BERTH_STORED_BROKEN);
        seen[kind]++;
        if (kind == BERTH_STORED_WHOLE)
            mark(store, INCARNATION);
        doom_and_purge(store, INCARNATION);
        g_assert_cmpuint(test_dir_count(dir, "vms"), ==, 0);
        g_assert_cmpuint(test_dir_count(dir, "removing"), ==, 0);
    }
    g_assert_cmpuint(seen[BERTH_STORED_WHOLE], >, 5);
    g_assert_cmpuint(seen[BERTH_STORED_MARKED], >, 5);
    g_assert_cmpuint(seen[BERTH_STORED_DOOMED], >, 5);
    g_assert_cmpuint(seen[BERTH_STORED_DOOMED + 1], >, 0);
}

/* A bad marker is never without a successor: no crash finds the VM fit to be started (M4, M5). */
static void mark_over(TestDir *dir)
{
    g_autoptr(BerthVmStore) store = open_store(dir);
    g_assert_true(berth_vm_store_mark(store, ID, INCARNATION, &intent, NULL));
}

static void test_mark_over_killed(TestDir *dir, gconstpointer kind)
{
    guint n = 1;
    for (gboolean more = TRUE; more; n++) {
        create_whole(dir);
        make_bad_marker(dir, kind);
        more = kill_at_syscall(mark_over, dir, n);
        g_autoptr(BerthVmStore) store = open_store(dir);
        g_autoptr(BerthStoredVm) stored = berth_vm_store_load(store, ID, NULL);
        g_assert_cmpint(stored->kind, !=, BERTH_STORED_WHOLE);
        mark(store, INCARNATION);
        doom_and_purge(store, INCARNATION);
    }
    g_assert_cmpuint(n, >, 10);
}

/* M2: the marker can't be written, and the VM is as before. */
static void mark_fails(BerthVmStore *store, BerthStoredKind before, const char *says)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(berth_vm_store_mark(store, ID, INCARNATION, &intent, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    if (!strstr(error->message, says))
        g_error("\"%s\" does not say \"%s\"", error->message, says);
    assert_kind(store, before);
}

static void with_failing_fsync(TestDir *dir)
{
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    if (!fail_syscall(SYS_fsync, -1, EIO))
        _exit(TEST_SKIP);
    mark_fails(store, BERTH_STORED_WHOLE, g_strerror(EIO));
    g_assert_false(test_dir_has(dir, VM "/.removing"));
}

/* The name is there, and only the directory's fsync fails: taken back, as far as that can be. */
static void with_failing_directory(TestDir *dir)
{
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    if (!fail_syscall(SYS_fsync, next_fd(), EIO)) /* the VM's directory is opened first */
        _exit(TEST_SKIP);
    mark_fails(store, BERTH_STORED_WHOLE, "The marker could not be taken back");
    g_assert_false(test_dir_has(dir, VM "/.removing"));
}

static void with_failing_rename(TestDir *dir)
{
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    if (!fail_syscall(SYS_renameat, -1, EIO))
        _exit(TEST_SKIP);
    mark_fails(store, BERTH_STORED_WHOLE, g_strerror(EIO));
    g_autoptr(GError) error = NULL;
    g_assert_false(berth_vm_store_publish(store, OTHER, &error));
}

static void with_failing_exchange(TestDir *dir)
{
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    test_dir_write(dir, VM "/.removing", "garbage");
    if (!fail_syscall(SYS_renameat2, -1, EIO))
        _exit(TEST_SKIP);
    mark_fails(store, BERTH_STORED_BROKEN, g_strerror(EIO));
    g_autofree char *text = test_dir_read(dir, VM "/.removing");
    g_assert_cmpstr(text, ==, "garbage");
}

/* A file system that can't swap gets the plain rename. */
static void without_exchange(TestDir *dir)
{
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    test_dir_write(dir, VM "/.removing", "garbage");
    if (!fail_syscall(SYS_renameat2, -1, EINVAL))
        _exit(TEST_SKIP);
    mark(store, INCARNATION);
    assert_kind(store, BERTH_STORED_MARKED);
}

/* A removal that is taken back, where the kernel can't say that it is: it stands. */
static void with_failing_unmark(TestDir *dir)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    mark(store, INCARNATION);
    if (!fail_syscall(SYS_fsync, -1, EIO))
        _exit(TEST_SKIP);
    g_assert_false(berth_vm_store_unmark(store, ID, &error));
    g_assert_nonnull(strstr(error->message, "may not be removed"));
    assert_kind(store, BERTH_STORED_MARKED);
}

static void with_full_disk(TestDir *dir)
{
    test_private_mounts(dir);
    test_dir_mkdir(dir, "small");
    test_mount_tmpfs(dir, "small", "size=256k,nr_inodes=64");
    g_autofree char *path = g_build_filename(dir->path, "small", NULL);
    TestDir small = {path, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    g_autoptr(BerthVmStore) store = open_store(&small);
    create_vm(store, ID, "web");
    BERTH_AUTOFD filler = openat(small.fd, "filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char block[4096] = "";
    while (write(filler, block, sizeof block) > 0)
        ;
    mark_fails(store, BERTH_STORED_WHOLE, g_strerror(ENOSPC));
    g_assert_false(test_dir_has(&small, VM "/.new-.removing"));
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmRecord) other = new_record(OTHER, "db");
    g_assert_null(berth_vm_store_stage(store, other, (uid_t) -1, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    g_assert_cmpuint(test_dir_count(&small, "vms"), ==, 1);
}

static void with_read_only(TestDir *dir)
{
    {
        g_autoptr(BerthVmStore) before = open_store(dir);
        create_vm(before, ID, "web");
    }
    test_private_mounts(dir);
    g_autofree char *vms = g_build_filename(dir->path, "vms", NULL);
    if (mount(vms, vms, NULL, MS_BIND, NULL) < 0 || mount(NULL, vms, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
        _exit(TEST_SKIP);
    g_autoptr(BerthVmStore) store = open_store(dir);
    mark_fails(store, BERTH_STORED_WHOLE, g_strerror(EROFS));
}

/* M22: unmounted under a running daemon, nothing is concluded from what is not there. */
static void with_vanished_state(TestDir *dir)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) found = NULL, notes = NULL;
    g_autofree char *blocker = NULL;
    test_private_mounts(dir);
    test_dir_mkdir(dir, "state");
    test_mount_tmpfs(dir, "state", "");
    g_autofree char *path = g_build_filename(dir->path, "state", NULL);
    TestDir state = {path, -1};
    g_autoptr(BerthVmStore) store = open_store(&state);
    create_vm(store, ID, "web");
    g_assert_cmpint(umount2(path, MNT_DETACH), ==, 0);
    for (int round = 0; round < 2; round++) {
        g_assert_false(berth_vm_store_scan(store, &found, &notes, &error));
        g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
        g_clear_error(&error);
        g_assert_null(berth_vm_store_load(store, ID, &error));
        g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
        g_clear_error(&error);
        g_assert_false(berth_vm_store_doom(store, ID, INCARNATION, &error));
        g_clear_error(&error);
        g_assert_false(berth_vm_store_purge(store, ID, INCARNATION, &blocker, NULL));
        g_assert_nonnull(blocker);
        g_clear_pointer(&blocker, g_free);
        g_assert_false(berth_vm_store_sweep(store, NULL));
        /* The second time with other directories in their place. */
        test_dir_mkdir(dir, "state/vms");
        test_dir_mkdir(dir, "state/removing");
    }
}

static void with_mount_point(TestDir *dir)
{
    g_autoptr(GError) error = NULL;
    test_private_mounts(dir);
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    g_autofree char *path = berth_vm_store_path(store, ID);
    mark(store, INCARNATION);
    if (mount(path, path, NULL, MS_BIND, NULL) < 0)
        _exit(TEST_SKIP);
    g_assert_false(berth_vm_store_doom(store, ID, INCARNATION, &error));
    g_assert_nonnull(strstr(error->message, "mount point"));
    g_assert_cmpint(umount(path), ==, 0);
    doom_and_purge(store, INCARNATION);
}

#define NEEDS_ROOT "needs root for a mount namespace"
#define NEEDS_SECCOMP "no seccomp filters"

static const struct {
    const char *path;
    TestFunc func;
    const char *need;
} children[] = {
    {"/vm-store/mark/fails/fsync", with_failing_fsync, NEEDS_SECCOMP},
    {"/vm-store/mark/fails/directory-fsync", with_failing_directory, NEEDS_SECCOMP},
    {"/vm-store/mark/fails/rename", with_failing_rename, NEEDS_SECCOMP},
    {"/vm-store/mark/fails/exchange", with_failing_exchange, NEEDS_SECCOMP},
    {"/vm-store/mark/without-exchange", without_exchange, NEEDS_SECCOMP},
    {"/vm-store/unmark/fails", with_failing_unmark, NEEDS_SECCOMP},
    {"/vm-store/mark/fails/full-disk", with_full_disk, NEEDS_ROOT},
    {"/vm-store/mark/fails/read-only", with_read_only, NEEDS_ROOT},
    {"/vm-store/vanished", with_vanished_state, NEEDS_ROOT},
    {"/vm-store/doom/mount-point", with_mount_point, NEEDS_ROOT},
};

static void test_child(TestDir *dir, gconstpointer index)
{
    guint i = GPOINTER_TO_UINT(index);
    test_in_child(children[i].func, dir, children[i].need);
}

#ifdef __x86_64__
/* Each system call on files fails once, one after the other (M2). What says that it failed has left everything as it
 * was; what says that it did not has done it. */
#define FAILED 42

static void try_mark(TestDir *dir)
{
    g_autoptr(BerthVmStore) store = berth_vm_store_open(dir->path, NULL);
    _exit(store && berth_vm_store_mark(store, ID, INCARNATION, &intent, NULL) ? 0 : FAILED);
}

static void try_unmark(TestDir *dir)
{
    g_autoptr(BerthVmStore) store = berth_vm_store_open(dir->path, NULL);
    _exit(store && berth_vm_store_unmark(store, ID, NULL) ? 0 : FAILED);
}

static void try_create(TestDir *dir)
{
    g_autoptr(BerthVmStore) store = berth_vm_store_open(dir->path, NULL);
    g_autoptr(BerthVmRecord) record = new_record(ID, "web");
    g_autofree char *staged = store ? berth_vm_store_stage(store, record, (uid_t) -1, NULL) : NULL;
    _exit(staged && berth_vm_store_publish(store, ID, NULL) ? 0 : FAILED);
}

static void try_remove(TestDir *dir)
{
    g_autoptr(BerthVmStore) store = berth_vm_store_open(dir->path, NULL);
    _exit(store && berth_vm_store_doom(store, ID, INCARNATION, NULL) &&
                  berth_vm_store_purge(store, ID, INCARNATION, NULL, NULL)
              ? 0
              : FAILED);
}

/* -1: gone */
static int kind_now(BerthVmStore *store)
{
    g_autoptr(BerthStoredVm) stored = berth_vm_store_load(store, ID, NULL);
    return stored ? (int) stored->kind : -1;
}

static const struct {
    const char *path;
    TestFunc func;
    gboolean exists, bad_marker, marked;
    int failed, done; /* what the VM is then */
} tries[] = {
    {"/vm-store/each-fails/create", try_create, FALSE, FALSE, FALSE, -1, BERTH_STORED_WHOLE},
    {"/vm-store/each-fails/mark", try_mark, TRUE, FALSE, FALSE, BERTH_STORED_WHOLE, BERTH_STORED_MARKED},
    {"/vm-store/each-fails/mark-bad", try_mark, TRUE, TRUE, FALSE, BERTH_STORED_BROKEN, BERTH_STORED_MARKED},
    {"/vm-store/each-fails/mark-again", try_mark, TRUE, FALSE, TRUE, BERTH_STORED_MARKED, BERTH_STORED_MARKED},
    {"/vm-store/each-fails/unmark", try_unmark, TRUE, FALSE, TRUE, BERTH_STORED_MARKED, BERTH_STORED_WHOLE},
};

static void prepare(TestDir *dir, guint i)
{
    if (tries[i].exists)
        create_whole(dir);
    if (tries[i].bad_marker)
        make_bad_marker(dir, "directory");
    if (tries[i].marked) {
        g_autoptr(BerthVmStore) store = open_store(dir);
        mark(store, INCARNATION);
    }
}

static void clear(TestDir *dir)
{
    g_autoptr(BerthVmStore) store = open_store(dir);
    g_assert_true(berth_vm_store_sweep(store, NULL));
    if (kind_now(store) == -1)
        return;
    mark(store, INCARNATION);
    doom_and_purge(store, INCARNATION);
}

static void test_each_fails(TestDir *dir, gconstpointer index)
{
    guint i = GPOINTER_TO_UINT(index), n = 1;
    int status = 0, failures = 0;
    for (gboolean more = TRUE; more; n++) {
        prepare(dir, i);
        more = fail_at_syscall(tries[i].func, dir, n, EIO, &status);
        g_assert_true(WIFEXITED(status));
        g_autoptr(BerthVmStore) store = open_store(dir);
        int expected = WEXITSTATUS(status) == 0 ? tries[i].done : tries[i].failed;
        if (kind_now(store) != expected)
            g_error("call %u: answered %d, and is %d", n, WEXITSTATUS(status), kind_now(store));
        failures += WEXITSTATUS(status) == FAILED;
        g_clear_pointer(&store, berth_vm_store_close);
        clear(dir);
    }
    g_assert_cmpint(status, ==, 0); /* the last one, without a fault */
    g_assert_cmpint(failures, >, 10);
}

/* A removal never turns back: after any fault it is marked, doomed or gone, and the next try ends it. */
static void test_each_fails_remove(TestDir *dir, gconstpointer unused)
{
    int status, failures = 0;
    guint n = 1;
    for (gboolean more = TRUE; more; n++) {
        prepare(dir, 3);
        more = fail_at_syscall(try_remove, dir, n, EIO, &status);
        g_assert_true(WIFEXITED(status));
        failures += WEXITSTATUS(status) == FAILED;
        g_autoptr(BerthVmStore) store = open_store(dir);
        int kind = kind_now(store);
        g_assert_true(kind == -1 || (kind == BERTH_STORED_MARKED && WEXITSTATUS(status) == FAILED));
        doom_and_purge(store, INCARNATION);
        g_assert_cmpuint(test_dir_count(dir, "removing"), ==, 0);
    }
    g_assert_cmpint(failures, >, 10);
}
#endif

#define ADD_FAST(path, function) g_test_add(path, TestDir, NULL, test_dir_open_fast, function, test_dir_close)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_FAST("/vm-store/create/killed", test_create_killed);
    ADD_FAST("/vm-store/remove/killed", test_remove_killed);
    g_test_add("/vm-store/mark/killed/file", TestDir, "garbage", test_dir_open_fast, test_mark_over_killed,
               test_dir_close);
    g_test_add("/vm-store/mark/killed/directory", TestDir, "directory", test_dir_open_fast, test_mark_over_killed,
               test_dir_close);
#ifdef __x86_64__
    for (guint i = 0; i < G_N_ELEMENTS(tries); i++)
        g_test_add(tries[i].path, TestDir, GUINT_TO_POINTER(i), test_dir_open_fast, test_each_fails, test_dir_close);
    ADD_FAST("/vm-store/each-fails/remove", test_each_fails_remove);
#endif
    for (guint i = 0; i < G_N_ELEMENTS(children); i++)
        g_test_add(children[i].path, TestDir, GUINT_TO_POINTER(i), test_dir_open, test_child, test_dir_close);
    return g_test_run();
}
