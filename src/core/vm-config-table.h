/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "key-table.h"
#include "vm-config.h"

/* Between the files vm-config*.c only. */

extern const BerthKeyTable berth_network_table;

/* What only makes sense together. */
gboolean berth_vm_config_check(const BerthVmConfig *config, GError **error);
