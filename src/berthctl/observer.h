/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "object.h"

/* All VMs as the daemon's signals keep them: nothing is asked twice. It outlives the daemon: where that goes and comes
 * back, what has changed meanwhile is told as if it had been watched. */
typedef struct CtlObserver CtlObserver;

/* @before is %NULL for a VM that appears, @now for one that is gone. Both are valid only during the call. */
typedef void (*CtlObserverChanged)(const CtlObject *before, const CtlObject *now, gpointer data);

/**
 * ctl_observer_new:
 * @event: dispatches the bus from now on; left with CTL_FAILED where the observer can't go on
 *
 * Subscribes, then reads: what is there already is not told.
 *
 * Returns: negative errno, with @error
 */
int ctl_observer_new(Ctl *ctl, sd_event *event, CtlObserverChanged changed, gpointer data, CtlObserver **observer,
                     sd_bus_error *error);
void ctl_observer_free(CtlObserver *observer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlObserver, ctl_observer_free)

/* (nullable) (transfer none): by name or id, as it is now. */
const CtlObject *ctl_observer_find(const CtlObserver *observer, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_event, sd_event_unref)
