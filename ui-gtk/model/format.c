/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format.h"

#include <glib/gi18n.h>
#include <string.h>

char *berth_ui_format_bytes(guint64 bytes)
{
    return g_format_size_full(bytes, G_FORMAT_SIZE_IEC_UNITS);
}

gboolean berth_ui_parse_bytes(const char *text, guint64 unit, guint64 *bytes)
{
    static const char units[] = "kmgt";
    char *rest = NULL;
    double number = g_strtod(text, &rest);
    while (g_unichar_isspace(g_utf8_get_char(rest))) /* also the one that does not break a line */
        rest = g_utf8_next_char(rest);
    const char *named = *rest ? strchr(units, g_ascii_tolower(*rest)) : NULL;
    if (rest == text || !(number >= 0) || (*rest && !named))
        return FALSE;
    double factor = named ? (double) (G_GUINT64_CONSTANT(1) << (10 * (guint) (named - units + 1))) : (double) unit;
    if (number * factor > (double) G_MAXINT64)
        return FALSE;
    *bytes = (guint64) (number * factor + 0.5);
    return TRUE;
}

static char *format_count(guint unit, guint count)
{
    switch (unit) {
    case 0:
        return g_strdup_printf(ngettext("%u day", "%u days", count), count);
    case 1:
        return g_strdup_printf(ngettext("%u hour", "%u hours", count), count);
    case 2:
        return g_strdup_printf(ngettext("%u minute", "%u minutes", count), count);
    default:
        return g_strdup_printf(ngettext("%u second", "%u seconds", count), count);
    }
}

char *berth_ui_format_span(guint64 usec)
{
    static const guint seconds[] = {86400, 3600, 60, 1};
    guint64 left = usec / G_USEC_PER_SEC;
    guint unit = 0;
    while (unit < 3 && left < seconds[unit])
        unit++;
    g_autofree char *large = format_count(unit, (guint) (left / seconds[unit]));
    left %= seconds[unit];
    /* Seconds are of interest below a minute only. */
    if (unit >= 2 || left < seconds[unit + 1])
        return g_steal_pointer(&large);
    g_autofree char *small = format_count(unit + 1, (guint) (left / seconds[unit + 1]));
    /* Translators: two units of a span of time: “2 hours 5 minutes” */
    return g_strdup_printf(_("%s %s"), large, small);
}

char *berth_ui_format_time(guint64 usec)
{
    g_autoptr(GDateTime) time = usec ? g_date_time_new_from_unix_local((gint64) (usec / G_USEC_PER_SEC)) : NULL;
    /* Translators: a date and time for g_date_time_format() */
    return time ? g_date_time_format(time, _("%-d %B %Y, %H:%M")) : g_strdup("");
}

static gboolean is_today(GDateTime *time)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    return g_date_time_get_year(time) == g_date_time_get_year(now) &&
           g_date_time_get_day_of_year(time) == g_date_time_get_day_of_year(now);
}

char *berth_ui_format_moment(guint64 usec)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local((gint64) (usec / G_USEC_PER_SEC));
    if (!time)
        return g_strdup("");
    /* Translators: a time, and a date and time, for g_date_time_format() */
    return g_date_time_format(time, is_today(time) ? _("%H:%M:%S") : _("%-d %b %Y, %H:%M:%S"));
}
