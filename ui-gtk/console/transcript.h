/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What a console said while nobody here listened: the log that the daemon has of it. */

#define BERTH_UI_TRANSCRIPT_MAX (64 * 1024) /* bytes that are shown of it */

/**
 * berth_ui_transcript_read_async:
 * @fd: of the log, taken over
 * @position: in the log, of what was read last; 0 at first
 */
void berth_ui_transcript_read_async(int fd, guint64 position, GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer data);
/**
 * berth_ui_transcript_read_finish:
 * @position: (out): where the log ends now
 *
 * Returns: (transfer full): what stands behind the position; of much, the last lines; of a log that was cut since, all
 * that it has
 */
GBytes *berth_ui_transcript_read_finish(GAsyncResult *result, guint64 *position, GError **error);

/* A log's position when so much more was written to it: at its bound it begins anew. */
guint64 berth_ui_transcript_advance(guint64 position, gsize length);

/**
 * berth_ui_transcript_overlap:
 * @bytes: the first ones of a stream that was opened before the log was read
 *
 * Returns: how many of them are the log's last ones too
 */
gsize berth_ui_transcript_overlap(GBytes *log, const char *bytes, gsize length);
