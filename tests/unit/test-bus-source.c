/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/host/bus-source.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/await.h"
#include "tests/lib/private-bus.h"

static PrivateBus *private_bus;

typedef struct {
    sd_bus *bus;
    GSource *source;
    guint n_failed;
    int error;
    guint n_answers; /* of the pending calls */
    guint n_answers_at_failure;
    guint n_signals;
    char *error_name; /* of the last answer */
} Bed;

static void on_failed(int error, gpointer data)
{
    Bed *bed = data;
    bed->n_failed++;
    bed->error = error;
    bed->n_answers_at_failure = bed->n_answers;
    g_assert_true(g_source_is_destroyed(bed->source));
}

static int on_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    Bed *bed = data;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    bed->n_answers++;
    g_free(bed->error_name);
    bed->error_name = g_strdup(error ? error->name : NULL);
    return 0;
}

static int on_signal(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    Bed *bed = data;
    bed->n_signals++;
    return 0;
}

static void attach(Bed *bed, sd_bus *bus)
{
    bed->bus = bus;
    bed->source = berth_bus_source_new(bus, on_failed, bed);
    g_source_attach(bed->source, NULL);
}

static void connect_bed(Bed *bed)
{
    sd_bus *bus;
    g_assert_cmpint(sd_bus_open_system(&bus), >=, 0);
    attach(bed, bus);
    guint before = bed->n_answers;
    g_assert_cmpint(sd_bus_call_method_async(bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                             "org.freedesktop.DBus", "GetId", on_answer, bed, NULL),
                    >=, 0);
    AWAIT(bed->n_answers == before + 1);
    g_assert_null(bed->error_name);
    bed->n_answers = 0;
}

static void clear_bed(Bed *bed)
{
    g_source_destroy(bed->source);
    g_source_unref(bed->source);
    sd_bus_close_unref(bed->bus);
    g_free(bed->error_name);
}

/* Somebody on the bus who never answers. */
static sd_bus *open_silent(const char **name)
{
    sd_bus *silent;
    g_assert_cmpint(sd_bus_open_system(&silent), >=, 0);
    g_assert_cmpint(sd_bus_get_unique_name(silent, name), >=, 0);
    return silent;
}

static void call_silent(Bed *bed, const char *name, guint64 timeout_usec)
{
    sd_bus_message *message;
    g_assert_cmpint(sd_bus_message_new_method_call(bed->bus, &message, name, "/", "org.example.Silent", "Ask"), >=, 0);
    g_assert_cmpint(sd_bus_call_async(bed->bus, NULL, message, on_answer, bed, timeout_usec), >=, 0);
    sd_bus_message_unref(message);
}

static guint n_polls;

static int counting_poll(GPollFD *fds, guint n, int timeout)
{
    int r = g_poll(fds, n, timeout);
    n_polls++;
    return r;
}

static guint count_polls(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_main_context_set_poll_func(NULL, counting_poll);
    n_polls = 0;
    await_silence(500);
    g_main_context_set_poll_func(NULL, NULL);
    return n_polls;
}

/* What the bus still says may come late; who is woken again and again never sleeps so long. */
static void assert_idle(void)
{
    guint tries = 0;
    while (count_polls() > 1) /* the silence's own end */
        g_assert_cmpuint(++tries, <, 10);
}

/* Also with a call pending, whose timeout is far away. */
static void test_idle(void)
{
    Bed bed = {0};
    const char *name;
    connect_bed(&bed);
    assert_idle();
    sd_bus *silent = open_silent(&name);
    call_silent(&bed, name, 60 * G_USEC_PER_SEC);
    assert_idle();
    sd_bus_close_unref(silent);
    clear_bed(&bed);
}

/* The synchronous call reads them off the socket, which is not readable any more afterwards. */
static void test_queued(void)
{
    Bed bed = {0};
    connect_bed(&bed);
    g_assert_cmpint(sd_bus_match_signal(bed.bus, NULL, NULL, "/", "org.example.Test", "Ping", on_signal, &bed), >=, 0);
    for (int i = 0; i < 3; i++)
        g_assert_cmpint(sd_bus_emit_signal(bed.bus, "/", "org.example.Test", "Ping", NULL), >=, 0);
    g_assert_cmpint(sd_bus_call_method(bed.bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                       "GetId", NULL, NULL, NULL),
                    >=, 0);
    g_assert_cmpuint(bed.n_signals, ==, 0);
    AWAIT(bed.n_signals == 3);
    clear_bed(&bed);
}

static int on_signal_that_ends_turn(sd_bus_message *message, void *data, sd_bus_error *error)
{
    Bed *bed = data;
    bed->n_signals++;
    berth_bus_source_end_turn();
    return 0;
}

/* @n signals are in the queue; how many turns of the loop they take. */
static guint turns_for(guint n, sd_bus_message_handler_t handler)
{
    Bed bed = {0};
    guint turns = 0;
    connect_bed(&bed);
    g_assert_cmpint(sd_bus_match_signal(bed.bus, NULL, NULL, "/", "org.example.Test", "Ping", handler, &bed), >=, 0);
    for (guint i = 0; i < n; i++)
        g_assert_cmpint(sd_bus_emit_signal(bed.bus, "/", "org.example.Test", "Ping", NULL), >=, 0);
    g_assert_cmpint(sd_bus_call_method(bed.bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                       "GetId", NULL, NULL, NULL),
                    >=, 0);
    for (; bed.n_signals < n; turns++)
        g_main_context_iteration(NULL, FALSE);
    clear_bed(&bed);
    return turns;
}

/* A turn handles several messages, but not all of a flood, and no other where one has said so. */
static void test_turns(void)
{
    guint turns = turns_for(320, on_signal);
    g_assert_cmpuint(turns, >=, 10);
    g_assert_cmpuint(turns, <, 320);
    g_assert_cmpuint(turns_for(50, on_signal_that_ends_turn), >=, 50);
}

static void test_timeout(void)
{
    Bed bed = {0};
    const char *name;
    connect_bed(&bed);
    sd_bus *silent = open_silent(&name);
    gint64 begin = g_get_monotonic_time();
    call_silent(&bed, name, 80 * 1000);
    AWAIT(bed.n_answers == 1);
    g_assert_cmpint(g_get_monotonic_time() - begin, >=, 80 * 1000);
    g_assert_nonnull(bed.error_name);
    g_assert_cmpuint(bed.n_failed, ==, 0);
    sd_bus_close_unref(silent);
    clear_bed(&bed);
}

/* Calls that are pending are answered with an error first. */
static void test_lost(void)
{
    Bed bed = {0};
    const char *name;
    connect_bed(&bed);
    sd_bus *silent = open_silent(&name);
    for (int i = 0; i < 3; i++)
        call_silent(&bed, name, UINT64_MAX);
    g_assert_cmpint(sd_bus_flush(bed.bus), >=, 0);
    private_bus_stop(private_bus);
    AWAIT(bed.n_failed > 0);
    g_assert_cmpuint(bed.n_answers_at_failure, ==, 3);
    g_assert_nonnull(bed.error_name);
    g_assert_cmpint(bed.error, <, 0);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpuint(bed.n_failed, ==, 1);
    private_bus_start(private_bus);
    sd_bus_close_unref(silent);
    clear_bed(&bed);
}

static sd_bus *new_peer(int fd, gboolean server)
{
    sd_bus *bus;
    sd_id128_t id = {0};
    g_assert_cmpint(sd_bus_new(&bus), >=, 0);
    g_assert_cmpint(sd_bus_set_fd(bus, fd, fd), >=, 0);
    g_assert_cmpint(sd_bus_set_anonymous(bus, TRUE), >=, 0);
    g_assert_cmpint(sd_bus_set_server(bus, server, id), >=, 0);
    g_assert_cmpint(sd_bus_start(bus), >=, 0);
    return bus;
}

/* sd-bus reports what makes no sense as an error, and leaves the connection open and its calls pending. */
static void test_garbage(void)
{
    int fds[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
    Bed bed = {0};
    sd_bus *server = new_peer(fds[1], TRUE);
    attach(&bed, new_peer(fds[0], FALSE));
    while (sd_bus_is_ready(bed.bus) == 0 || sd_bus_is_ready(server) == 0) {
        g_assert_cmpint(sd_bus_process(server, NULL), >=, 0);
        g_main_context_iteration(NULL, FALSE);
    }
    call_silent(&bed, NULL, UINT64_MAX);
    g_autofree char *garbage = g_strnfill(64, 'x');
    g_assert_cmpint(write(fds[1], garbage, 64), ==, 64);
    AWAIT(bed.n_failed > 0);
    g_assert_cmpint(bed.error, ==, -EBADMSG);
    g_assert_cmpuint(bed.n_answers_at_failure, ==, 1);
    g_assert_cmpuint(bed.n_failed, ==, 1);
    sd_bus_close_unref(server);
    clear_bed(&bed);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    private_bus = private_bus_new(NULL);
    g_test_add_func("/bus-source/idle", test_idle);
    g_test_add_func("/bus-source/queued", test_queued);
    g_test_add_func("/bus-source/turns", test_turns);
    g_test_add_func("/bus-source/timeout", test_timeout);
    g_test_add_func("/bus-source/lost", test_lost);
    g_test_add_func("/bus-source/garbage", test_garbage);
    int r = g_test_run();
    private_bus_free(private_bus);
    return r;
}
