/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm.h"

/* Who wants to know what VMs use, how often. Nothing is read, and nobody wakes, where none of these VMs has a process: a
 * subscription lasts as long as its VM, and its figures come while QEMU runs. They go to the observer, for the one who
 * has subscribed. */

/* Of one VM, how often: µs. */
#define BERTH_USAGE_INTERVAL_MIN_USEC (500 * 1000)
#define BERTH_USAGE_INTERVAL_MAX_USEC (60 * G_USEC_PER_SEC)
#define BERTH_USAGE_INTERVAL_DEFAULT_USEC G_USEC_PER_SEC

typedef struct BerthUsageSubscriptions BerthUsageSubscriptions;

BerthUsageSubscriptions *berth_usage_subscriptions_new(void);
void berth_usage_subscriptions_free(BerthUsageSubscriptions *subscriptions);

/**
 * berth_vm_subscribe_usage:
 * @subscriber: whom to tell, by the observer's own name for them
 * @uid: whose they are
 * @interval: µs, within the bounds above
 *
 * Who has subscribed to @vm before has another interval then. Where QEMU runs, the first figures come on a later turn of the
 * loop, without waiting for the interval.
 *
 * Returns: FALSE with InvalidArgs, or with LimitReached where @subscriber, its user, or all together have too many.
 *   Those of root (and of the daemon's own user) take no room from other users, nor theirs from root
 */
gboolean berth_vm_subscribe_usage(BerthVm *vm, const char *subscriber, uid_t uid, guint64 interval, GError **error);
/* Who has not subscribed is told nothing already. */
void berth_vm_unsubscribe_usage(BerthVm *vm, const char *subscriber);
/* @subscriber is gone, or, where %NULL, all are. */
void berth_usage_forget_subscriber(BerthUsageSubscriptions *subscriptions, const char *subscriber);
gboolean berth_usage_has_subscriber(const BerthUsageSubscriptions *subscriptions, const char *subscriber);

/* For src/vm's own use: the VM is going; its QEMU has come; its run is over. */
void berth_vm_forget_usage_subscribers(BerthVm *vm);
void berth_vm_usage_begins(BerthVm *vm);
void berth_vm_usage_ended(BerthVm *vm);
