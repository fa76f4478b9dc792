/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "recovery.h"

/* A Reload under way: what was in memory when the look at the disk began, what the look found, and what came of it. */
typedef struct BerthReload {
    BerthManager *manager;
    void (*done)(guint loaded, guint updated, guint removed, const GError *error, gpointer data);
    gpointer data;
    void (*judged)(struct BerthReload *reload);
    guint looks;

    gint64 began;      /* µs since the epoch: what is younger is not judged */
    GHashTable *known; /* id → how many works in its directory had ended */
    guint64 library;   /* berth_manager_library_serial() */

    BerthSettings *settings;
    GPtrArray *images, *vms; /* (element-type BerthImageMeta), (element-type BerthStoredVm) */
    GPtrArray *notes;        /* (element-type utf8) */
    GHashTable *on_disk;     /* ids of @vms, a set */
    guint next;              /* of @vms */
    guint judging;           /* source id: they are judged, 0 */

    guint loaded, updated, removed;
    GPtrArray *busy; /* (element-type utf8): what was worked on meanwhile, and could not be compared */
} BerthReload;

/* The images that were found × the library. Before the VMs, which need them. */
void berth_reload_images(BerthReload *reload);
/* The VMs that were found × those in memory, some at a time, since comparing 10,000 takes a third of a second. Each
 * is judged by what is true when it is its turn. */
void berth_reload_vms(BerthReload *reload, void (*judged)(BerthReload *reload));
/* What has not been judged is forgotten. */
void berth_reload_stop_judging(BerthReload *reload);
