/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "restart-policy.h"

gboolean berth_restart_policy_covers(const char *policy, BerthExitReason reason)
{
    if (reason == BERTH_EXIT_HOST_STOP || reason == BERTH_EXIT_NONE)
        return FALSE;
    if (g_str_equal(policy, "always"))
        return TRUE;
    return g_str_equal(policy, "on-failure") && reason != BERTH_EXIT_GUEST_SHUTDOWN;
}

static guint64 either(guint64 own, guint64 general)
{
    return own ? own : general;
}

BerthRestartBounds berth_restart_bounds_of(const BerthRestartBounds *own, const BerthRestartBounds *general)
{
    return (BerthRestartBounds){
        .delay_usec = either(own->delay_usec, general->delay_usec),
        .max_delay_usec = either(own->max_delay_usec, general->max_delay_usec),
        .burst = either(own->burst, general->burst),
        .interval_usec = either(own->interval_usec, general->interval_usec),
        .healthy_usec = either(own->healthy_usec, general->healthy_usec),
    };
}

guint64 berth_restart_delay(const BerthRestartBounds *bounds, const BerthRestartCount *count)
{
    guint64 delay = bounds->delay_usec;
    for (guint i = 0; i < count->n_restarts && delay < bounds->max_delay_usec; i++)
        delay *= 2;
    /* A largest one that is below the first is no mistake of somebody who has set the one and not the other. */
    return MIN(delay, bounds->max_delay_usec);
}

static gboolean is_over(const BerthRestartBounds *bounds, const BerthRestartCount *count, gint64 when)
{
    return count->n_in_interval == 0 || when - count->interval_began >= (gint64) bounds->interval_usec;
}

gboolean berth_restart_may_try(const BerthRestartBounds *bounds, const BerthRestartCount *count, gint64 when)
{
    return is_over(bounds, count, when) || count->n_in_interval < bounds->burst;
}

void berth_restart_count_try(const BerthRestartBounds *bounds, BerthRestartCount *count, gint64 now)
{
    if (is_over(bounds, count, now)) {
        count->interval_began = now;
        count->n_in_interval = 0;
    }
    count->n_in_interval++;
    count->n_restarts++;
}
