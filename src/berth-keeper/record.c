/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "../core/keeper-protocol.h"
#include "lines.h"

_Static_assert(LINE_MAX_BYTES + 512 < BERTH_EXIT_RECORD_MAX, "the longest words leave room for the other keys");

bool record_write(int fd, const struct record *record)
{
    char text[BERTH_EXIT_RECORD_MAX];
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    int n = snprintf(text, sizeof text,
                     "wait-status=%d\nreason=%s\npanicked=%d\noom-killed=%d\nrequested=%d\ntime=%lld\nwords=%s\nend\n",
                     record->wait_status, record->reason, record->panicked, record->oom_killed, record->requested,
                     (long long) now.tv_sec * 1000000 + now.tv_nsec / 1000, record->words);
    return n > 0 && (size_t) n < sizeof text && write(fd, text, (size_t) n) == n;
}
