/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/core/keeper-protocol.h"
#include "tests/lib/await.h"
#include "ui-gtk/console/stream.h"
#include "ui-gtk/console/transcript.h"

/* What a console's stream and log do, without a display. */

typedef struct {
    int other; /* end of the stream */
    BerthUiStream *stream;
    GString *received;
    gboolean has_ended;
} Fixture;

static void on_received(const char *bytes, gsize length, gpointer data)
{
    g_string_append_len(((Fixture *) data)->received, bytes, (gssize) length);
}

static void on_ended(gpointer data)
{
    Fixture *f = data;
    f->has_ended = TRUE;
    g_clear_pointer(&f->stream, berth_ui_stream_free);
}

static void set_up(Fixture *f, gconstpointer data)
{
    static const BerthUiStreamEvents events = {on_received, on_ended};
    int pair[2];
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    f->other = pair[0];
    f->stream = berth_ui_stream_new(pair[1], &events, f);
    f->received = g_string_new(NULL);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    g_clear_pointer(&f->stream, berth_ui_stream_free);
    if (f->other >= 0)
        close(f->other);
    g_string_free(f->received, TRUE);
}

static void test_both_ways(Fixture *f, gconstpointer data)
{
    char buffer[16];
    g_assert_cmpint(write(f->other, "log\0in", 6), ==, 6);
    AWAIT(f->received->len == 6);
    g_assert_cmpmem(f->received->str, 6, "log\0in", 6);
    g_assert_true(berth_ui_stream_write(f->stream, "a\0b", 3));
    g_assert_cmpint(read(f->other, buffer, sizeof buffer), ==, 3);
    g_assert_cmpmem(buffer, 3, "a\0b", 3);
    g_assert_cmpint(write(f->other, "bye", 3), ==, 3);
    close(f->other);
    f->other = -1;
    AWAIT(f->has_ended);
    g_assert_cmpuint(f->received->len, ==, 9);
}

static gboolean on_flood(int fd, GIOCondition condition, gpointer data)
{
    static const char block[8192];
    gsize *left = data;
    gssize n = send(fd, block, MIN(*left, sizeof block), MSG_DONTWAIT | MSG_NOSIGNAL);
    *left -= n > 0 ? (gsize) n : 0;
    return *left > 0;
}

/* All of it comes, but not faster than it may: 16 KiB in 10 ms. */
static void test_flood(Fixture *f, gconstpointer data)
{
    gsize total = 512 * 1024, left = total;
    gint64 begin = g_get_monotonic_time();
    g_unix_fd_add(f->other, G_IO_OUT, on_flood, &left);
    AWAIT(f->received->len == total);
    g_assert_cmpint(g_get_monotonic_time() - begin, >, 300 * G_TIME_SPAN_MILLISECOND);
}

/* Nobody reads: it takes what it has room for, and returns at once; then all of that arrives, in order. */
static void test_back_pressure(Fixture *f, gconstpointer data)
{
    static char block[100000], buffer[65536];
    gsize sent = 0;
    GString *arrived = g_string_new(NULL);
    for (char c = 'a';; c++) {
        memset(block, c, sizeof block);
        if (!berth_ui_stream_write(f->stream, block, sizeof block))
            break;
        sent += sizeof block;
        g_assert_cmpint(c, <, 'z');
    }
    g_assert_cmpuint(sent, >=, BERTH_UI_STREAM_QUEUE_MAX - sizeof block);
    g_assert_false(berth_ui_stream_write(f->stream, block, BERTH_UI_STREAM_QUEUE_MAX));
    while (arrived->len < sent) {
        gssize n = recv(f->other, buffer, sizeof buffer, MSG_DONTWAIT);
        if (n > 0)
            g_string_append_len(arrived, buffer, n);
        else
            g_main_context_iteration(NULL, TRUE); /* what wakes us is that there is room again */
    }
    for (gsize i = 0; i < sent; i++)
        g_assert_cmpint(arrived->str[i], ==, (char) ('a' + i / sizeof block));
    g_string_free(arrived, TRUE);
}

/* It is gone in the midst of what is to go there. */
static void test_gone(Fixture *f, gconstpointer data)
{
    g_autofree char *block = g_malloc0(BERTH_UI_STREAM_QUEUE_MAX);
    g_assert_true(berth_ui_stream_write(f->stream, block, BERTH_UI_STREAM_QUEUE_MAX));
    close(f->other);
    f->other = -1;
    AWAIT(f->has_ended);
}

/* The log. */

static gsize overlap(const char *log, const char *bytes)
{
    g_autoptr(GBytes) before = g_bytes_new(log, strlen(log));
    return berth_ui_transcript_overlap(before, bytes, strlen(bytes));
}

static void test_overlap(void)
{
    g_assert_cmpuint(overlap("boot\nlogin: ", "gin: root"), ==, 5);
    g_assert_cmpuint(overlap("boot\nlogin: ", "boot\nlogin: "), ==, 12);
    g_assert_cmpuint(overlap("login: ", "boot\nlogin: "), ==, 0);
    g_assert_cmpuint(overlap("login: ", ""), ==, 0);
    g_assert_cmpuint(overlap("", "new"), ==, 0);
    g_assert_cmpuint(overlap("aabaaab", "aabaaaba"), ==, 7);
    g_assert_cmpuint(overlap("xaabaaabaaa", "aabaaabaab"), ==, 6);
    g_assert_cmpuint(overlap("aaaaaaaa", "aaa"), ==, 3);
    g_assert_cmpuint(overlap("abc", "abcd"), ==, 3);
    g_assert_cmpuint(overlap("ab", "b"), ==, 1);
}

static void on_read(GObject *source, GAsyncResult *result, gpointer data)
{
    *(GAsyncResult **) data = g_object_ref(result);
}

/* (transfer full): what is shown of @file; @position moves on */
static char *read_from(const char *file, guint64 *position)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GAsyncResult) result = NULL;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    g_assert_no_errno(fd);
    berth_ui_transcript_read_async(fd, *position, NULL, on_read, &result);
    AWAIT(result);
    g_autoptr(GBytes) bytes = berth_ui_transcript_read_finish(result, position, &error);
    g_assert_no_error(error);
    const char *text = g_bytes_get_data(bytes, NULL); /* NULL where there is nothing */
    return g_strndup(text ? text : "", g_bytes_get_size(bytes));
}

static void write_log(const char *file, const char *text)
{
    g_assert_true(g_file_set_contents(file, text, -1, NULL));
}

static void test_transcript(void)
{
    g_autofree char *file = g_strdup_printf("%s/berth-transcript-%d", g_get_tmp_dir(), (int) getpid());
    guint64 position = 0;
    write_log(file, "one\ntwo\n");
    g_autofree char *first = read_from(file, &position);
    g_assert_cmpstr(first, ==, "one\ntwo\n");
    g_assert_cmpuint(position, ==, 8);
    write_log(file, "one\ntwo\nthree\n");
    g_autofree char *more = read_from(file, &position);
    g_assert_cmpstr(more, ==, "three\n");
    g_autofree char *nothing = read_from(file, &position);
    g_assert_cmpstr(nothing, ==, "");
    /* It was cut. */
    write_log(file, "four\n");
    g_autofree char *cut = read_from(file, &position);
    g_assert_cmpstr(cut, ==, "four\n");
    g_assert_cmpuint(position, ==, 5);
    unlink(file);
}

/* Of a long one the end is shown, in whole lines. */
static void test_transcript_tail(void)
{
    g_autofree char *file = g_strdup_printf("%s/berth-transcript-%d", g_get_tmp_dir(), (int) getpid());
    GString *text = g_string_new(NULL);
    for (guint i = 0; text->len < 2 * BERTH_UI_TRANSCRIPT_MAX; i++)
        g_string_append_printf(text, "line %u\n", i);
    write_log(file, text->str);
    guint64 position = 0;
    g_autofree char *tail = read_from(file, &position);
    g_assert_cmpuint(position, ==, text->len);
    g_assert_cmpuint(strlen(tail), <=, BERTH_UI_TRANSCRIPT_MAX);
    g_assert_cmpuint(strlen(tail), >, BERTH_UI_TRANSCRIPT_MAX - 20);
    g_assert_true(g_str_has_prefix(tail, "line ") && g_str_has_suffix(text->str, tail));
    g_string_free(text, TRUE);
    unlink(file);
}

static void test_advance(void)
{
    g_assert_cmpuint(berth_ui_transcript_advance(10, 5), ==, 15);
    g_assert_cmpuint(berth_ui_transcript_advance(BERTH_LOG_SIZE_MAX - 5, 5), ==, BERTH_LOG_SIZE_MAX);
    g_assert_cmpuint(berth_ui_transcript_advance(BERTH_LOG_SIZE_MAX, 5), ==, 5);
    g_assert_cmpuint(berth_ui_transcript_advance(BERTH_LOG_SIZE_MAX - 5, 6), ==, 1);
}

static void add(const char *path, void (*test)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, NULL, set_up, test, tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/gui/stream/both-ways", test_both_ways);
    add("/gui/stream/flood", test_flood);
    add("/gui/stream/back-pressure", test_back_pressure);
    add("/gui/stream/gone", test_gone);
    g_test_add_func("/gui/transcript/overlap", test_overlap);
    g_test_add_func("/gui/transcript/read", test_transcript);
    g_test_add_func("/gui/transcript/tail", test_transcript_tail);
    g_test_add_func("/gui/transcript/advance", test_advance);
    return g_test_run();
}
