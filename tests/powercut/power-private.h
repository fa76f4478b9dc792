/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "power.h"

/* Between power.c (trace, cuts, boots) and power-check.c (what is looked at after a boot). */

/* A tree that a cut may leave. */
typedef struct {
    FsTree *tree;
    char *how;  /* for a person */
    guint kept; /* promises given before it, a bit for each */
} PowerCut;

struct Power {
    Tooled tooled; /* first: the fixture's functions take it */
    const PowerScenario *scenario;
    char *trace;
    gsize trace_begin;   /* where in the trace power_begin() was called */
    FsTree *before;      /* what was there then */
    FsTree *after;       /* what the scenario left */
    GPtrArray *promises; /* (element-type Promise) */
    GHashTable *cuts;    /* text that tells it from others, to PowerCut */
    const PowerCut *cut; /* that is looked at */
    guint starts;        /* of scopes, before the boot */
    guint wanted;        /* VMs that are to be started by it */
    GPtrArray *expected; /* (element-type utf8): VMs that the check has named and that are there */
    GPtrArray *images;   /* the same of images */
    GVariant *objects;   /* what GetManagedObjects said after the boot */
    guint violations;
};

/* Before a boot; and after the check: that nothing is left over, that everything can be removed, and that nothing is
 * left then. */
void power_check_begin(Power *power);
void power_check_end(Power *power);
