/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stage.h"

typedef struct {
    const char *name;
    const char *promise; /* of REMOVAL.md, "M01" */
    /* Without faults: brings the stage to where the scenario begins. */
    void (*prepare)(Stage *stage);
    /* With them: asks, writes into the ledger what was answered, and waits until the daemon rests or is dead. */
    void (*act)(Stage *stage);
    /* (nullable): what can be found out with the next daemon, before it is looked at. */
    void (*after)(Stage *stage);
    gboolean boots; /* whoever comes after finds the host booted: what is wanted is started */
    guint n_vms;    /* for so many there is room */
    gboolean is_start;
} Scenario;

extern const Scenario scenarios[];
extern const guint n_scenarios;

/* (nullable) */
const Scenario *scenario_find(const char *name);
