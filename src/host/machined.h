/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "bus-link.h"

/* systemd-machined, which shows running VMs beside containers: machinectl list, status, poweroff, reboot, terminate. */

/**
 * berth_machined_register:
 * @name: the VM's; where machined can't take it, or another machine has it, "berth-" and @id does
 * @leader: its keeper, which must be in its scope already: machined takes the unit that it finds it in for the machine's
 *   own, and stops that where it is told to terminate the machine
 *
 * Registers the VM as a machine of class "vm". Nobody waits for it, and a host without machined is as good: a failure is
 * a line in the journal. machined drops the machine when the scope is gone, also one that ended while machined was away.
 */
void berth_machined_register(BerthBusLink *link, const char *name, const char *id, pid_t leader);
