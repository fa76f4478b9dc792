/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * bare_qemu_start:
 * @argv: of a VM's QEMU
 *
 * Starts that QEMU with nobody around it, with the descriptors that @argv names made as the keeper makes them, waits
 * until its monitor says that it runs the guest, and kills it.
 *
 * Returns: µs from before the spawn until the monitor's answer
 */
gint64 bare_qemu_start(char *const *argv);
