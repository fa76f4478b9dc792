/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/error.h"
#include "vm.h"

/* What is asked of a VM that runs. The caller has checked with berth_vm_check(). @reply: (transfer full). */

/* How a guest is asked to power down. */
typedef enum {
    BERTH_SHUTDOWN_AUTO,  /* by its agent where that answers; where nothing comes of it, by the power button */
    BERTH_SHUTDOWN_AGENT, /* by its agent alone */
    BERTH_SHUTDOWN_ACPI,  /* by the power button alone */
} BerthShutdownMode;

/* The contract's words; "" is the first. FALSE where @word is none of them. */
gboolean berth_shutdown_mode_from_string(const char *word, BerthShutdownMode *mode);

/* Asks the guest to power down; answered when it was asked. */
void berth_vm_shutdown(BerthVm *vm, BerthShutdownMode mode, BerthReply *reply);
/* Ends the processes; answered when the kernel says that none is left and that it should not run is durable. */
void berth_vm_power_off(BerthVm *vm, BerthReply *reply);
void berth_vm_reset(BerthVm *vm, BerthReply *reply);
void berth_vm_pause(BerthVm *vm, BerthReply *reply);
void berth_vm_resume(BerthVm *vm, BerthReply *reply);

/* Goes on with what an earlier daemon began, as vm->run's operation has it, with the rest of its deadline. The VM is shown
 * `stopping`. */
void berth_vm_resume_shutdown(BerthVm *vm);

/* How long QEMU may take to answer a command that costs it nothing. */
#define BERTH_COMMAND_TIMEOUT_USEC (10 * G_USEC_PER_SEC)

/* (transfer full) (nullable): why no command can be sent. */
GError *berth_vm_no_monitor(const BerthVm *vm);

/**
 * berth_vm_command_error:
 * @method: of the contract
 * @error: (nullable): what the monitor says
 * @refused: what it means where QEMU refused
 *
 * Returns: (transfer full) (nullable): the same, as the contract has it; a monitor that ends takes the answer along
 */
GError *berth_vm_command_error(const BerthVm *vm, const char *method, const GError *error, BerthError refused);
