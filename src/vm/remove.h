/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn.h"
#include "vm.h"

/* The way of a VM from the caller's wish to nothing. ARCHITECTURE.md says why the order of its steps is safe. */

struct BerthRemoval {
    BerthRemovalPhase phase;
    BerthRemovalPhase resume_at; /* in BERTH_PHASE_WAITING: which phase failed */
    guint attempt;
    gint64 next_attempt; /* µs since the epoch, 0 where none is due */
    char *blocker;       /* in words, "" */

    /* private to remove.c */
    const char *writing; /* (nullable): the method whose outcome is being written: before the first, it is no promise */
    gboolean deleting;   /* a worker deletes */
    guint attempts_without_progress;
    guint timer; /* grace, or the next attempt */
    BerthRemovalIntent intent;
    BerthVmState before; /* the state that CancelRemoval goes back to, where its processes still are as they were */
    GPtrArray *asked;    /* who calls Remove meanwhile: then they are heard, in their order */
    BerthTurn turn; /* to end its processes */
    struct BerthSystemdCall *call;
};

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

/**
 * berth_remains_delete:
 * @id: of a VM that is known
 * @incarnation: as the name of a directory in removing/ has it, which is not that VM's
 *
 * Deletes what is left there of an earlier VM of the same id, a backup of which was restored meanwhile. An id is one object
 * on the bus, and that is the VM's: a failure here is a warning, and the next start-up tries again.
 */
void berth_remains_delete(BerthManager *manager, const char *id, const char *incarnation);

/* Something a removal may be waiting for has happened; nothing where there is none. */
void berth_removal_poke(BerthVm *vm);

/* The guest was paused or goes on: what CancelRemoval goes back to. Nothing where nothing is being removed. */
void berth_removal_guest_paused(BerthVm *vm, gboolean paused);

/* Its processes take longer than they should: what is visible of the removal is brought up to date. */
void berth_vm_end_delayed(BerthVm *vm);

/* The contract's properties; "" and 0 where nothing is being removed. */
BerthRemovalPhase berth_vm_removal_phase(const BerthVm *vm);

void berth_removal_free(BerthRemoval *removal);
