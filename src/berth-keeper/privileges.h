/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Becomes user and group @uid for good, without supplementary groups. */
bool privileges_become(uint32_t uid);

/* No new privileges; no core dump of us and no ptrace() by QEMU, which has our uid; subreaper of all that QEMU forks.
 */
bool privileges_limit(void);
