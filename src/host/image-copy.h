/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* Copying what a caller handed in, and disks of VMs: long, so it tells how far it is and can be cancelled. */

typedef struct {
    GCancellable *cancellable;                                    /* (nullable) */
    void (*progress)(guint64 done, guint64 total, gpointer data); /* (nullable) */
    gpointer data;
    guint64 done, total; /* bytes */
    gint64 told;         /* monotonic µs */
    const char *name;    /* for messages: "import", "clone" */
} BerthCopyJob;

/**
 * berth_copy_check_input:
 * @fd: from a caller
 * @what: "disk", "kernel" ..., for the message
 * @max: bytes
 *
 * InvalidArgs where it is no regular file that is open for reading, or larger than @max.
 */
gboolean berth_copy_check_input(int fd, const char *what, guint64 max, guint64 *size, GError **error);

/**
 * berth_copy:
 * @fd: checked before
 * @size: what was found then
 * @to_dir: where the copy is made, as @name, 0444, not fsynced yet; holes stay holes
 * @sha256: (out) (transfer full): of the @size bytes, in lower-case hex
 *
 * Cancelled; InvalidArgs where the file changes while it is read; StorageFailed.
 *
 * Returns: a descriptor of the copy; -1 on error
 */
int berth_copy(BerthCopyJob *job, int fd, guint64 size, int to_dir, const char *name, char **sha256, GError **error);

/* The same without a sum into @to, an empty file; where the file system can, the two share their blocks. */
gboolean berth_copy_disk(BerthCopyJob *job, int fd, guint64 size, int to, GError **error);

/* FALSE with Cancelled, once the job is. */
gboolean berth_copy_check_cancelled(const BerthCopyJob *job, GError **error);

/* Tells the progress where 100 ms have passed since the last time, or @always. */
void berth_copy_tell(BerthCopyJob *job, gboolean always);
