/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * berth_journal_write:
 *
 * A GLogWriterFunc: all fields into the journal by its native protocol, as g_log_writer_journald() does, but never
 * blocking: that one waits for a journald that is stopped, and with it the main loop and every client. What it does not
 * take is lost, and how much that was is said as soon as it takes something again. For any thread.
 */
GLogWriterOutput berth_journal_write(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data);
