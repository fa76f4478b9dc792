/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Restarts berthd with a QEMU that has a monitor and no machine, of which hundreds are started in a moment; its loop is
 * watched, as by turns_prepare(). */
void minimal_qemu_prepare(void);
