/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Files whose content must survive a power cut, or be absent. All of these block: call them from a worker.
 * Errors are StorageFailed and name the file. Names are single path components below a directory descriptor,
 * and symbolic links are never followed. */

/* An O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC descriptor of @name below @dir_fd (AT_FDCWD with an absolute path); -1 on error.
 */
int berth_dir_open(int dir_fd, const char *name, GError **error);

/* The same, made first with @mode where it is absent; its parent is fsynced. */
int berth_dir_ensure(int dir_fd, const char *name, mode_t mode, GError **error);

gboolean berth_dir_sync(int dir_fd, GError **error);

/* (transfer full) (element-type filename): all names in it but "." and "..", in no order. The position of @dir_fd is
 * neither used nor changed: several threads may list one directory. */
GPtrArray *berth_dir_list(int dir_fd, GError **error);

/**
 * berth_durable_write:
 * @dir_fd: the directory
 * @name: the file in it, replaced as a whole
 * @mode: permission bits
 *
 * Temporary file, write, fsync, rename, fsync of the directory. On failure the temporary file is gone and the old content
 * stands; where not even that can be made durable, the error says so. A file that was not there before stays where only
 * the last fsync failed, and may or may not be durable. One writer at a time for a file: the temporary name is BERTH_STAGING_PREFIX and
 * @name.
 */
gboolean berth_durable_write(int dir_fd, const char *name, const void *data, gsize length, mode_t mode, GError **error);

/* A new file (there already is an error), not synced: for what is made aside, fsynced and published as a whole.
 * On failure it is gone again. */
gboolean berth_file_create(int dir_fd, const char *name, const void *data, gsize length, mode_t mode, GError **error);

/* Makes an empty file durably; there already is fine. On failure one that was not there before is gone again. */
gboolean berth_durable_touch(int dir_fd, const char *name, GError **error);

/* Unlinks durably; absent already is fine. */
gboolean berth_durable_unlink(int dir_fd, const char *name, GError **error);

/* Whole content of a regular file of at most @max bytes, NUL-terminated; @length: (optional). (transfer full)
 * %NULL with NotFound where there is none; StorageFailed where it is a link, a directory, too large or unreadable. */
char *berth_file_read(int dir_fd, const char *name, gsize max, gsize *length, GError **error);
