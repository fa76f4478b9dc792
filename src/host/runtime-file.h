/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What runtime-dir.c, run-record.c, guest-record.c and end-record.c share: small files that are about this boot. */

/* (transfer full): the whole of a small file in @dir, NUL-terminated; %NULL with NotFound or StorageFailed. */
char *berth_runtime_read_file(const char *dir, const char *name, gsize max, gsize *length, GError **error);

/* Puts @text in the place of what was there, as a whole. Without fsync: what lies here is about this boot. */
gboolean berth_runtime_replace_file(const char *dir, const char *name, const char *text, GError **error);
/* What a daemon has left that was killed over that. */
void berth_runtime_sweep_file(const char *dir, const char *name);
