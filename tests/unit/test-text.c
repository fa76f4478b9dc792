/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/core/text.h"

static void assert_quoted(const char *text, const char *expected)
{
    g_autofree char *quoted = berth_text_quote(text);
    g_assert_cmpstr(quoted, ==, expected);
}

static void test_quote(void)
{
    assert_quoted("", "\"\"");
    assert_quoted("über", "\"über\"");
    assert_quoted("a\nb\x7f\x1b[0m", "\"a?b??[0m\"");
    assert_quoted("a\xff", "\"a\xef\xbf\xbd\"");

    g_autofree char *full = g_strnfill(64, 'x');
    g_autofree char *whole = g_strdup_printf("\"%s\"", full);
    assert_quoted(full, whole);

    g_autofree char *longer = g_strnfill(1000, 'x');
    g_autofree char *cut = g_strdup_printf("\"%s…\"", full);
    assert_quoted(longer, cut);

    /* A character that lies across the bound is left out whole. */
    g_autofree char *odd = g_strdup_printf("%.63sé", full);
    g_autofree char *short_by_one = g_strdup_printf("\"%.63s…\"", full);
    assert_quoted(odd, short_by_one);
}

static void test_printable(void)
{
    g_assert_true(berth_text_is_printable("", ""));
    g_assert_true(berth_text_is_printable("Grüße, 世界", ""));
    g_assert_false(berth_text_is_printable("a\nb", ""));
    g_assert_true(berth_text_is_printable("a\n\tb", "\n\t"));
    g_assert_false(berth_text_is_printable("a\rb", "\n\t"));
    g_assert_false(berth_text_is_printable("\x7f", ""));
    g_assert_false(berth_text_is_printable("\xc2\x85", "")); /* a C1 control */
}

static void test_size_parse(void)
{
    static const struct {
        const char *text;
        guint64 bytes;
    } good[] = {
        {"0", 0},
        {"1000", 1000},
        {"1k", 1024},
        {"512M", 512ull << 20},
        {"4GiB", 4ull << 30},
        {"4gb", 4ull << 30},
        {"2T", 2ull << 40},
        {"18446744073709551615", G_MAXUINT64},
        {"99999999999999999999999", G_MAXUINT64},
        {"16777216T", G_MAXUINT64},
    };
    static const char *const bad[] = {"", "K", "-1", "1.5G", "1 G", "1X", "1Kx", "1KK", "0x10", " 1", "1B"};
    guint64 bytes;
    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(berth_size_parse(good[i].text, &bytes));
        g_assert_cmpuint(bytes, ==, good[i].bytes);
    }
    bytes = 7;
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        if (berth_size_parse(bad[i], &bytes))
            g_error("\"%s\" was taken as %" G_GUINT64_FORMAT, bad[i], bytes);
    g_assert_cmpuint(bytes, ==, 7);
}

static void test_size_format(void)
{
    static const struct {
        guint64 bytes;
        const char *text;
    } cases[] = {
        {0, "0"}, {1000, "1000"}, {1024, "1K"}, {1536ull << 20, "1536M"}, {64ull << 40, "64T"}, {1ull << 50, "1024T"}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = berth_size_format(cases[i].bytes);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void test_span(void)
{
    static const struct {
        const char *text;
        guint64 usec;
    } good[] = {
        {"90", 90000000},
        {"0", 0},
        {"1min 30s", 90000000},
        {"1min30s", 90000000},
        {" 2 h ", 7200000000},
        {"500ms", 500000},
        {"1.5h", 5400000000},
        {"0.25", 250000},
        {"0.0000001s", 0},
        {"0.000001", 1},
        {"18446744073709.999999s", G_MAXUINT64},
        {"1d 1us", 86400000001},
        {"3 minutes 1 second", 181000000},
        {"99999999999999999999", G_MAXUINT64},
        {"18446744073709551615us 1us", G_MAXUINT64},
    };
    static const char *const bad[] = {"", " ", "infinity", "-1", "1 parsec", "s", "1.s", ".5", "1min,30s", "5s x"};
    guint64 usec;
    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        if (!berth_span_parse(good[i].text, &usec))
            g_error("\"%s\" was refused", good[i].text);
        g_assert_cmpuint(usec, ==, good[i].usec);
    }
    usec = 7;
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        if (berth_span_parse(bad[i], &usec))
            g_error("\"%s\" was taken as %" G_GUINT64_FORMAT, bad[i], usec);
    g_assert_cmpuint(usec, ==, 7);
}

static void test_span_format(void)
{
    static const struct {
        guint64 usec;
        const char *text;
    } cases[] = {{0, "0"}, {90000000, "1min 30s"}, {500000, "500ms"}, {86400000001, "1d 1us"}, {7200000000, "2h"}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = berth_span_format(cases[i].usec);
        g_assert_cmpstr(text, ==, cases[i].text);
        guint64 usec;
        g_assert_true(berth_span_parse(text, &usec));
        g_assert_cmpuint(usec, ==, cases[i].usec);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/text/quote", test_quote);
    g_test_add_func("/text/printable", test_printable);
    g_test_add_func("/text/size-parse", test_size_parse);
    g_test_add_func("/text/size-format", test_size_format);
    g_test_add_func("/text/span-parse", test_span);
    g_test_add_func("/text/span-format", test_span_format);
    return g_test_run();
}
