/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus-private.h"

/* What the model reports, as signals: one collected PropertiesChanged per object and turn of the loop, InterfacesAdded
 * and InterfacesRemoved. berth_bus_observer() is here. */
