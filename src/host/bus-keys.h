/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "../core/key-table.h"

/* A string of the program's own, as the names of keys and properties are: it needs no look whether it is UTF-8, which in an
 * answer of GetManagedObjects costs more than to copy it. Returns: 0, or a negative errno. */
int berth_bus_append_name(sd_bus_message *m, const char *name);

/**
 * berth_bus_append_keys:
 * @m: a message that is being built
 * @source: a struct of @table
 *
 * The same a{sv} as berth_keys_get() makes, without a GVariant in between: GetManagedObjects shows the definitions of
 * thousands of VMs.
 *
 * Returns: 0, or a negative errno, upon which @m is of no more use
 */
int berth_bus_append_keys(sd_bus_message *m, const BerthKeyTable *table, gconstpointer source);

/* Where a message would come to with those keys, from the byte at @at on: sd-bus has no public way to ask how large one is. */
gsize berth_bus_after_keys(gsize at, const BerthKeyTable *table, gconstpointer source);
