/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "manager.h"

/* From what lies on disk, and what the kernel says of its processes, to a VM of the model. */

/**
 * berth_adopt:
 * @stored: (transfer full)
 * @unit_is_loaded: whether systemd says that the VM's scope is
 * @may_have_run: FALSE where neither that scope nor anything in the runtime directory is there
 *
 * The VM is shown at once, without a word of QEMU: a monitor that hangs holds nobody up. A process that is there is
 * watched and, where its start was interrupted, ended; a removal that was asked for is gone on with.
 *
 * Returns: (transfer none): the VM
 */
BerthVm *berth_adopt(BerthManager *manager, BerthStoredVm *stored, gboolean unit_is_loaded, gboolean may_have_run);

/* (transfer full) (nullable): why a VM can't be shown whole though its files can be read: its image is not there, or its name
 * or CID is another's. @self: (nullable): the VM that it is already. */
char *berth_adopt_find_problem(BerthManager *manager, const BerthVm *self, const BerthVmRecord *record);

/* Asks QEMU whether the guest of a VM that is shown as running is paused. */
void berth_adopt_ask_status(BerthVm *vm);
