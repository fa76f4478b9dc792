/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "options.h"
#include "qemu-child.h"

/**
 * keeper_run:
 * @child: has just been started; signals are blocked
 * @options: the command line
 *
 * Keeps QEMU until it ends: passes signals on as wishes, fans the console out, logs. Then writes the exit record.
 *
 * Returns: whether it could do so; where not, QEMU is not waited for
 */
bool keeper_run(const struct qemu_child *child, const struct options *options);
