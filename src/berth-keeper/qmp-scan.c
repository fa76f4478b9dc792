/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp-scan.h"

#include <string.h>

#define DEPTH_MAX 32

struct span {
    const char *text;
    size_t length;
};

struct scan {
    const char *at, *end;
    unsigned depth;
    bool is_object[DEPTH_MAX + 1]; /* by depth: 1 is the line's own object */
    bool wants_key;
    struct span keys[3]; /* the member that is being read, by depth */
    struct qmp_line *line;
};

static bool is(struct span span, const char *word)
{
    return span.length == strlen(word) && memcmp(span.text, word, span.length) == 0;
}

static void copy_word(char word[QMP_WORD_MAX], struct span span)
{
    if (span.length >= QMP_WORD_MAX || memchr(span.text, '\\', span.length))
        return;
    memcpy(word, span.text, span.length);
    word[span.length] = '\0';
}

/* From behind the opening quote to behind the closing one. */
static bool take_string(struct scan *scan, struct span *span)
{
    span->text = scan->at;
    for (; scan->at < scan->end; scan->at++) {
        if (*scan->at == '"') {
            span->length = (size_t) (scan->at++ - span->text);
            return true;
        }
        if ((unsigned char) *scan->at < ' ')
            return false;
        if (*scan->at == '\\' && ++scan->at == scan->end)
            return false;
    }
    return false;
}

static void note_key(struct scan *scan, struct span key)
{
    if (scan->depth < sizeof scan->keys / sizeof *scan->keys)
        scan->keys[scan->depth] = key;
    if (scan->depth == 1) {
        scan->line->greeting |= is(key, "QMP");
        scan->line->success |= is(key, "return");
        scan->line->failure |= is(key, "error");
    }
}

static void note_value(struct scan *scan, struct span value)
{
    if (!scan->is_object[scan->depth])
        return;
    if (scan->depth == 1 && is(scan->keys[1], "event"))
        copy_word(scan->line->event, value);
    if (scan->depth == 2 && is(scan->keys[1], "data") && is(scan->keys[2], "reason"))
        copy_word(scan->line->reason, value);
}

static bool on_string(struct scan *scan)
{
    struct span span;

    if (!take_string(scan, &span))
        return false;
    if (scan->wants_key)
        note_key(scan, span);
    else
        note_value(scan, span);
    scan->wants_key = false;
    return true;
}

static bool on_open(struct scan *scan, bool object)
{
    if (scan->depth == DEPTH_MAX || scan->wants_key || (scan->depth == 0 && !object))
        return false;
    scan->is_object[++scan->depth] = object;
    scan->wants_key = object;
    return true;
}

static bool on_close(struct scan *scan, bool object)
{
    if (scan->depth == 0 || scan->is_object[scan->depth] != object)
        return false;
    scan->depth--;
    scan->wants_key = false;
    return true;
}

/* Numbers, true, false, null, blanks and colons are of no interest. */
static bool on_byte(struct scan *scan, char byte)
{
    switch (byte) {
    case '"':
        return on_string(scan);
    case '{':
    case '[':
        return on_open(scan, byte == '{');
    case '}':
    case ']':
        return on_close(scan, byte == '}');
    case ',':
        scan->wants_key = scan->is_object[scan->depth];
        return true;
    default:
        return true;
    }
}

static bool is_blank(const struct scan *scan)
{
    for (const char *at = scan->at; at < scan->end; at++)
        if (*at != ' ' && *at != '\r' && *at != '\t')
            return false;
    return true;
}

bool qmp_scan(const char *text, size_t length, struct qmp_line *line)
{
    struct scan scan = {.at = text, .end = text + length, .line = line};

    *line = (struct qmp_line){0};
    if (length == 0 || *text != '{')
        return false;
    while (scan.at < scan.end)
        if (!on_byte(&scan, *scan.at++))
            return false;
        else if (scan.depth == 0)
            return is_blank(&scan);
    return false;
}
