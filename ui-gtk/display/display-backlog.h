/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* A bound to what a peer may have sent and we have not dealt with yet. GDBus reads in a thread of its own, and would
 * keep any amount for the main loop. What GDBus itself answers, since it is not in the XML, counts for ever: there is
 * no reason to send that. */

typedef struct BerthUiBacklog BerthUiBacklog;

/* Bytes that a message counts beside its body, which it need not have: about what GDBus needs to keep it. */
#define BERTH_UI_BACKLOG_MESSAGE 1024u

/* @max: bytes */
BerthUiBacklog *berth_ui_backlog_new(gsize max);
void berth_ui_backlog_unref(BerthUiBacklog *backlog);

/* Counts what comes over @connection from now on, and closes it where that is too much. */
void berth_ui_backlog_watch(BerthUiBacklog *backlog, GDBusConnection *connection);
/* A call or a signal with @body has been dealt with. */
void berth_ui_backlog_take(BerthUiBacklog *backlog, GVariant *body);
/* Whether it was too much, once. */
gboolean berth_ui_backlog_is_over(BerthUiBacklog *backlog);
