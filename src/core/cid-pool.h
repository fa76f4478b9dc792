/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Which vsock context ids are taken. A freed one rests for a while, so that what comes late for the old
 * VM never reaches a new one. Pure: the caller brings the clock. */
#define BERTH_CID_QUARANTINE_USEC (60 * G_USEC_PER_SEC)

typedef struct BerthCidPool BerthCidPool;

BerthCidPool *berth_cid_pool_new(guint32 first, guint32 last);
void berth_cid_pool_free(BerthCidPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthCidPool, berth_cid_pool_free)

/**
 * berth_cid_pool_take:
 * @now: monotonic µs
 *
 * Round robin over the range, so that the longest unused comes first. Where only resting ones are left,
 * the one that has rested longest is taken. O(1) in the usual case, independent of how many are in use.
 *
 * Returns: FALSE with LimitReached where every one is in use
 */
gboolean berth_cid_pool_take(BerthCidPool *pool, gint64 now, guint32 *cid, GError **error);

/* Takes a known one, e.g. of a VM found at start-up; also one outside of the range, where the configuration
 * has changed since. FALSE where it is in use already. */
gboolean berth_cid_pool_claim(BerthCidPool *pool, guint32 cid);

/* Back into the pool at @now; @rest: with the quarantine. */
void berth_cid_pool_release(BerthCidPool *pool, guint32 cid, gint64 now, gboolean rest);

guint berth_cid_pool_in_use(const BerthCidPool *pool);
/* Each one in use. */
void berth_cid_pool_foreach(const BerthCidPool *pool, void (*func)(guint32 cid, gpointer data), gpointer data);
gboolean berth_cid_pool_is_in_use(const BerthCidPool *pool, guint32 cid);
