/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/recovery-plan.h"
#include "manager.h"

/* From what lies on disk, and what the kernel says of its processes, to a VM of the model. */

/* When one looks, and what systemd has told by then. */
typedef struct {
    GHashTable *units;  /* (nullable): unit → active state; %NULL where systemd did not tell */
    GHashTable *traces; /* (nullable): ids that the runtime directory has something of; %NULL where that is unknown */
    BerthMoment moment;
} BerthSighting;

/**
 * berth_adopt:
 * @stored: (transfer full)
 *
 * The VM is shown at once, without a word of QEMU: a monitor that hangs holds nobody up. What is done about it is
 * core/recovery-plan.h's to say; a removal that was asked for is gone on with.
 *
 * Returns: (transfer none): the VM
 */
BerthVm *berth_adopt(BerthManager *manager, BerthStoredVm *stored, const BerthSighting *sighting);

/* (transfer full) (nullable): why a VM can't be shown whole though its files can be read: its image is not there, or
 * its name or CID is another's. @self: (nullable): the VM that it is already. */
char *berth_adopt_find_problem(BerthManager *manager, const BerthVm *self, const BerthVmRecord *record);

/* Asks QEMU, where its monitor is connected, whether the guest of a VM that is shown as running is paused, or the other way
 * round. One that does not answer in time is not responsive. */
void berth_adopt_ask_status(BerthVm *vm);
