/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-qemu-json.h"

#include <ctype.h>
#include <string.h>

#define DEPTH_MAX 32

/* A reader of JSON that checks its shape and keeps nothing but where things are. Each function leaves *@at behind
 * what it has read, and is FALSE where that is not there. */

static bool read_value(const char **at, int depth);

static void skip_space(const char **at)
{
    while (**at != '\0' && strchr(" \t\r\n", **at) != NULL)
        (*at)++;
}

static bool read_char(const char **at, char c)
{
    skip_space(at);
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

static bool read_string(const char **at, Span *inner)
{
    if (!read_char(at, '"'))
        return false;
    inner->start = *at;
    for (; **at != '"'; (*at)++) {
        if (**at == '\\')
            (*at)++;
        if ((unsigned char) **at < ' ')
            return false;
    }
    inner->length = (size_t) (*at - inner->start);
    (*at)++;
    return true;
}

/* A number, true, false or null; their spelling is not looked at closely. */
static bool read_word(const char **at)
{
    const char *start = *at;
    while (isalnum((unsigned char) **at) || (**at != '\0' && strchr("+-.", **at) != NULL))
        (*at)++;
    return *at > start;
}

typedef bool (*MemberFunc)(Span name, const char **at, int depth, void *data);

static bool skip_member(Span name, const char **at, int depth, void *data)
{
    (void) name;
    (void) data;
    return read_value(at, depth);
}

static bool read_object(const char **at, int depth, MemberFunc member, void *data)
{
    if (depth > DEPTH_MAX || !read_char(at, '{'))
        return false;
    if (read_char(at, '}'))
        return true;
    do {
        Span name;
        if (!read_string(at, &name) || !read_char(at, ':') || !member(name, at, depth + 1, data))
            return false;
    } while (read_char(at, ','));
    return read_char(at, '}');
}

static bool read_array(const char **at, int depth)
{
    if (depth > DEPTH_MAX || !read_char(at, '['))
        return false;
    if (read_char(at, ']'))
        return true;
    do
        if (!read_value(at, depth + 1))
            return false;
    while (read_char(at, ','));
    return read_char(at, ']');
}

static bool read_value(const char **at, int depth)
{
    Span unused;
    skip_space(at);
    if (**at == '{')
        return read_object(at, depth, skip_member, NULL);
    if (**at == '[')
        return read_array(at, depth);
    return **at == '"' ? read_string(at, &unused) : read_word(at);
}

static bool read_argument(Span name, const char **at, int depth, void *data)
{
    Command *command = data;
    if (command->argument.length == 0)
        command->argument = name;
    if (span_is(name, "protocol"))
        return read_string(at, &command->protocol);
    if (span_is(name, "fdname"))
        return read_string(at, &command->fdname);
    return read_value(at, depth);
}

static bool read_command_member(Span name, const char **at, int depth, void *data)
{
    Command *command = data;
    if (span_is(name, "execute"))
        return read_string(at, &command->execute);
    if (span_is(name, "arguments"))
        return read_object(at, depth, read_argument, command);

    skip_space(at);
    const char *start = *at;
    if (!read_value(at, depth))
        return false;
    if (span_is(name, "id"))
        command->id = (Span){start, (size_t) (*at - start)};
    else
        command->unknown = name;
    return true;
}

bool span_is(Span span, const char *word)
{
    return span.length == strlen(word) && memcmp(span.start, word, span.length) == 0;
}

bool command_parse(const char *line, Command *command)
{
    *command = (Command){0};
    if (!read_object(&line, 0, read_command_member, command))
        return false;
    skip_space(&line);
    return *line == '\0';
}
