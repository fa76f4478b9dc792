/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../core/guest-info.h"
#include "../core/names.h"
#include "../core/record-lines.h"
#include "../core/text.h"
#include "runtime-dir.h"
#include "runtime-file.h"

#define RECORD_MAX 1024u

static const char *const keys[] = {"up", "status", NULL};

gboolean berth_runtime_write_guest(const char *runtime_dir, const char *id, gboolean is_up, const char *status,
                                   GError **error)
{
    g_autofree char *dir = g_build_filename(runtime_dir, id, NULL);
    g_autofree char *clean = berth_text_clean(status ? status : "", BERTH_GUEST_STATUS_MAX);
    g_autofree char *text = g_strdup_printf("up=%d\nstatus=%s\nend\n", is_up, clean);
    return berth_runtime_replace_file(dir, BERTH_FILE_GUEST, text, error);
}

gboolean berth_runtime_read_guest(const char *runtime_dir, const char *id, gboolean *is_up, char **status)
{
    gsize length = 0;
    gint64 up;
    g_autofree char *dir = g_build_filename(runtime_dir, id, NULL);
    g_autofree char *text = berth_runtime_read_file(dir, BERTH_FILE_GUEST, RECORD_MAX, &length, NULL);
    g_autoptr(GHashTable) lines = text ? berth_record_lines_parse(text, length, RECORD_MAX, keys, NULL) : NULL;
    if (!lines || !berth_record_lines_number(lines, "up", 0, 1, &up, NULL))
        return FALSE;
    const char *words = g_hash_table_lookup(lines, "status");
    *is_up = up != 0;
    *status = *words ? berth_text_clean(words, BERTH_GUEST_STATUS_MAX) : NULL;
    return TRUE;
}
