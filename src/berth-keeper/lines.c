/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lines.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ESCAPE '\x1b'
#define BELL '\a'

/* How many bytes of @text are one character of UTF-8, 0 where they are none: no overlong form, no surrogate. */
static size_t utf8_length(const unsigned char *text, size_t left)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t length = text[0] < 0xc0 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : text[0] < 0xf8 ? 4 : 0;
    if (length == 0 || length > left)
        return 0;

    uint32_t character = text[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (text[i] & 0x3f);
    }
    const bool surrogate = character >= 0xd800 && character <= 0xdfff;
    const bool control = character >= 0x80 && character <= 0x9f;
    return character < smallest[length] || character > 0x10ffff || surrogate || control ? 0 : length;
}

static void clean(char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        const unsigned char byte = (unsigned char) text[i];
        if (byte < 0x80) {
            if (byte < ' ' || byte == 0x7f)
                text[i] = ' ';
            i++;
            continue;
        }
        const size_t n = utf8_length((const unsigned char *) text + i, length - i);
        if (n == 0)
            text[i] = '?';
        i += n == 0 ? 1 : n;
    }
}

void lines_end(struct lines *lines)
{
    clean(lines->text, lines->length);
    while (lines->length > 0 && lines->text[lines->length - 1] == ' ')
        lines->length--;
    lines->text[lines->length] = '\0';
    if (lines->length > 0)
        lines->line(lines->text, lines->data);
    lines->length = 0;
}

static void push_text(struct lines *lines, char byte)
{
    if (byte == '\n') {
        lines_end(lines);
        return;
    }
    if (lines->length == LINE_MAX_BYTES)
        lines_end(lines);
    lines->text[lines->length++] = byte;
}

/* ECMA-48: ESC [ … final byte; ESC ] … BEL or ESC \; else ESC and one byte. A newline ends them all, so that nothing
 * can hide the rest of the stream. */
void lines_push(struct lines *lines, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const char byte = bytes[i];
        if (byte == ESCAPE)
            lines->state = LINES_ESCAPE;
        else if (lines->state == LINES_TEXT || byte == '\n')
            lines->state = LINES_TEXT, push_text(lines, byte);
        else if (lines->state == LINES_ESCAPE)
            lines->state = byte == '[' ? LINES_CSI : byte == ']' ? LINES_OSC : LINES_TEXT;
        else if (lines->state == LINES_CSI)
            lines->state = byte >= '@' && byte <= '~' ? LINES_TEXT : LINES_CSI;
        else
            lines->state = byte == BELL ? LINES_TEXT : LINES_OSC;
    }
}
