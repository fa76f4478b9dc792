/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus-private.h"

/* What the model reports, as signals: one collected PropertiesChanged per object and turn of the loop, InterfacesAdded
 * and InterfacesRemoved. berth_bus_observer() is here. */

/* Sends what is still to be announced, now. For those who answer: a client that has its answer has heard before it what
 * that call has changed. */
void berth_bus_announce(BerthBus *bus);
