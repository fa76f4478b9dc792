/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* A log that never takes more room than twice BERTH_LOG_SIZE_MAX: when it is full, its contents go to the old one, and
 * it begins anew. Both descriptors are inherited; whoever reads along keeps the same file. */
struct bounded_log {
    int fd; /* O_APPEND */
    int old_fd;
    off_t size;
};

void bounded_log_init(struct bounded_log *log, int fd, int old_fd);
/* Where the disk takes no more, output is lost: the guest goes on. */
void bounded_log_write(struct bounded_log *log, const char *bytes, size_t length);
