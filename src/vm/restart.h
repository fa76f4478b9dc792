/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm.h"

/* The starts that nobody calls for: when one is due, and how many there were. What is known of them survives the
 * daemon, as host/end-record.h says. When it is due, and what counts as an interval, is told by CLOCK_MONOTONIC: a
 * host that sleeps, or a clock that is set, makes no guest worse or better. */

/**
 * berth_restart_schedule:
 * @ran_usec: how long its guest ran; after long enough, earlier failures are forgotten
 *
 * For a VM in `exited`: starts it again after the back-off, where it is wanted and its policy says so. One that has
 * been tried too often is not, and LastError says so. PowerOff, Shutdown, Start and Remove end the wait.
 */
void berth_restart_schedule(BerthVm *vm, BerthExitReason reason, gint64 ran_usec);

/* Its definition has changed: where its policy is none now that starts it again, the start that is due is not any more. */
void berth_restart_reconsider(BerthVm *vm);

/* Makes how its run has ended, and what is to follow, known to a daemon that comes later. @words: (nullable): what
 * LastError is to say then, where it says something else now */
void berth_restart_remember(BerthVm *vm, const char *words);

/* For one in `broken` without processes, whose definition was mended: goes on as was decided when it ended, and is
 * `stopped` where there was nothing to decide. It is not started for the boot: whoever mends it starts it. */
void berth_restart_mended(BerthVm *vm);

/**
 * berth_restart_recover:
 * @may_have_ended: whether there may be a record of how it ended; else none is looked for
 *
 * For a VM that was found by a daemon that starts, and again when what was left of half a start is gone. One that
 * runs, or ran when the daemon before it ended, has its count again. One that ended before goes on as was decided
 * then. One that is wanted and has neither run nor ended since the host was booted is to be started:
 * berth_queue_boot().
 */
void berth_restart_recover(BerthVm *vm, gboolean may_have_ended);

/* Whether its last run has ended, and a daemon of this boot has decided what follows. */
gboolean berth_restart_is_decided(const BerthVm *vm);

/* The start that is due is not any more. */
void berth_restart_call_off(BerthVm *vm);

/* Forgets how often it was restarted, and calls off what is due: the user has taken it into their own hands. */
void berth_restart_forget(BerthVm *vm);

/* The same before it is started by its user, who waits for the answer: now nothing is known of an end any more. */
void berth_restart_take_over(BerthVm *vm);

/* For start-queue.c. @due: µs of CLOCK_MONOTONIC */
void berth_restart_set_due(BerthVm *vm, gint64 due);
void berth_restart_go(BerthVm *vm);
void berth_restart_go_after_boot(BerthVm *vm);
