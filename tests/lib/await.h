/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Waiting for what an event brings about: the default main context runs until it is so. Who brings it about from
 * another thread calls g_main_context_wakeup(NULL). Nothing here looks again by the clock. */

#define AWAIT_SECONDS 120u /* only who hangs takes so long, whatever else the machine does; then the test fails */

typedef struct {
    gboolean expired;
    guint timer;
} AwaitDeadline;

void await_begin(AwaitDeadline *deadline, guint msec);
/* One iteration of the default main context, blocking. FALSE where the deadline has passed. */
gboolean await_step(AwaitDeadline *deadline);
void await_end(AwaitDeadline *deadline);

/* Runs the main context until @condition is true; aborts the test where that takes too long. */
#define AWAIT(condition)                                                                                               \
    do {                                                                                                               \
        AwaitDeadline await_deadline;                                                                                  \
        await_begin(&await_deadline, AWAIT_SECONDS * 1000);                                                            \
        while (!(condition))                                                                                           \
            if (!await_step(&await_deadline))                                                                          \
                g_error("%s:%d: waited %u s in vain for: %s", __FILE__, __LINE__, AWAIT_SECONDS, #condition);          \
        await_end(&await_deadline);                                                                                    \
    } while (0)

/* The next line that comes to a socket which nobody else reads, its end included. (transfer full) */
char *await_line(int fd);

/* Runs the main context for @msec: for proofs that something does not happen, where the time itself is what is
 * measured. */
void await_silence(guint msec);
