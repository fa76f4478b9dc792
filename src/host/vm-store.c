/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-store-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/names.h"
#include "durable-file.h"
#include "vm-record.h"

/* VMs' processes run as users of their own and open disks and images by absolute path: they may pass, and not look
 * around. */
#define PASSAGE_MODE 0711
/* Nobody of a doomed VM should be left, and nobody is let in. */
#define REMOVING_MODE 0700

/* "process 123", as far as the file tells. */
static char *lock_holder(int state_fd)
{
    gsize length;
    g_autofree char *text = berth_file_read(state_fd, BERTH_FILE_LOCK, 32, &length, NULL);
    guint64 pid;
    if (text && g_ascii_string_to_unsigned(g_strstrip(text), 10, 1, G_MAXINT32, &pid, NULL))
        return g_strdup_printf("process %" G_GUINT64_FORMAT, pid);
    return g_strdup("another process");
}

static gboolean take_lock(int fd, int state_fd, const char *state_dir, GError **error)
{
    if (TEMP_FAILURE_RETRY(flock(fd, LOCK_EX | LOCK_NB)) == 0)
        return TRUE;
    if (errno != EWOULDBLOCK) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "lock %s/%s", state_dir, BERTH_FILE_LOCK);
        return FALSE;
    }
    g_autofree char *holder = lock_holder(state_fd);
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_BUSY, "Another berthd uses %s already: %s", state_dir, holder);
    return FALSE;
}

static int open_lock(int state_fd, const char *state_dir, GError **error)
{
    BERTH_AUTOFD fd = openat(state_fd, BERTH_FILE_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
    if (fd < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "open %s/%s", state_dir, BERTH_FILE_LOCK);
        return -1;
    }
    if (!take_lock(fd, state_fd, state_dir, error))
        return -1;
    /* For the message above only: the lock is the kernel's, and goes with the process. */
    g_autofree char *pid = g_strdup_printf("%d\n", getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, strlen(pid), 0) < 0)
        g_debug("Can't write the PID into %s/%s: %s", state_dir, BERTH_FILE_LOCK, g_strerror(errno));
    return berth_steal_fd(&fd);
}

/* (transfer full): what no other directory has, and what stays over a boot where the file system knows it: its birth. */
static char *identity_of(int fd, const char *path, GError **error)
{
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "look at %s", path);
        return NULL;
    }
    if (st.stx_mask & STATX_BTIME)
        return g_strdup_printf("born %" G_GINT64_FORMAT ".%09u", (gint64) st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
    return g_strdup_printf("inode %" G_GUINT64_FORMAT, (guint64) st.stx_ino);
}

/* An administrator may have put the state elsewhere and a link in its place; below it, links are not followed. */
static char *resolve_state_dir(const char *state_dir, GError **error)
{
    char *resolved = realpath(state_dir, NULL);
    if (!resolved && errno == ENOENT) {
        g_autofree char *parent = g_path_get_dirname(state_dir);
        g_mkdir_with_parents(parent, 0755);
        BERTH_AUTOFD made = berth_dir_ensure(AT_FDCWD, state_dir, PASSAGE_MODE, error);
        if (made < 0)
            return NULL;
        resolved = realpath(state_dir, NULL);
    }
    if (!resolved) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "find %s", state_dir);
        return NULL;
    }
    g_autofree char *freed_by_glib = g_strdup(resolved);
    free(resolved);
    return g_steal_pointer(&freed_by_glib);
}

static gboolean open_directories(BerthVmStore *store, const char *state_dir, GError **error)
{
    g_autofree char *path = resolve_state_dir(state_dir, error);
    if (!path || (store->state_fd = berth_dir_open(AT_FDCWD, path, error)) < 0)
        return FALSE;
    /* The lock before anything else is made or looked at. */
    if ((store->lock_fd = open_lock(store->state_fd, path, error)) < 0)
        return FALSE;
    store->vms_path = g_build_filename(path, BERTH_DIR_VMS, NULL);
    store->removing_path = g_build_filename(path, BERTH_DIR_REMOVING, NULL);
    store->vms_fd = berth_dir_ensure(store->state_fd, BERTH_DIR_VMS, PASSAGE_MODE, error);
    if (store->vms_fd < 0 || !(store->id = identity_of(store->vms_fd, store->vms_path, error)))
        return FALSE;
    store->removing_fd = berth_dir_ensure(store->state_fd, BERTH_DIR_REMOVING, REMOVING_MODE, error);
    return store->removing_fd >= 0;
}

BerthVmStore *berth_vm_store_open(const char *state_dir, GError **error)
{
    g_autoptr(BerthVmStore) store = g_new0(BerthVmStore, 1);
    store->state_fd = store->vms_fd = store->removing_fd = store->lock_fd = -1;
    if (!open_directories(store, state_dir, error))
        return NULL;
    return g_steal_pointer(&store);
}

const char *berth_vm_store_id(const BerthVmStore *store)
{
    return store->id;
}

void berth_vm_store_close(BerthVmStore *store)
{
    berth_autofd_close(&store->removing_fd);
    berth_autofd_close(&store->vms_fd);
    berth_autofd_close(&store->lock_fd);
    berth_autofd_close(&store->state_fd);
    g_free(store->id);
    g_free(store->vms_path);
    g_free(store->removing_path);
    g_free(store);
}

static gboolean check_same(const char *path, int fd, GError **error)
{
    struct stat now, opened;
    if (stat(path, &now) < 0 || fstat(fd, &opened) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "find %s", path);
        return FALSE;
    }
    if (now.st_dev == opened.st_dev && now.st_ino == opened.st_ino)
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED,
                "%s is not the directory that was there when the daemon started: has it been unmounted or replaced?",
                path);
    return FALSE;
}

gboolean berth_vm_store_check(const BerthVmStore *store, GError **error)
{
    return check_same(store->vms_path, store->vms_fd, error) &&
           check_same(store->removing_path, store->removing_fd, error);
}

int berth_vm_store_open_vm(const BerthVmStore *store, const char *id, GError **error)
{
    return berth_vm_store_check(store, error) ? berth_dir_open(store->vms_fd, id, error) : -1;
}

gboolean berth_entry_is_link(int dir_fd, const char *name)
{
    struct stat st;
    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* The new name first: where power is cut between the two, the directory may have both names, but never none. */
static gboolean sync_both(int from_fd, int to_fd, GError **error)
{
    return berth_dir_sync(to_fd, error) && (from_fd == to_fd || berth_dir_sync(from_fd, error));
}

gboolean berth_move_durably(int from_fd, const char *from, int to_fd, const char *to, gboolean undo, GError **error)
{
    if (renameat(from_fd, from, to_fd, to) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "rename %s to %s", from, to);
        return FALSE;
    }
    if (sync_both(from_fd, to_fd, error))
        return TRUE;
    if (undo && (renameat(to_fd, to, from_fd, from) < 0 || !sync_both(to_fd, from_fd, NULL)))
        g_prefix_error(error, "Can't take the renaming of %s to %s back: ", from, to);
    return FALSE;
}

gboolean berth_vm_store_save(BerthVmStore *store, const BerthVmRecord *record, GError **error)
{
    BERTH_AUTOFD fd = berth_vm_store_open_vm(store, record->id, error);
    if (fd < 0)
        return FALSE;
    gsize length;
    g_autofree char *text = berth_vm_record_to_json(record, &length);
    return berth_durable_write(fd, BERTH_FILE_DEFINITION, text, length, 0600, error);
}

/* FALSE: it is there again where it was, as far as that can be. */
static gboolean unwant(int vm_fd, GError **error)
{
    gboolean was_there = faccessat(vm_fd, BERTH_FILE_WANTED, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (berth_durable_unlink(vm_fd, BERTH_FILE_WANTED, error))
        return TRUE;
    if (was_there)
        berth_file_create(vm_fd, BERTH_FILE_WANTED, "", 0, 0600, NULL);
    return FALSE;
}

gboolean berth_vm_store_set_wanted(BerthVmStore *store, const char *id, gboolean wanted, GError **error)
{
    BERTH_AUTOFD fd = berth_vm_store_open_vm(store, id, error);
    if (fd < 0)
        return FALSE;
    return wanted ? berth_durable_touch(fd, BERTH_FILE_WANTED, error) : unwant(fd, error);
}

char *berth_vm_store_path(BerthVmStore *store, const char *id)
{
    return g_build_filename(store->vms_path, id, NULL);
}

static gboolean check_log(int fd, const char *name, GError **error)
{
    struct stat st;
    /* O_NONBLOCK was for opening only: it means nothing on a file, but would be passed on. */
    if (fstat(fd, &st) < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "look at the log %s", name);
        return FALSE;
    }
    if (S_ISREG(st.st_mode))
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, "The log %s is not a regular file", name);
    return FALSE;
}

int berth_vm_store_open_log(BerthVmStore *store, const char *id, const char *name, int flags, GError **error)
{
    BERTH_AUTOFD vm_fd = berth_vm_store_open_vm(store, id, error);
    BERTH_AUTOFD logs_fd = vm_fd < 0 ? -1 : berth_dir_open(vm_fd, BERTH_DIR_LOGS, error);
    if (logs_fd < 0)
        return -1;
    BERTH_AUTOFD fd = openat(logs_fd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (fd < 0) {
        berth_error_set_errno(error, errno == ENOENT ? BERTH_ERROR_NOT_FOUND : BERTH_ERROR_STORAGE_FAILED, errno,
                              "open the log %s", name);
        return -1;
    }
    return check_log(fd, name, error) ? berth_steal_fd(&fd) : -1;
}
