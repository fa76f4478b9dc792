/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/core/cid-pool.h"
#include "src/core/error.h"

#define REST BERTH_CID_QUARANTINE_USEC

static guint32 take(BerthCidPool *pool, gint64 now)
{
    g_autoptr(GError) error = NULL;
    guint32 cid = 0;
    berth_cid_pool_take(pool, now, &cid, &error);
    g_assert_no_error(error);
    g_assert_true(berth_cid_pool_is_in_use(pool, cid));
    return cid;
}

static void assert_empty(BerthCidPool *pool, gint64 now)
{
    g_autoptr(GError) error = NULL;
    guint32 cid = 4711;
    g_assert_false(berth_cid_pool_take(pool, now, &cid, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_LIMIT_REACHED);
    g_assert_cmpuint(cid, ==, 4711);
}

static void test_round_robin(void)
{
    g_autoptr(BerthCidPool) pool = berth_cid_pool_new(1000, 1002);
    g_assert_cmpuint(take(pool, 0), ==, 1000);
    g_assert_cmpuint(take(pool, 0), ==, 1001);
    berth_cid_pool_release(pool, 1000, 0, FALSE);
    g_assert_cmpuint(take(pool, 0), ==, 1002);
    g_assert_cmpuint(take(pool, 0), ==, 1000);
    assert_empty(pool, 0);
    g_assert_cmpuint(berth_cid_pool_in_use(pool), ==, 3);
}

static void test_one(void)
{
    g_autoptr(BerthCidPool) pool = berth_cid_pool_new(G_MAXUINT32, G_MAXUINT32);
    g_assert_cmpuint(take(pool, 0), ==, G_MAXUINT32);
    assert_empty(pool, 0);
    berth_cid_pool_release(pool, G_MAXUINT32, 0, TRUE);
    g_assert_cmpuint(take(pool, 0), ==, G_MAXUINT32);
}

static void test_quarantine(void)
{
    g_autoptr(BerthCidPool) pool = berth_cid_pool_new(10, 12);
    for (guint i = 0; i < 2; i++)
        take(pool, 0);
    berth_cid_pool_release(pool, 11, 100, TRUE);
    berth_cid_pool_release(pool, 10, 200, TRUE);
    g_assert_false(berth_cid_pool_is_in_use(pool, 10));
    g_assert_cmpuint(berth_cid_pool_in_use(pool), ==, 0);

    /* 12 is the only one that does not rest; after it, the one that has rested longest. */
    g_assert_cmpuint(take(pool, 300), ==, 12);
    berth_cid_pool_release(pool, 12, 300, FALSE);
    g_assert_cmpuint(take(pool, 300), ==, 12);
    g_assert_cmpuint(take(pool, 300), ==, 11);
    g_assert_cmpuint(take(pool, 300), ==, 10);
    assert_empty(pool, 300);
}

/* The minute is over at its last µs, not before. */
static void test_quarantine_ends(void)
{
    g_autoptr(BerthCidPool) pool = berth_cid_pool_new(10, 14);
    for (guint i = 0; i < 4; i++)
        take(pool, 0);
    berth_cid_pool_release(pool, 11, 5, TRUE);
    g_assert_cmpuint(take(pool, REST + 4), ==, 14);
    berth_cid_pool_release(pool, 14, REST + 4, FALSE);
    g_assert_cmpuint(take(pool, REST + 4), ==, 14);
    berth_cid_pool_release(pool, 14, REST + 4, FALSE);
    /* 11 has done with resting, and comes before 14 now. */
    g_assert_cmpuint(take(pool, REST + 5), ==, 11);
    g_assert_cmpuint(berth_cid_pool_in_use(pool), ==, 4);
}

static void test_claim(void)
{
    g_autoptr(BerthCidPool) pool = berth_cid_pool_new(10, 12);
    g_assert_true(berth_cid_pool_claim(pool, 10));
    g_assert_false(berth_cid_pool_claim(pool, 10));
    g_assert_cmpuint(take(pool, 0), ==, 11);

    /* One that rests is not in use, and is no longer resting afterwards. */
    berth_cid_pool_release(pool, 10, 0, TRUE);
    g_assert_true(berth_cid_pool_claim(pool, 10));
    g_assert_false(berth_cid_pool_claim(pool, 10));
    g_assert_cmpuint(take(pool, REST), ==, 12);
    assert_empty(pool, 2 * REST);
}

static void test_outside(void)
{
    g_autoptr(BerthCidPool) pool = berth_cid_pool_new(10, 10);
    g_assert_true(berth_cid_pool_claim(pool, 9));
    g_assert_false(berth_cid_pool_claim(pool, 9));
    g_assert_true(berth_cid_pool_claim(pool, G_MAXUINT32));
    g_assert_cmpuint(berth_cid_pool_in_use(pool), ==, 2);
    g_assert_cmpuint(take(pool, 0), ==, 10);
    berth_cid_pool_release(pool, 9, 0, TRUE);
    g_assert_false(berth_cid_pool_is_in_use(pool, 9));
    assert_empty(pool, 0);
    g_assert_true(berth_cid_pool_claim(pool, 9));
}

/* The model: for each CID what it does and since when, and searches from one end to the other. */
#define FIRST 1000u
#define COUNT 150u

typedef struct {
    enum { FREE, IN_USE, RESTING } what[COUNT];
    guint64 order[COUNT]; /* of going to rest */
    gint64 until[COUNT];
    guint64 clock;
    guint next;
} Model;

static int model_take(Model *model, gint64 now)
{
    int oldest = -1;
    for (guint i = 0; i < COUNT; i++) {
        if (model->what[i] == RESTING && model->until[i] <= now)
            model->what[i] = FREE;
        if (model->what[i] == RESTING && (oldest < 0 || model->order[i] < model->order[oldest]))
            oldest = (int) i;
    }
    int found = oldest;
    for (guint i = 0; i < COUNT; i++) {
        if (model->what[(model->next + i) % COUNT] == FREE) {
            found = (int) ((model->next + i) % COUNT);
            break;
        }
    }
    if (found >= 0) {
        model->what[found] = IN_USE;
        model->next = ((guint) found + 1) % COUNT;
    }
    return found;
}

static void model_release(Model *model, guint i, gint64 now, gboolean rest)
{
    model->what[i] = rest ? RESTING : FREE;
    model->until[i] = now + REST;
    model->order[i] = model->clock++;
}

static void check_take(BerthCidPool *pool, Model *model, gint64 now)
{
    int expected = model_take(model, now);
    guint32 cid = 0;
    gboolean taken = berth_cid_pool_take(pool, now, &cid, NULL);
    g_assert_cmpint(taken ? (int) (cid - FIRST) : -1, ==, expected);
}

static void check_same(const BerthCidPool *pool, const Model *model)
{
    guint in_use = 0;
    for (guint i = 0; i < COUNT; i++) {
        g_assert_cmpint(berth_cid_pool_is_in_use(pool, FIRST + i), ==, model->what[i] == IN_USE);
        in_use += model->what[i] == IN_USE;
    }
    g_assert_cmpuint(berth_cid_pool_in_use(pool), ==, in_use);
}

static void test_model(void)
{
    g_autoptr(BerthCidPool) pool = berth_cid_pool_new(FIRST, FIRST + COUNT - 1);
    Model model = {.next = 0};
    gint64 now = 0;
    for (guint round = 0; round < 20000; round++) {
        /* Long spells of mostly taking and mostly giving back, so that full and empty are both reached. */
        gboolean filling = (round / 500) % 2 == 0;
        guint i = (guint) g_test_rand_int_range(0, COUNT);
        now += g_test_rand_int_range(0, (int) (REST / 50));
        if (g_test_rand_int_range(0, 10) == 0) {
            g_assert_cmpint(berth_cid_pool_claim(pool, FIRST + i), ==, model.what[i] != IN_USE);
            model.what[i] = IN_USE;
        } else if (g_test_rand_int_range(0, 4) == 0 ? !filling : filling) {
            check_take(pool, &model, now);
        } else if (model.what[i] == IN_USE) {
            gboolean rest = g_test_rand_int_range(0, 3) > 0;
            berth_cid_pool_release(pool, FIRST + i, now, rest);
            model_release(&model, i, now, rest);
        }
        if (round % 50 == 0)
            check_same(pool, &model);
    }
}

static void add_up(guint32 cid, gpointer data)
{
    *(guint64 *) data += cid;
}

/* Each one in use, in the range and outside of it, and no other. */
static void test_foreach(void)
{
    g_autoptr(BerthCidPool) pool = berth_cid_pool_new(1000, 1200);
    guint64 sum = 0;
    berth_cid_pool_foreach(pool, add_up, &sum);
    g_assert_cmpuint(sum, ==, 0);
    static const guint32 cids[] = {1000, 1063, 1064, 1200, 5};
    for (guint i = 0; i < G_N_ELEMENTS(cids); i++)
        g_assert_true(berth_cid_pool_claim(pool, cids[i]));
    g_assert_true(berth_cid_pool_claim(pool, 1100));
    berth_cid_pool_release(pool, 1100, 0, TRUE);
    berth_cid_pool_foreach(pool, add_up, &sum);
    g_assert_cmpuint(sum, ==, 1000 + 1063 + 1064 + 1200 + 5);
}

/* The whole default range, filled and emptied: as full afterwards as before. */
static void test_nothing_leaks(void)
{
    g_autoptr(BerthCidPool) pool = berth_cid_pool_new(1000, 65535);
    for (guint round = 0; round < 3; round++) {
        for (guint i = 1000; i <= 65535; i++)
            g_assert_cmpuint(take(pool, round * REST), ==, i);
        assert_empty(pool, round * REST);
        for (guint i = 1000; i <= 65535; i++)
            berth_cid_pool_release(pool, i, round * REST, TRUE);
        g_assert_cmpuint(berth_cid_pool_in_use(pool), ==, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cid-pool/round-robin", test_round_robin);
    g_test_add_func("/cid-pool/one", test_one);
    g_test_add_func("/cid-pool/quarantine", test_quarantine);
    g_test_add_func("/cid-pool/quarantine-ends", test_quarantine_ends);
    g_test_add_func("/cid-pool/claim", test_claim);
    g_test_add_func("/cid-pool/outside", test_outside);
    g_test_add_func("/cid-pool/model", test_model);
    g_test_add_func("/cid-pool/foreach", test_foreach);
    g_test_add_func("/cid-pool/nothing-leaks", test_nothing_leaks);
    return g_test_run();
}
