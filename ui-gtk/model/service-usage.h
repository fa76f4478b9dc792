/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "usage.h"

/* A part of service.c, for nobody else: what is watched of the usage of VMs, by their object paths. The daemon is asked
 * to tell of a VM while somebody holds its BerthUiUsage, and every other daemon after it anew. */

typedef struct BerthUiUsageWatches BerthUiUsageWatches;

BerthUiUsageWatches *berth_ui_usage_watches_new(void);
/* Whatever somebody still holds, grows no more. */
void berth_ui_usage_watches_free(BerthUiUsageWatches *watches);

/* From now on it is the daemon of this unique name that tells; with %NULL for both, none. */
void berth_ui_usage_watches_follow(BerthUiUsageWatches *watches, GDBusConnection *connection, const char *owner);

/* (transfer full): the same for all who ask for it at a time */
BerthUiUsage *berth_ui_usage_watches_get(BerthUiUsageWatches *watches, const char *path);
