/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/**
 * descriptors_take:
 * @extra: how many follow BERTH_QEMU_FD_EXTRA
 *
 * Checks that everything of keeper-protocol.h is there, makes it close-on-exec and closes all else. From here, a new
 * descriptor never gets one of the protocol's numbers.
 */
bool descriptors_take(unsigned extra);

/* Moves *@fd to the number @target (close-on-exec); it is @target then. */
bool descriptor_move(int *fd, int target);
