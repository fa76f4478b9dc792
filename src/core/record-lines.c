/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record-lines.h"

#include <string.h>

#include "error.h"

#define END "end\n"

static gboolean refuse(GError **error, const char *why)
{
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "The record is not whole: %s", why);
    return FALSE;
}

static gboolean check_frame(const char *text, gsize length, gsize max, GError **error)
{
    const gsize end = strlen(END);

    if (length > max)
        return refuse(error, "it is too long");
    if (length < end || memcmp(text + length - end, END, end) != 0 || (length > end && text[length - end - 1] != '\n'))
        return refuse(error, "its last line is missing");
    if (memchr(text, '\0', length))
        return refuse(error, "it has a NUL byte");
    return TRUE;
}

static gboolean add_line(GHashTable *record, const char *line, GError **error)
{
    const char *equals = strchr(line, '=');
    if (!equals)
        return refuse(error, "a line is no assignment");
    g_autofree char *key = g_strndup(line, (gsize) (equals - line));
    if (g_hash_table_contains(record, key))
        return refuse(error, "a key is there twice");
    g_hash_table_insert(record, g_steal_pointer(&key), g_strdup(equals + 1));
    return TRUE;
}

GHashTable *berth_record_lines_parse(const char *text, gsize length, gsize max, const char *const *keys, GError **error)
{
    if (!check_frame(text, length, max, error))
        return NULL;

    g_autofree char *body = g_strndup(text, length - strlen(END));
    g_auto(GStrv) lines = g_strsplit(body, "\n", -1);
    g_autoptr(GHashTable) record = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    /* The body ends with a newline: what g_strsplit() finds after it is no line. */
    for (guint i = 0; lines[i] && lines[i + 1]; i++)
        if (!add_line(record, lines[i], error))
            return NULL;
    for (guint i = 0; keys[i]; i++) {
        if (!g_hash_table_contains(record, keys[i])) {
            g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "The record is not whole: %s is missing",
                        keys[i]);
            return NULL;
        }
    }
    return g_steal_pointer(&record);
}

gboolean berth_record_lines_number(GHashTable *record, const char *key, gint64 min, gint64 max, gint64 *number,
                                   GError **error)
{
    const char *value = g_hash_table_lookup(record, key);

    if (g_ascii_string_to_signed(value, 10, min, max, number, NULL) && g_ascii_isdigit(value[0]))
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS,
                "In the record, %s is no number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, key, min, max);
    return FALSE;
}
