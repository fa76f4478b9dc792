/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus-private.h"

/* Clients that have subscribed to what VMs use. A signal goes to one of them alone, and who leaves the bus is forgotten. */

/* SubscribeUsage and UnsubscribeUsage, for the caller. */
void berth_usage_subscribe(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args);
void berth_usage_unsubscribe(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args);

/* The signal Usage, to the client @subscriber. */
void berth_usage_send(BerthBus *bus, const BerthVm *vm, const char *subscriber, const BerthUsage *usage);

/* A VM has gone: clients who had subscribed to nothing else are not watched any more. */
void berth_usage_prune(BerthBus *bus);
/* The connection is lost, and with it all clients. */
void berth_usage_forget_all(BerthBus *bus);
/* (transfer full): for BerthBus */
GHashTable *berth_usage_subscribers_new(void);
