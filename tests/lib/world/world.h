/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What must hold whatever went wrong: the test keeps a ledger of what berthd has answered, and world_check() holds the
 * bus, the disk, systemd and the processes against it. It knows nothing of how a daemon was started or killed. */

typedef struct World World;

typedef struct {
    GDBusConnection *client;
    const char *state_dir;
    const char *runtime_dir;
    /* The daemon's PID, 0 while there is none; (nullable): then processes are looked for in scopes alone. */
    const GPid *daemon;
    /* How often QEMU of the VM @name was started; (nullable) */
    guint (*n_starts)(const char *name, gpointer data);
    gpointer data;
} WorldPlace;

typedef enum {
    WORLD_NO,
    WORLD_YES,
    WORLD_EITHER, /* the call was not answered, or failed and said that it may have done it */
} WorldTruth;

/* What is known of a VM. */
typedef struct {
    char *name;
    char *id;          /* NULL: not known; one that can't be loaded has no other name */
    WorldTruth exists; /* where not: no trace, once its removal has ended */
    WorldTruth wanted; /* WantRunning, as it is told and as it is on disk */
    WorldTruth runs;   /* has a process */
    WorldTruth broken;
    WorldTruth grace;  /* it is being removed, and waits for its grace time to end */
    guint64 memory[2]; /* MemoryBytes is one of them; 0: not looked at */
    guint max_starts;  /* how often its QEMU may have been started: world_forbid_starts() */
} WorldVm;

/* The processes that there are now are none of the daemon's. Makes this process the parent of the daemon's orphans. */
World *world_new(const WorldPlace *place);
void world_free(World *world);

/* (transfer none): the ledger's entry, made where there is none: of a VM that does not exist */
WorldVm *world_vm(World *world, const char *name);
/* The same of images. */
void world_image(World *world, const char *name, WorldTruth exists);
/* Of a new VM of that name, nothing is known but whether it is there. */
void world_vm_reset(WorldVm *vm, WorldTruth exists);
/* From now on no QEMU of it may be started. */
void world_forbid_starts(World *world, WorldVm *vm);

/* What could not be deleted may lie about until the next daemon sweeps it: half of what was being made or replaced, and
 * the runtime directory of a VM that is there. */
void world_allow_leftovers(World *world, gboolean allow);

/* What lies below @path is to stay as it is: contents, modes, owners, times. */
void world_protect(World *world, const char *path);

/* Waits until nothing is under way: no removal (but a grace time), no start, no stop, no job. A removal that waits to
 * try again is asked to. */
void world_settle(World *world);
/* The same with a daemon that may die: FALSE where it has gone away meanwhile. */
gboolean world_try_settle(World *world);
/* Settles; aborts the test where anything is not as the ledger has it. */
void world_check(World *world);

/* Whether a daemon has said that the object is gone. */
gboolean world_was_told_gone(World *world, const char *path);
/* (transfer full) (nullable): its object path. After world_settle(), without asking again. */
char *world_find(World *world, const char *name);
