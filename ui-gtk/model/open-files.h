/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/**
 * berth_ui_open_files_async:
 * @files: (element-type GFile): what is to be read, in the caller's order; an element may be %NULL
 *
 * Opens them with the user's own rights, in a thread: a file may lie on what answers slowly, or not at all. The daemon
 * is handed descriptors, and so reads nothing that the user can't.
 */
void berth_ui_open_files_async(GFile *const *files, guint n_files, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer data);
/**
 * berth_ui_open_files_finish:
 * @fds: (out): as many as there were files, -1 where there was none; the caller's to close. Untouched on failure.
 *
 * Returns: FALSE where one could not be opened, with an error that names it, translated
 */
gboolean berth_ui_open_files_finish(GAsyncResult *result, int *fds, GError **error);
