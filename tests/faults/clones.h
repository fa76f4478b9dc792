/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stage.h"

/* Scenarios of clones: whole or not at all. */

/* STAGE_VM, with something on its disk. */
void clones_prepare(Stage *stage);
/* Clones it; the next clone may come then. */
void clones_act(Stage *stage);
/* The source is removed in the middle of it. */
void clones_act_and_remove(Stage *stage);
/* What was cloned, and what was made of it, are whole where they are there. */
void clones_check(Stage *stage);
