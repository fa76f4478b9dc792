/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus-private.h"

/* GetManagedObjects. sd-bus has an answer of its own, which holds everybody up while it is made: 0.4 s for 10,000 VMs.
 * This one says the same, and is made in many turns of the loop. Before anything is announced it is sent, finished at
 * a stretch: a client that heard of a change first would then be told an older state by the answer. */

/* Answers it from now on; for the root object. The slot ends that. */
int berth_listing_add(BerthBus *bus, sd_bus *connection, sd_bus_slot **slot);

/* The answer that is being made is sent now, whatever that takes: something is about to be announced. */
void berth_listing_finish(BerthBus *bus);

/* The daemon ends, and who waits is told so; or the connection is gone, and who asked with it. */
void berth_listing_forget(BerthBus *bus);
