/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Changes of files, told by inotify. */

typedef struct BerthFileWatch BerthFileWatch;

/**
 * berth_file_watch_new:
 * @mask: as inotify_add_watch() has it; the same for all watches of one path
 * @name: of a directory's entry, where only what happens to that counts; else ""
 * @changed: called on a later turn of the loop, once for all that happened until then; it may free any watch
 *
 * Returns: (nullable): NotFound where there is no such file, Unsupported where the kernel can't watch it
 */
BerthFileWatch *berth_file_watch_new(const char *path, guint32 mask, const char *name, void (*changed)(gpointer data),
                                     gpointer data, GError **error);
/* Takes *@watch and leaves %NULL. */
void berth_file_watch_free(BerthFileWatch **watch);
