/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* A stream of arbitrary bytes, made into lines that can be shown anywhere: escape sequences are left out, control
 * characters become spaces, what is no UTF-8 becomes '?'. Blank lines are left out; long ones are cut in pieces. */
#define LINE_MAX_BYTES 1024

struct lines {
    char text[LINE_MAX_BYTES + 1];
    size_t length;
    enum { LINES_TEXT, LINES_ESCAPE, LINES_CSI, LINES_OSC } state;
    void (*line)(const char *text, void *data); /* NUL-terminated, without newline */
    void *data;
};

void lines_push(struct lines *lines, const char *bytes, size_t length);
/* The rest, where the last line has no newline. */
void lines_end(struct lines *lines);
