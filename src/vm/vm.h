/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "../core/restart-policy.h"
#include "../core/vm-state.h"
#include "../host/vm-store.h"
#include "../host/work.h"
#include "observer.h"
#include "reply.h"

/* A VM as it is now. The bus reads its fields and changes nothing; only the functions of src/vm do. */

typedef struct BerthManager BerthManager;
typedef struct BerthRun BerthRun;
typedef struct BerthStart BerthStart;
typedef struct BerthRemoval BerthRemoval;
typedef struct BerthStartQueue BerthStartQueue;

struct BerthVm {
    grefcount refs;
    BerthManager *manager;
    gboolean owns_cid;     /* its CID is its own: false for a copy whose original is here too */
    BerthVmRecord *record; /* identity, definition, desired state; of a broken VM what is known (config may be %NULL) */

    BerthVmState state;
    gint64 state_changed; /* µs since the epoch */
    char *error_name;     /* D-Bus name of the last failure, "" */
    char *error_text;

    BerthRun *run; /* (nullable): its processes */
    BerthExitReason exit_reason;
    int exit_status; /* wait status, -1 where unknown */
    gboolean responsive;

    /* Starts that nobody calls for (restart.c). */
    BerthRestartCount restarts;
    gint64 start_due;    /* µs of CLOCK_MONOTONIC, 0 where none is due */
    gint64 next_start;   /* the same in µs since the epoch, as it was when that was decided */
    guint restart_timer; /* source id of the end of the back-off, 0 */
    /* And while they wait for their turn (start-queue.c). */
    GQueue *line;      /* (nullable): where it stands */
    GList *place;      /* (nullable): its link in there */
    gboolean has_turn; /* it is starting in its turn */

    /* Operations. At most one of these is under way at a time. */
    BerthStart *start;       /* (nullable) */
    BerthRemoval *removal;   /* (nullable) */
    const char *busy_with;   /* (nullable): name of another operation in flight */
    GCancellable *cloning;   /* (nullable): the one that copies its disks, which may take long */
    guint shutdown_timer;    /* source id until Shutdown's deadline, or its next press of the power button, 0 */
    GPtrArray *gone_waiters; /* who waits for the end of the processes */

    /* The durable desired state on its way to the disk (want.c). */
    gboolean want_stored;
    gboolean want_in_flight;
    GPtrArray *want_waiters;

    gboolean may_be_machine; /* systemd-machined may have a machine on its unit (machine.c) */

    guint n_works;       /* workers that use its directory now */
    guint n_works_ended; /* and those that did */

    gboolean edit_refused; /* LastError is of a Reload that could not take what its vm.json says */
};

/* (transfer full): @record is taken over. */
BerthVm *berth_vm_new(BerthManager *manager, BerthVmRecord *record, BerthVmState state);
BerthVm *berth_vm_ref(BerthVm *vm);
void berth_vm_unref(BerthVm *vm);
/* At the daemon's end: nothing of it is watched any more, and who waits for it has its answer. Processes go on. */
void berth_vm_let_go(BerthVm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthVm, berth_vm_unref)

static inline const char *berth_vm_id(const BerthVm *vm)
{
    return vm->record->id;
}

static inline const char *berth_vm_name(const BerthVm *vm)
{
    return vm->record->name;
}

/* (transfer full): berth-<id>.scope */
char *berth_vm_unit(const BerthVm *vm);

/**
 * berth_vm_set_state:
 * @why: for the journal: what made it so
 *
 * The only way to change a VM's state. Checks the edge against core's table (a wrong one is a bug: it is logged as
 * critical and not taken), writes old → new to the journal and tells the observer.
 */
void berth_vm_set_state(BerthVm *vm, BerthVmState state, const char *why);

/* Tells the observer that these aspects have changed. */
void berth_vm_changed(BerthVm *vm, guint aspects);

/* The last failure, for LastError; %NULL clears it. */
void berth_vm_set_error(BerthVm *vm, const GError *error);

/* How its processes ended. */
void berth_vm_set_exit(BerthVm *vm, BerthExitReason reason, int status);

void berth_vm_set_responsive(BerthVm *vm, gboolean responsive);

/* The same for what an operator may search for: @message_id is one of names.h's. */
void berth_vm_log_event(const BerthVm *vm, GLogLevelFlags level, const char *message_id, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* To the journal, with the VM's fields. */
void berth_vm_log(const BerthVm *vm, GLogLevelFlags level, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Checks state and operations in flight for @method: WrongState, Removing or Busy. */
gboolean berth_vm_check(const BerthVm *vm, BerthVmMethod method, GError **error);

/* berth_work_start() for work in the VM's directory: it holds the VM, and a removal does not delete before it has
 * ended. */
BerthWork *berth_vm_work(BerthVm *vm, BerthWorkKind kind, BerthWorkFunc func, gpointer data, GDestroyNotify free_data,
                         void (*done)(BerthVm *vm, gpointer data, const GError *error));
