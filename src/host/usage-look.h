/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "../core/usage.h"

/**
 * berth_usage_look:
 * @control_group: (nullable): the kernel's path of the VM's scope
 * @qemu: QEMU's PID; whether that is still QEMU, the caller knows
 *
 * Reads what the kernel tells at this moment: three small files of its own, which wait for no disk.
 *
 * Returns: FALSE where nothing of it can be known
 */
gboolean berth_usage_look(const char *control_group, pid_t qemu, BerthUsage *usage);
