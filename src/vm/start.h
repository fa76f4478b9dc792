/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm.h"

/**
 * berth_vm_start:
 * @reply: (nullable) (transfer full): answered when QEMU runs the guest and that it should run is durable, or with why
 * not
 * @why: for the journal
 *
 * The caller has checked with berth_vm_check(). Each step has the one deadline StartTimeoutSec, and undoes what came
 * before it: a failed start ends in `exited`, with no process, and nothing in the runtime directory but what tells why.
 */
void berth_vm_start(BerthVm *vm, BerthReply *reply, const char *why);

/* Goes on with a start that an earlier daemon began: its keeper was let go, vm->run watches it and is connected, and the
 * VM is shown `starting`. Who called Start was not answered, so that there is nobody to tell; it has StartTimeoutSec
 * anew. */
void berth_vm_resume_start(BerthVm *vm);

/* The monitor had closed before it said that the guest runs, and is connected anew: it is asked again. */
void berth_start_ask_again(BerthVm *vm);

/* Gives a start in flight up: its caller is answered Cancelled. Its processes, if any, are the caller's to end. */
void berth_vm_cancel_start(BerthVm *vm);

/* Whether the start in flight is being undone. */
gboolean berth_start_is_failing(const BerthVm *vm);

/* The processes of a VM in `starting` are gone: @words is how they ended. @stop_asked: its keeper was told to stop it
 * meanwhile; then it is not tried again, whatever its policy. */
void berth_start_process_gone(BerthVm *vm, const char *words, gboolean stop_asked);

/* The same, and all of it is as whoever told its keeper wanted: it is `stopped`, and nothing has failed but the Start of
 * somebody who waits. */
void berth_start_stopped(BerthVm *vm, const char *words);

void berth_start_free(BerthStart *start);
