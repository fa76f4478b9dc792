/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm.h"

/* The starts that nobody calls for: those after a boot of the host, in their order, and the restarts that are due. Of
 * both together only MaxConcurrentStarts= are under way at a time; a Start that somebody calls for waits for nobody.
 *
 * A start waits here as long as its VM may not be started, because a Configure or a Remove is being written. */

BerthStartQueue *berth_start_queue_new(BerthManager *manager);
/* Nobody may stand in it any more. */
void berth_start_queue_free(BerthStartQueue *queue);

/* A restart that is due. */
void berth_queue_restart(BerthVm *vm);

/* A VM that is to run since the host was booted: it waits until berth_queue_begin_boot(); after that it takes its place in
 * the order. */
void berth_queue_boot(BerthVm *vm);

/**
 * berth_queue_begin_boot:
 *
 * All that wait are put in order: by `boot-order`, those without one last, then by name. Those behind a VM with a
 * `boot-delay` wait until it runs, or has failed to, and so long after. NextStart of each is the earliest time that
 * follows from the delays.
 *
 * A daemon that comes in the middle of that waits for the rest of the delay after a VM that runs, or starts. After one that
 * has ended meanwhile it waits for nothing.
 */
void berth_queue_begin_boot(BerthManager *manager);

/* Out of the line, and no turn is needed any more. Fine where it was in none. */
void berth_queue_leave(BerthVm *vm);

/* Its start has ended, in whatever way: the next one's turn comes. */
void berth_queue_start_ended(BerthVm *vm);

/* What kept somebody waiting may be over: looks again, on the next turn of the loop. */
void berth_queue_poke(BerthManager *manager);
