/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What runtime-dir.c, run-record.c and end-record.c share. */

/* (transfer full): the whole of a small file of a VM's runtime directory, NUL-terminated; %NULL with NotFound or
 * StorageFailed. */
char *berth_runtime_read_file(const char *runtime_dir, const char *id, const char *name, gsize max, gsize *length,
                              GError **error);

/* Without fsync: what lies here is about this boot. */
gboolean berth_runtime_write_file(const char *path, const char *text, GError **error);
