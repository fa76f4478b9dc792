/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/core/restart-policy.h"

#define SECOND 1000000

static const BerthRestartBounds general = {
    .delay_usec = SECOND,
    .max_delay_usec = 300 * (guint64) SECOND,
    .burst = 3,
    .interval_usec = 60 * SECOND,
    .healthy_usec = 600 * (guint64) SECOND,
};

/* Each policy against each end. */
static void test_covers(void)
{
    static const struct {
        BerthExitReason reason;
        gboolean on_failure, always;
    } rows[] = {
        {BERTH_EXIT_NONE, FALSE, FALSE},      {BERTH_EXIT_GUEST_SHUTDOWN, FALSE, TRUE},
        {BERTH_EXIT_GUEST_PANIC, TRUE, TRUE}, {BERTH_EXIT_HOST_STOP, FALSE, FALSE},
        {BERTH_EXIT_CRASHED, TRUE, TRUE},     {BERTH_EXIT_KILLED, TRUE, TRUE},
        {BERTH_EXIT_OOM_KILLED, TRUE, TRUE},  {BERTH_EXIT_START_FAILED, TRUE, TRUE},
        {BERTH_EXIT_LOST, TRUE, TRUE},
    };
    G_STATIC_ASSERT(G_N_ELEMENTS(rows) == BERTH_EXIT_LAST);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_cmpuint(rows[i].reason, ==, i);
        g_assert_false(berth_restart_policy_covers("no", i));
        g_assert_cmpint(berth_restart_policy_covers("on-failure", i), ==, rows[i].on_failure);
        g_assert_cmpint(berth_restart_policy_covers("always", i), ==, rows[i].always);
    }
}

static void test_bounds_of(void)
{
    const BerthRestartBounds own = {.max_delay_usec = 5, .burst = 7}, none = {0};
    BerthRestartBounds bounds = berth_restart_bounds_of(&none, &general);
    g_assert_cmpmem(&bounds, sizeof bounds, &general, sizeof general);
    bounds = berth_restart_bounds_of(&own, &general);
    g_assert_cmpuint(bounds.delay_usec, ==, general.delay_usec);
    g_assert_cmpuint(bounds.max_delay_usec, ==, 5);
    g_assert_cmpuint(bounds.burst, ==, 7);
    g_assert_cmpuint(bounds.interval_usec, ==, general.interval_usec);
    g_assert_cmpuint(bounds.healthy_usec, ==, general.healthy_usec);
}

/* 1 s doubling to 5 min, and no further, however often. */
static void test_delay(void)
{
    static const guint seconds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300};
    BerthRestartCount count = {0};
    for (; count.n_restarts < G_N_ELEMENTS(seconds); count.n_restarts++)
        g_assert_cmpuint(berth_restart_delay(&general, &count), ==, seconds[count.n_restarts] * (guint64) SECOND);
    count.n_restarts = G_MAXUINT;
    g_assert_cmpuint(berth_restart_delay(&general, &count), ==, general.max_delay_usec);
    BerthRestartBounds low = general;
    low.max_delay_usec = SECOND / 2;
    count.n_restarts = 0;
    g_assert_cmpuint(berth_restart_delay(&low, &count), ==, SECOND / 2);
}

static void test_burst(void)
{
    BerthRestartCount count = {0};
    const gint64 began = 1000;
    for (guint i = 0; i < general.burst; i++) {
        g_assert_true(berth_restart_may_try(&general, &count, began + i));
        berth_restart_count_try(&general, &count, began + i);
    }
    g_assert_cmpuint(count.n_restarts, ==, 3);
    const gint64 end = began + (gint64) general.interval_usec;
    g_assert_false(berth_restart_may_try(&general, &count, began + 3));
    g_assert_false(berth_restart_may_try(&general, &count, end - 1));
    g_assert_true(berth_restart_may_try(&general, &count, end));
    /* A new interval begins with the next try; how often it was restarted in all is not forgotten. */
    berth_restart_count_try(&general, &count, end);
    g_assert_cmpuint(count.n_restarts, ==, 4);
    g_assert_cmpuint(count.n_in_interval, ==, 1);
    g_assert_true(berth_restart_may_try(&general, &count, end + (gint64) general.interval_usec - 1));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/restart-policy/covers", test_covers);
    g_test_add_func("/restart-policy/bounds-of", test_bounds_of);
    g_test_add_func("/restart-policy/delay", test_delay);
    g_test_add_func("/restart-policy/burst", test_burst);
    return g_test_run();
}
