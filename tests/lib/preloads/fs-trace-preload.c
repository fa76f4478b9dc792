/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded into berthd: writes the trace that fs-trace.h describes. A call and its record are one step under a lock,
 * so that the records stand in the order in which the kernel did them. */
#include "tests/lib/power-cut/fs-trace.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "interpose.h"

#define NSEC_PER_SEC 1000000000ull
#define PARTS_MAX 64 /* of what one call sends */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int trace_fd = -1;
static dev_t device;

__attribute__((noreturn)) static void give_up(const char *what)
{
    perror(what);
    abort();
}

__attribute__((constructor)) static void begin_trace(void)
{
    const char *path = getenv(FS_TRACE_VARIABLE);
    struct stat st;
    trace_fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (trace_fd < 0 || fstat(trace_fd, &st) < 0)
        give_up(FS_TRACE_VARIABLE);
    device = st.st_dev;
}

static void put(FsTraceHead *head, const char *name, const char *to_name, const struct iovec *data, size_t n_data)
{
    struct iovec parts[3 + PARTS_MAX] = {
        {head, sizeof *head},
        {(void *) name, name ? strlen(name) : 0},
        {(void *) to_name, to_name ? strlen(to_name) : 0},
    };
    if (n_data > PARTS_MAX)
        give_up("too many parts");
    size_t length = 0;
    for (size_t i = 0; i < n_data; i++) {
        parts[3 + i] = data[i];
        length += data[i].iov_len;
    }
    head->name_length = (uint32_t) parts[1].iov_len;
    head->to_name_length = (uint32_t) parts[2].iov_len;
    head->data_length = (uint32_t) length;
    ssize_t whole = (ssize_t) (sizeof *head + parts[1].iov_len + parts[2].iov_len + length);
    if (writev(trace_fd, parts, (int) (3 + n_data)) != whole)
        give_up("write the trace");
}

/* Whether it lies on the file system that is looked at. */
static bool is_file(int fd, struct stat *st)
{
    return fstat(fd, st) == 0 && st->st_dev == device && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode));
}

/* An entry of a directory, as a call names it. */
typedef struct {
    char directory[PATH_MAX], last[PATH_MAX];
    const char *name; /* in the directory */
    uint64_t dir;     /* its inode */
} Entry;

static bool find_entry(int dir_fd, const char *path, Entry *entry)
{
    struct stat st;
    snprintf(entry->directory, sizeof entry->directory, "%s", path);
    snprintf(entry->last, sizeof entry->last, "%s", path);
    entry->name = basename(entry->last);
    if (fstatat(dir_fd, dirname(entry->directory), &st, 0) < 0 || st.st_dev != device)
        return false;
    entry->dir = st.st_ino;
    return true;
}

static uint64_t birth_of(int dir_fd, const char *path)
{
    struct statx st;
    if (statx(dir_fd, path, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &st) < 0 || !(st.stx_mask & STATX_BTIME))
        return 0;
    return (uint64_t) st.stx_btime.tv_sec * NSEC_PER_SEC + st.stx_btime.tv_nsec;
}

static void record_created(const InterposedCall *call)
{
    Entry entry;
    struct stat st;
    if (!find_entry(call->dir_fd, call->path, &entry) ||
        fstatat(call->dir_fd, call->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    FsTraceHead head = {
        .kind = FS_TRACE_CREATE,
        .mode = st.st_mode,
        .uid = st.st_uid,
        .gid = st.st_gid,
        .ino = st.st_ino,
        .dir = entry.dir,
        .birth = birth_of(call->dir_fd, call->path),
    };
    const bool is_link = call->kind == CALL_SYMLINK;
    struct iovec text = {(void *) call->data, is_link ? strlen(call->data) : 0};
    put(&head, entry.name, NULL, &text, is_link);
}

static void record_opened(const InterposedCall *call, int fd)
{
    struct stat st;
    if (!is_file(fd, &st))
        return;
    if (call->flags & O_CREAT)
        record_created(call); /* where it was there already, the model knows it by that name */
    if (call->flags & O_TRUNC)
        put(&(FsTraceHead){.kind = FS_TRACE_TRUNCATE, .ino = st.st_ino}, NULL, NULL, NULL, 0);
}

static void record_unlinked(const InterposedCall *call)
{
    Entry entry;
    if (find_entry(call->dir_fd, call->path, &entry))
        put(&(FsTraceHead){.kind = FS_TRACE_UNLINK, .dir = entry.dir}, entry.name, NULL, NULL, 0);
}

static void record_renamed(const InterposedCall *call)
{
    Entry from, to;
    if (!find_entry(call->dir_fd, call->path, &from) || !find_entry(call->to_dir_fd, call->to_path, &to))
        return;
    FsTraceHead head = {
        .kind = call->flags & RENAME_EXCHANGE ? FS_TRACE_EXCHANGE : FS_TRACE_RENAME,
        .dir = from.dir,
        .to_dir = to.dir,
    };
    put(&head, from.name, to.name, NULL, 0);
}

static void record_linked(const InterposedCall *call)
{
    Entry entry;
    struct stat st;
    if (find_entry(call->to_dir_fd, call->to_path, &entry) &&
        fstatat(call->to_dir_fd, call->to_path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        put(&(FsTraceHead){.kind = FS_TRACE_LINK, .ino = st.st_ino, .dir = entry.dir}, entry.name, NULL, NULL, 0);
}

static void record_meta(const InterposedCall *call)
{
    struct stat st;
    int got = call->fd >= 0 ? fstat(call->fd, &st)
                            : fstatat(call->dir_fd, call->path, &st, call->flags & AT_SYMLINK_NOFOLLOW);
    if (got < 0 || st.st_dev != device)
        return;
    FsTraceHead head = {
        .kind = FS_TRACE_META,
        .ino = st.st_ino,
        .mode = st.st_mode,
        .uid = st.st_uid,
        .gid = st.st_gid,
    };
    put(&head, NULL, NULL, NULL, 0);
}

/* Where the last data end: what follows is a hole. */
static off_t data_end(int fd, off_t size)
{
    off_t end = 0;
    for (off_t at = 0; at < size && (at = lseek(fd, at, SEEK_DATA)) >= 0;) {
        end = lseek(fd, at, SEEK_HOLE);
        at = end;
    }
    return end < size ? end : size;
}

/* All of a file as it is now. By a descriptor of our own: the caller's may be for writing alone, and has a position. */
static void record_contents(int file_fd, const struct stat *st)
{
    char magic[64];
    snprintf(magic, sizeof magic, "/proc/self/fd/%d", file_fd);
    int fd = open(magic, O_RDONLY | O_CLOEXEC);
    size_t length = fd < 0 ? 0 : (size_t) data_end(fd, st->st_size);
    char *bytes = malloc(length + 1);
    if (fd < 0 || !bytes || pread(fd, bytes, length, 0) != (ssize_t) length)
        give_up("read what is synced");
    close(fd);
    put(&(FsTraceHead){.kind = FS_TRACE_CONTENTS, .ino = st->st_ino, .offset = (uint64_t) st->st_size}, NULL, NULL,
        &(struct iovec){bytes, length}, 1);
    free(bytes);
}

static void record_synced(int fd)
{
    struct stat st;
    if (!is_file(fd, &st))
        return;
    /* Children write disks by themselves: what is durable is what the file holds, not what we saw written. */
    if (S_ISREG(st.st_mode))
        record_contents(fd, &st);
    put(&(FsTraceHead){.kind = FS_TRACE_SYNC, .ino = st.st_ino, .mode = st.st_mode}, NULL, NULL, NULL, 0);
}

static void record_written(const InterposedCall *call, size_t written)
{
    struct stat st;
    if (!is_file(call->fd, &st))
        return;
    struct iovec plain = {(void *) call->data, written};
    const bool is_vector = strcmp(call->name, "writev") == 0;
    /* Without an offset the file's position is after what was written. */
    off_t at = call->offset >= 0 ? call->offset : lseek(call->fd, 0, SEEK_CUR) - (off_t) written;
    if (is_vector)
        record_contents(call->fd, &st);
    else
        put(&(FsTraceHead){.kind = FS_TRACE_WRITE, .ino = st.st_ino, .offset = (uint64_t) at}, NULL, NULL, &plain, 1);
}

static void record_truncated(const InterposedCall *call)
{
    struct stat st;
    if (is_file(call->fd, &st))
        put(&(FsTraceHead){.kind = FS_TRACE_TRUNCATE, .ino = st.st_ino, .offset = (uint64_t) call->offset}, NULL, NULL,
            NULL, 0);
}

static void record_copied(int fd)
{
    struct stat st;
    if (is_file(fd, &st))
        record_contents(fd, &st);
}

static void record_sent(const InterposedCall *call, size_t sent)
{
    FsTraceHead head = {.kind = FS_TRACE_SENT, .ino = (uint64_t) call->fd};
    if (strcmp(call->name, "sendmsg") != 0) {
        put(&head, NULL, NULL, &(struct iovec){(void *) call->data, sent}, 1);
        return;
    }
    const struct msghdr *message = call->data;
    struct iovec parts[PARTS_MAX];
    size_t n = 0;
    for (; n < message->msg_iovlen && n < PARTS_MAX && sent > 0; n++) {
        parts[n] = message->msg_iov[n];
        if (parts[n].iov_len > sent)
            parts[n].iov_len = sent;
        sent -= parts[n].iov_len;
    }
    put(&head, NULL, NULL, parts, n);
}

/* What is opened to be read, or to be written in place, is no change yet. */
static bool is_recorded(const InterposedCall *call)
{
    return call->kind != CALL_OPEN || call->flags & (O_CREAT | O_TRUNC);
}

static void record(const InterposedCall *call, ssize_t result)
{
    switch (call->kind) {
    case CALL_OPEN:
        record_opened(call, (int) result);
        break;
    case CALL_WRITE:
        record_written(call, (size_t) result);
        break;
    case CALL_TRUNCATE:
        record_truncated(call);
        break;
    case CALL_SYNC:
        record_synced(call->fd);
        break;
    case CALL_RENAME:
        record_renamed(call);
        break;
    case CALL_LINK:
        record_linked(call);
        break;
    case CALL_SYMLINK:
    case CALL_MKDIR:
        record_created(call);
        break;
    case CALL_UNLINK:
        record_unlinked(call);
        break;
    case CALL_MODE:
    case CALL_OWNER:
        record_meta(call);
        break;
    case CALL_COPY:
        record_copied(call->fd);
        break;
    case CALL_SEND:
        record_sent(call, (size_t) result);
        break;
    }
}

bool interpose_before(InterposedCall *call)
{
    if (is_recorded(call))
        pthread_mutex_lock(&lock);
    return true;
}

void interpose_after(const InterposedCall *call, ssize_t result)
{
    if (!is_recorded(call))
        return;
    if (result >= 0)
        record(call, result);
    pthread_mutex_unlock(&lock);
}
