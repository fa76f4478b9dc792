/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm.h"

/**
 * berth_vm_add_display_client:
 * @fd: (transfer full): one end of a socket pair; whoever has the other one is the client
 * @reply: (transfer full): answered when QEMU has taken @fd
 *
 * Lets somebody in on the VM's display, by org.qemu.Display1. The caller has checked with berth_vm_check(). Unsupported
 * where the VM has no display.
 */
void berth_vm_add_display_client(BerthVm *vm, int fd, BerthReply *reply);
