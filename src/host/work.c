/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "work.h"

#include "../core/error.h"

/* Threads wait for the disk more than they compute. A few long ones are enough to keep a disk busy. */
static const int pool_threads[] = {
    [BERTH_WORK_SHORT] = 8,
    [BERTH_WORK_LONG] = 4,
    [BERTH_WORK_COPY] = 4,
};

/* How long to wait before another try where the kernel refuses a thread (TasksMax=). */
#define THREAD_RETRY_MSEC 100u

/* Of many small looks at the disk: fewer are done before a thread has begun. With more threads a disk that is cold
 * has more to choose from, and those that find all in memory share the processors out. */
#define SPREAD_LEAST 64u
#define SPREAD_THREADS 4u

/* Reference-counted: what is cancelled in the queue has ended for the main loop, and stays there until a thread meets it. */
struct BerthWork {
    int is_taken;              /* atomic: from the queue, by the thread that does it or by its cancellation */
    GCancellable *cancellable; /* (nullable) */
    gulong cancelled_handler;
    BerthWorkFunc func;
    gpointer data;
    GDestroyNotify free_data;
    BerthWorkDone done; /* NULL once abandoned; the thread never looks at it */
    gpointer user_data;
    GError *error;
};

/* Only the main loop's thread touches these. */
static GThreadPool *pools[G_N_ELEMENTS(pool_threads)];
static guint unfinished;

static gboolean finish(gpointer data)
{
    BerthWork *work = data;
    /* Counted until the very end, so that berth_work_drain() leaves nothing half told. */
    if (work->done)
        work->done(work->data, work->error, work->user_data);
    if (work->free_data)
        work->free_data(work->data);
    g_cancellable_disconnect(work->cancellable, work->cancelled_handler);
    g_clear_object(&work->cancellable);
    g_clear_error(&work->error);
    g_atomic_rc_box_release(work);
    unfinished--;
    return G_SOURCE_REMOVE;
}

/* Takes a reference over. */
static void finish_later(BerthWork *work)
{
    /* Never g_main_context_invoke(): it would call back in this thread while nobody iterates the context. */
    g_autoptr(GSource) source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, finish, work, NULL);
    g_source_attach(source, NULL);
}

static gboolean take(BerthWork *work)
{
    return g_atomic_int_compare_and_exchange(&work->is_taken, FALSE, TRUE);
}

static void run(gpointer data, gpointer unused)
{
    BerthWork *work = data;
    g_autoptr(GError) error = NULL;
    if (!take(work)) {
        g_atomic_rc_box_release(work);
        return;
    }
    if (!work->func(work->data, &error))
        work->error = g_steal_pointer(&error);
    finish_later(work);
}

/* Not exclusive: the threads are GLib's shared ones, which end after 15 idle seconds. Until work comes again there
 * is nothing that could wake up. */
static GThreadPool *get_pool(BerthWorkKind kind)
{
    if (!pools[kind])
        pools[kind] = g_thread_pool_new(run, NULL, pool_threads[kind], FALSE, NULL);
    return pools[kind];
}

/* What was pushed without a thread stays queued. Setting the maximum anew starts threads for what is queued. */
static gboolean start_threads(gpointer data)
{
    GThreadPool *pool = data;
    return g_thread_pool_set_max_threads(pool, g_thread_pool_get_max_threads(pool), NULL) ? G_SOURCE_REMOVE
                                                                                          : G_SOURCE_CONTINUE;
}

BerthWork *berth_work_start(BerthWorkKind kind, BerthWorkFunc func, gpointer data, GDestroyNotify free_data,
                            BerthWorkDone done, gpointer user_data)
{
    BerthWork *work = g_atomic_rc_box_new0(BerthWork);
    work->func = func;
    work->data = data;
    work->free_data = free_data;
    work->done = done;
    work->user_data = user_data;
    unfinished++;
    if (!g_thread_pool_push(get_pool(kind), work, NULL))
        g_timeout_add(THREAD_RETRY_MSEC, start_threads, get_pool(kind));
    return work;
}

static void cancelled(GCancellable *cancellable, gpointer data)
{
    BerthWork *work = g_atomic_rc_box_acquire(data); /* the queue keeps its own */
    if (!take(work)) {
        g_atomic_rc_box_release(work); /* a thread is at it, and looks itself */
        return;
    }
    g_set_error_literal(&work->error, BERTH_ERROR, BERTH_ERROR_CANCELLED,
                        "It was cancelled while it waited for others to end");
    finish_later(work);
}

void berth_work_heed(BerthWork *work, GCancellable *cancellable)
{
    work->cancellable = g_object_ref(cancellable);
    work->cancelled_handler = g_cancellable_connect(cancellable, G_CALLBACK(cancelled), work, NULL);
}

void berth_work_abandon(BerthWork **work)
{
    if (*work)
        (*work)->done = NULL;
    *work = NULL;
}

void berth_work_drain(void)
{
    while (unfinished > 0)
        g_main_context_iteration(NULL, TRUE);
}

typedef struct {
    guint n;
    int next; /* atomic */
    void (*each)(guint index, gpointer data);
    gpointer data;
} Spread;

static gpointer do_share(gpointer data)
{
    Spread *spread = data;
    for (guint i; (i = (guint) g_atomic_int_add(&spread->next, 1)) < spread->n;)
        spread->each(i, spread->data);
    return NULL;
}

void berth_work_spread(guint n, void (*each)(guint index, gpointer data), gpointer data)
{
    Spread spread = {.n = n, .each = each, .data = data};
    GThread *threads[SPREAD_THREADS - 1] = {NULL};
    /* One that the kernel refuses is missed by nobody. */
    for (guint i = 0; i < G_N_ELEMENTS(threads) && n >= SPREAD_LEAST; i++)
        threads[i] = g_thread_try_new("spread", do_share, &spread, NULL);
    do_share(&spread);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        if (threads[i])
            g_thread_join(threads[i]);
}
