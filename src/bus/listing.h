/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus-private.h"

/* GetManagedObjects. sd-bus has an answer of its own, which holds everybody up while it is made: 0.4 s for 10,000 VMs.
 * This one says the same, and is made in many turns of the loop. What happens to a VM meanwhile is announced at once, to all;
 * the answer may have it as it was before. So it is told once more behind the answer, to who asked alone: whoever takes the
 * answer, and then the signals that come after it, knows what is true. */

/* Answers it from now on; for the root object. The slot ends that. */
int berth_listing_add(BerthBus *bus, sd_bus *connection, sd_bus_slot **slot);

typedef enum {
    BERTH_LISTING_CHANGED = 1 << 0,
    BERTH_LISTING_CAME = 1 << 1,
    BERTH_LISTING_WENT = 1 << 2,
} BerthListingNews;

/* What has just been announced of the VM at @path. */
void berth_listing_note(BerthBus *bus, const char *path, BerthListingNews news);

/* The daemon ends, and who waits is told so; or the connection is gone, and who asked with it. */
void berth_listing_forget(BerthBus *bus);
