/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A VM's life: its states, the edges between them, and what may be asked of it in each. Pure tables. */

typedef enum {
    BERTH_VM_STOPPED,
    BERTH_VM_STARTING,
    BERTH_VM_RUNNING,
    BERTH_VM_PAUSED,
    BERTH_VM_STOPPING,
    BERTH_VM_EXITED,
    BERTH_VM_REMOVING,
    BERTH_VM_BROKEN,
    BERTH_VM_STATE_LAST,
} BerthVmState;

typedef enum {
    BERTH_PHASE_NONE,
    BERTH_PHASE_GRACE,
    BERTH_PHASE_STOPPING,
    BERTH_PHASE_RELEASING,
    BERTH_PHASE_DELETING,
    BERTH_PHASE_WAITING,
    BERTH_PHASE_LAST,
} BerthRemovalPhase;

typedef enum {
    BERTH_EXIT_NONE,
    BERTH_EXIT_GUEST_SHUTDOWN,
    BERTH_EXIT_GUEST_PANIC,
    BERTH_EXIT_HOST_STOP,
    BERTH_EXIT_CRASHED,
    BERTH_EXIT_KILLED,
    BERTH_EXIT_OOM_KILLED,
    BERTH_EXIT_START_FAILED,
    BERTH_EXIT_LOST,
    BERTH_EXIT_LAST,
} BerthExitReason;

typedef enum {
    BERTH_METHOD_START,
    BERTH_METHOD_SHUTDOWN,
    BERTH_METHOD_POWER_OFF,
    BERTH_METHOD_RESET,
    BERTH_METHOD_PAUSE,
    BERTH_METHOD_RESUME,
    BERTH_METHOD_CONFIGURE,
    BERTH_METHOD_REMOVE,
    BERTH_METHOD_CANCEL_REMOVAL,
    BERTH_METHOD_OPEN_CONSOLE,
    BERTH_METHOD_OPEN_DISPLAY,
    BERTH_METHOD_OPEN_LOG,
    BERTH_METHOD_REFRESH_GUEST,
    BERTH_METHOD_SUBSCRIBE_USAGE,
    BERTH_METHOD_UNSUBSCRIBE_USAGE,
    BERTH_METHOD_CLONE,
    BERTH_METHOD_LAST,
} BerthVmMethod;

/* The words of the contract. (transfer none) */
const char *berth_vm_state_to_string(BerthVmState state);
const char *berth_removal_phase_to_string(BerthRemovalPhase phase);
const char *berth_exit_reason_to_string(BerthExitReason reason);
const char *berth_vm_method_to_string(BerthVmMethod method);

/* -1 where @word is none of the contract's. */
int berth_vm_state_from_string(const char *word);
int berth_removal_phase_from_string(const char *word);
int berth_exit_reason_from_string(const char *word);

/* Whether @to may come right after @from. A state does not follow itself. */
gboolean berth_vm_state_may_follow(BerthVmState from, BerthVmState to);

/* Whether a process of the VM is expected to exist in @state. */
gboolean berth_vm_state_has_process(BerthVmState state);

/**
 * berth_vm_state_allows:
 * @state: the state the VM is in
 * @method: what is asked of it
 * @name: the VM's name, for the message
 *
 * Returns: TRUE where the method makes sense in @state; else FALSE with Removing, Busy or WrongState,
 *   whose text says what state the VM is in and what can be done instead
 */
gboolean berth_vm_state_allows(BerthVmState state, BerthVmMethod method, const char *name, GError **error);
