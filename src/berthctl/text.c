/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <unistd.h>

#define MINUTE 60u
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

char *ctl_printable(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *out = g_string_new(NULL);
    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        if (g_unichar_iscntrl(c))
            g_string_append_printf(out, "\\x%02x", c);
        else
            g_string_append_unichar(out, c);
    }
    return g_string_free(out, FALSE);
}

guint ctl_columns(const char *text)
{
    guint columns = 0;
    for (const char *at = text; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar letter = g_utf8_get_char(at);
        columns += g_unichar_iszerowidth(letter) ? 0 : g_unichar_iswide(letter) ? 2 : 1;
    }
    return columns;
}

void ctl_say_error(const char *message)
{
    g_autofree char *printable = ctl_printable(message);
    g_printerr("berthctl: %s\n", printable);
}

char *ctl_with_reason(const char *what, const char *why)
{
    /* Translators: what there is to say, and why: "Can't start web: It is being removed" */
    return g_strdup_printf(C_("reason", "%s: %s"), what, why);
}

char *ctl_format_bytes(guint64 bytes)
{
    static const char units[] = "BKMGTPE";
    guint unit = 0;
    double value = (double) bytes;
    while (value >= 1024 && units[unit + 1] != '\0') {
        value /= 1024;
        unit++;
    }
    if (value == (double) (guint64) value)
        return g_strdup_printf("%.0f%c", value, units[unit]);
    return g_strdup_printf("%.1f%c", value, units[unit]);
}

/* @seconds: in one of them */
static char *format_unit(guint seconds, guint count)
{
    switch (seconds) {
    case DAY:
        /* Translators: days, in a time span as short as "2d 3h" */
        return g_strdup_printf(_("%ud"), count);
    case HOUR:
        /* Translators: hours, in a time span as short as "2h 3min" */
        return g_strdup_printf(_("%uh"), count);
    case MINUTE:
        /* Translators: minutes, in a time span as short as "3min 20s" */
        return g_strdup_printf(_("%umin"), count);
    default:
        /* Translators: seconds, in a time span as short as "3min 20s" */
        return g_strdup_printf(_("%us"), count);
    }
}

char *ctl_format_span(guint64 usec)
{
    static const guint units[] = {DAY, HOUR, MINUTE, 1};
    guint64 left = usec / G_USEC_PER_SEC;
    gsize i = 0;
    while (i < G_N_ELEMENTS(units) - 1 && left < units[i])
        i++;
    g_autofree char *larger = format_unit(units[i], (guint) (left / units[i]));
    left %= units[i];
    while (i < G_N_ELEMENTS(units) - 1 && left < units[i])
        i++;
    if (left == 0)
        return g_steal_pointer(&larger);
    g_autofree char *smaller = format_unit(units[i], (guint) (left / units[i]));
    /* Translators: the two parts of a time span: "3min", "20s" */
    return g_strdup_printf(C_("time span", "%s %s"), larger, smaller);
}

char *ctl_format_time(guint64 usec)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local((gint64) (usec / G_USEC_PER_SEC));
    /* Translators: a weekday, date, time and time zone for g_date_time_format() */
    char *text = time != NULL ? g_date_time_format(time, _("%a %Y-%m-%d %H:%M:%S %Z")) : NULL;
    return text != NULL ? text : g_strdup("-");
}

char *ctl_format_clock(void)
{
    g_autoptr(GDateTime) time = g_date_time_new_now_local();
    /* Translators: a time for g_date_time_format() */
    return g_date_time_format(time, _("%H:%M:%S"));
}

char *ctl_format_ago(guint64 usec)
{
    guint64 now = (guint64) g_get_real_time();
    g_autofree char *span = ctl_format_span(now > usec ? now - usec : 0);
    return g_strdup_printf(_("%s ago"), span);
}

static gboolean colours_wanted(void)
{
    static int wanted = -1;
    if (wanted < 0) {
        const char *no_color = g_getenv("NO_COLOR");
        wanted = isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0') &&
                 g_strcmp0(g_getenv("TERM"), "dumb") != 0;
    }
    return wanted;
}

static const char *colour(const char *sequence)
{
    return colours_wanted() ? sequence : "";
}

const char *ctl_colour_of_state(const char *state)
{
    static const struct {
        const char *state, *sequence;
    } colours[] = {
        {"running", "\033[32m"},        {"starting", "\033[36m"}, {"stopping", "\033[36m"}, {"paused", "\033[34m"},
        {"removing", "\033[38;5;214m"}, {"exited", "\033[31m"},   {"broken", "\033[1;31m"}, {"stopped", "\033[90m"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(colours); i++)
        if (g_str_equal(state, colours[i].state))
            return colour(colours[i].sequence);
    return "";
}

const char *ctl_colour_header(void)
{
    return colour("\033[4m");
}

const char *ctl_colour_error(void)
{
    return colour("\033[31m");
}

const char *ctl_colour_end(const char *sequence)
{
    return sequence[0] != '\0' ? "\033[0m" : "";
}

char *ctl_describe_state(const char *state, const char *phase)
{
    if (phase[0] == '\0')
        return g_strdup(state);
    return g_strdup_printf("%s (%s)", state, phase);
}
