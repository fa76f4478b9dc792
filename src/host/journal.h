/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What the daemon logs, by the journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), never waiting for
 * it: where journald is stopped or slow, messages queue here, in order and within bounds, until it takes them. */

/* Connects to journald's socket at @path. FALSE where there is none. */
gboolean berth_journal_open(const char *path);
#define BERTH_JOURNAL_SOCKET "/run/systemd/journal/socket"

/* For g_log_set_writer_func(); any thread may log. What queues is sent by the default main context. */
GLogWriterOutput berth_journal_write(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer unused);

/* Sends what still queues, for at most @msec, and closes: for the end of the daemon. */
void berth_journal_close(guint msec);
