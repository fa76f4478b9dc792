/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What runtime-dir.c and run-record.c share.
 * (transfer full): the whole of a small file of a VM's runtime directory, NUL-terminated; %NULL with NotFound or
 * StorageFailed. */
char *berth_runtime_read_file(const char *runtime_dir, const char *id, const char *name, gsize max, gsize *length,
                              GError **error);
