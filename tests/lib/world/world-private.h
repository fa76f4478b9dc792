/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "world.h"

/* Between world.c (ledger, settling, the VMs as they are told), world-disk.c (files), world-host.c (systemd and
 * processes) and world-signals.c (what a watching client has seen). */

/* A VM as GetManagedObjects has it. */
typedef struct {
    char *path, *id, *name, *state, *phase, *unit;
    gboolean wanted;
    guint64 memory;
    guint32 pid, cid;
    GVariant *all; /* a{sv}, for reports */
} SeenVm;

typedef struct WorldSignals WorldSignals;

struct World {
    WorldPlace place;
    GPtrArray *vms;         /* (element-type WorldVm) */
    GHashTable *images;     /* name → WorldTruth */
    GPtrArray *seen;        /* (element-type SeenVm): the last answer */
    guint n_jobs;           /* in the same answer */
    GPtrArray *seen_images; /* (element-type utf8): names */
    GPtrArray *protected;   /* (element-type Protected) */
    gboolean allow_leftovers;
    GHashTable *children; /* processes that are none of the daemon's, a set of PIDs */
    WorldSignals *signals;
};

gboolean world_seen_is_live(const SeenVm *vm); /* has processes */

/* world.c: (transfer full): a call whose answer comes in order with the signals */
GVariant *world_call(World *world, const char *bus_name, const char *path, const char *interface, const char *method,
                     GVariant *parameters);
/* (nullable): the entry for what is seen */
WorldVm *world_entry_of(World *world, const SeenVm *seen);

void world_check_disk(World *world);
void world_check_protected(World *world);
void world_protected_free(gpointer protected);

void world_check_host(World *world);
GHashTable *world_list_children(void);

WorldSignals *world_signals_new(GDBusConnection *client);
void world_signals_free(WorldSignals *signals);
/* How many signals have come in, of the daemon and of systemd. */
guint world_signals_count(const WorldSignals *signals);
gboolean world_signals_told_gone(const WorldSignals *signals, const char *path);
/* Objects that the daemon has just told of, all of them: who was known and is missing must have been told gone. */
void world_signals_compare(WorldSignals *signals, const GPtrArray *seen);
