/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Guests that end all at once take the processors from everybody, the daemon, the bus and systemd included. So
 * only some are ended at a time; the others' turn comes in the order in which they asked. */

typedef struct {
    void (*go)(gpointer data); /* it has come; not from within berth_turn_take() */
    gpointer data;
    /* private */
    gboolean has;
    GList *waits;
} BerthTurn;

/* Whether it is there, now or already; else @go follows. */
gboolean berth_turn_take(BerthTurn *turn);
/* Not needed any more, or waited for no longer; fine where there was none. */
void berth_turn_give_back(BerthTurn *turn);
