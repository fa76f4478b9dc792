/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cid-pool.h"

#include "error.h"

#define WORD_BITS 64u

typedef struct {
    guint32 cid;
    gint64 until;
} Resting;

struct BerthCidPool {
    guint32 first, last;
    guint64 *used;       /* one bit for each of the range */
    guint64 *rested;     /* the same for those in quarantine; none has both */
    guint32 next;        /* where the search goes on */
    guint n_used;        /* of the range */
    GQueue resting;      /* Resting, the longest first */
    GHashTable *outside; /* those in use that are not of the range */
};

static guint32 range_size(const BerthCidPool *pool)
{
    return pool->last - pool->first + 1;
}

static gboolean in_range(const BerthCidPool *pool, guint32 cid)
{
    return cid >= pool->first && cid <= pool->last;
}

static gboolean get_bit(const guint64 *bits, guint32 i)
{
    return (bits[i / WORD_BITS] >> (i % WORD_BITS)) & 1;
}

static void flip_bit(guint64 *bits, guint32 i)
{
    bits[i / WORD_BITS] ^= G_GUINT64_CONSTANT(1) << (i % WORD_BITS);
}

BerthCidPool *berth_cid_pool_new(guint32 first, guint32 last)
{
    g_return_val_if_fail(first <= last && last - first < G_MAXUINT32, NULL);

    BerthCidPool *pool = g_new0(BerthCidPool, 1);
    pool->first = pool->next = first;
    pool->last = last;
    gsize n_words = (range_size(pool) - 1) / WORD_BITS + 1;
    pool->used = g_new0(guint64, n_words);
    pool->rested = g_new0(guint64, n_words);
    g_queue_init(&pool->resting);
    pool->outside = g_hash_table_new(NULL, NULL);
    return pool;
}

void berth_cid_pool_free(BerthCidPool *pool)
{
    if (!pool)
        return;
    g_free(pool->used);
    g_free(pool->rested);
    g_queue_clear_full(&pool->resting, g_free);
    g_hash_table_unref(pool->outside);
    g_free(pool);
}

/* Ends the quarantine of the one that has rested longest. */
static guint32 wake_one(BerthCidPool *pool)
{
    g_autofree Resting *rested = g_queue_pop_head(&pool->resting);
    flip_bit(pool->rested, rested->cid - pool->first);
    return rested->cid;
}

/* All rest for the same time and the clock is monotonic: the first one in the queue is due first. */
static void wake_rested(BerthCidPool *pool, gint64 now)
{
    for (const Resting *head; (head = g_queue_peek_head(&pool->resting)) && head->until <= now;)
        wake_one(pool);
}

static gboolean anything_free(const BerthCidPool *pool)
{
    return pool->n_used + pool->resting.length < range_size(pool);
}

/* The first one from @next on, around the end; something is free. Where nothing of a word is, it is passed over whole.
 */
static guint32 find_free(const BerthCidPool *pool)
{
    guint32 i = pool->next - pool->first, size = range_size(pool);
    for (;;) {
        guint64 taken = pool->used[i / WORD_BITS] | pool->rested[i / WORD_BITS];
        if (!((taken >> (i % WORD_BITS)) & 1))
            return pool->first + i;
        guint32 step = taken == G_MAXUINT64 ? WORD_BITS - i % WORD_BITS : 1;
        i = step < size - i ? i + step : 0;
    }
}

static void use(BerthCidPool *pool, guint32 cid)
{
    flip_bit(pool->used, cid - pool->first);
    pool->n_used++;
}

gboolean berth_cid_pool_take(BerthCidPool *pool, gint64 now, guint32 *cid, GError **error)
{
    wake_rested(pool, now);
    if (pool->n_used == range_size(pool)) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_LIMIT_REACHED,
                    "All CIDs from %u to %u are in use; remove a VM, or widen CIDFirst= and CIDLast=", pool->first,
                    pool->last);
        return FALSE;
    }

    guint32 found = anything_free(pool) ? find_free(pool) : wake_one(pool);
    use(pool, found);
    pool->next = found == pool->last ? pool->first : found + 1;
    *cid = found;
    return TRUE;
}

/* Only when a VM is found whose CID was freed a moment ago: the queue may be walked. */
static void wake(BerthCidPool *pool, guint32 cid)
{
    GList *link = pool->resting.head;
    while (((const Resting *) link->data)->cid != cid)
        link = link->next;
    g_free(link->data);
    g_queue_delete_link(&pool->resting, link);
    flip_bit(pool->rested, cid - pool->first);
}

gboolean berth_cid_pool_claim(BerthCidPool *pool, guint32 cid)
{
    if (!in_range(pool, cid))
        return g_hash_table_add(pool->outside, GUINT_TO_POINTER(cid));
    if (get_bit(pool->used, cid - pool->first))
        return FALSE;

    if (get_bit(pool->rested, cid - pool->first))
        wake(pool, cid);
    use(pool, cid);
    return TRUE;
}

void berth_cid_pool_release(BerthCidPool *pool, guint32 cid, gint64 now, gboolean rest)
{
    g_return_if_fail(berth_cid_pool_is_in_use(pool, cid));

    if (g_hash_table_remove(pool->outside, GUINT_TO_POINTER(cid)))
        return;
    flip_bit(pool->used, cid - pool->first);
    pool->n_used--;
    if (rest) {
        const Resting resting = {cid, now + BERTH_CID_QUARANTINE_USEC};
        g_queue_push_tail(&pool->resting, g_memdup2(&resting, sizeof(resting)));
        flip_bit(pool->rested, cid - pool->first);
    }
}

guint berth_cid_pool_in_use(const BerthCidPool *pool)
{
    return pool->n_used + g_hash_table_size(pool->outside);
}

gboolean berth_cid_pool_is_in_use(const BerthCidPool *pool, guint32 cid)
{
    if (!in_range(pool, cid))
        return g_hash_table_contains(pool->outside, GUINT_TO_POINTER(cid));
    return get_bit(pool->used, cid - pool->first);
}

static void each_of_word(const BerthCidPool *pool, guint32 word, void (*func)(guint32 cid, gpointer data),
                         gpointer data)
{
    for (guint32 bit = 0; bit < WORD_BITS; bit++)
        if ((pool->used[word] >> bit) & 1)
            func(pool->first + word * WORD_BITS + bit, data);
}

void berth_cid_pool_foreach(const BerthCidPool *pool, void (*func)(guint32 cid, gpointer data), gpointer data)
{
    GHashTableIter iter;
    gpointer cid;
    for (guint32 word = 0; word <= (range_size(pool) - 1) / WORD_BITS; word++)
        if (pool->used[word] != 0)
            each_of_word(pool, word, func, data);
    g_hash_table_iter_init(&iter, pool->outside);
    while (g_hash_table_iter_next(&iter, &cid, NULL))
        func(GPOINTER_TO_UINT(cid), data);
}
