/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "manager.h"

/**
 * berth_recover:
 * @done: called once, when every VM and image is shown: now the bus name may be taken. With @error where the state
 *   directory can't be read: then the daemon must not serve
 *
 * The start of the daemon: what is on disk × what systemd runs × what the runtime directories hold. Half creations are
 * swept, VMs that run are attached, removals are gone on with, scopes of ours that belong to no VM are ended. VMs that
 * were wanted when the host went down are started again. The disk is read in a worker, and VMs are shown some at a
 * time.
 */
void berth_recover(BerthManager *manager, void (*done)(const GError *error, gpointer data), gpointer data);

/**
 * berth_reload:
 * @done: how many VMs were loaded, updated, and how many removals were gone on with
 *
 * Compares the state directory with memory. Never stops a running VM; what vanished is shown broken, not removed.
 */
void berth_reload(BerthManager *manager,
                  void (*done)(guint loaded, guint updated, guint removed, const GError *error, gpointer data),
                  gpointer data);
/* For the end of @manager: Reloads that wait, or are just being judged, are answered with Cancelled. None is in a worker. */
void berth_reloads_end(BerthManager *manager);
