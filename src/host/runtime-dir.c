/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime-dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/keeper-protocol.h"
#include "../core/names.h"
#include "runtime-file.h"
#include "unix-socket.h"

#define OWNER_MAX 64   /* a UUID has 36 */
#define QEMU_BACKLOG 8 /* one daemon connects at a time; a few that came and went may still wait for QEMU */

void berth_runtime_fds_close(BerthRuntimeFds *fds)
{
    int *const all[] = {&fds->lock_fd, &fds->exit_fd, &fds->qmp_fd, &fds->console_fd, &fds->agent_fd};

    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        if (*all[i] >= 0)
            close(*all[i]);
        *all[i] = -1;
    }
}

static gboolean fail(GError **error, const char *what, const char *id)
{
    berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "%s of the runtime directory of VM %s", what, id);
    return FALSE;
}

static int open_directory(int dir_fd, const char *name)
{
    return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* *@dir_fd stays -1 where there is no such directory. FALSE where that can't be known. */
static gboolean open_vm(const char *runtime_dir, const char *id, int *dir_fd, GError **error)
{
    g_autofree char *path = g_build_filename(runtime_dir, id, NULL);
    int fd = open_directory(AT_FDCWD, path);

    if (fd < 0 && errno != ENOENT)
        return fail(error, "open the top", id);
    *dir_fd = fd;
    return TRUE;
}

/* Takes the lock where it is free. *@lock_fd stays -1 where there is no lock file, or it is held: then *@held. */
static gboolean try_lock(int dir_fd, const char *id, int *lock_fd, gboolean *held, GError **error)
{
    BERTH_AUTOFD fd = openat(dir_fd, BERTH_FILE_LOCK, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

    *held = FALSE;
    if (fd < 0)
        return errno == ENOENT || fail(error, "open the lock", id);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        *lock_fd = berth_steal_fd(&fd);
        return TRUE;
    }
    if (errno != EWOULDBLOCK)
        return fail(error, "test the lock", id);
    *held = TRUE;
    return TRUE;
}

/* Unlocked and not only closed: where another thread forks just now, its child has the descriptor until it execs, and
 * would hold the lock as long. */
static void unlock(int *lock_fd)
{
    if (*lock_fd >= 0) {
        (void) flock(*lock_fd, LOCK_UN);
        close(*lock_fd);
    }
}

gboolean berth_runtime_is_free(const char *runtime_dir, const char *id, gboolean *free, GError **error)
{
    BERTH_AUTOFD dir_fd = -1;
    __attribute__((cleanup(unlock))) int lock_fd = -1;
    gboolean held = FALSE;

    if (!open_vm(runtime_dir, id, &dir_fd, error) || (dir_fd >= 0 && !try_lock(dir_fd, id, &lock_fd, &held, error)))
        return FALSE;
    *free = !held;
    return TRUE;
}

/* Everything but the lock; it is flat: nobody makes a directory there. */
static gboolean empty_directory(int dir_fd, const char *id, GError **error)
{
    DIR *dir = fdopendir(openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    gboolean done = dir != NULL;

    for (struct dirent *entry; done && (entry = readdir(dir));) {
        const gboolean keep = g_str_equal(entry->d_name, ".") || g_str_equal(entry->d_name, "..") ||
                              g_str_equal(entry->d_name, BERTH_FILE_LOCK);
        done = keep || unlinkat(dir_fd, entry->d_name, 0) == 0 || errno == ENOENT;
    }
    if (!done)
        fail(error, "empty the top", id);
    if (dir)
        closedir(dir);
    return done;
}

gboolean berth_runtime_remove(const char *runtime_dir, const char *id, GError **error)
{
    g_autofree char *path = g_build_filename(runtime_dir, id, NULL);
    BERTH_AUTOFD dir_fd = -1;
    __attribute__((cleanup(unlock))) int lock_fd = -1;
    gboolean held = FALSE;

    if (!open_vm(runtime_dir, id, &dir_fd, error))
        return FALSE;
    if (dir_fd < 0)
        return TRUE;
    if (!try_lock(dir_fd, id, &lock_fd, &held, error))
        return FALSE;
    if (held) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_BUSY, "A process of VM %s is still alive and holds its lock", id);
        return FALSE;
    }
    /* The lock goes last: as long as anything is left, a start of the VM finds it held by us. */
    if (!empty_directory(dir_fd, id, error))
        return FALSE;
    if (unlinkat(dir_fd, BERTH_FILE_LOCK, 0) < 0 && errno != ENOENT)
        return fail(error, "remove the lock", id);
    if (rmdir(path) < 0 && errno != ENOENT)
        return fail(error, "remove the top", id);
    return TRUE;
}

gboolean berth_runtime_retire(const char *runtime_dir, const char *id, GError **error)
{
    static const char *const live[] = {BERTH_FILE_QMP_SOCKET, BERTH_FILE_CONSOLE_SOCKET, BERTH_FILE_AGENT_SOCKET,
                                       BERTH_FILE_GUEST};
    BERTH_AUTOFD dir_fd = -1;

    if (!open_vm(runtime_dir, id, &dir_fd, error))
        return FALSE;
    if (dir_fd < 0 || faccessat(dir_fd, BERTH_FILE_RUN, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return berth_runtime_remove(runtime_dir, id, error);
    for (guint i = 0; i < G_N_ELEMENTS(live); i++)
        if (unlinkat(dir_fd, live[i], 0) < 0 && errno != ENOENT)
            return fail(error, "remove what is of no use", id);
    return TRUE;
}

static gboolean make_files(int dir_fd, const char *id, const char *owner, BerthRuntimeFds *fds, GError **error)
{
    fds->lock_fd = openat(dir_fd, BERTH_FILE_LOCK, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fds->lock_fd < 0 || flock(fds->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return fail(error, "make the lock", id);
    if (write(fds->lock_fd, owner, strlen(owner)) != (ssize_t) strlen(owner))
        return fail(error, "write the owner", id);
    fds->exit_fd = openat(dir_fd, BERTH_FILE_EXIT, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fds->exit_fd < 0)
        return fail(error, "make the exit record", id);
    fds->qmp_fd = berth_unix_listen(dir_fd, BERTH_FILE_QMP_SOCKET, QEMU_BACKLOG, error);
    fds->console_fd = fds->qmp_fd < 0 ? -1 : berth_unix_listen(dir_fd, BERTH_FILE_CONSOLE_SOCKET, SOMAXCONN, error);
    fds->agent_fd = fds->console_fd < 0 ? -1 : berth_unix_listen(dir_fd, BERTH_FILE_AGENT_SOCKET, QEMU_BACKLOG, error);
    return fds->agent_fd >= 0;
}

gboolean berth_runtime_create(const char *runtime_dir, const char *id, const char *owner, BerthRuntimeFds *fds,
                              GError **error)
{
    g_autofree char *path = g_build_filename(runtime_dir, id, NULL);

    if (!berth_runtime_remove(runtime_dir, id, error))
        return FALSE;
    if (mkdir(runtime_dir, 0755) < 0 && errno != EEXIST)
        return fail(error, "make the parent", id);
    if (mkdir(path, 0700) < 0)
        return fail(error, "make the top", id);

    BERTH_AUTOFD dir_fd = open_directory(AT_FDCWD, path);
    if (dir_fd < 0)
        return fail(error, "open the top", id);
    BerthRuntimeFds made = {-1, -1, -1, -1, -1};
    if (!make_files(dir_fd, id, owner, &made, error)) {
        berth_runtime_fds_close(&made);
        (void) berth_runtime_remove(runtime_dir, id, NULL); /* else the next start does it */
        return FALSE;
    }
    *fds = made;
    return TRUE;
}

gboolean berth_runtime_exists(const char *runtime_dir, const char *id)
{
    g_autofree char *path = g_build_filename(runtime_dir, id, NULL);
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void berth_runtime_sweep(const char *runtime_dir, const char *id)
{
    g_autofree char *dir = g_build_filename(runtime_dir, id, NULL);
    berth_runtime_sweep_file(dir, BERTH_FILE_RUN);
    berth_runtime_sweep_file(dir, BERTH_FILE_GUEST);
}

char *berth_runtime_owner(const char *runtime_dir, const char *id)
{
    gsize length;
    g_autofree char *dir = g_build_filename(runtime_dir, id, NULL);
    g_autofree char *owner = berth_runtime_read_file(dir, BERTH_FILE_LOCK, OWNER_MAX, &length, NULL);

    return owner && length > 0 ? g_steal_pointer(&owner) : NULL;
}

BerthExitRecord *berth_runtime_read_exit(const char *runtime_dir, const char *id, GError **error)
{
    gsize length;
    g_autofree char *dir = g_build_filename(runtime_dir, id, NULL);
    g_autofree char *text = berth_runtime_read_file(dir, BERTH_FILE_EXIT, BERTH_EXIT_RECORD_MAX, &length, error);
    if (!text)
        return NULL;

    g_autoptr(GError) reason = NULL;
    BerthExitRecord *record = berth_exit_record_parse(text, length, &reason);
    if (!record)
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND, "There is no exit record of VM %s: %s", id,
                    length == 0 ? "nothing was written" : reason->message);
    return record;
}

static gboolean is_id(const char *name)
{
    g_autofree char *lower = g_ascii_strdown(name, -1);
    return g_uuid_string_is_valid(name) && g_str_equal(name, lower);
}

GPtrArray *berth_runtime_list(const char *runtime_dir, GError **error)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
    DIR *dir = opendir(runtime_dir);

    if (!dir && errno == ENOENT)
        return g_steal_pointer(&ids);
    errno = dir ? 0 : errno;
    for (struct dirent *entry; dir && (entry = readdir(dir)); errno = 0) {
        struct stat st;
        if (is_id(entry->d_name) && fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(st.st_mode))
            g_ptr_array_add(ids, g_strdup(entry->d_name));
    }
    const int errnum = errno;
    if (dir)
        closedir(dir);
    if (errnum) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errnum, "list %s", runtime_dir);
        return NULL;
    }
    return g_steal_pointer(&ids);
}

int berth_runtime_connect_console(const char *runtime_dir, const char *id, GError **error)
{
    g_autofree char *path = g_build_filename(runtime_dir, id, BERTH_FILE_CONSOLE_SOCKET, NULL);
    BERTH_AUTOFD fd = berth_unix_connect(path, error);

    /* It is for a client, and a client expects that reading waits. */
    if (fd >= 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "connect to %s", path);
        return -1;
    }
    return berth_steal_fd(&fd);
}

char *berth_runtime_qmp_path(const char *runtime_dir, const char *id)
{
    return g_build_filename(runtime_dir, id, BERTH_FILE_QMP_SOCKET, NULL);
}

char *berth_runtime_agent_path(const char *runtime_dir, const char *id)
{
    return g_build_filename(runtime_dir, id, BERTH_FILE_AGENT_SOCKET, NULL);
}
