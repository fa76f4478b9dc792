/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One epoll loop. It dispatches one event a turn, so that a handler may close any other source; and it wakes for
 * nothing else than events, unless a deadline is set. */

struct source {
    int fd;
    void (*ready)(struct source *source, uint32_t events);
    bool watched;
    uint32_t events;
};

struct loop {
    int epoll_fd;
    int64_t deadline; /* CLOCK_MONOTONIC, ms; 0 where none */
    void (*expired)(struct loop *loop);
};

bool loop_init(struct loop *loop);

/* Watches for @events from now on; 0: for hang-ups and errors, which always come. False where the kernel refuses. */
bool loop_watch(struct loop *loop, struct source *source, uint32_t events);
/* Not even for these. */
void loop_unwatch(struct loop *loop, struct source *source);
/* Unwatches, closes, and sets the descriptor to -1. */
void loop_close(struct loop *loop, struct source *source);

/* CLOCK_MONOTONIC, ms. */
int64_t loop_now(void);
/* Calls @expired once, @ms from now; replaces the deadline before. */
void loop_set_deadline(struct loop *loop, int64_t ms, void (*expired)(struct loop *loop));

/* Waits for one event, or the deadline, and handles it. False where waiting itself fails. */
bool loop_turn(struct loop *loop);
