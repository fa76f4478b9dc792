/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm.h"

/* A caller's wish that a VM goes, and that it stays after all. What follows from the first is removal.h's. */

/**
 * berth_vm_remove:
 * @grace_seconds: how long CancelRemoval can take it back, 0 for not at all
 * @uid: who asks, for the marker
 * @reply: (transfer full): answered when the marker is durable and the state is removing, or with why the VM is as
 * before
 *
 * Within the grace time of an earlier call the earlier end counts: without one it ends now.
 */
void berth_vm_remove(BerthVm *vm, guint grace_seconds, uid_t uid, BerthReply *reply);

/* Takes the marker back, durably; only in its grace time. @reply: (transfer full). */
void berth_vm_cancel_removal(BerthVm *vm, BerthReply *reply);

/* Goes on with a removal that was found on disk: at start-up and at reload. */
void berth_vm_resume_removal(BerthVm *vm, const BerthRemovalIntent *intent);
