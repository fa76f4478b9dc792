/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/autofd.h"
#include "../core/error.h"

#define CHUNK (256u * 1024u)
#define PROGRESS_USEC (G_USEC_PER_SEC / 10)

static gboolean refuse(GError **error, const char *what, const char *why)
{
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "The %s %s", what, why);
    return FALSE;
}

gboolean berth_copy_check_input(int fd, const char *what, guint64 max, guint64 *size, GError **error)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &st) < 0)
        return refuse(error, what, "is no open file");
    if (!S_ISREG(st.st_mode))
        return refuse(error, what, "is not a regular file");
    if (flags & O_PATH || (flags & O_ACCMODE) == O_WRONLY)
        return refuse(error, what, "is not open for reading");
    if ((guint64) st.st_size > max) {
        g_autofree char *bound = g_format_size_full(max, G_FORMAT_SIZE_IEC_UNITS);
        g_autofree char *why = g_strdup_printf("is larger than %s", bound);
        return refuse(error, what, why);
    }
    *size = st.st_size;
    return TRUE;
}

void berth_copy_tell(BerthCopyJob *job, gboolean always)
{
    gint64 now = g_get_monotonic_time();
    if (!job->progress || (!always && now - job->told < PROGRESS_USEC))
        return;
    job->told = now;
    job->progress(job->done, job->total, job->data);
}

gboolean berth_copy_check_cancelled(const BerthCopyJob *job, GError **error)
{
    if (!g_cancellable_is_cancelled(job->cancellable))
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_CANCELLED, "The %s was cancelled", job->name);
    return FALSE;
}

static gboolean go_on(BerthCopyJob *job, guint64 bytes, GError **error)
{
    job->done += bytes;
    berth_copy_tell(job, FALSE);
    return berth_copy_check_cancelled(job, error);
}

static gboolean storage_failed(GError **error, const char *what)
{
    berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "%s", what);
    return FALSE;
}

static gboolean write_at(int fd, const char *data, gsize length, guint64 at, GError **error)
{
    while (length > 0) {
        ssize_t n = TEMP_FAILURE_RETRY(pwrite(fd, data, length, at));
        if (n < 0)
            return storage_failed(error, "write the copy");
        data += n;
        at += n;
        length -= n;
    }
    return TRUE;
}

typedef struct {
    int from, to;
    guint64 at, end;
    GChecksum *checksum; /* (nullable) */
    char buffer[CHUNK];
} Copy;

/* Up to @until there are data, or what counts as such. pread(), since the caller's position is his. */
static gboolean copy_data(Copy *copy, BerthCopyJob *job, guint64 until, GError **error)
{
    while (copy->at < until) {
        ssize_t n = TEMP_FAILURE_RETRY(pread(copy->from, copy->buffer, MIN(CHUNK, until - copy->at), copy->at));
        if (n < 0)
            return storage_failed(error, "read the file");
        if (n == 0)
            return refuse(error, "file", "became shorter while it was read");
        if (copy->checksum)
            g_checksum_update(copy->checksum, (const guchar *) copy->buffer, n);
        if (!write_at(copy->to, copy->buffer, n, copy->at, error))
            return FALSE;
        copy->at += n;
        if (!go_on(job, n, error))
            return FALSE;
    }
    return TRUE;
}

/* A hole is not read, and not written: but its zeroes count for the sum. */
static gboolean skip_hole(Copy *copy, BerthCopyJob *job, guint64 until, GError **error)
{
    static const guchar zeroes[CHUNK];
    while (copy->at < until) {
        /* Without a sum there is nothing to do for it. */
        gsize n = copy->checksum ? MIN(CHUNK, until - copy->at) : until - copy->at;
        if (copy->checksum)
            g_checksum_update(copy->checksum, zeroes, n);
        copy->at += n;
        if (!go_on(job, n, error))
            return FALSE;
    }
    return TRUE;
}

/* Where the next data or the next hole begins, as the file system tells it: its word is only used to skip what would be
 * read as zeroes, and is kept within the file's bounds. */
static guint64 seek(const Copy *copy, int whence)
{
    off_t found = lseek(copy->from, copy->at, whence);
    if (found < 0 && errno == ENXIO)
        return copy->end; /* nothing but a hole up to the end */
    if (found < 0)
        return whence == SEEK_DATA ? copy->at : copy->end; /* it knows no holes */
    return CLAMP((guint64) found, copy->at, copy->end);
}

static gboolean copy_all(Copy *copy, BerthCopyJob *job, GError **error)
{
    while (copy->at < copy->end) {
        if (!skip_hole(copy, job, seek(copy, SEEK_DATA), error))
            return FALSE;
        guint64 hole = seek(copy, SEEK_HOLE);
        /* A file system that contradicts itself is read to the end: each round gets somewhere. */
        if (!copy_data(copy, job, hole > copy->at ? hole : copy->end, error))
            return FALSE;
    }
    /* For a hole at the end. */
    if (ftruncate(copy->to, copy->end) < 0)
        return storage_failed(error, "write the copy");
    return TRUE;
}

static gboolean check_unchanged(int fd, const struct stat *before, GError **error)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return storage_failed(error, "look at the file");
    if (st.st_size != before->st_size || st.st_mtim.tv_sec != before->st_mtim.tv_sec ||
        st.st_mtim.tv_nsec != before->st_mtim.tv_nsec)
        return refuse(error, "file", "was changed while it was read");
    return TRUE;
}

/* @checksum: (nullable) */
static gboolean copy_into(BerthCopyJob *job, int fd, guint64 size, int to, GChecksum *checksum, GError **error)
{
    struct stat before;
    if (fstat(fd, &before) < 0)
        return storage_failed(error, "look at the file");
    if ((guint64) before.st_size != size)
        return refuse(error, "file", "was changed while it was read");
    g_autofree Copy *copy = g_new0(Copy, 1);
    *copy = (Copy){.from = fd, .to = to, .end = size, .checksum = checksum};
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return copy_all(copy, job, error) && check_unchanged(fd, &before, error);
}

int berth_copy(BerthCopyJob *job, int fd, guint64 size, int to_dir, const char *name, char **sha256, GError **error)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    BERTH_AUTOFD to = openat(to_dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
    if (to < 0 || fchmod(to, 0444) < 0) {
        storage_failed(error, "make the image's file");
        return -1;
    }
    if (!copy_into(job, fd, size, to, checksum, error))
        return -1;
    *sha256 = g_strdup(g_checksum_get_string(checksum));
    return berth_steal_fd(&to);
}

gboolean berth_copy_disk(BerthCopyJob *job, int fd, guint64 size, int to, GError **error)
{
    if (ioctl(to, FICLONE, fd) == 0)
        return go_on(job, size, error);
    return copy_into(job, fd, size, to, NULL, error);
}
