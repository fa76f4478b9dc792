/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usage.h"

#include <unistd.h>

#include "../core/error.h"
#include "../host/usage-look.h"
#include "manager.h"
#include "run.h"

/* A look takes less than 0.1 ms (tried on Linux 6.18): whatever is asked for, it is a few percent of a processor. */
#define PER_SUBSCRIBER_MAX 64u
#define PER_USER_MAX 128u
#define ALL_MAX 256u /* and as many more of who may do everything */
/* Then others get their turn of the loop. */
#define SLICE_USEC 2000

typedef struct {
    BerthVm *vm;
    char *subscriber;
    uid_t uid;
    gint64 interval; /* µs */
    gint64 due;      /* µs of CLOCK_MONOTONIC; 0: at once */
} Subscription;

struct BerthUsageSubscriptions {
    GPtrArray *list; /* (element-type Subscription) */
    guint timer;     /* source id: the next one is due, 0 where nobody wants figures of a VM that has any */
};

static void subscription_free(gpointer data)
{
    Subscription *subscription = data;
    g_free(subscription->subscriber);
    g_free(subscription);
}

BerthUsageSubscriptions *berth_usage_subscriptions_new(void)
{
    BerthUsageSubscriptions *subscriptions = g_new0(BerthUsageSubscriptions, 1);
    subscriptions->list = g_ptr_array_new_with_free_func(subscription_free);
    return subscriptions;
}

void berth_usage_subscriptions_free(BerthUsageSubscriptions *subscriptions)
{
    g_clear_handle_id(&subscriptions->timer, g_source_remove);
    g_ptr_array_unref(subscriptions->list);
    g_free(subscriptions);
}

static Subscription *subscription_at(const BerthUsageSubscriptions *subscriptions, guint i)
{
    return subscriptions->list->pdata[i];
}

static BerthUsageSubscriptions *subscriptions_of(const BerthVm *vm)
{
    return berth_manager_usage_subscriptions(vm->manager);
}

/* Telling */

static gboolean has_figures(const BerthVm *vm)
{
    return vm->run && vm->run->qemu_pidfd >= 0;
}

static void tell(const Subscription *subscription)
{
    BerthVm *vm = subscription->vm;
    BerthUsage usage;
    /* A process that is alive afterwards is the one that was looked at, and no other that has its number since. */
    if (berth_usage_look(vm->run->control_group, vm->run->qemu_pid, &usage) &&
        !berth_pidfd_is_dead(vm->run->qemu_pidfd))
        berth_manager_tell_usage(vm->manager, vm, subscription->subscriber, &usage);
}

/* Whole intervals of the clock, so that many subscriptions are one wake-up; the nearest to an interval from now. */
static gint64 next_due(gint64 now, gint64 interval)
{
    const gint64 nearest = now + interval / 2;
    return nearest - nearest % interval + interval;
}

static void arm(BerthUsageSubscriptions *subscriptions);

static gboolean on_due(gpointer data)
{
    BerthUsageSubscriptions *subscriptions = data;
    const gint64 now = g_get_monotonic_time();
    subscriptions->timer = 0;
    for (guint i = 0; i < subscriptions->list->len && g_get_monotonic_time() - now < SLICE_USEC; i++) {
        Subscription *subscription = subscription_at(subscriptions, i);
        if (subscription->due > now || !has_figures(subscription->vm))
            continue;
        subscription->due = next_due(now, subscription->interval);
        tell(subscription);
    }
    arm(subscriptions);
    return G_SOURCE_REMOVE;
}

/* For the earliest of those that have something to come. */
static void arm(BerthUsageSubscriptions *subscriptions)
{
    gint64 due = G_MAXINT64;
    g_clear_handle_id(&subscriptions->timer, g_source_remove);
    for (guint i = 0; i < subscriptions->list->len; i++) {
        const Subscription *subscription = subscription_at(subscriptions, i);
        if (has_figures(subscription->vm))
            due = MIN(due, subscription->due);
    }
    if (due == G_MAXINT64)
        return;
    const gint64 wait = MAX(due - g_get_monotonic_time(), 0);
    subscriptions->timer = g_timeout_add((guint) ((wait + 999) / 1000), on_due, subscriptions);
}

/* Subscribing */

/* (nullable) */
static Subscription *find(const BerthUsageSubscriptions *subscriptions, const BerthVm *vm, const char *subscriber)
{
    for (guint i = 0; i < subscriptions->list->len; i++) {
        Subscription *subscription = subscription_at(subscriptions, i);
        if (subscription->vm == vm && g_str_equal(subscription->subscriber, subscriber))
            return subscription;
    }
    return NULL;
}

static gboolean may_do_everything(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

static gboolean is_below(guint n, guint max, const char *who, GError **error)
{
    if (n < max)
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_LIMIT_REACHED,
                "%s may not follow the usage of more than %u VMs; end some by UnsubscribeUsage", who, max);
    return FALSE;
}

/* No user can take all the room, and all of them together none of root's. */
static gboolean check_room(const BerthUsageSubscriptions *subscriptions, const char *subscriber, uid_t uid,
                           GError **error)
{
    const gboolean is_root = may_do_everything(uid);
    guint n_own = 0, n_users = 0, n_all = 0;
    for (guint i = 0; i < subscriptions->list->len; i++) {
        const Subscription *subscription = subscription_at(subscriptions, i);
        n_own += g_str_equal(subscription->subscriber, subscriber);
        n_users += subscription->uid == uid;
        n_all += may_do_everything(subscription->uid) == is_root;
    }
    return is_below(n_own, PER_SUBSCRIBER_MAX, "One client", error) &&
           (is_root || is_below(n_users, PER_USER_MAX, "The clients of one user", error)) &&
           is_below(n_all, ALL_MAX, is_root ? "The clients of root" : "The clients of all users", error);
}

gboolean berth_vm_subscribe_usage(BerthVm *vm, const char *subscriber, uid_t uid, guint64 interval, GError **error)
{
    BerthUsageSubscriptions *subscriptions = subscriptions_of(vm);
    if (interval < BERTH_USAGE_INTERVAL_MIN_USEC || interval > BERTH_USAGE_INTERVAL_MAX_USEC) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS,
                    "The interval %" G_GUINT64_FORMAT " is not within %d to %d µs", interval,
                    BERTH_USAGE_INTERVAL_MIN_USEC, BERTH_USAGE_INTERVAL_MAX_USEC);
        return FALSE;
    }
    Subscription *subscription = find(subscriptions, vm, subscriber);
    if (!subscription) {
        if (!check_room(subscriptions, subscriber, uid, error))
            return FALSE;
        subscription = g_new0(Subscription, 1);
        subscription->vm = vm;
        subscription->subscriber = g_strdup(subscriber);
        subscription->uid = uid;
        g_ptr_array_add(subscriptions->list, subscription);
    }
    subscription->interval = (gint64) interval;
    subscription->due = 0;
    arm(subscriptions);
    return TRUE;
}

/* Those of @vm, where it is not %NULL, that are of @subscriber, where that is not. */
static void forget(BerthUsageSubscriptions *subscriptions, const BerthVm *vm, const char *subscriber)
{
    for (guint i = subscriptions->list->len; i > 0; i--) {
        const Subscription *subscription = subscription_at(subscriptions, i - 1);
        if ((!vm || subscription->vm == vm) && (!subscriber || g_str_equal(subscription->subscriber, subscriber)))
            g_ptr_array_remove_index(subscriptions->list, i - 1);
    }
    arm(subscriptions);
}

void berth_vm_unsubscribe_usage(BerthVm *vm, const char *subscriber)
{
    forget(subscriptions_of(vm), vm, subscriber);
}

void berth_vm_forget_usage_subscribers(BerthVm *vm)
{
    forget(subscriptions_of(vm), vm, NULL);
}

void berth_usage_forget_subscriber(BerthUsageSubscriptions *subscriptions, const char *subscriber)
{
    forget(subscriptions, NULL, subscriber);
}

gboolean berth_usage_has_subscriber(const BerthUsageSubscriptions *subscriptions, const char *subscriber)
{
    for (guint i = 0; i < subscriptions->list->len; i++)
        if (g_str_equal(subscription_at(subscriptions, i)->subscriber, subscriber))
            return TRUE;
    return FALSE;
}

/* The VM's processes */

void berth_vm_usage_begins(BerthVm *vm)
{
    BerthUsageSubscriptions *subscriptions = subscriptions_of(vm);
    for (guint i = 0; i < subscriptions->list->len; i++)
        if (subscription_at(subscriptions, i)->vm == vm)
            subscription_at(subscriptions, i)->due = 0;
    arm(subscriptions);
}

void berth_vm_usage_ended(BerthVm *vm)
{
    arm(subscriptions_of(vm));
}
