/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "turn.h"
#include "vm.h"

/* The way of a VM from a durable wish to nothing. ARCHITECTURE.md says why the order of its steps is safe. */

struct BerthRemoval {
    BerthRemovalPhase phase;
    BerthRemovalPhase resume_at; /* in BERTH_PHASE_WAITING: which phase failed */
    guint attempt;
    gint64 next_attempt; /* µs since the epoch, 0 where none is due */
    char *blocker;       /* in words, "" */

    /* private to remove.c and removal.c */
    const char *writing; /* (nullable): the method whose outcome is being written: before the first, it is no promise */
    gboolean deleting;   /* a worker deletes */
    guint attempts_without_progress;
    guint timer; /* grace, or the next attempt */
    BerthRemovalIntent intent;
    BerthVmState before; /* the state that CancelRemoval goes back to, where its processes still are as they were */
    GPtrArray *asked;    /* who calls Remove meanwhile: then they are heard, in their order */
    BerthTurn turn;      /* to end its processes */
    struct BerthMachinedCall *forgetting;
    struct BerthSystemdCall *call;
};

/* Whoever calls Remove or CancelRemoval while one of them is being written is kept, and freed with @free_asked. */
BerthRemoval *berth_removal_new(GDestroyNotify free_asked);
void berth_removal_free(BerthRemoval *removal);

/* Begins a phase, or what is left of it. */
void berth_removal_enter(BerthVm *vm, BerthRemovalPhase phase);
/* In BERTH_PHASE_WAITING: now, and not when the next attempt is due. */
void berth_removal_try_again(BerthVm *vm);

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
