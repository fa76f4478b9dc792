/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm-config.h"

/* Which ports of the host the VMs forward. Found by protocol and number, so that a check costs the same with ten VMs
 * and with ten thousand. Pure. */

typedef struct BerthPortTable BerthPortTable;

BerthPortTable *berth_port_table_new(void);
void berth_port_table_free(BerthPortTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthPortTable, berth_port_table_free)

/* @owner: what tells VMs apart: an id, or the name of one that has none yet. */
void berth_port_table_claim(BerthPortTable *table, const BerthVmConfig *config, const char *owner);
void berth_port_table_release(BerthPortTable *table, const BerthVmConfig *config, const char *owner);

/* (transfer none): what people call @owner */
typedef const char *(*BerthPortOwnerName)(const char *owner, gpointer data);

/**
 * berth_port_table_check:
 * @owner: whose definition it is to be: its own claims are no obstacle
 * @name_of: for the error
 *
 * Returns: FALSE with InvalidArgs, which names the key, the port and the VM that has it
 */
gboolean berth_port_table_check(const BerthPortTable *table, const BerthVmConfig *config, const char *owner,
                                BerthPortOwnerName name_of, gpointer data, GError **error);
