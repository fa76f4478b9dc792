/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm-state.h"

/* What a daemon makes of what it finds of a VM when it starts: records × scopes × sockets. A pure table. */

typedef enum {
    BERTH_STORED_AS_WHOLE,
    BERTH_STORED_AS_BROKEN, /* it can't be loaded */
    BERTH_STORED_AS_GOING,  /* its removal was promised: it is marked, or lies in removing/ */
    BERTH_STORED_AS_LAST,
} BerthStoredAs;

/* The runtime directory, and what its record says was under way when it was written last. */
typedef enum {
    BERTH_RECORD_NO_DIRECTORY,
    BERTH_RECORD_NONE,      /* no keeper was let go there, or it can't be read */
    BERTH_RECORD_START,     /* its keeper was let go, and who called Start was not answered */
    BERTH_RECORD_RUN,       /* the guest ran, and nothing was under way */
    BERTH_RECORD_POWERDOWN, /* somebody but us asked the guest to power down */
    BERTH_RECORD_SHUTDOWN,
    BERTH_RECORD_POWER_OFF,
    BERTH_RECORD_LAST,
} BerthRecordFound;

/* Who lives, by the word of the kernel: pidfds, the cgroup, the lock. The first that applies, from below. */
typedef enum {
    BERTH_ALIVE_NOBODY,
    BERTH_ALIVE_SOMEBODY, /* or it can't be known that nobody does */
    BERTH_ALIVE_KEEPER,
    BERTH_ALIVE_QEMU,
    BERTH_ALIVE_LAST,
} BerthAlive;

/* The scope, as systemd tells of it. */
typedef enum {
    BERTH_SCOPE_UNKNOWN, /* systemd did not tell */
    BERTH_SCOPE_ABSENT,
    BERTH_SCOPE_LOADED,
    BERTH_SCOPE_STOPPING, /* systemd was told to stop it */
    BERTH_SCOPE_LAST,
} BerthScopeFound;

/* QEMU's socket in the runtime directory. */
typedef enum {
    BERTH_MONITOR_DEAF,
    BERTH_MONITOR_LISTENS,
    BERTH_MONITOR_LAST,
} BerthMonitorFound;

/* When it is found. */
typedef enum {
    BERTH_MOMENT_BOOT, /* the first start of a daemon since the host came up */
    BERTH_MOMENT_RESTART,
    BERTH_MOMENT_RELOAD, /* its directory was put there while the daemon ran */
    BERTH_MOMENT_LAST,
} BerthMoment;

typedef struct {
    BerthStoredAs stored;
    BerthRecordFound record;
    BerthAlive alive;
    BerthScopeFound scope;
    BerthMonitorFound monitor;
    gboolean exit_told; /* the keeper has written down how QEMU ended */
    gboolean judged;    /* an earlier daemon of this boot has judged how its last run ended, and what follows */
    gboolean wanted;    /* as the disk has it */
    BerthMoment moment;
} BerthFound;

typedef enum {
    BERTH_PLAN_REST,      /* nothing of it lives, and nothing is to be done */
    BERTH_PLAN_START,     /* it is started, anew where half a start has gone */
    BERTH_PLAN_ABIDE,     /* what was judged stands: it stays as it is, or is started when it is due */
    BERTH_PLAN_JUDGE,     /* it has ended: the records tell how, and what follows */
    BERTH_PLAN_WATCH,     /* it goes on as it is */
    BERTH_PLAN_GO_ON,     /* so does what was under way: a start, a powerdown with the rest of its deadline */
    BERTH_PLAN_END,       /* it is powered off, as was begun */
    BERTH_PLAN_END_REST,  /* QEMU has ended, and whoever is left has to as well; then as in JUDGE */
    BERTH_PLAN_UNDO,      /* what is left of half a start is ended */
    BERTH_PLAN_UNDO_REDO, /* and then it is started anew, where it still is wanted */
    BERTH_PLAN_LAST,
} BerthPlanAct;

/* What becomes of the wish that it runs. */
typedef enum {
    BERTH_WISH_KEPT,
    BERTH_WISH_ON,  /* a Start that was begun says so, even where that was not durable yet */
    BERTH_WISH_OFF, /* so does a Shutdown or a PowerOff */
} BerthPlanWish;

typedef struct {
    BerthVmState state; /* that is shown until more is known */
    BerthPlanAct act;
    BerthPlanWish wish;
    const char *why; /* for the journal */
} BerthPlan;

/**
 * berth_recovery_plan:
 *
 * Exactly one row of the table applies to each of all combinations, also to those that should not come to be.
 *
 * Returns: (transfer none)
 */
const BerthPlan *berth_recovery_plan(const BerthFound *found);

/* For the test: how many rows the table has, and whether row number @row applies. */
guint berth_recovery_n_rows(void);
gboolean berth_recovery_row_applies(guint row, const BerthFound *found);

/* What a run's record says is under way, and back: "" "start" "powerdown" "shutdown" "power-off"; -1 for any other word. */
const char *berth_operation_to_string(BerthRecordFound operation);
int berth_operation_from_string(const char *word);
