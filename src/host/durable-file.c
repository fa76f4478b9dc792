/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "durable-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/names.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Remembers the first failure only: what follows from it is no news. */
static gboolean fail(GError **error, const char *what, const char *name)
{
    if (error && !*error)
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "%s %s", what, name);
    return FALSE;
}

static gboolean sync_fd(int fd, const char *name, GError **error)
{
    /* After EIO the kernel has dropped the dirty pages: a second fsync would lie. Only an interruption is tried again.
     */
    if (TEMP_FAILURE_RETRY(fsync(fd)) < 0)
        return fail(error, "write to stable storage:", name);
    return TRUE;
}

int berth_dir_open(int dir_fd, const char *name, GError **error)
{
    int fd = openat(dir_fd, name, DIR_FLAGS);
    if (fd < 0)
        fail(error, "open the directory", name);
    return fd;
}

/* The directory that holds @name, which AT_FDCWD's absolute paths name in full. */
static int open_parent(int dir_fd, const char *name, GError **error)
{
    if (dir_fd != AT_FDCWD)
        return berth_dir_open(dir_fd, ".", error);
    g_autofree char *parent = g_path_get_dirname(name);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fail(error, "open the directory", parent);
    return fd;
}

int berth_dir_ensure(int dir_fd, const char *name, mode_t mode, GError **error)
{
    gboolean made = mkdirat(dir_fd, name, mode) == 0;
    if (!made && errno != EEXIST) {
        fail(error, "make the directory", name);
        return -1;
    }
    BERTH_AUTOFD fd = berth_dir_open(dir_fd, name, error);
    if (fd < 0)
        return -1;
    if (made && fchmod(fd, mode) < 0) {
        fail(error, "set the mode of", name);
        return -1;
    }
    /* Also where it was there already: whoever made it may have been killed before its fsync. */
    BERTH_AUTOFD parent_fd = open_parent(dir_fd, name, error);
    if (parent_fd < 0 || !sync_fd(parent_fd, name, error))
        return -1;
    return berth_steal_fd(&fd);
}

gboolean berth_dir_sync(int dir_fd, GError **error)
{
    return sync_fd(dir_fd, "a directory", error);
}

static GPtrArray *read_names(DIR *dir, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry && errno != 0) {
            fail(error, "read", "a directory");
            return NULL;
        }
        if (!entry)
            return g_steal_pointer(&names);
        if (!g_str_equal(entry->d_name, ".") && !g_str_equal(entry->d_name, ".."))
            g_ptr_array_add(names, g_strdup(entry->d_name));
    }
}

GPtrArray *berth_dir_list(int dir_fd, GError **error)
{
    BERTH_AUTOFD fd = berth_dir_open(dir_fd, ".", error);
    if (fd < 0)
        return NULL;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        fail(error, "read", "a directory");
        return NULL;
    }
    berth_steal_fd(&fd);
    GPtrArray *names = read_names(dir, error);
    closedir(dir);
    return names;
}

static gboolean write_all(int fd, const char *data, gsize length, const char *name, GError **error)
{
    while (length > 0) {
        ssize_t n = TEMP_FAILURE_RETRY(write(fd, data, length));
        if (n < 0)
            return fail(error, "write", name);
        data += n;
        length -= n;
    }
    return TRUE;
}

static gboolean fill(int fd, const char *name, const void *data, gsize length, mode_t mode, gboolean sync,
                     GError **error)
{
    if (fchmod(fd, mode) < 0) /* whatever the umask is */
        return fail(error, "set the mode of", name);
    return write_all(fd, data, length, name, error) && (!sync || sync_fd(fd, name, error));
}

static gboolean create(int dir_fd, const char *name, const void *data, gsize length, mode_t mode, gboolean sync,
                       GError **error)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return fail(error, "create", name);
    gboolean ok = fill(fd, name, data, length, mode, sync, error);
    /* Network file systems say here that a write was lost; after EINTR Linux has closed it all the same. */
    if (close(fd) < 0 && errno != EINTR && ok)
        ok = fail(error, "write", name);
    if (!ok)
        unlinkat(dir_fd, name, 0);
    return ok;
}

gboolean berth_file_create(int dir_fd, const char *name, const void *data, gsize length, mode_t mode, GError **error)
{
    return create(dir_fd, name, data, length, mode, FALSE, error);
}

static gboolean swap(int dir_fd, const char *staged, const char *name)
{
    return renameat2(dir_fd, staged, dir_fd, name, RENAME_EXCHANGE) == 0;
}

/* Swapped, the old file lies under the staging name until the new one is known to last. FALSE with errno. */
static gboolean put_in_place(int dir_fd, const char *staged, const char *name, gboolean *swapped)
{
    struct stat st;
    gboolean is_there = fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
    *swapped = is_there && swap(dir_fd, staged, name);
    /* NFS and FAT can't swap. */
    return *swapped || ((!is_there || errno == EINVAL) && renameat(dir_fd, staged, dir_fd, name) == 0);
}

static void take_back(int dir_fd, const char *staged, const char *name, GError **error)
{
    if ((!swap(dir_fd, staged, name) || !sync_fd(dir_fd, name, NULL)) && error && *error)
        g_prefix_error(error, "What %s was can't be brought back for certain. ", name);
}

gboolean berth_durable_write(int dir_fd, const char *name, const void *data, gsize length, mode_t mode, GError **error)
{
    /* One fixed name, so that crashes leave at most one such file, which the next write replaces. */
    g_autofree char *staged = g_strconcat(BERTH_STAGING_PREFIX, name, NULL);
    if (unlinkat(dir_fd, staged, 0) < 0 && errno != ENOENT)
        return fail(error, "replace", staged);
    /* The content is on disk before its name is: a power cut leaves the old file or the new one, never half of one. */
    if (!create(dir_fd, staged, data, length, mode, TRUE, error))
        return FALSE;
    gboolean swapped;
    if (!put_in_place(dir_fd, staged, name, &swapped)) {
        fail(error, "replace", name);
        unlinkat(dir_fd, staged, 0);
        return FALSE;
    }
    gboolean ok = sync_fd(dir_fd, name, error);
    if (swapped && !ok)
        take_back(dir_fd, staged, name, error);
    if (swapped)
        unlinkat(dir_fd, staged, 0);
    return ok;
}

static gboolean check_regular(int fd, const char *name, struct stat *st, GError **error)
{
    if (fstat(fd, st) < 0)
        return fail(error, "look at", name);
    if (S_ISREG(st->st_mode))
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, "%s is not a regular file", name);
    return FALSE;
}

/* Reads nothing from it and waits for nobody, whatever lies there. */
static int open_existing(int dir_fd, const char *name)
{
    return openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

gboolean berth_durable_touch(int dir_fd, const char *name, GError **error)
{
    BERTH_AUTOFD fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    gboolean made = fd >= 0;
    if (!made && errno == EEXIST)
        fd = open_existing(dir_fd, name);
    if (fd < 0)
        return fail(error, "create", name);
    struct stat st;
    /* The directory also where the file was there already: its maker may have been killed before this. */
    gboolean ok = check_regular(fd, name, &st, error) && sync_fd(fd, name, error) && sync_fd(dir_fd, name, error);
    if (!ok && made)
        unlinkat(dir_fd, name, 0);
    return ok;
}

gboolean berth_durable_unlink(int dir_fd, const char *name, GError **error)
{
    if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
        return fail(error, "delete", name);
    /* Also where it was gone already: the fsync of an earlier try may have failed. */
    return sync_fd(dir_fd, name, error);
}

/* The size that fstat() tells is only a hint, since the file may grow meanwhile: one byte more than allowed is asked
 * for. */
static char *read_bounded(int fd, const char *name, gsize hint, gsize max, gsize *length, GError **error)
{
    gsize capacity = MIN(hint, max) + 1;
    g_autofree char *text = g_malloc(capacity + 1);
    gsize have = 0;
    for (;;) {
        ssize_t n = TEMP_FAILURE_RETRY(read(fd, text + have, capacity - have));
        if (n < 0) {
            fail(error, "read", name);
            return NULL;
        }
        if (n == 0)
            break;
        have += n;
        if (have > max) {
            g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED,
                        "%s is too large: more than %" G_GSIZE_FORMAT " bytes", name, max);
            return NULL;
        }
        if (have == capacity) {
            capacity = MIN(capacity * 2, max + 1);
            text = g_realloc(text, capacity + 1);
        }
    }
    text[have] = '\0';
    if (length)
        *length = have;
    return g_steal_pointer(&text);
}

char *berth_file_read(int dir_fd, const char *name, gsize max, gsize *length, GError **error)
{
    BERTH_AUTOFD fd = open_existing(dir_fd, name);
    if (fd < 0) {
        int errnum = errno;
        if (errnum == ELOOP)
            g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, "%s is a symbolic link", name);
        else
            berth_error_set_errno(error, errnum == ENOENT ? BERTH_ERROR_NOT_FOUND : BERTH_ERROR_STORAGE_FAILED, errnum,
                                  "open %s", name);
        return NULL;
    }
    struct stat st;
    if (!check_regular(fd, name, &st, error))
        return NULL;
    return read_bounded(fd, name, st.st_size, max, length, error);
}
