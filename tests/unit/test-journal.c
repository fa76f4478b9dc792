/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "src/host/journal.h"

/* The journal's socket is the test's own: it takes as much as the test reads, and when. */

#define FLOOD 20000u

typedef struct {
    char *dir, *path;
    int fd;
} Bed;

static void listen_at(Bed *bed)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, bed->path, sizeof address.sun_path);
    bed->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_cmpint(bind(bed->fd, (struct sockaddr *) &address, sizeof address), ==, 0);
}

static void set_up(Bed *bed, gconstpointer unused)
{
    bed->dir = g_dir_make_tmp("journal-XXXXXX", NULL);
    bed->path = g_build_filename(bed->dir, "socket", NULL);
    listen_at(bed);
    g_assert_true(berth_journal_open(bed->path));
}

static void tear_down(Bed *bed, gconstpointer unused)
{
    berth_journal_close(0);
    close(bed->fd);
    g_unlink(bed->path);
    g_rmdir(bed->dir);
    g_free(bed->path);
    g_free(bed->dir);
}

static void say(const char *message, const char *vm)
{
    const GLogField fields[] = {{"MESSAGE", message, -1}, {"BERTH_VM", vm, -1}};
    g_assert_cmpint(berth_journal_write(G_LOG_LEVEL_MESSAGE, fields, G_N_ELEMENTS(fields), NULL), ==,
                    G_LOG_WRITER_HANDLED);
}

static void say_number(guint number)
{
    g_autofree char *text = g_strdup_printf("number %u", number);
    say(text, "web");
}

/* The next datagram, %NULL where there is none. */
static char *hear(Bed *bed, gsize *length)
{
    char buffer[8192];
    ssize_t n = recv(bed->fd, buffer, sizeof buffer, 0);
    *length = n < 0 ? 0 : (gsize) n;
    return n < 0 ? NULL : g_memdup2(buffer, *length);
}

static gboolean has(const char *datagram, gsize length, const char *text, gsize text_length)
{
    return memmem(datagram, length, text, text_length) != NULL;
}

static void test_fields(Bed *bed, gconstpointer unused)
{
    static const char multi[] = "MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n";
    gsize length;
    say("one line", "web");
    g_autofree char *plain = hear(bed, &length);
    g_assert_true(has(plain, length, "MESSAGE=one line\nBERTH_VM=web\n", strlen("MESSAGE=one line\nBERTH_VM=web\n")));
    say("two\nlines", "web");
    g_autofree char *lines = hear(bed, &length);
    g_assert_true(has(lines, length, multi, sizeof multi - 1));
    const GLogField binary = {"MESSAGE", "with length", 4};
    berth_journal_write(G_LOG_LEVEL_MESSAGE, &binary, 1, NULL);
    g_autofree char *cut = hear(bed, &length);
    g_assert_true(has(cut, length, "MESSAGE=with\n", strlen("MESSAGE=with\n")));
}

static guint number_in(const char *datagram, gsize length)
{
    const char *at = memmem(datagram, length, "number ", strlen("number "));
    return at ? (guint) g_ascii_strtoull(at + strlen("number "), NULL, 10) : G_MAXUINT;
}

/* Nobody reads: the writer goes on all the same. Then somebody does, and has all of it, in order. */
static void test_stopped(Bed *bed, gconstpointer unused)
{
    for (guint i = 0; i < FLOOD; i++)
        say_number(i);
    for (guint expected = 0; expected < FLOOD;) {
        gsize length;
        g_autofree char *datagram = hear(bed, &length);
        if (datagram)
            g_assert_cmpuint(number_in(datagram, length), ==, expected++);
        else
            g_main_context_iteration(NULL, TRUE);
    }
    while (g_main_context_iteration(NULL, FALSE))
        ;
    gsize length;
    g_assert_null(hear(bed, &length));
    say_number(FLOOD); /* directly again */
    g_autofree char *next = hear(bed, &length);
    g_assert_cmpuint(number_in(next, length), ==, FLOOD);
}

/* What is kept has a bound, and what is beyond it is counted. */
static void test_bound(Bed *bed, gconstpointer unused)
{
    g_autofree char *large = g_strnfill(4000, 'x');
    guint n = 0;
    for (guint i = 0; i < 4000; i++)
        say(large, "web");
    for (;;) {
        gsize length;
        g_autofree char *datagram = hear(bed, &length);
        if (datagram && has(datagram, length, "messages were lost", strlen("messages were lost")))
            break;
        if (datagram)
            n++;
        else
            g_main_context_iteration(NULL, TRUE);
    }
    g_assert_cmpuint(n, >, 500);
    g_assert_cmpuint(n, <, 4000);
}

/* The socket was made anew. */
static void test_restarted(Bed *bed, gconstpointer unused)
{
    close(bed->fd);
    g_unlink(bed->path);
    say("nobody hears", "web");
    listen_at(bed);
    gsize length;
    say("again", "web");
    g_autofree char *datagram = hear(bed, &length);
    g_assert_true(has(datagram, length, "MESSAGE=again", strlen("MESSAGE=again")));
}

static void test_close(Bed *bed, gconstpointer unused)
{
    gsize length;
    for (guint i = 0; i < FLOOD; i++)
        say_number(i);
    berth_journal_close(10); /* nobody reads: it ends all the same */
    g_autofree char *datagram = hear(bed, &length);
    g_assert_cmpuint(number_in(datagram, length), ==, 0);
    g_assert_false(g_main_context_iteration(NULL, FALSE));
}

static void test_absent(void)
{
    g_assert_false(berth_journal_open("/nonexistent/socket"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/journal/fields", Bed, NULL, set_up, test_fields, tear_down);
    g_test_add("/journal/stopped", Bed, NULL, set_up, test_stopped, tear_down);
    g_test_add("/journal/bound", Bed, NULL, set_up, test_bound, tear_down);
    g_test_add("/journal/restarted", Bed, NULL, set_up, test_restarted, tear_down);
    g_test_add("/journal/close", Bed, NULL, set_up, test_close, tear_down);
    g_test_add_func("/journal/absent", test_absent);
    return g_test_run();
}
