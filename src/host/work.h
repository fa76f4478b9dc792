/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Blocking work in a thread, its end told on the main loop. Three pools, so that deleting large trees never
 * holds up the short durable write that a caller waits for, nor a copy of an hour a removal. */

typedef enum {
    BERTH_WORK_SHORT, /* a few fsyncs, a qemu-img create */
    BERTH_WORK_LONG,  /* deleting */
    BERTH_WORK_COPY,  /* importing, cloning */
} BerthWorkKind;

typedef struct BerthWork BerthWork;

/* In the thread. Touches nothing but @data. */
typedef gboolean (*BerthWorkFunc)(gpointer data, GError **error);
/* On the main loop. @error is %NULL where it went well. */
typedef void (*BerthWorkDone)(gpointer data, const GError *error, gpointer user_data);

/**
 * berth_work_start:
 * @data: (transfer full): freed with @free_data, on the main loop, after @done
 *
 * Returns: (transfer none): a handle, valid until @done has been called or berth_work_abandon()
 */
BerthWork *berth_work_start(BerthWorkKind kind, BerthWorkFunc func, gpointer data, GDestroyNotify free_data,
                            BerthWorkDone done, gpointer user_data);

/**
 * berth_work_heed:
 * @cancellable: cancelled on the main loop's thread only
 *
 * While @work waits for a thread, @cancellable ends it: @done comes on a later turn of the loop, with Cancelled, and its
 * function is never called. One that has begun has to look at @cancellable itself.
 */
void berth_work_heed(BerthWork *work, GCancellable *cancellable);

/* @done will not be called; the work itself goes on to its end. Takes *@work and leaves %NULL; %NULL is fine. */
void berth_work_abandon(BerthWork **work);

/* Runs the main context until no work is left: for the end of the daemon and of tests. */
void berth_work_drain(void);

/**
 * berth_work_spread:
 * @each: touches nothing that another index does
 *
 * Calls @each for every index below @n, where there are many in some threads beside this one, and returns when all is
 * done: for workers, since it blocks.
 */
void berth_work_spread(guint n, void (*each)(guint index, gpointer data), gpointer data);
