/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>

#include "src/core/autofd.h"
#include "src/core/error.h"
#include "src/host/guest-agent.h"
#include "src/host/unix-socket.h"
#include "tests/lib/await.h"

#define SECOND ((guint64) G_USEC_PER_SEC)
#define SOON (G_USEC_PER_SEC / 20)
#define PING "guest-ping"

/* Both ends: the one under test, and the socket that plays the guest. */
typedef struct {
    char *dir, *path;
    int listener, peer;
    BerthGuestAgent *agent;
    GString *log;        /* what the handlers were told, a word each */
    const char *free_at; /* the word at which a handler frees the agent */
    GError *error;       /* the last */
} Fixture;

static void note(Fixture *f, const char *word)
{
    g_string_append_printf(f->log, "%s ", word);
    if (g_strcmp0(f->free_at, word) == 0)
        g_clear_pointer(&f->agent, berth_guest_agent_free);
}

static void on_sent(gpointer data)
{
    note(data, "sent");
}

static void on_closed(gpointer data)
{
    note(data, "closed");
}

static void on_done(JsonNode *result, const GError *error, gpointer data)
{
    static const char *const words[] = {"refused", "silent", "broken", "closing"};
    Fixture *f = data;
    g_clear_error(&f->error);
    f->error = error ? g_error_copy(error) : NULL;
    if (!error)
        note(f, JSON_NODE_HOLDS_OBJECT(result) ? "object" : "value");
    else
        note(f, error->domain == BERTH_GUEST_AGENT_ERROR ? words[error->code] : "cancelled");
}

static void set_up(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    f->dir = g_dir_make_tmp("berth-agent-XXXXXX", &error);
    g_assert_no_error(error);
    BERTH_AUTOFD dir_fd = open(f->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    f->listener = berth_unix_listen(dir_fd, "agent.sock", 1, &error);
    g_assert_no_error(error);
    f->path = g_build_filename(f->dir, "agent.sock", NULL);
    f->agent = berth_guest_agent_connect(f->path, on_closed, f, &error);
    g_assert_no_error(error);
    f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    g_assert_cmpint(f->peer, >=, 0);
    f->log = g_string_new(NULL);
}

static void tear_down(Fixture *f, gconstpointer unused)
{
    g_clear_pointer(&f->agent, berth_guest_agent_free);
    berth_autofd_close(&f->peer);
    berth_autofd_close(&f->listener);
    g_assert_cmpint(g_unlink(f->path), ==, 0);
    g_assert_cmpint(g_rmdir(f->dir), ==, 0);
    g_string_free(f->log, TRUE);
    g_clear_error(&f->error);
    g_free(f->dir);
    g_free(f->path);
}

static void ask(Fixture *f, const char *command, guint64 timeout_usec)
{
    berth_guest_agent_ask(f->agent, command, NULL, timeout_usec, on_sent, on_done, f);
}

static void await_log(Fixture *f, const char *log)
{
    AWAIT(g_str_equal(f->log->str, log) || !g_str_has_prefix(log, f->log->str));
    g_assert_cmpstr(f->log->str, ==, log);
}

/* Turns the loop until all of it is taken. */
static void say(Fixture *f, const char *text)
{
    for (gssize sent; *text; text += sent)
        AWAIT((sent = send(f->peer, text, strlen(text), MSG_NOSIGNAL)) > 0 || (g_main_context_wakeup(NULL), FALSE));
}

static gboolean hears_nothing(Fixture *f)
{
    char c;
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    return recv(f->peer, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
}

/* The id that the guest was asked to give back. */
static gint64 hear_synchronisation(Fixture *f)
{
    g_autofree char *line = await_line(f->peer);
    g_assert_cmpint((guchar) line[0], ==, 0xff);
    const char *before = "{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":";
    g_assert_true(g_str_has_prefix(line + 1, before));
    return g_ascii_strtoll(line + 1 + strlen(before), NULL, 10);
}

static void say_synchronised(Fixture *f, gint64 id)
{
    g_autofree char *line = g_strdup_printf("\xff{\"return\": %" G_GINT64_FORMAT "}\n", id);
    say(f, line);
}

/* Up to the question itself. */
static void synchronise(Fixture *f, const char *command)
{
    say_synchronised(f, hear_synchronisation(f));
    g_autofree char *expected = g_strdup_printf("{\"execute\":\"%s\"}\n", command);
    g_autofree char *question = await_line(f->peer);
    g_assert_cmpstr(question, ==, expected);
}

static void test_conversation(Fixture *f, gconstpointer data)
{
    ask(f, PING, SECOND * 60);
    ask(f, "guest-get-osinfo", SECOND * 60);
    g_assert_cmpstr(f->log->str, ==, ""); /* never from within */
    synchronise(f, PING);
    await_log(f, "sent ");
    g_assert_true(hears_nothing(f)); /* the next one waits for the answer */
    say(f, "{\"return\": {}}\n");
    synchronise(f, "guest-get-osinfo");
    say(f, "{\"ret");
    g_assert_true(hears_nothing(f));
    say(f, "urn\": 7}\n");
    await_log(f, "sent object sent value ");
}

/* What was on its way before: half a line, an answer to another question, another daemon's synchronisation. */
static void test_leftovers(Fixture *f, gconstpointer data)
{
    say(f, "rn\": [1, 2\n{\"return\": {\"left\": \"over\"}}\n\xff{\"return\": -5}\n{\"return\": {\"mine\": false}}\n");
    ask(f, PING, SECOND * 60);
    gint64 id = hear_synchronisation(f);
    say(f, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}}\n\xff\xff\xff{nonsense}\n");
    say_synchronised(f, id + 1);
    g_assert_true(hears_nothing(f));
    say_synchronised(f, id);
    g_autofree char *question = await_line(f->peer);
    say(f, "{\"return\": {}}\n");
    await_log(f, "sent object ");
}

static void test_refused(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *answer, *words;
    } cases[] = {
        {"{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"a\\u0007b\\u202e\\nc\"}}\n", ": a?b??c"},
        {"{\"error\": {\"desc\": 7}}\n", ": no reason given"},
        {"{\"error\": null}\n", ": no reason given"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_string_truncate(f->log, 0);
        ask(f, PING, SECOND * 60);
        synchronise(f, PING);
        say(f, cases[i].answer);
        await_log(f, "sent refused ");
        g_assert_true(g_str_has_suffix(f->error->message, cases[i].words));
    }
}

/* A question that is given up; what is said to it later is no answer to the next one. */
static void test_late(Fixture *f, gconstpointer data)
{
    ask(f, PING, SECOND); /* in which it is sent */
    synchronise(f, PING);
    await_log(f, "sent silent ");
    ask(f, "guest-info", SECOND * 60);
    say(f, "{\"return\": {\"late\": true}}\n");
    synchronise(f, "guest-info");
    say(f, "{\"return\": 1}\n");
    await_log(f, "sent silent sent value ");
}

static void test_silent(Fixture *f, gconstpointer data)
{
    ask(f, PING, SOON);
    ask(f, PING, SOON);
    await_log(f, "silent silent ");
    g_assert_nonnull(strstr(f->error->message, "\"" PING "\" within 0.05 s"));
    /* It comes back. */
    ask(f, PING, SECOND * 60);
    hear_synchronisation(f);
    synchronise(f, PING);
}

/* Whoever is not asked is not heard: no source is ready, and the guest's own buffers are what fills. */
static void test_unasked(Fixture *f, gconstpointer data)
{
    static const char noise[4096] = "noise";
    ask(f, PING, SECOND * 60);
    synchronise(f, PING);
    say(f, "{\"return\": {}}\n");
    await_log(f, "sent object ");
    while (send(f->peer, noise, sizeof noise, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        continue;
    g_assert_false(g_main_context_pending(NULL));
    /* What is in the way of an answer then is passed over. */
    ask(f, PING, SECOND * 60);
    synchronise(f, PING);
    say(f, "{\"return\": {}}\n");
    await_log(f, "sent object sent object ");
    g_assert_false(g_main_context_pending(NULL));
}

/* Much is no flood: the bound is each question's own. */
static void test_much(Fixture *f, gconstpointer data)
{
    g_autofree char *text = g_strnfill(200000, 'x');
    g_autofree char *answer = g_strdup_printf("{\"return\": \"%s\"}\n", text);
    for (guint i = 0; i < 8; i++) {
        g_string_truncate(f->log, 0);
        ask(f, PING, SECOND * 60);
        synchronise(f, PING);
        say(f, answer);
        await_log(f, "sent value ");
    }
}

/* @data: what it says again and again. A turn of the loop takes a bit of it, and the question fails soon. */
static void test_flood(Fixture *f, gconstpointer data)
{
    ask(f, PING, SECOND * 60);
    AWAIT({
        (void) send(f->peer, data, strlen(data), MSG_NOSIGNAL | MSG_DONTWAIT);
        g_main_context_wakeup(NULL);
        f->log->len > 0;
    });
    g_assert_cmpstr(f->log->str, ==, "broken ");
}

/* @data: after the synchronisation. */
static void test_broken(Fixture *f, gconstpointer data)
{
    ask(f, PING, SECOND * 60);
    synchronise(f, PING);
    say(f, data);
    say(f, "\n");
    await_log(f, "sent broken ");
    ask(f, PING, SECOND * 60);
    synchronise(f, PING);
    say(f, "{\"return\": {}}\n");
    await_log(f, "sent broken sent object ");
}

static void test_deep(Fixture *f, gconstpointer data)
{
    g_autofree char *brackets = g_strnfill(1000, '[');
    g_autofree char *text = g_strconcat("{\"return\": ", brackets, NULL);
    test_broken(f, text);
}

static void test_closed(Fixture *f, gconstpointer data)
{
    ask(f, PING, SECOND * 60);
    ask(f, PING, SECOND * 60);
    synchronise(f, PING);
    berth_autofd_close(&f->peer);
    await_log(f, "sent closing closing closed ");
    /* Nobody hears that, and it is said. */
    ask(f, PING, SECOND * 60);
    await_log(f, "sent closing closing closed closing ");
}

static void test_closed_idle(Fixture *f, gconstpointer data)
{
    berth_autofd_close(&f->peer);
    await_log(f, "closed ");
}

/* @data: the word at which the agent is freed; the rest is cancelled. */
static void test_free(Fixture *f, gconstpointer data)
{
    f->free_at = data;
    ask(f, PING, SECOND * 60);
    ask(f, PING, SECOND * 60);
    synchronise(f, PING);
    if (f->agent)
        say(f, "{\"return\": {}}\n\xff{\"return\": 3}\n");
    AWAIT(strstr(f->log->str, data));
    if (g_str_equal(data, "sent"))
        g_assert_cmpstr(f->log->str, ==, "sent cancelled cancelled ");
    else
        g_assert_cmpstr(f->log->str, ==, "sent object cancelled ");
}

static void test_free_closed(Fixture *f, gconstpointer data)
{
    f->free_at = "closed";
    berth_autofd_close(&f->peer);
    await_log(f, "closed ");
    g_assert_null(f->agent);
}

static void test_absent(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(berth_guest_agent_connect("/nonexistent/agent.sock", on_closed, NULL, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND);
}

#define ADD(path, data, func) g_test_add("/guest-agent/" path, Fixture, data, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("conversation", NULL, test_conversation);
    ADD("leftovers", NULL, test_leftovers);
    ADD("refused", NULL, test_refused);
    ADD("late", NULL, test_late);
    ADD("silent", NULL, test_silent);
    ADD("unasked", NULL, test_unasked);
    ADD("much", NULL, test_much);
    ADD("flood/noise", "noise without end", test_flood);
    ADD("flood/lines", "{\"return\": 1}\n", test_flood);
    ADD("flood/delimiters", "\xff\xff\xff\xff\xff\xff\xff\xff", test_flood);
    ADD("flood/answers", "\xff{\"return\": 1}\n", test_flood);
    ADD("broken/no-json", "{\"return\": {\"a\": }}", test_broken);
    ADD("broken/no-object", "[1, 2]", test_broken);
    ADD("broken/no-answer", "{\"event\": \"HELLO\"}", test_broken);
    ADD("broken/no-utf8", "{\"return\": \"\xc3\x28\"}", test_broken);
    ADD("broken/deep", NULL, test_deep);
    ADD("closed/asking", NULL, test_closed);
    ADD("closed/idle", NULL, test_closed_idle);
    ADD("free/sent", "sent", test_free);
    ADD("free/done", "object", test_free);
    ADD("free/closed", NULL, test_free_closed);
    g_test_add_func("/guest-agent/absent", test_absent);
    return g_test_run();
}
