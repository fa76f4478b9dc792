/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/host/bus-link.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>

#include "src/core/error.h"
#include "tests/lib/await.h"
#include "tests/lib/private-bus.h"

static PrivateBus *private_bus;

typedef struct {
    BerthBusLink *link;
    GString *log; /* one letter for each thing heard: u, d; a for an answer */
    guint n_up, n_down, n_answers;
    sd_bus_slot *slot;
} Bed;

static void on_up(sd_bus *bus, gpointer data)
{
    Bed *bed = data;
    uint64_t patience = 0;
    g_assert_true(berth_bus_link_get(bed->link) == bus);
    /* Of whatever is asked: who answers late is heard. */
    g_assert_cmpint(sd_bus_get_method_call_timeout(bus, &patience), >=, 0);
    g_assert_cmpuint(patience, ==, UINT64_MAX);
    g_string_append_c(bed->log, 'u');
    bed->n_up++;
}

static void on_down(gpointer data)
{
    Bed *bed = data;
    g_assert_null(berth_bus_link_get(bed->link));
    g_string_append_c(bed->log, 'd');
    bed->n_down++;
    g_clear_pointer(&bed->slot, sd_bus_slot_unref);
}

static const BerthBusLinkHandler handler = {.up = on_up, .down = on_down};

static int on_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    Bed *bed = data;
    g_assert_true(sd_bus_message_is_method_error(reply, NULL));
    g_string_append_c(bed->log, 'a');
    return 0;
}

static int on_id(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    Bed *bed = data;
    g_assert_false(sd_bus_message_is_method_error(reply, NULL));
    bed->n_answers++;
    return 0;
}

/* Returns when the bus has answered: what was sent before has been handled by it. */
static void await_answer(Bed *bed)
{
    guint before = bed->n_answers;
    g_assert_cmpint(sd_bus_call_method_async(berth_bus_link_get(bed->link), NULL, "org.freedesktop.DBus",
                                             "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", on_id, bed,
                                             NULL),
                    >=, 0);
    AWAIT(bed->n_answers > before);
}

static void set_up(Bed *bed, gconstpointer unused)
{
    bed->log = g_string_new(NULL);
    bed->link = berth_bus_link_new(FALSE);
    berth_bus_link_add(bed->link, &handler, bed);
}

static void tear_down(Bed *bed, gconstpointer unused)
{
    berth_bus_link_free(bed->link);
    g_string_free(bed->log, TRUE);
}

static void test_connect(Bed *bed, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(berth_bus_link_get(bed->link));
    g_assert_true(berth_bus_link_connect(bed->link, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(bed->log->str, ==, "u");
    await_answer(bed);
    /* Added late: told at once, and the others are not told again. */
    Bed late = {.link = bed->link, .log = g_string_new(NULL)};
    berth_bus_link_add(bed->link, &handler, &late);
    g_assert_cmpstr(late.log->str, ==, "u");
    g_assert_cmpstr(bed->log->str, ==, "u");
    berth_bus_link_remove(bed->link, &handler, &late);
    g_string_free(late.log, TRUE);
}

static void test_no_bus(Bed *bed, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    private_bus_stop(private_bus);
    g_assert_false(berth_bus_link_connect(bed->link, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "system bus"));
    g_assert_cmpstr(bed->log->str, ==, "");
    private_bus_start(private_bus);
}

/* A call that waits for an answer gets its error, then comes `down`; and `up` when the bus is back at its address. */
static void test_reconnect(Bed *bed, gconstpointer unused)
{
    g_assert_true(berth_bus_link_connect(bed->link, NULL));
    g_autoptr(GDBusConnection) silent = private_bus_connect(private_bus);
    g_assert_cmpint(sd_bus_call_method_async(berth_bus_link_get(bed->link), &bed->slot,
                                             g_dbus_connection_get_unique_name(silent), "/", "org.example.Silent",
                                             "Ask", on_answer, bed, NULL),
                    >=, 0);
    /* GDBus would answer that there is no such object, were it allowed to: its worker hands calls to our main context,
     * which is not run until the bus is gone. */
    g_assert_cmpint(sd_bus_flush(berth_bus_link_get(bed->link)), >=, 0);
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "The connection to the bus is lost:*");
    private_bus_stop(private_bus);
    AWAIT(bed->n_down > 0);
    g_test_assert_expected_messages();
    g_assert_cmpstr(bed->log->str, ==, "uad");
    private_bus_start(private_bus);
    AWAIT(bed->n_up == 2);
    await_answer(bed);
    g_assert_cmpstr(bed->log->str, ==, "uadu");
}

static guint n_accepted;

static gboolean on_incoming(GSocketService *service, GSocketConnection *connection, GObject *source, gpointer data)
{
    n_accepted++;
    return TRUE; /* hung up on */
}

/* How long it is without a bus that is there again at once. */
static gint64 lose_bus(Bed *bed)
{
    const gint64 begin = g_get_monotonic_time();
    const guint n_up = bed->n_up;
    private_bus_stop(private_bus);
    private_bus_start(private_bus);
    AWAIT(bed->n_up > n_up);
    const gint64 took = g_get_monotonic_time() - begin;
    await_answer(bed);
    return took;
}

/* What accepts and hangs up is called less and less often: 0, 100, 200, 400 ms, so at most 5 times in 800. */
static void test_back_off(Bed *bed, gconstpointer unused)
{
    g_assert_true(berth_bus_link_connect(bed->link, NULL));
    await_answer(bed);
    private_bus_stop(private_bus);
    const char *path = private_bus_address(private_bus) + strlen("unix:path=");
    g_assert_cmpint(remove(path), ==, 0);
    g_autoptr(GSocketService) service = g_socket_service_new();
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GError) error = NULL;
    g_socket_listener_add_address(G_SOCKET_LISTENER(service), address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT,
                                  NULL, NULL, &error);
    g_assert_no_error(error);
    g_signal_connect(service, "incoming", G_CALLBACK(on_incoming), NULL);
    n_accepted = 0;
    GLogLevelFlags fatal = g_log_set_always_fatal(G_LOG_FATAL_MASK);
    AWAIT(n_accepted >= 2);
    await_silence(800);
    g_assert_cmpuint(n_accepted, <=, 6);
    g_assert_cmpuint(bed->n_down, >=, 2);
    g_socket_service_stop(service);
    g_socket_listener_close(G_SOCKET_LISTENER(service));
    guint n_up = bed->n_up;
    private_bus_start(private_bus);
    AWAIT(bed->n_up > n_up && berth_bus_link_get(bed->link));
    await_answer(bed);
    /* It has answered, so the next loss is no reason to wait: by now it would be over a second, and more each time. What a busy
     * machine takes for it, it does not take each time. */
    guint tries = 0;
    while (lose_bus(bed) >= G_USEC_PER_SEC)
        g_assert_cmpuint(++tries, <, 4);
    g_log_set_always_fatal(fatal);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    private_bus = private_bus_new(NULL);
    g_test_add("/bus-link/connect", Bed, NULL, set_up, test_connect, tear_down);
    g_test_add("/bus-link/no-bus", Bed, NULL, set_up, test_no_bus, tear_down);
    g_test_add("/bus-link/reconnect", Bed, NULL, set_up, test_reconnect, tear_down);
    g_test_add("/bus-link/back-off", Bed, NULL, set_up, test_back_off, tear_down);
    int r = g_test_run();
    private_bus_free(private_bus);
    return r;
}
