/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus-link.h"

/* polkit, asked asynchronously for the sender of a message. No polkit, no answer, no bus: no. */

typedef struct BerthPolkit BerthPolkit;
typedef struct BerthPolkitCheck BerthPolkitCheck;

/* Every answer but a yes is AccessDenied, whose text says what was asked for and, where one could log in
 * interactively but the message does not allow it, that. */
typedef void (*BerthPolkitDone)(const GError *error, gpointer data);

/* @always: TRUE for `berthd --user`, where the bus belongs to the user: every check is a yes. */
BerthPolkit *berth_polkit_new(BerthBusLink *link, gboolean always);
void berth_polkit_free(BerthPolkit *polkit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthPolkit, berth_polkit_free)

/**
 * berth_polkit_check:
 * @message: whose sender is asked about; its allow-interactive flag counts
 * @action: (nullable): "org.berth.…"; %NULL where nothing has to be granted, and only who asks is to be known
 * @details: (nullable): NULL-terminated pairs key, value: "vm", "id" …, usable in the action's message
 *
 * A sender with uid 0 (or the daemon's own uid) needs no polkit. @done may come before this returns; then %NULL is returned.
 *
 * Returns: (nullable) (transfer full): the check in flight; the caller's to free, in @done or later;
 *   freed before its answer, no answer comes, and polkit is told
 */
BerthPolkitCheck *berth_polkit_check(BerthPolkit *polkit, sd_bus_message *message, const char *action,
                                     const char *const *details, BerthPolkitDone done, gpointer data);
/* Who asked, as the bus says: known when @done comes with a yes. */
uid_t berth_polkit_check_uid(const BerthPolkitCheck *check);
void berth_polkit_check_free(BerthPolkitCheck **check);
