/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "src/core/autofd.h"
#include "src/core/error.h"
#include "src/host/qmp.h"
#include "src/host/unix-socket.h"
#include "tests/lib/await.h"

#define LONG_USEC (60 * (guint64) G_USEC_PER_SEC) /* a deadline that does not strike */
#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n"

/* Both ends: the monitor under test, and the socket that plays QEMU. */
typedef struct {
    char *dir, *path;
    int listener, peer;
    BerthQmp *qmp;
    GString *log;        /* what the handlers were told, a word each */
    const char *free_at; /* the word at which a handler frees the monitor */
    GError *end;
} Fixture;

static void note(Fixture *f, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void note(Fixture *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *word = g_strdup_vprintf(format, args);
    va_end(args);
    g_string_append_printf(f->log, "%s ", word);
    if (g_strcmp0(f->free_at, word) == 0)
        g_clear_pointer(&f->qmp, berth_qmp_free);
}

static void on_ready(gpointer data)
{
    note(data, "ready");
}

static void on_event(const char *name, JsonObject *arguments, gpointer data)
{
    note(data, "%s%s", name, arguments != NULL ? "+" : "");
}

static void on_closed(const GError *error, gpointer data)
{
    Fixture *f = data;
    f->end = g_error_copy(error);
    note(f, "closed");
}

static void on_done(JsonNode *result, const GError *error, gpointer data)
{
    Fixture *f = data;
    if (error == NULL)
        note(f, "done:%s", json_node_get_node_type(result) == JSON_NODE_OBJECT ? "object" : "value");
    else
        note(f, "%s:%d", error->domain == BERTH_ERROR ? "berth" : "qmp", error->code);
}

static const BerthQmpHandler handler = {.ready = on_ready, .event = on_event, .closed = on_closed};

static void listen_at(Fixture *f, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_autofree char *old = g_get_current_dir();
    f->path = g_build_filename(f->dir, name, NULL);
    g_autofree char *parent = g_path_get_dirname(f->path);
    g_autofree char *base = g_path_get_basename(f->path);
    g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
    /* bind() by a relative name: the absolute one may be too long for an address. */
    g_assert_cmpint(g_chdir(parent), ==, 0);
    g_strlcpy(address.sun_path, base, sizeof address.sun_path);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(f->listener, (struct sockaddr *) &address, sizeof address), ==, 0);
    g_assert_cmpint(listen(f->listener, 1), ==, 0);
    g_assert_cmpint(g_chdir(old), ==, 0);
}

static void connect_to_peer(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    f->qmp = berth_qmp_connect(f->path, &handler, f, &error);
    g_assert_no_error(error);
    f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(f->peer, >=, 0);
}

static void set_up(Fixture *f, gconstpointer name)
{
    g_autoptr(GError) error = NULL;
    f->dir = g_dir_make_tmp("berth-qmp-XXXXXX", &error);
    g_assert_no_error(error);
    f->log = g_string_new(NULL);
    listen_at(f, name != NULL ? name : "qmp.sock");
    connect_to_peer(f);
}

static void hang_up(Fixture *f)
{
    close(berth_steal_fd(&f->peer));
}

static void remove_tree(const char *dir)
{
    const char *argv[] = {"rm", "-rf", "--", dir, NULL};
    g_assert_true(g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
}

static void tear_down(Fixture *f, gconstpointer unused)
{
    g_clear_pointer(&f->qmp, berth_qmp_free);
    if (f->peer >= 0)
        hang_up(f);
    if (f->listener >= 0)
        close(f->listener);
    remove_tree(f->dir);
    g_string_free(f->log, TRUE);
    g_clear_error(&f->end);
    g_free(f->dir);
    g_free(f->path);
}

static void say(Fixture *f, const char *text)
{
    g_assert_cmpint(send(f->peer, text, strlen(text), MSG_NOSIGNAL), ==, (ssize_t) strlen(text));
}

static void assert_heard(Fixture *f, const char *expected)
{
    g_autofree char *line = await_line(f->peer);
    g_assert_cmpstr(line, ==, expected);
}

/* Turns the loop until the handlers were told exactly @expected. */
static void assert_told(Fixture *f, const char *expected)
{
    AWAIT(g_str_equal(f->log->str, expected) || !g_str_has_prefix(expected, f->log->str));
    g_assert_cmpstr(f->log->str, ==, expected);
}

static void make_ready(Fixture *f)
{
    say(f, GREETING);
    assert_heard(f, "{\"execute\":\"qmp_capabilities\",\"id\":0}\n");
    say(f, "{\"return\": {}, \"id\": 0}\r\n");
    assert_told(f, "ready ");
    g_string_truncate(f->log, 0);
}

static void execute(Fixture *f, const char *command)
{
    berth_qmp_execute(f->qmp, command, NULL, LONG_USEC, on_done, f);
}

static void test_conversation(Fixture *f, gconstpointer unused)
{
    make_ready(f);
    execute(f, "query-status");
    assert_heard(f, "{\"execute\":\"query-status\",\"id\":1}\n");
    say(f, "{\"event\":\"STOP\",\"timestamp\":{}}\r\n{\"return\":{\"status\":\"running\"},\"id\":1}\r\n"
           "{\"event\":\"SHUTDOWN\",\"data\":{\"guest\":true}}\r\n");
    assert_told(f, "STOP done:object SHUTDOWN+ ");
}

/* What QEMU tells of the guest's start before it has greeted. */
static void test_event_first(Fixture *f, gconstpointer unused)
{
    say(f, "{\"event\":\"RESUME\",\"timestamp\":{}}\r\n");
    make_ready(f);
    execute(f, "query-status");
    assert_heard(f, "{\"execute\":\"query-status\",\"id\":1}\n");
}

static void test_waits_for_ready(Fixture *f, gconstpointer unused)
{
    execute(f, "cont");
    execute(f, "stop");
    say(f, GREETING);
    assert_heard(f, "{\"execute\":\"qmp_capabilities\",\"id\":0}\n");
    say(f, "{\"return\": {}, \"id\": 0}\r\n");
    assert_heard(f, "{\"execute\":\"cont\",\"id\":1}\n");
    assert_heard(f, "{\"execute\":\"stop\",\"id\":2}\n");
    say(f, "{\"return\":{},\"id\":1}\n{\"return\":1,\"id\":2}\n");
    assert_told(f, "ready done:object done:value ");
}

static void check_refusal(JsonNode *result, const GError *error, gpointer data)
{
    g_assert_null(result);
    g_assert_error(error, BERTH_QMP_ERROR, BERTH_QMP_ERROR_REFUSED);
    g_assert_cmpstr(error->message, ==, "QEMU refused \"frob\": The command frob has not been found");
    g_assert_cmpstr(berth_error_dbus_name(error), ==, "org.freedesktop.DBus.Error.Failed");
    note(data, "refused");
}

static void test_refused(Fixture *f, gconstpointer unused)
{
    make_ready(f);
    berth_qmp_execute(f->qmp, "frob", NULL, LONG_USEC, check_refusal, f);
    g_autofree char *line = await_line(f->peer);
    say(f, "{\"id\":1,\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"The command frob has not been found\"}}\n");
    assert_told(f, "refused ");
}

static void test_out_of_order(Fixture *f, gconstpointer unused)
{
    make_ready(f);
    berth_qmp_execute(f->qmp, "frob", NULL, LONG_USEC, check_refusal, f);
    execute(f, "stop");
    say(f, "{\"return\":{},\"id\":2}\n"
           "{\"id\":1,\"error\":{\"desc\":\"The command frob has not been found\"}}\n");
    assert_told(f, "done:object refused ");
}

static void test_late_answer(Fixture *f, gconstpointer unused)
{
    make_ready(f);
    berth_qmp_execute(f->qmp, "cont", NULL, 20000, on_done, f);
    g_autofree char *line = await_line(f->peer);
    assert_told(f, "berth:10 ");
    G_STATIC_ASSERT(BERTH_ERROR_CANCELLED == 10);
    say(f, "{\"return\":{},\"id\":1}\n{\"event\":\"RESUME\"}\n");
    assert_told(f, "berth:10 RESUME ");
}

/* A command whose deadline passes before QEMU has greeted is never sent. */
static void test_deadline_before_ready(Fixture *f, gconstpointer unused)
{
    berth_qmp_execute(f->qmp, "cont", NULL, 20000, on_done, f);
    assert_told(f, "berth:10 ");
    execute(f, "stop");
    say(f, GREETING);
    g_autofree char *line = await_line(f->peer);
    say(f, "{\"return\":{},\"id\":0}\n");
    assert_heard(f, "{\"execute\":\"stop\",\"id\":2}\n");
}

/* With nothing pending and nothing to read, the loop has nothing to wait for but the descriptor. */
static void test_idle(Fixture *f, gconstpointer unused)
{
    make_ready(f);
    execute(f, "stop");
    g_autofree char *line = await_line(f->peer);
    say(f, "{\"return\":{},\"id\":1}\n");
    assert_told(f, "done:object ");

    GMainContext *context = g_main_context_default();
    gint priority, timeout = 0;
    GPollFD fds[8];
    g_assert_true(g_main_context_acquire(context));
    g_assert_false(g_main_context_prepare(context, &priority));
    int n = g_main_context_query(context, priority, &timeout, fds, G_N_ELEMENTS(fds));
    g_main_context_check(context, priority, fds, n);
    g_main_context_release(context);
    g_assert_cmpint(timeout, ==, -1);
}

static void test_hang_up(Fixture *f, gconstpointer unused)
{
    make_ready(f);
    execute(f, "stop");
    execute(f, "cont");
    g_autofree char *line = await_line(f->peer);
    say(f, "{\"event\":\"SHUTDOWN\"}\n");
    hang_up(f);
    assert_told(f, "SHUTDOWN qmp:1 qmp:1 closed ");
    g_assert_error(f->end, BERTH_QMP_ERROR, BERTH_QMP_ERROR_CLOSED);
    /* Afterwards still exactly one answer each, in a later turn. */
    execute(f, "quit");
    g_assert_cmpstr(f->log->str, ==, "SHUTDOWN qmp:1 qmp:1 closed ");
    assert_told(f, "SHUTDOWN qmp:1 qmp:1 closed qmp:1 ");
}

static void ask_again(JsonNode *result, const GError *error, gpointer data)
{
    on_done(result, error, data);
    execute(data, "again");
}

/* Who asks again at once is answered later: else it could go on like that for ever. */
static void test_hang_up_asked_again(Fixture *f, gconstpointer unused)
{
    make_ready(f);
    berth_qmp_execute(f->qmp, "stop", NULL, LONG_USEC, ask_again, f);
    hang_up(f);
    assert_told(f, "qmp:1 closed qmp:1 ");
}

/* What QEMU said before it went is heard, though writing to it fails already. */
static void test_last_words(Fixture *f, gconstpointer unused)
{
    make_ready(f);
    say(f, "{\"event\":\"SHUTDOWN\"}\n");
    hang_up(f);
    execute(f, "stop");
    assert_told(f, "SHUTDOWN qmp:1 closed ");
}

static void test_free_answers(Fixture *f, gconstpointer unused)
{
    make_ready(f);
    execute(f, "stop");
    execute(f, "cont");
    g_clear_pointer(&f->qmp, berth_qmp_free);
    g_assert_cmpstr(f->log->str, ==, "berth:10 berth:10 ");
}

/* @data: the word at which the monitor is freed, and what must have been told by then, no more. */
typedef struct {
    const char *name, *free_at, *say, *told;
} FreeCase;

static const FreeCase free_cases[] = {
    {"event", "STOP", "{\"event\":\"STOP\"}\n{\"event\":\"RESUME\"}\n", "STOP berth:10 berth:10 "},
    {"done", "done:object", "{\"return\":{},\"id\":1}\n{\"return\":{},\"id\":2}\n", "done:object berth:10 "},
    {"refused", "qmp:0", "{\"error\":{},\"id\":2}\n{\"event\":\"STOP\"}\n", "qmp:0 berth:10 "},
    {"closed", "closed", NULL, "qmp:1 qmp:1 closed "},
    {"pending-at-close", "qmp:1", NULL, "qmp:1 berth:10 "},
    {"protocol", "closed", "nonsense\n{\"event\":\"STOP\"}\n", "qmp:2 qmp:2 closed "},
};

static void test_free_in_handler(Fixture *f, gconstpointer unused)
{
    for (gsize i = 0; i < G_N_ELEMENTS(free_cases); i++) {
        const FreeCase *c = &free_cases[i];
        g_test_message("%s", c->name);
        if (f->qmp == NULL)
            connect_to_peer(f);
        make_ready(f);
        f->free_at = c->free_at;
        execute(f, "one");
        execute(f, "two");
        if (c->say != NULL)
            say(f, c->say);
        else
            hang_up(f);
        assert_told(f, c->told);
        g_assert_null(f->qmp);
        while (g_main_context_iteration(NULL, FALSE))
            continue;
        g_assert_cmpstr(f->log->str, ==, c->told);
        g_string_truncate(f->log, 0);
        f->free_at = NULL;
        g_clear_error(&f->end);
        if (f->peer >= 0)
            hang_up(f);
    }
}

static void test_free_at_ready(Fixture *f, gconstpointer unused)
{
    f->free_at = "ready";
    execute(f, "stop");
    say(f, GREETING "{\"return\":{},\"id\":0}\n{\"event\":\"STOP\"}\n");
    assert_told(f, "ready berth:10 ");
}

static void test_free_at_deadline(Fixture *f, gconstpointer unused)
{
    make_ready(f);
    f->free_at = "berth:10";
    berth_qmp_execute(f->qmp, "one", NULL, 1000, on_done, f);
    berth_qmp_execute(f->qmp, "two", NULL, 1000, on_done, f);
    assert_told(f, "berth:10 berth:10 ");
}

static const char *const broken_before[] = {"{}\n", "{\"return\":{}}\n", "nonsense\n", "[]\n"};
static const char *const broken_after[] = {
    "{}\n",
    "{\"event\":1}\n",
    "{\"event\":\"STOP\",\"data\":7}\n",
    "{\"return\":{}}\n",
    "{\"return\":{},\"id\":\"1\"}\n",
    "{\"return\":{},\"id\":-1}\n",
    "{\"return\":{},\"id\":99}\n",
    "{\"QMP\":{}}\n",
};

static void assert_breaks(Fixture *f, const char *words, gboolean ready)
{
    g_test_message("%s", words);
    if (f->qmp == NULL)
        connect_to_peer(f);
    if (ready)
        make_ready(f);
    say(f, words);
    assert_told(f, "closed ");
    g_assert_error(f->end, BERTH_QMP_ERROR, BERTH_QMP_ERROR_PROTOCOL);
    g_clear_error(&f->end);
    g_string_truncate(f->log, 0);
    g_clear_pointer(&f->qmp, berth_qmp_free);
    hang_up(f);
}

static void test_protocol(Fixture *f, gconstpointer unused)
{
    for (gsize i = 0; i < G_N_ELEMENTS(broken_before); i++)
        assert_breaks(f, broken_before[i], FALSE);
    for (gsize i = 0; i < G_N_ELEMENTS(broken_after); i++)
        assert_breaks(f, broken_after[i], TRUE);
}

static void test_endless_line(Fixture *f, gconstpointer unused)
{
    make_ready(f);
    g_autofree char *chunk = g_strnfill(10000, ' ');
    AWAIT({
        if (send(f->peer, chunk, strlen(chunk), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            g_assert_true(errno == EAGAIN || errno == EPIPE || errno == ECONNRESET);
        g_main_context_wakeup(NULL);
        f->end != NULL;
    });
    g_assert_error(f->end, BERTH_QMP_ERROR, BERTH_QMP_ERROR_PROTOCOL);
}

/* Commands until one is refused, since QEMU reads nothing: how many. */
static guint send_until_full(Fixture *f)
{
    g_autofree char *filler = g_strnfill(30000, 'x');
    g_autoptr(JsonObject) arguments = json_object_new();
    json_object_set_string_member(arguments, "filler", filler);
    guint sent = 0;
    while (f->log->len == 0 && sent < BERTH_QMP_PENDING_MAX) {
        berth_qmp_execute(f->qmp, "big", arguments, LONG_USEC, on_done, f);
        sent++;
        while (g_main_context_iteration(NULL, FALSE))
            continue;
    }
    g_assert_cmpstr(f->log->str, ==, "qmp:3 "); /* BERTH_QMP_ERROR_FULL, for the last */
    return sent;
}

/* A QEMU that reads nothing costs bounded memory and blocks nobody; when it reads again, nothing is missing. */
static void test_deaf_peer(Fixture *f, gconstpointer unused)
{
    make_ready(f);
    const guint sent = send_until_full(f);
    for (guint i = 1; i < sent; i++) {
        g_autofree char *line = await_line(f->peer);
        g_autofree char *end = g_strdup_printf("\"id\":%u}\n", i);
        g_assert_true(g_str_has_suffix(line, end));
    }
}

static void test_too_many(Fixture *f, gconstpointer unused)
{
    for (guint i = 0; i < BERTH_QMP_PENDING_MAX; i++)
        execute(f, "stop");
    execute(f, "straw");
    g_assert_cmpstr(f->log->str, ==, "");
    assert_told(f, "qmp:3 ");
}

/* QEMU may guess the number of what was never sent to it. */
static void test_answers_unasked(Fixture *f, gconstpointer unused)
{
    make_ready(f);
    for (guint i = 0; i < BERTH_QMP_PENDING_MAX; i++)
        execute(f, "stop");
    execute(f, "straw");
    g_autofree char *words = g_strdup_printf("{\"return\":{},\"id\":%u}\n", BERTH_QMP_PENDING_MAX + 1);
    say(f, words);
    assert_told(f, "qmp:3 ");
}

static void test_nobody_there(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(berth_qmp_connect("/nonexistent/qmp.sock", &handler, NULL, &error));
    g_assert_error(error, BERTH_QMP_ERROR, BERTH_QMP_ERROR_CLOSED);
    g_assert_nonnull(strstr(error->message, "/nonexistent/qmp.sock"));
}

#define LONG_NAME "a-directory-with-a-name-of-fifty-characters-so-long/"

/* --- Descriptors --- */

/* @watched tells when nobody has the other end of the pipe any more, which goes with the command. */
static void execute_with_fd(Fixture *f, guint64 timeout_usec, int *watched)
{
    int ends[2];
    g_assert_cmpint(pipe2(ends, O_CLOEXEC | O_NONBLOCK), ==, 0);
    *watched = ends[0];
    berth_qmp_execute_with_fd(f->qmp, "getfd", NULL, ends[1], timeout_usec, on_done, f);
}

static void assert_closed(int watched)
{
    char c;
    g_assert_cmpint(read(watched, &c, 1), ==, 0);
    close(watched);
}

/* QEMU gets it with its command, which waited for the greeting, and nobody else has it then. */
static void test_fd(Fixture *f, gconstpointer unused)
{
    int watched, fd = -1;
    execute_with_fd(f, LONG_USEC, &watched);
    say(f, GREETING);
    assert_heard(f, "{\"execute\":\"qmp_capabilities\",\"id\":0}\n");
    char text[64];
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec bytes = {text, sizeof text - 1};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(f->peer, &message, MSG_CMSG_CLOEXEC);
    g_assert_cmpint(n, >, 0);
    text[n] = '\0';
    g_assert_cmpstr(text, ==, "{\"execute\":\"getfd\",\"id\":1}\n");
    g_assert_nonnull(CMSG_FIRSTHDR(&message));
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    close(fd);
    assert_closed(watched);
    say(f, "{\"return\":{},\"id\":0}\n{\"return\":{},\"id\":1}\n");
    assert_told(f, "ready done:object ");
}

/* What never goes out is closed: at the deadline, with the monitor, where there are too many, on a dead one. */
static void test_fd_given_up(Fixture *f, gconstpointer unused)
{
    int watched;
    execute_with_fd(f, 20000, &watched);
    assert_told(f, "berth:10 ");
    assert_closed(watched);
    for (guint i = 0; i < BERTH_QMP_PENDING_MAX; i++)
        execute(f, "cont");
    execute_with_fd(f, LONG_USEC, &watched);
    assert_told(f, "berth:10 qmp:3 ");
    assert_closed(watched);
    execute_with_fd(f, LONG_USEC, &watched);
    hang_up(f);
    while (f->end == NULL)
        g_main_context_iteration(NULL, TRUE);
    assert_closed(watched);
    execute_with_fd(f, LONG_USEC, &watched);
    g_clear_pointer(&f->qmp, berth_qmp_free);
    assert_closed(watched);
}

/* It waits in what QEMU does not read, when the connection ends; the monitor is still there. */
static void test_fd_stuck(Fixture *f, gconstpointer unused)
{
    int watched;
    make_ready(f);
    send_until_full(f);
    execute_with_fd(f, LONG_USEC, &watched);
    say(f, "nonsense\n");
    while (f->end == NULL)
        g_main_context_iteration(NULL, TRUE);
    assert_closed(watched);
}

/* QEMU takes no more connections, since it hangs: so do those of daemons that came and went. */
static void fill_queue(Fixture *f)
{
    for (int fd; (fd = berth_unix_connect(f->path, NULL)) >= 0;)
        close(fd);
}

/* As it does when it goes on: each that has gone, and then ours. */
static void take_all(Fixture *f)
{
    hang_up(f);
    for (char byte; f->peer < 0 || recv(f->peer, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;) {
        if (f->peer >= 0)
            hang_up(f);
        f->peer = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
    }
}

static void set_up_full(Fixture *f, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    set_up(f, NULL);
    g_clear_pointer(&f->qmp, berth_qmp_free);
    fill_queue(f);
    f->qmp = berth_qmp_connect(f->path, &handler, f, &error);
    g_assert_no_error(error);
}

/* That it does not answer is told as of any that hangs; and it comes back as any. */
static void test_full(Fixture *f, gconstpointer unused)
{
    berth_qmp_execute(f->qmp, "cont", NULL, 20000, on_done, f);
    assert_told(f, "berth:10 ");
    g_string_truncate(f->log, 0);
    take_all(f);
    make_ready(f);
    execute(f, "stop");
    assert_heard(f, "{\"execute\":\"stop\",\"id\":2}\n");
}

/* It ends before it has taken ours. */
static void test_full_ends(Fixture *f, gconstpointer unused)
{
    execute(f, "cont");
    close(f->listener);
    f->listener = -1;
    assert_told(f, "qmp:1 closed ");
    g_assert_error(f->end, BERTH_QMP_ERROR, BERTH_QMP_ERROR_CLOSED);
}

/* Nobody is told of what comes of it afterwards. */
static void test_full_freed(Fixture *f, gconstpointer unused)
{
    execute(f, "cont");
    g_clear_pointer(&f->qmp, berth_qmp_free);
    assert_told(f, "berth:10 ");
    f->qmp = berth_qmp_connect(f->path, &handler, f, NULL);
    close(f->listener);
    f->listener = -1;
    assert_told(f, "berth:10 closed ");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/qmp/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("conversation", test_conversation);
    ADD("event-first", test_event_first);
    ADD("waits-for-ready", test_waits_for_ready);
    ADD("refused", test_refused);
    ADD("out-of-order", test_out_of_order);
    ADD("late-answer", test_late_answer);
    ADD("deadline-before-ready", test_deadline_before_ready);
    ADD("idle", test_idle);
    ADD("hang-up", test_hang_up);
    ADD("hang-up-asked-again", test_hang_up_asked_again);
    ADD("last-words", test_last_words);
    ADD("free-answers", test_free_answers);
    ADD("free-in-handler", test_free_in_handler);
    ADD("free-at-ready", test_free_at_ready);
    ADD("free-at-deadline", test_free_at_deadline);
    ADD("protocol", test_protocol);
    ADD("endless-line", test_endless_line);
    ADD("deaf-peer", test_deaf_peer);
    ADD("too-many", test_too_many);
    ADD("answers-unasked", test_answers_unasked);
    ADD("fd", test_fd);
    ADD("fd-given-up", test_fd_given_up);
    ADD("fd-stuck", test_fd_stuck);
#undef ADD
    g_test_add("/qmp/long-path", Fixture, LONG_NAME LONG_NAME LONG_NAME "qmp.sock", set_up, test_conversation,
               tear_down);
    g_test_add("/qmp/full", Fixture, NULL, set_up_full, test_full, tear_down);
    g_test_add("/qmp/full/ends", Fixture, NULL, set_up_full, test_full_ends, tear_down);
    g_test_add("/qmp/full/freed", Fixture, NULL, set_up_full, test_full_freed, tear_down);
    g_test_add_func("/qmp/nobody-there", test_nobody_there);
    return g_test_run();
}
