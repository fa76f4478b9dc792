/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/port-table.h"
#include "manager.h"
#include "start-queue.h"

/* Shared by manager.c and manager-library.c only. */

struct BerthManager {
    const BerthHost *host;
    const BerthObserver *observer;
    gpointer observer_data;

    GHashTable *by_id;   /* id → BerthVm, owned */
    GHashTable *by_name; /* name → BerthVm; %NULL for a creation in flight */
    BerthPortTable *ports;
    BerthCidPool *cids;
    GHashTable *by_cid;    /* CID → BerthVm that owns it */
    GHashTable *creations; /* id → CID of a creation in flight */
    GHashTable *orphans;   /* id → BerthOrphan, owned */

    GHashTable *images;  /* name → BerthImage, owned */
    GHashTable *imports; /* names of images being imported, a set */
    guint64 library_serial;
    BerthStartQueue *start_queue;
    GQueue reloads; /* the one under way first */
    GQueue audits;  /* all under way */
    BerthUsageSubscriptions *usage_subscriptions;
    GHashTable *jobs; /* number → BerthJob, owned */
    guint last_job;
    gboolean is_ending; /* no job is waited for any more */
};
