/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdatomic.h>

/* What a test and the preload library in berthd (fault-preload.c) have in common: a file that both map. */

#define FAULT_CONTROL_ENV "BERTH_FAULT_CONTROL"
#define FAULT_CALLS_MAX 4096u /* more are counted and not remembered */

typedef enum {
    FAULT_NONE, /* count only */
    FAULT_KILL_BEFORE,
    FAULT_KILL_AFTER,
    FAULT_SHORT, /* half of what was to be written */
    FAULT_ERROR,
} FaultKind;

typedef struct {
    char name[20];
    char path[236];
} FaultCall;

typedef struct {
    /* Set while nothing is armed. */
    FaultKind kind;
    int error;   /* errno of FAULT_ERROR */
    unsigned at; /* which call, from 1 on; only those that can go wrong in this way are counted */

    atomic_int armed;                 /* nothing is counted before */
    atomic_uint count;                /* calls so far */
    atomic_uint fired;                /* whether call number @at has come */
    FaultCall calls[FAULT_CALLS_MAX]; /* in the order in which they were begun; [at - 1] is the one that was hit */
} FaultControl;
