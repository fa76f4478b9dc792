/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "vm.h"

/* What follows for a VM from what happened to its processes. */

/* The kernel has said that none is left: takes the keeper's record, judges the end, goes to the state that follows,
 * answers who waited, and applies the restart policy. Frees vm->run. */
void berth_vm_settle(BerthVm *vm);

/* The processes are gone: what they have left in the runtime directory is reduced to what tells a later daemon how. What
 * can't be deleted the next start finds, or the removal. */
void berth_vm_retire_runtime(BerthVm *vm);

/* Deletes that, too: nothing is to be known of its last run. */
void berth_vm_forget_run(BerthVm *vm);

/* Its removal is taken back; it is wanted and has no process any more: judges that end, which may have come while nobody
 * was there to see it, as berth_vm_settle() would have. It is not restarted. */
void berth_vm_settle_taken_back(BerthVm *vm);

/* An event of QEMU's monitor. */
void berth_vm_guest_event(BerthVm *vm, const char *name, JsonObject *arguments);

/* @reply (transfer full) is answered when no process is left; at once where there is none. */
void berth_vm_await_gone(BerthVm *vm, BerthReply *reply);
