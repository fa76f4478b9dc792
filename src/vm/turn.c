/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turn.h"

/* What the end of a guest costs, the kernel and systemd spend: of processors all but one are kept busy with it, so that a call is
 * answered meanwhile, and systemd is not asked more at once than does any good. */
#define TURNS_MAX 16u

static guint n_turns(void)
{
    return CLAMP(g_get_num_processors() - 1, 1, TURNS_MAX);
}

static guint n_taken;
static GQueue waiting = G_QUEUE_INIT; /* (element-type BerthTurn) */

gboolean berth_turn_take(BerthTurn *turn)
{
    if (turn->has || turn->waits)
        return turn->has;
    if (n_taken < n_turns()) {
        turn->has = TRUE;
        n_taken++;
    } else {
        g_queue_push_tail(&waiting, turn);
        turn->waits = waiting.tail;
    }
    return turn->has;
}

void berth_turn_give_back(BerthTurn *turn)
{
    if (turn->waits)
        g_queue_delete_link(&waiting, g_steal_pointer(&turn->waits));
    if (!turn->has)
        return;
    turn->has = FALSE;
    BerthTurn *next = g_queue_pop_head(&waiting);
    if (!next) {
        n_taken--;
        return;
    }
    next->waits = NULL;
    next->has = TRUE;
    next->go(next->data);
}
