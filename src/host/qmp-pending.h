/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmp.h"

/* Commands of a monitor that wait for their answer: a queue of them, by id. */

typedef struct {
    guint64 id;
    char *command;
    char *line;      /* until it goes out */
    int fd;          /* that goes with it, as long; -1 for none */
    gint64 deadline; /* monotonic µs */
    guint64 timeout_usec;
    GError *refusal; /* it never went out: the answer that is due */
    BerthQmpDone done;
    gpointer data;
} BerthQmpPending;

/* Answers the command, whose done() may do anything to the monitor; and frees it. */
void berth_qmp_pending_answer(BerthQmpPending *pending, JsonNode *result, const GError *error);

/* The first deadline of @queue; -1 where nobody waits. */
gint64 berth_qmp_pending_deadline(const GQueue *queue);

/* (transfer full) (nullable): out of @queue: one whose deadline has come. */
BerthQmpPending *berth_qmp_pending_take_expired(GQueue *queue, gint64 now);

/* (transfer full) (nullable): out of @queue: the one with that id, if it went out. */
BerthQmpPending *berth_qmp_pending_take(GQueue *queue, guint64 id);
