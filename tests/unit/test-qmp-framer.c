/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "src/core/error.h"
#include "src/core/qmp-framer.h"

static void push(BerthQmpFramer *framer, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(berth_qmp_framer_push(framer, text, strlen(text), &error));
    g_assert_no_error(error);
}

/* The string member "m" of the next message; NULL where there is none. */
static char *next(BerthQmpFramer *framer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) message = NULL;
    g_assert_true(berth_qmp_framer_next(framer, &message, &error));
    g_assert_no_error(error);
    return message != NULL ? g_strdup(json_object_get_string_member(message, "m")) : NULL;
}

static void assert_next(BerthQmpFramer *framer, const char *expected)
{
    g_autofree char *got = next(framer);
    g_assert_cmpstr(got, ==, expected);
}

static void assert_dead(BerthQmpFramer *framer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) message = NULL;
    g_assert_false(berth_qmp_framer_next(framer, &message, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
    g_assert_null(message);
    g_clear_error(&error);
    g_assert_false(berth_qmp_framer_push(framer, "{}\n", 3, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
}

static void test_lines(void)
{
    g_autoptr(BerthQmpFramer) framer = berth_qmp_framer_new();
    assert_next(framer, NULL);
    push(framer, "{\"m\":\"one\"}\r\n\r\n\n{\"m\":\"two\"}\n{\"m\":");
    assert_next(framer, "one");
    assert_next(framer, "two");
    assert_next(framer, NULL);
    push(framer, "\"three\"}");
    assert_next(framer, NULL);
    push(framer, "\n");
    assert_next(framer, "three");
    assert_next(framer, NULL);
}

/* The same messages however the stream is cut, with consumed and unconsumed ones in the buffer. */
static void test_any_cut(void)
{
    GString *stream = g_string_new(NULL);
    for (int i = 0; i < 200; i++)
        g_string_append_printf(stream, "{\"m\":\"%d%0*d\"}\r\n", i, 1 + i % 37, 0);

    for (gsize step = 1; step < 700; step += 23) {
        g_autoptr(BerthQmpFramer) framer = berth_qmp_framer_new();
        int seen = 0;
        for (gsize at = 0; at < stream->len; at += step) {
            g_assert_true(berth_qmp_framer_push(framer, stream->str + at, MIN(step, stream->len - at), NULL));
            g_autofree char *got = NULL;
            while ((at / step) % 3 == 0 && (got = next(framer)) != NULL) {
                g_autofree char *expected = g_strdup_printf("%d%0*d", seen, 1 + seen % 37, 0);
                g_assert_cmpstr(got, ==, expected);
                seen++;
                g_clear_pointer(&got, g_free);
            }
        }
        for (g_autofree char *got = next(framer); got != NULL; g_free(got), got = next(framer))
            seen++;
        g_assert_cmpint(seen, ==, 200);
    }
    g_string_free(stream, TRUE);
}

static void test_longest_line(void)
{
    g_autofree char *filler = g_strnfill(BERTH_QMP_LINE_MAX - strlen("{\"m\":\"\"}"), 'x');
    g_autofree char *line = g_strconcat("{\"m\":\"", filler, "\"}", NULL);
    g_assert_cmpuint(strlen(line), ==, BERTH_QMP_LINE_MAX);

    g_autoptr(BerthQmpFramer) framer = berth_qmp_framer_new();
    push(framer, line);
    push(framer, "\n");
    assert_next(framer, filler);

    /* One byte more, once with and once without its end. */
    g_autoptr(GError) error = NULL;
    push(framer, line);
    g_assert_false(berth_qmp_framer_push(framer, " ", 1, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
    assert_dead(framer);

    g_autoptr(BerthQmpFramer) other = berth_qmp_framer_new();
    g_autofree char *longer = g_strconcat("{\"m\":\"ok\"}\n", line, " \n", NULL);
    g_assert_false(berth_qmp_framer_push(other, longer, strlen(longer), NULL));
    assert_dead(other);
}

static void assert_refused(const char *bytes, gsize length)
{
    g_autoptr(BerthQmpFramer) framer = berth_qmp_framer_new();
    push(framer, "{\"m\":\"before\"}\n");
    g_assert_true(berth_qmp_framer_push(framer, bytes, length, NULL));
    g_assert_true(berth_qmp_framer_push(framer, "\n{\"m\":\"after\"}\n", 15, NULL));
    assert_next(framer, "before");
    assert_dead(framer);
}

static void test_hostile(void)
{
    g_autofree char *deep = g_strnfill(100000, '[');
    g_autofree char *deep_object = g_strconcat("{\"m\":", deep, NULL);
    assert_refused(deep, strlen(deep));
    assert_refused(deep_object, strlen(deep_object));
    assert_refused("[]", 2);
    assert_refused("\"text\"", 6);
    assert_refused("{\"m\":\"\xff\"}", 9);
    assert_refused("{\"m\":\"a\0b\"}", 11);
    assert_refused("{} {}", 5);
    assert_refused("QEMU", 4);
}

/* Of this process alone: others may take the processor away meanwhile. µs */
static gint64 processor_time(void)
{
    struct timespec spent;
    g_assert_cmpint(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent), ==, 0);
    return (gint64) spent.tv_sec * G_USEC_PER_SEC + spent.tv_nsec / 1000;
}

/* Time must grow with the bytes, not with their square: 64 times the messages may not take 64 * 8 times as long.
 * Pushed byte by byte and left in the buffer, which is the worst case. */
static gint64 time_for(guint messages)
{
    g_autoptr(BerthQmpFramer) framer = berth_qmp_framer_new();
    gint64 start = processor_time();
    for (guint i = 0; i < messages; i++)
        for (const char *c = "{\"m\":\"x\"}\n"; *c != '\0'; c++)
            berth_qmp_framer_push(framer, c, 1, NULL);
    for (guint i = 0; i < messages; i++)
        assert_next(framer, "x");
    assert_next(framer, NULL);
    return processor_time() - start;
}

static void test_linear(void)
{
    time_for(100);
    gint64 few = MIN(time_for(500), time_for(500));
    gint64 many = time_for(500 * 64);
    g_test_message("500 messages: %" G_GINT64_FORMAT " µs, 64 times as many: %" G_GINT64_FORMAT " µs", few, many);
    g_assert_cmpint(many, <, MAX(few, 1000) * 64 * 8);
}

/* What is consumed is given back, though the stream never ends. */
static void test_memory(void)
{
    g_autoptr(BerthQmpFramer) framer = berth_qmp_framer_new();
    g_autofree char *blank = g_strnfill(65536, '\n');
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    for (guint i = 0; i < 800; i++) {
        push(framer, blank);
        assert_next(framer, NULL);
    }
    getrusage(RUSAGE_SELF, &after);
    g_assert_cmpint(after.ru_maxrss - before.ru_maxrss, <, 20 * 1024);
}

static void test_command(void)
{
    g_autofree char *plain = berth_qmp_command("query-status", NULL, 7);
    g_assert_cmpstr(plain, ==, "{\"execute\":\"query-status\",\"id\":7}\n");

    g_autoptr(JsonObject) arguments = json_object_new();
    json_object_set_string_member(arguments, "text", "a\n\"b\"");
    g_autofree char *without_id = berth_qmp_command("guest-ping", NULL, -1);
    g_assert_cmpstr(without_id, ==, "{\"execute\":\"guest-ping\"}\n");
    g_autofree char *with = berth_qmp_command("x", arguments, 8);
    g_assert_cmpstr(with, ==, "{\"execute\":\"x\",\"arguments\":{\"text\":\"a\\n\\\"b\\\"\"},\"id\":8}\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp-framer/lines", test_lines);
    g_test_add_func("/qmp-framer/any-cut", test_any_cut);
    g_test_add_func("/qmp-framer/longest-line", test_longest_line);
    g_test_add_func("/qmp-framer/hostile", test_hostile);
    g_test_add_func("/qmp-framer/linear", test_linear);
    g_test_add_func("/qmp-framer/memory", test_memory);
    g_test_add_func("/qmp-framer/command", test_command);
    return g_test_run();
}
