/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm-state.h"

/* When a VM whose processes have ended is started again: after which ends, how long after, how often. Pure. */

/* From berth.conf; in a VM's definition a 0 stands for what berth.conf says. */
typedef struct {
    guint64 delay_usec;     /* before the first try; it doubles with each */
    guint64 max_delay_usec; /* to this */
    guint64 burst;          /* how many tries there are ... */
    guint64 interval_usec;  /* within this time, which begins with the first of them */
    guint64 healthy_usec;   /* whoever ran so long is healthy: earlier failures are forgotten */
} BerthRestartBounds;

/* What was tried. All 0: nothing. */
typedef struct {
    guint n_restarts;    /* since it was healthy, or a person took it into their hands */
    guint n_in_interval; /* those of them that count for the burst */
    gint64 interval_began;
} BerthRestartCount;

/* Whether @policy, one of the definition's words, covers an end of this kind. What was asked for is never undone. */
gboolean berth_restart_policy_covers(const char *policy, BerthExitReason reason);

/* A VM's own bounds, and the general ones for what it leaves open. */
BerthRestartBounds berth_restart_bounds_of(const BerthRestartBounds *own, const BerthRestartBounds *general);

/* How long to wait before the next try. µs */
guint64 berth_restart_delay(const BerthRestartBounds *bounds, const BerthRestartCount *count);

/* Whether one more try may be made at @when, by the clock that berth_restart_count_try() was told. µs */
gboolean berth_restart_may_try(const BerthRestartBounds *bounds, const BerthRestartCount *count, gint64 when);

/* Takes note of a try. @now: µs of a clock that nobody sets */
void berth_restart_count_try(const BerthRestartBounds *bounds, BerthRestartCount *count, gint64 now);
