/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "printable.h"

#include <string.h>

static gboolean is_plain(const char *bytes)
{
    if (!g_utf8_validate(bytes, -1, NULL))
        return FALSE;
    for (const char *at = bytes; *at; at = g_utf8_next_char(at))
        if (!g_unichar_isprint(g_utf8_get_char(at)))
            return FALSE;
    return TRUE;
}

char *berth_printable(const char *bytes)
{
    g_autofree char *shown = is_plain(bytes) ? g_strdup(bytes) : g_strescape(bytes, NULL);
    gsize length = strlen(shown);
    if (length <= BERTH_PRINTABLE_MAX)
        return g_steal_pointer(&shown);
    const char *ellipsis = "…";
    const char *tail = shown + length - (BERTH_PRINTABLE_MAX - strlen(ellipsis));
    /* Never from the middle of a character. */
    while ((*tail & 0xc0) == 0x80)
        tail++;
    return g_strconcat(ellipsis, tail, NULL);
}
