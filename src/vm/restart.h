/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm.h"

/* Whether the VM's restart policy covers an end of this kind. */
gboolean berth_restart_applies(const BerthVm *vm, BerthExitReason reason);

/**
 * berth_restart_schedule:
 * @ran_usec: how long its guest ran; after long enough, earlier failures are forgotten
 *
 * For a VM in `exited`: starts it again after the back-off, where it is wanted, its policy says so and it has not been
 * tried too often. PowerOff, Shutdown, Start and Remove end the wait.
 */
void berth_restart_schedule(BerthVm *vm, BerthExitReason reason, gint64 ran_usec);

/* Forgets how often it was restarted: the user has taken it into their own hands. */
void berth_restart_forget(BerthVm *vm);
