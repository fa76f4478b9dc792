/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../host/machined.h"
#include "run.h"

/* A running VM as a machine of systemd-machined, for machinectl. Nothing of it for a user's own daemon: registering is
 * root's. */

/* Shows the run, whose keeper is in its scope. Nobody waits for it. Where that fails, it is tried again when the bus, which
 * may be why, comes back. */
void berth_machine_register(BerthRun *run);
void berth_machine_follow_bus(BerthManager *manager);
/* Before @manager is freed. */
void berth_machine_unfollow_bus(BerthManager *manager);

/**
 * berth_machine_forget:
 * @done: gives its error to berth_machine_forgotten()
 *
 * To be done before the unit's name is used again: of a machine whose unit is gone machined stops the unit, by its
 * name, and that may be a new one by then. A machined that hangs is waited for a second; then the start goes on: when
 * machined looks again it finds the unit active, and leaves it alone.
 *
 * Returns: (nullable): %NULL where machined knows nothing of the VM
 */
BerthMachinedCall *berth_machine_forget(BerthVm *vm, BerthMachinedDone done, gpointer data);

/* Takes note of how that went. */
void berth_machine_forgotten(BerthVm *vm, const GError *error);
