/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/resource.h>

#include "src/core/error.h"
#include "src/host/work.h"
#include "test-dir.h"

typedef struct {
    GMutex mutex;
    GCond cond;
    gboolean open;
    guint ran; /* how many have been through */
} Gate;

static gboolean pass_gate(gpointer data, GError **error)
{
    Gate *gate = data;
    g_mutex_lock(&gate->mutex);
    while (!gate->open)
        g_cond_wait(&gate->cond, &gate->mutex);
    gate->ran++;
    g_mutex_unlock(&gate->mutex);
    return TRUE;
}

static void open_gate(Gate *gate)
{
    g_mutex_lock(&gate->mutex);
    gate->open = TRUE;
    g_cond_broadcast(&gate->cond);
    g_mutex_unlock(&gate->mutex);
}

static void yield_until(int *atomic, int least)
{
    while (g_atomic_int_get(atomic) < least)
        g_thread_yield();
}

typedef struct {
    GThread *main_thread, *worker;
    guint done, freed;
    GError *error;
    gboolean fail;
} Probe;

static gboolean run_probe(gpointer data, GError **error)
{
    Probe *probe = data;
    probe->worker = g_thread_self();
    if (probe->fail)
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_BUSY, "on purpose");
    return !probe->fail;
}

static void free_probe(gpointer data)
{
    Probe *probe = data;
    g_assert_true(g_thread_self() == probe->main_thread);
    probe->freed++;
}

static void done_probe(gpointer data, const GError *error, gpointer user_data)
{
    Probe *probe = data;
    g_assert_true(g_thread_self() == probe->main_thread);
    g_assert_cmpstr(user_data, ==, "mine");
    g_assert_cmpuint(probe->freed, ==, 0);
    probe->done++;
    if (error)
        probe->error = g_error_copy(error);
}

static void test_run(gconstpointer fail)
{
    Probe probe = {.main_thread = g_thread_self(), .fail = GPOINTER_TO_INT(fail)};
    g_assert_nonnull(berth_work_start(BERTH_WORK_SHORT, run_probe, &probe, free_probe, done_probe, (gpointer) "mine"));
    g_assert_cmpuint(probe.done, ==, 0);
    berth_work_drain();
    g_assert_true(probe.worker && probe.worker != probe.main_thread);
    g_assert_cmpuint(probe.done, ==, 1);
    g_assert_cmpuint(probe.freed, ==, 1);
    if (fail)
        g_assert_error(probe.error, BERTH_ERROR, BERTH_ERROR_BUSY);
    else
        g_assert_no_error(probe.error);
    g_clear_error(&probe.error);
}

/* Abandoned work is done all the same, and its data freed on the main loop; nobody is told. */
static void test_abandon(void)
{
    Probe probe = {.main_thread = g_thread_self()};
    BerthWork *work = berth_work_start(BERTH_WORK_LONG, run_probe, &probe, free_probe, done_probe, (gpointer) "mine");
    berth_work_abandon(&work);
    g_assert_null(work);
    berth_work_abandon(&work);
    berth_work_drain();
    g_assert_nonnull(probe.worker);
    g_assert_cmpuint(probe.done, ==, 0);
    g_assert_cmpuint(probe.freed, ==, 1);
}

static void count_done(gpointer data, const GError *error, gpointer user_data)
{
    (*(guint *) user_data)++;
}

static void keep_busy(Gate *gate, BerthWorkKind kind, guint *n_done)
{
    for (guint i = 0; i < 100; i++)
        berth_work_start(kind, pass_gate, gate, NULL, count_done, n_done);
}

static void test_pools_are_apart(void)
{
    Gate shut = {0}, open = {.open = TRUE};
    guint long_done = 0, short_done = 0;
    keep_busy(&shut, BERTH_WORK_LONG, &long_done);
    berth_work_start(BERTH_WORK_SHORT, pass_gate, &open, NULL, count_done, &short_done);
    while (short_done == 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(long_done, ==, 0);
    open_gate(&shut);
    berth_work_drain();
    g_assert_cmpuint(long_done, ==, 100);
    g_assert_cmpuint(shut.ran, ==, 100);
}

static void await_done(const Probe *probe)
{
    while (probe->done == 0)
        g_main_context_iteration(NULL, TRUE);
}

/* What waits in the queue ends when it is cancelled, however long those in front of it take; or was cancelled before. */
static void test_cancelled_in_queue(gconstpointer before)
{
    Gate shut = {0};
    guint n_done = 0;
    Probe probe = {.main_thread = g_thread_self()};
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    keep_busy(&shut, BERTH_WORK_COPY, &n_done);
    if (before)
        g_cancellable_cancel(cancellable);
    berth_work_heed(berth_work_start(BERTH_WORK_COPY, run_probe, &probe, free_probe, done_probe, (gpointer) "mine"),
                    cancellable);
    g_cancellable_cancel(cancellable);
    g_assert_cmpuint(probe.done, ==, 0);
    await_done(&probe);
    g_assert_error(probe.error, BERTH_ERROR, BERTH_ERROR_CANCELLED);
    g_assert_cmpuint(probe.freed, ==, 1);
    g_assert_cmpuint(n_done, ==, 0);
    open_gate(&shut);
    berth_work_drain();
    g_assert_cmpuint(n_done, ==, 100);
    g_assert_cmpuint(probe.done, ==, 1);
    g_assert_null(probe.worker);
    g_clear_error(&probe.error);
}

typedef struct {
    Gate gate;
    Probe probe;
    int has_begun; /* atomic */
} Begun;

static gboolean pass_gate_and_probe(gpointer data, GError **error)
{
    Begun *begun = data;
    g_atomic_int_set(&begun->has_begun, TRUE);
    return pass_gate(&begun->gate, error) && run_probe(&begun->probe, error);
}

static void done_begun(gpointer data, const GError *error, gpointer user_data)
{
    Begun *begun = data;
    done_probe(&begun->probe, error, user_data);
}

/* What has begun is its own judge. */
static void test_cancelled_too_late(void)
{
    Begun begun = {.probe = {.main_thread = g_thread_self()}};
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    berth_work_heed(berth_work_start(BERTH_WORK_COPY, pass_gate_and_probe, &begun, NULL, done_begun, (gpointer) "mine"),
                    cancellable);
    yield_until(&begun.has_begun, TRUE);
    g_cancellable_cancel(cancellable);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpuint(begun.probe.done, ==, 0);
    open_gate(&begun.gate);
    berth_work_drain();
    g_assert_cmpuint(begun.probe.done, ==, 1);
    g_assert_no_error(begun.probe.error);
    g_cancellable_cancel(cancellable); /* it is nothing to it any more */
}

/* What a callback starts is drained as well. */
static void start_another(gpointer data, const GError *error, gpointer user_data)
{
    if (++*(guint *) user_data < 5)
        berth_work_start(BERTH_WORK_SHORT, pass_gate, data, NULL, start_another, user_data);
}

static void test_drain(void)
{
    Gate gate = {.open = TRUE};
    guint rounds = 0;
    berth_work_start(BERTH_WORK_SHORT, pass_gate, &gate, NULL, start_another, &rounds);
    berth_work_drain();
    g_assert_cmpuint(rounds, ==, 5);
    berth_work_drain();
}

/* Once the work is done, no source is left that could wake the loop. */
static void test_idle(void)
{
    Gate gate = {.open = TRUE};
    guint done = 0;
    berth_work_start(BERTH_WORK_SHORT, pass_gate, &gate, NULL, count_done, &done);
    berth_work_drain();
    int priority, timeout;
    GMainContext *context = g_main_context_default();
    g_assert_true(g_main_context_acquire(context));
    g_assert_false(g_main_context_prepare(context, &priority));
    GPollFD fds[8];
    g_main_context_query(context, G_MAXINT, &timeout, fds, G_N_ELEMENTS(fds));
    g_main_context_release(context);
    g_assert_cmpint(timeout, ==, -1);
}

static gboolean raise_limit(gpointer data)
{
    const struct rlimit *limit = data;
    g_assert_cmpint(setrlimit(RLIMIT_NPROC, limit), ==, 0);
    return G_SOURCE_REMOVE;
}

/* Without a thread to be had the work waits for one, and neither the main loop nor the work is lost. */
static void without_threads(TestDir *dir)
{
    if (setresuid(54321, 54321, 54321) < 0)
        _exit(TEST_SKIP);
    struct rlimit limit, none;
    getrlimit(RLIMIT_NPROC, &limit);
    none = limit;
    none.rlim_cur = 0;
    Gate gate = {.open = TRUE};
    guint done = 0;
    g_assert_cmpint(setrlimit(RLIMIT_NPROC, &none), ==, 0);
    berth_work_start(BERTH_WORK_SHORT, pass_gate, &gate, NULL, count_done, &done);
    g_idle_add(raise_limit, &limit);
    berth_work_drain();
    g_assert_cmpuint(done, ==, 1);
}

static void test_without_threads(void)
{
    test_in_child(without_threads, NULL, "needs root to become a user without processes");
}

typedef struct {
    guint n;
    GThread *caller;
    int *calls; /* atomic, of each index */
    int total;  /* atomic */
    int last;   /* atomic: there is one that waits for all others */
    gboolean has_helpers;
} Spread;

/* Another thread's first call ends after all others, so that the caller has nothing left to do before it. */
static void count_call(guint index, gpointer data)
{
    Spread *spread = data;
    g_assert_cmpuint(index, <, spread->n);
    if (g_thread_self() == spread->caller)
        yield_until(&spread->last, spread->has_helpers);
    else if (g_atomic_int_compare_and_exchange(&spread->last, FALSE, TRUE))
        yield_until(&spread->total, (int) spread->n - 1);
    g_atomic_int_inc(&spread->calls[index]);
    g_atomic_int_inc(&spread->total);
}

/* Everything is done, and once, when the call returns. */
static void check_spread(gboolean with_helpers)
{
    const guint sizes[] = {0, 1, 63, 64, 10000};
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree int *calls = g_new0(int, sizes[i] + 1);
        Spread spread = {.n = sizes[i], .caller = g_thread_self(), .calls = calls};
        spread.has_helpers = with_helpers && sizes[i] >= 64;
        berth_work_spread(sizes[i], count_call, &spread);
        for (guint j = 0; j < sizes[i]; j++)
            g_assert_cmpint(calls[j], ==, 1);
    }
}

static void test_spread(void)
{
    check_spread(TRUE);
}

static void spread_without_threads(TestDir *dir)
{
    if (setresuid(54321, 54321, 54321) < 0)
        _exit(TEST_SKIP);
    const struct rlimit none = {0, 0};
    g_assert_cmpint(setrlimit(RLIMIT_NPROC, &none), ==, 0);
    check_spread(FALSE);
}

static void test_spread_without_threads(void)
{
    test_in_child(spread_without_threads, NULL, "needs root to become a user without processes");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* First: the others leave idle threads behind for a while. */
    g_test_add_func("/work/without-threads", test_without_threads);
    g_test_add_func("/work/spread-without-threads", test_spread_without_threads);
    g_test_add_data_func("/work/succeeds", GINT_TO_POINTER(FALSE), test_run);
    g_test_add_data_func("/work/fails", GINT_TO_POINTER(TRUE), test_run);
    g_test_add_func("/work/abandon", test_abandon);
    g_test_add_func("/work/pools", test_pools_are_apart);
    g_test_add_data_func("/work/cancelled-in-queue", GINT_TO_POINTER(FALSE), test_cancelled_in_queue);
    g_test_add_data_func("/work/cancelled-before", GINT_TO_POINTER(TRUE), test_cancelled_in_queue);
    g_test_add_func("/work/cancelled-too-late", test_cancelled_too_late);
    g_test_add_func("/work/drain", test_drain);
    g_test_add_func("/work/idle", test_idle);
    g_test_add_func("/work/spread", test_spread);
    return g_test_run();
}
