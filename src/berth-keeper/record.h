/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

struct record {
    int wait_status;
    const char *reason;
    bool panicked;
    bool oom_killed;
    bool requested;
    const char *words; /* one line */
};

/* Writes the exit record of keeper-protocol.h, now being its time, by one write(). */
bool record_write(int fd, const struct record *record);
