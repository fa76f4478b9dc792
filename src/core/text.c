/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "text.h"

#include <string.h>

#define QUOTE_MAX 64u

char *berth_text_clean(const char *text, gsize max)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize) strnlen(text, max + 1));
    GString *clean = g_string_new(NULL);

    const char *at = valid;
    for (; *at && (gsize) (g_utf8_next_char(at) - valid) <= max; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        g_string_append_unichar(clean, g_unichar_isprint(c) ? c : '?');
    }
    if (*at)
        g_string_append(clean, "…");
    return g_string_free(clean, FALSE);
}

char *berth_text_quote(const char *text)
{
    g_autofree char *clean = berth_text_clean(text, QUOTE_MAX);
    return g_strdup_printf("\"%s\"", clean);
}

gboolean berth_text_is_printable(const char *text, const char *also)
{
    for (; *text; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char(text);
        if (!g_unichar_isprint(c) && !(c < 0x80 && strchr(also, (int) c)))
            return FALSE;
    }
    return TRUE;
}

/* Decimal digits; saturates. %NULL where there are none, else where they end. */
static const char *take_digits(const char *text, guint64 *value)
{
    const char *at = text;
    guint64 sum = 0;
    for (; g_ascii_isdigit(*at); at++)
        if (!g_uint64_checked_mul(&sum, sum, 10) || !g_uint64_checked_add(&sum, sum, (guint64) (*at - '0')))
            sum = G_MAXUINT64;
    if (at == text)
        return NULL;
    *value = sum;
    return at;
}

static guint64 saturating_mul(guint64 a, guint64 b)
{
    guint64 product;
    return g_uint64_checked_mul(&product, a, b) ? product : G_MAXUINT64;
}

static const char suffixes[] = "KMGT";

gboolean berth_size_parse(const char *text, guint64 *bytes)
{
    guint64 number;
    const char *at = take_digits(text, &number);
    if (!at)
        return FALSE;

    guint64 unit = 1;
    if (*at) {
        const char *suffix = strchr(suffixes, g_ascii_toupper(*at));
        if (!suffix)
            return FALSE;
        unit = G_GUINT64_CONSTANT(1) << (10 * (suffix - suffixes + 1));
        at++;
        if (*at && g_ascii_strcasecmp(at, "B") != 0 && g_ascii_strcasecmp(at, "iB") != 0)
            return FALSE;
    }
    *bytes = saturating_mul(number, unit);
    return TRUE;
}

char *berth_size_format(guint64 bytes)
{
    guint power = 0;
    while (bytes != 0 && bytes % 1024 == 0 && power < strlen(suffixes)) {
        bytes /= 1024;
        power++;
    }
    return g_strdup_printf("%" G_GUINT64_FORMAT "%.*s", bytes, power ? 1 : 0, power ? &suffixes[power - 1] : "");
}

/* The units of systemd.time(7) that a timeout may need. Of each length the name that is written comes first. */
static const struct {
    const char *name;
    guint64 usec;
} units[] = {
    {"d", 86400 * G_GUINT64_CONSTANT(1000000)},
    {"day", 86400 * G_GUINT64_CONSTANT(1000000)},
    {"days", 86400 * G_GUINT64_CONSTANT(1000000)},
    {"h", 3600 * G_GUINT64_CONSTANT(1000000)},
    {"hr", 3600 * G_GUINT64_CONSTANT(1000000)},
    {"hour", 3600 * G_GUINT64_CONSTANT(1000000)},
    {"hours", 3600 * G_GUINT64_CONSTANT(1000000)},
    {"min", 60 * G_GUINT64_CONSTANT(1000000)},
    {"m", 60 * G_GUINT64_CONSTANT(1000000)},
    {"minute", 60 * G_GUINT64_CONSTANT(1000000)},
    {"minutes", 60 * G_GUINT64_CONSTANT(1000000)},
    {"s", 1000000},
    {"sec", 1000000},
    {"second", 1000000},
    {"seconds", 1000000},
    {"ms", 1000},
    {"msec", 1000},
    {"us", 1},
    {"usec", 1},
    {"µs", 1},
};

static const char *skip_space(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

/* A unit's name, or seconds where none follows. %NULL where it is unknown. */
static const char *take_unit(const char *at, guint64 *usec)
{
    gsize length = strcspn(at, " \t0123456789.");
    if (length == 0) {
        *usec = 1000000;
        return at;
    }
    for (guint i = 0; i < G_N_ELEMENTS(units); i++) {
        if (strlen(units[i].name) == length && memcmp(at, units[i].name, length) == 0) {
            *usec = units[i].usec;
            return at + length;
        }
    }
    return NULL;
}

/* Of a fraction's digits, in units of @unit; what is below one µs is dropped. */
static guint64 fraction(const char *digits, const char *end, guint64 unit)
{
    guint64 sum = 0;
    for (; digits < end && unit >= 10; digits++) {
        sum += unit * (guint64) (*digits - '0') / 10;
        unit /= 10;
    }
    return sum;
}

/* One number with its unit. %NULL where there is none. */
static const char *take_part(const char *at, guint64 *usec)
{
    guint64 number, unused, unit;
    const char *end = take_digits(at, &number);
    if (!end)
        return NULL;

    const char *digits = end, *digits_end = end;
    if (*end == '.') {
        digits = end + 1;
        digits_end = end = take_digits(digits, &unused);
        if (!end)
            return NULL;
    }
    end = take_unit(skip_space(end), &unit);
    if (!end)
        return NULL;

    guint64 whole = saturating_mul(number, unit), part = fraction(digits, digits_end, unit);
    *usec = whole > G_MAXUINT64 - part ? G_MAXUINT64 : whole + part;
    return end;
}

gboolean berth_span_parse(const char *text, guint64 *usec)
{
    guint64 sum = 0, part;
    const char *at = skip_space(text);
    if (!*at)
        return FALSE;
    for (; *at; at = skip_space(at)) {
        at = take_part(at, &part);
        if (!at)
            return FALSE;
        sum = sum > G_MAXUINT64 - part ? G_MAXUINT64 : sum + part;
    }
    *usec = sum;
    return TRUE;
}

char *berth_span_format(guint64 usec)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(units); i++) {
        if (usec < units[i].usec)
            continue;
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT "%s", text->len ? " " : "", usec / units[i].usec,
                               units[i].name);
        usec %= units[i].usec;
    }
    if (text->len == 0)
        g_string_append_c(text, '0');
    return g_string_free(text, FALSE);
}
