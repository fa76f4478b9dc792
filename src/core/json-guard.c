/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-guard.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "error.h"
#include "text.h"

/* json-glib 1.6 takes more than JSON: comments (in which a quote would hide brackets from a mere counter), several
 * values in a row, octal and hexadecimal numbers, "\u0000" that cuts a string, numbers that wrap around, members twice.
 * So every token is checked here by the grammar of RFC 8259, and only the order of tokens is left to json-glib. */
typedef struct {
    const char *at;
    const char *end;
    guint depth;
} Scan;

static gboolean take(Scan *scan, char c)
{
    if (scan->at == scan->end || *scan->at != c)
        return FALSE;
    scan->at++;
    return TRUE;
}

static guint take_digits(Scan *scan)
{
    const char *first = scan->at;
    while (scan->at < scan->end && g_ascii_isdigit(*scan->at))
        scan->at++;
    return (guint) (scan->at - first);
}

/* Positive ones up to 2^64 - 1: QEMU's counters have that range, and json-glib gives the upper half as negative. */
static gboolean number_fits(const char *number, gboolean negative, gboolean whole)
{
    errno = 0;
    if (!whole)
        return isfinite(g_ascii_strtod(number, NULL));
    guint64 magnitude = g_ascii_strtoull(number + negative, NULL, 10);
    /* Where threads come here at once for the first time, GLib may have waited in between, and left EAGAIN. */
    return errno != ERANGE && (!negative || magnitude <= (guint64) G_MAXINT64 + 1);
}

static const char *scan_number(Scan *scan)
{
    const char *first = scan->at;
    gboolean whole = TRUE;

    gboolean negative = take(scan, '-');
    gboolean zero = scan->at < scan->end && *scan->at == '0';
    guint digits = take_digits(scan);
    if (digits == 0 || (zero && digits > 1))
        return "a number is malformed";
    if (take(scan, '.')) {
        whole = FALSE;
        if (take_digits(scan) == 0)
            return "a number is malformed";
    }
    if (take(scan, 'e') || take(scan, 'E')) {
        whole = FALSE;
        if (!take(scan, '+'))
            (void) take(scan, '-');
        if (take_digits(scan) == 0)
            return "a number is malformed";
    }

    g_autofree char *number = g_strndup(first, scan->at - first);
    return number_fits(number, negative, whole) ? NULL : "a number is too large";
}

/* The four digits after \u; -1 where they are none. */
static int take_hex4(Scan *scan)
{
    int value = 0;
    for (guint i = 0; i < 4; i++) {
        int digit = scan->at < scan->end ? g_ascii_xdigit_value(*scan->at) : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
        scan->at++;
    }
    return value;
}

static const char *scan_unicode_escape(Scan *scan)
{
    int unit = take_hex4(scan);
    if (unit < 0)
        return "a \\u escape is malformed";
    if (unit == 0)
        return "a string has a NUL";
    if (unit < 0xd800 || unit > 0xdfff)
        return NULL;

    int low = unit <= 0xdbff && take(scan, '\\') && take(scan, 'u') ? take_hex4(scan) : -1;
    return low >= 0xdc00 && low <= 0xdfff ? NULL : "a \\u escape is half of a surrogate pair";
}

static const char *scan_escape(Scan *scan)
{
    if (take(scan, 'u'))
        return scan_unicode_escape(scan);
    if (scan->at == scan->end || !strchr("\"\\/bfnrt", *scan->at))
        return "a string has an unknown escape";
    scan->at++;
    return NULL;
}

static const char *scan_string(Scan *scan)
{
    while (scan->at < scan->end) {
        char c = *scan->at++;
        if (c == '"')
            return NULL;
        if ((guchar) c < 0x20)
            return "a string has a control character";
        const char *problem = c == '\\' ? scan_escape(scan) : NULL;
        if (problem)
            return problem;
    }
    return "a string does not end";
}

static const char *scan_word(Scan *scan)
{
    static const char *const words[] = {"true", "false", "null"};
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        gsize length = strlen(words[i]);
        if ((gsize) (scan->end - scan->at) >= length && memcmp(scan->at, words[i], length) == 0) {
            scan->at += length;
            return NULL;
        }
    }
    return "this is no token of JSON";
}

static const char *scan_token(Scan *scan)
{
    char c = *scan->at;
    if (c == '-' || g_ascii_isdigit(c))
        return scan_number(scan);
    if (g_ascii_isalpha(c))
        return scan_word(scan);

    scan->at++;
    switch (c) {
    case '{':
    case '[':
        return ++scan->depth > BERTH_JSON_DEPTH_MAX ? "it is nested too deeply" : NULL;
    case '}':
    case ']':
        return scan->depth-- == 0 ? "a bracket closes nothing" : NULL;
    case '"':
        return scan_string(scan);
    case ':':
    case ',':
        return NULL;
    default:
        scan->at--;
        return "this is no token of JSON";
    }
}

static void skip_space(Scan *scan)
{
    while (scan->at < scan->end && memchr(" \t\r\n", *scan->at, 4))
        scan->at++;
}

/* Exactly one object, of which every token is good. */
static const char *scan_object(Scan *scan)
{
    skip_space(scan);
    if (scan->at == scan->end || *scan->at != '{')
        return "an object is expected";
    do {
        const char *problem = scan_token(scan);
        if (problem)
            return problem;
        skip_space(scan);
    } while (scan->at < scan->end && scan->depth > 0);

    if (scan->depth > 0)
        return "a bracket is not closed";
    return scan->at < scan->end ? "something follows the object" : NULL;
}

static gboolean check_text(const char *text, gsize length, GError **error)
{
    if (length > BERTH_JSON_SIZE_MAX) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "The JSON is %zu bytes long; at most %u are allowed",
                    length, BERTH_JSON_SIZE_MAX);
        return FALSE;
    }
    /* Stops at a NUL byte too. */
    if (!g_utf8_validate_len(text, length, NULL)) {
        g_set_error_literal(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS,
                            "The JSON is not valid UTF-8, or has a NUL byte");
        return FALSE;
    }

    Scan scan = {.at = text, .end = text + length};
    const char *problem = scan_object(&scan);
    if (problem) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "The JSON is malformed at byte %zu: %s",
                    (gsize) (scan.at - text), problem);
        return FALSE;
    }
    return TRUE;
}

/* json-glib keeps the last of two members of one name, and says so to nobody: it signals each one that it parses,
 * so an object that ends with fewer than were signalled had one twice. */
typedef struct {
    GHashTable *counts; /* of the objects that are being parsed */
    char *twice;        /* (nullable): a member of the first object at fault */
} Members;

static void on_member(JsonParser *parser, JsonObject *object, const char *name, gpointer data)
{
    Members *members = data;
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(members->counts, object)) + 1;
    g_hash_table_insert(members->counts, object, GUINT_TO_POINTER(count));
    if (json_object_get_size(object) < count && !members->twice)
        members->twice = g_strdup(name);
}

static void on_object_end(JsonParser *parser, JsonObject *object, gpointer data)
{
    Members *members = data;
    g_hash_table_remove(members->counts, object);
}

static JsonObject *parse(JsonParser *parser, const char *text, gsize length, GError **error)
{
    g_autoptr(GHashTable) counts = g_hash_table_new(NULL, NULL);
    Members members = {.counts = counts};
    g_signal_connect(parser, "object-member", G_CALLBACK(on_member), &members);
    g_signal_connect(parser, "object-end", G_CALLBACK(on_object_end), &members);

    g_autoptr(GError) problem = NULL;
    gboolean parsed = json_parser_load_from_data(parser, text, (gssize) length, &problem);
    g_autofree char *twice = members.twice;
    JsonNode *root = parsed ? json_parser_get_root(parser) : NULL;

    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "The JSON is malformed: %s",
                    problem ? problem->message : "an object is expected");
        return NULL;
    }
    if (twice) {
        g_autofree char *name = berth_text_quote(twice);
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "The JSON has the member %s twice", name);
        return NULL;
    }
    return json_node_dup_object(root);
}

JsonObject *berth_json_parse_object(const char *text, gsize length, GError **error)
{
    if (!check_text(text, length, error))
        return NULL;

    g_autoptr(JsonParser) parser = json_parser_new();
    return parse(parser, text, length, error);
}
