/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bounded-log.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/keeper-protocol.h"

void bounded_log_init(struct bounded_log *log, int fd, int old_fd)
{
    struct stat st;

    *log = (struct bounded_log){.fd = fd, .old_fd = old_fd};
    if (fstat(fd, &st) == 0)
        log->size = st.st_size;
}

/* The copy first: a crash between leaves the lines in both files and not in none. */
static void rotate(struct bounded_log *log)
{
    off_t at = 0;

    if (ftruncate(log->old_fd, 0) == 0 && lseek(log->old_fd, 0, SEEK_SET) == 0)
        while (at < log->size && sendfile(log->old_fd, log->fd, &at, (size_t) (log->size - at)) > 0)
            ;
    /* Where it can't be cut it is full, and takes no more. */
    if (ftruncate(log->fd, 0) == 0)
        log->size = 0;
}

static bool write_some(struct bounded_log *log, const char **bytes, size_t *length)
{
    const size_t room = (size_t) (BERTH_LOG_SIZE_MAX - log->size);
    ssize_t n = write(log->fd, *bytes, *length < room ? *length : room);

    if (n < 0)
        return errno == EINTR;
    log->size += n;
    *bytes += n;
    *length -= (size_t) n;
    return n > 0;
}

void bounded_log_write(struct bounded_log *log, const char *bytes, size_t length)
{
    bool more = true;

    while (more && length > 0) {
        if (log->size >= BERTH_LOG_SIZE_MAX)
            rotate(log);
        more = log->size < BERTH_LOG_SIZE_MAX && write_some(log, &bytes, &length);
    }
}
