/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/bus/scripted.h"
#include "tests/lib/preloads/faults.h"
#include "tests/lib/world/world.h"

/* Where scenarios are played: berthd with the preload library on a private bus, a VM that stands by untouched,
 * and room for one more, or for its clone, too. */

#define STAGE_VM "web"
#define STAGE_HEIR "heir" /* another, where a scenario makes one */
#define STAGE_IMAGE "image"
#define STAGE_MEMORY ((guint64) 64 << 20)
#define STAGE_DISK ((gsize) 1 << 20)
#define STAGE_VARS "variables of a firmware"

typedef struct {
    Fixture fixture; /* first */
    World *world;
    Faults *faults;
    WorldVm *vm; /* what is known of STAGE_VM */
    char *path;  /* its object, while it was made by stage_create() */
    char *id;
    FixtureCall *clone; /* under way, asked of @clone_owner */
    char *cloned;       /* what was asked for the last one: the probe's is another of that name */
    char *clone_owner;
    GHashTable *jobs; /* what has completed: its daemon and path → name of the error, "" for none */
    guint jobs_watch;
    gboolean was_killed;    /* the daemon that the scenario was played with */
    gboolean was_cancelled; /* the last job */
    gboolean is_unknown;    /* the daemon need not know what is on disk before it is started again */
} Stage;

/* @n_vms: for so many there is room beside the one that stands by; @deadlines: for the section [VM] of berth.conf */
void stage_set_up(Stage *stage, guint n_vms, const char *deadlines);
void stage_tear_down(Stage *stage);

typedef enum {
    STAGE_OK,
    STAGE_REFUSED, /* answered with an error */
    STAGE_LOST,    /* the daemon went away */
} StageAnswer;

/* Calls and waits for the answer, with a daemon that may die. @answer: (nullable) (out) (transfer full) */
StageAnswer stage_call(Stage *stage, const char *path, const char *interface, const char *method, GVariant *parameters,
                       GVariant **answer);
/* A method of STAGE_VM; @options in GVariant's text form. */
StageAnswer stage_vm(Stage *stage, const char *method, const char *options);
/* What comes of Remove: answered, STAGE_VM is gone in the end; refused, it is as it was. */
void stage_expect_removal(Stage *stage, StageAnswer answer);
/* CreateVM, with everything that makes it write files. */
StageAnswer stage_try_create(Stage *stage, const char *options);
/* It must succeed: then the ledger has it, and path and id are known. */
void stage_create(Stage *stage);
void stage_start(Stage *stage);
/* ImportImage as STAGE_IMAGE, with the one descriptor of @fds; whether the image is there then. */
WorldTruth stage_import(Stage *stage, GUnixFDList *fds);
/* Clone of STAGE_VM as STAGE_HEIR; and how its job has ended, which the ledger has then. */
void stage_begin_clone(Stage *stage);
void stage_end_clone(Stage *stage);
/* Waits until nothing goes on any more, or the daemon is dead, or off the bus and back. */
void stage_rest(Stage *stage);

/* A daemon without faults; one that was killed, or has ended as it should, is awaited first. @booted: as if the host
 * had been. */
void stage_restart(Stage *stage, gboolean booted);
/* Takes away all but the VM that stands by; nothing may be left, and there is room for one more again. */
void stage_clear(Stage *stage);
/* STAGE_VM, where it is not there, can be made. */
void stage_probe(Stage *stage);
