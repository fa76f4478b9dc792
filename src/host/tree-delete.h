/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * berth_tree_delete:
 * @parent_fd: the directory that holds the tree
 * @name: the tree's top: a directory; or a symbolic link or file, then only that goes
 * @last: (nullable): NULL-terminated names directly below the top that go after everything else, in this order
 * @blocker: (out) (optional) (transfer full): on failure, which path in the tree refuses to go and why, for a person
 *
 * Deletes by descriptors (openat with O_NOFOLLOW, unlinkat): no link is followed, no other file system is entered
 * (a mount point blocks), any depth and width with bounded memory and descriptors, any byte in names. Goes on where one
 * entry fails, so that as much as can go does go. The top's parent is fsynced at the end. Already gone is success.
 * Blocks: for a worker.
 *
 * Returns: whether nothing is left; else StorageFailed, errno's text within
 */
gboolean berth_tree_delete(int parent_fd, const char *name, const char *const *last, char **blocker, GError **error);

/* Deletes all that is in the directory and whose name begins with @prefix. Goes on where one refuses; the first error.
 */
gboolean berth_tree_sweep(int dir_fd, const char *prefix, GError **error);
