/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <string.h>

#include "src/berth-keeper/qmp-scan.h"

/* From a copy without NUL, so that ASan sees a read past its end. */
static gboolean scan(const char *text, gsize length, struct qmp_line *line)
{
    g_autofree char *copy = g_memdup2(text, length);
    return qmp_scan(copy, length, line);
}

static void check(const char *text, const char *event, const char *reason)
{
    struct qmp_line line;

    g_test_message("%s", text);
    g_assert_true(scan(text, strlen(text), &line));
    g_assert_cmpstr(line.event, ==, event);
    g_assert_cmpstr(line.reason, ==, reason);
}

#define STAMP "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, "

static void test_events(void)
{
    check(STAMP "\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-shutdown\"}}", "SHUTDOWN",
          "guest-shutdown");
    check("{\"data\":{\"reason\":\"host-qmp-quit\",\"guest\":false},\"event\":\"SHUTDOWN\"} \r", "SHUTDOWN",
          "host-qmp-quit");
    check(STAMP "\"event\": \"RTC_CHANGE\"}", "RTC_CHANGE", "");
    check("{\"id\": \"a\\\"\", \"event\": \"STOP\"}", "STOP", "");
}

/* Where a guest's words can stand: none of them makes an event. */
static void test_fakes(void)
{
    check("{\"return\": \"\\\"event\\\": \\\"SHUTDOWN\\\"\"}", "", "");
    check("{\"return\": \"x\\\\\", \"id\": \"event\"}", "", "");
    check("{\"return\": {\"event\": \"SHUTDOWN\"}}", "", "");
    check("{\"return\": [\"event\", \"SHUTDOWN\"]}", "", "");
    check("{\"return\": \"event\", \"x\": \"SHUTDOWN\"}", "", "");
    check(STAMP "\"event\": \"X\", \"data\": {\"info\": {\"reason\": \"guest-panic\"}}}", "X", "");
    check(STAMP "\"event\": \"X\", \"data\": [\"reason\", \"guest-panic\"]}", "X", "");
    check(STAMP "\"event\": \"X\", \"other\": {\"reason\": \"guest-panic\"}}", "X", "");
    check("{\"event\": \"X\", \"x\": {\"reason\": 1}, \"data\": [\"guest-panic\"]}", "X", "");
    check("{\"event\": {\"event\": \"SHUTDOWN\"}}", "", "");
    check("{\"event\": [\"SHUTDOWN\"]}", "", "");
    check("{\"\\u0065vent\": \"SHUTDOWN\"}", "", "");
    check("{\"event\": \"SHUT\\nDOWN\"}", "", "");
    check("{\"event\": \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", "", "");
}

static void test_kinds(void)
{
    struct qmp_line line;

    g_assert_true(scan("{\"QMP\": {\"version\": {}}}", 24, &line));
    g_assert_true(line.greeting && !line.success && !line.failure);
    g_assert_true(scan("{\"return\": {}}", 14, &line));
    g_assert_true(!line.greeting && line.success && !line.failure);
    g_assert_true(scan("{\"error\": {\"class\": \"X\", \"return\": 1}}", 38, &line));
    g_assert_true(!line.greeting && !line.success && line.failure);
}

static void test_garbage(void)
{
    static const char *const cases[] = {
        "",
        "[]",
        "null",
        "\"event\"",
        "{",
        "}",
        "{\"a\"",
        "{\"a",
        "{\"a\\",
        "{\"a\\\"",
        "{]",
        "{\"a\": [}",
        "{{}}",
        "{}{}",
        "{} x",
        "{\"event\": \"SHUTDOWN\"",
        "{\"a\": \"b\x01\"}",
        "garbage {\"event\": \"SHUTDOWN\"}",
    };
    struct qmp_line line;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i]);
        g_assert_false(scan(cases[i], strlen(cases[i]), &line));
    }
    for (guint depth = 1; depth < 100000; depth *= 3) {
        g_autofree char *open = g_strnfill(depth, '['), *close_ = g_strnfill(depth, ']');
        g_autofree char *text = g_strconcat("{\"a\":", open, close_, "}", NULL);
        g_assert_cmpint(scan(text, strlen(text), &line), ==, depth < 32);
    }
}

/* Every cut and every changed byte of an event: no crash, and no event but the one that is there. */
static void test_mutations(void)
{
    static const char text[] = STAMP "\"event\": \"STOP\", \"data\": {\"a\": [1, \"\\\"x\", {}], \"reason\": \"r\"}}";
    struct qmp_line line;

    for (gsize length = 0; length < strlen(text); length++)
        g_assert_false(scan(text, length, &line));
    for (gsize at = 0; at < strlen(text); at++) {
        for (int byte = 0; byte < 256; byte++) {
            g_autofree char *copy = g_strdup(text);
            copy[at] = (char) byte;
            qmp_scan(copy, strlen(text), &line);
            g_assert_cmpstr(line.event, !=, "SHUTDOWN");
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp-scan/events", test_events);
    g_test_add_func("/qmp-scan/fakes", test_fakes);
    g_test_add_func("/qmp-scan/kinds", test_kinds);
    g_test_add_func("/qmp-scan/garbage", test_garbage);
    g_test_add_func("/qmp-scan/mutations", test_mutations);
    return g_test_run();
}
