/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../host/bus-link.h"
#include "../host/polkit.h"
#include "../vm/manager.h"

/* The D-Bus face of the manager and of all that is in it. */

typedef struct BerthBus BerthBus;

/* @capabilities: (transfer none): what Capabilities says, NULL-terminated. Everything given outlives the bus. */
BerthBus *berth_bus_new(BerthBusLink *link, gboolean user, const char *const *capabilities);
void berth_bus_free(BerthBus *bus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthBus, berth_bus_free)

/* How the model reports to it; pass both to berth_manager_new(), then the manager to berth_bus_serve(). */
const BerthObserver *berth_bus_observer(void);

/**
 * berth_bus_serve:
 * @name_taken: called each time the bus name is ours
 * @name_refused: called where another has it, or the policy forbids it
 *
 * Puts the objects on the connection and asks for the name, now and after each reconnection.
 */
void berth_bus_serve(BerthBus *bus, BerthManager *manager, void (*name_taken)(gpointer data),
                     void (*name_refused)(const char *why, gpointer data), gpointer data);
