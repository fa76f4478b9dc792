/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "loop.h"
#include "qmp-scan.h"

/* The keeper's own QMP monitor, on a socketpair. */

enum monitor_command {
    MONITOR_CONTINUE = 1 << 0,
    MONITOR_POWERDOWN = 1 << 1,
    MONITOR_RESET = 1 << 2,
    MONITOR_QUIT = 1 << 3,
};

#define MONITOR_LINE_MAX 16384 /* what is longer is none of the events that count here: it is passed over */

struct monitor {
    struct source source;
    struct loop *loop;
    bool ready;
    unsigned wanted; /* asked before it was ready */
    char line[MONITOR_LINE_MAX];
    size_t length;
    bool overlong;
    char reason[QMP_WORD_MAX]; /* of the last SHUTDOWN */
    bool panicked;
    bool paused; /* its guest, whoever asked for that */
};

bool monitor_init(struct monitor *monitor, struct loop *loop, int fd);
/* Now, or as soon as QMP is ready. */
void monitor_ask(struct monitor *monitor, enum monitor_command command);
/* Reads what is there: QEMU's last events come just before its end. */
void monitor_drain(struct monitor *monitor);
