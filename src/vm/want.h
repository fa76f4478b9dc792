/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm.h"

/**
 * berth_vm_want:
 * @wanted: the desired state from now on: in memory at once, on disk soon
 * @reply: (nullable) (transfer full): answered when it is durable, or could not be made so
 *
 * Writes are never reordered: one is in flight at a time, and the last word wins.
 */
void berth_vm_want(BerthVm *vm, gboolean wanted, BerthReply *reply);
