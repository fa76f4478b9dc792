/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usage.h"

#include <string.h>

/* The number that @text begins with: it ends at @end, and the next begins right after it, for *@rest. */
static gboolean read_number(const char *text, char end, guint64 *number, const char **rest)
{
    const gsize length = strspn(text, "0123456789");
    g_autofree char *digits = g_strndup(text, length);
    if (text[length] != end || !g_ascii_string_to_unsigned(digits, 10, 0, G_MAXUINT64, number, NULL))
        return FALSE;
    *rest = text + length + 1;
    return TRUE;
}

/* The line that begins with @key: what follows it there. (nullable) */
static const char *find_line(const char *text, const char *key)
{
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (g_str_has_prefix(line, key))
            return line + strlen(key);
    return NULL;
}

/* Lines of "key number", in no order that is promised. */
gboolean berth_usage_parse_cpu(const char *text, guint64 *usec)
{
    guint64 number;
    const char *rest = find_line(text, "usage_usec ");
    if (!rest || !read_number(rest, '\n', &number, &rest))
        return FALSE;
    *usec = number;
    return TRUE;
}

gboolean berth_usage_parse_memory(const char *text, guint64 *bytes)
{
    guint64 number;
    const char *rest;
    if (!read_number(text, '\n', &number, &rest) || *rest)
        return FALSE;
    *bytes = number;
    return TRUE;
}

/* "size resident shared …", in pages. */
gboolean berth_usage_parse_resident(const char *text, guint64 page_size, guint64 *bytes)
{
    guint64 size, resident;
    const char *rest;
    if (!read_number(text, ' ', &size, &rest) || !read_number(rest, ' ', &resident, &rest) ||
        resident > G_MAXUINT64 / page_size)
        return FALSE;
    *bytes = resident * page_size;
    return TRUE;
}
