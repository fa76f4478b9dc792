/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What fake-qemu understands of a QMP command. Spans point into the line. */
typedef struct {
    const char *start;
    size_t length; /* 0: not there */
} Span;

typedef struct {
    Span execute;  /* without its quotes */
    Span id;       /* as it stands there */
    Span argument; /* the name of the first argument, without its quotes */
    Span protocol; /* the arguments of that name, strings without their quotes */
    Span fdname;
    Span unknown; /* the name of a member that no command has */
} Command;

/* FALSE where @line is not one whole JSON object. */
bool command_parse(const char *line, Command *command);
bool span_is(Span span, const char *word);
