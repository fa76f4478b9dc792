/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <string.h>

#include "src/berth-keeper/lines.h"

static void collect(const char *text, void *data)
{
    g_assert_true(g_utf8_validate(text, -1, NULL));
    g_assert_cmpuint(strlen(text), <=, LINE_MAX_BYTES);
    g_string_append_printf(data, "%s|", text);
}

/* In one piece, and byte by byte: it must not matter. */
static void check(const char *bytes, gsize length, const char *expected)
{
    g_autoptr(GString) whole = g_string_new(NULL), pieces = g_string_new(NULL);
    struct lines a = {.line = collect, .data = whole}, b = {.line = collect, .data = pieces};

    lines_push(&a, bytes, length);
    lines_end(&a);
    for (gsize i = 0; i < length; i++)
        lines_push(&b, bytes + i, 1);
    lines_end(&b);
    g_assert_cmpstr(whole->str, ==, expected);
    g_assert_cmpstr(pieces->str, ==, expected);
}

static void test_lines(void)
{
    static const char *const cases[][2] = {
        {"one\ntwo\r\nthree", "one|two|three|"},
        {"\n\n  \n\r\nx\n", "x|"},
        {"\x1b[0;32mgreen\x1b[0m\n", "green|"},
        {"\x1b]0;title\aafter\n", "after|"},
        {"\x1b]0;title\x1b\\after\n", "after|"},
        {"\x1b[31\nnot hidden\n", "not hidden|"},
        {"\x1b]never ended\nnot hidden\n", "not hidden|"},
        {"\x1b(Bx\n", "Bx|"},
        {"a\tb\x01\x7f"
         "c\n",
         "a b  c|"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80|"},
        {"\xff\xfe"
         "a\x80\n",
         "??a?|"},
        {"\xc0\xaf\xe0\x80\xaf\xed\xa0\x80\xf4\x90\x80\x80\n", "????????????|"}, /* overlong, surrogate, too high */
        {"\xe2\x82\n", "??|"},
        {"a\xc2\x9b"
         "31m\n",
         "a??31m|"}, /* CSI as one C1 character */
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        check(cases[i][0], strlen(cases[i][0]), cases[i][1]);
    check("a\0b\n", 4, "a b|");
}

static void test_long(void)
{
    g_autofree char *bytes = g_strnfill(2 * LINE_MAX_BYTES + 5, 'x');
    g_autofree char *line = g_strnfill(LINE_MAX_BYTES, 'x');
    g_autofree char *expected = g_strconcat(line, "|", line, "|xxxxx|", NULL);

    check(bytes, strlen(bytes), expected);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lines/lines", test_lines);
    g_test_add_func("/lines/long", test_long);
    return g_test_run();
}
