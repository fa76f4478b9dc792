/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <string.h>

#include "scripted.h"
#include "src/core/names.h"

/* What a VM uses is told to those who ask, and to nobody else; where nobody asks, nobody wakes. */

#define OFTEN "{'interval-usec': <@t 500000>}"
#define PER_CLIENT_MAX 64u
#define PER_USER_MAX 128u
#define ALL_MAX 256u
#define FIRST_USER 1u /* daemon; bin and sys follow: the bus wants names */

/* A client of its own that hears whatever the bus brings it. */
typedef struct {
    GDBusConnection *bus;
    guint subscription;
    guint n_heard;
    char *path;        /* of the last one */
    GVariant *figures; /* and its figures */
    guint64 time, cpu;
} Listener;

static void on_usage(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                     const char *signal, GVariant *parameters, gpointer data)
{
    Listener *listener = data;
    g_clear_pointer(&listener->figures, g_variant_unref);
    g_free(listener->path);
    listener->n_heard++;
    listener->path = g_strdup(path);
    g_variant_get(parameters, "(t@a{sv})", &listener->time, &listener->figures);
    g_assert_true(g_variant_lookup(listener->figures, "cpu-usec", "t", &listener->cpu));
}

static Listener *listener_new_as(Fixture *fixture, uid_t uid)
{
    Listener *listener = g_new0(Listener, 1);
    listener->bus = private_bus_connect_as(fixture->bus, uid);
    listener->subscription =
        g_dbus_connection_signal_subscribe(listener->bus, fixture->owner, BERTH_IFACE_VM, "Usage", NULL, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_usage, listener, NULL);
    return listener;
}

static Listener *listener_new(Fixture *fixture)
{
    return listener_new_as(fixture, 0);
}

static void listener_free(Listener *listener)
{
    g_dbus_connection_signal_unsubscribe(listener->bus, listener->subscription);
    g_object_unref(listener->bus);
    g_clear_pointer(&listener->figures, g_variant_unref);
    g_free(listener->path);
    g_free(listener);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Listener, listener_free)

static void try(const Listener *listener, const char *path, const char *method, const char *options, GError **error)
{
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_sync(listener->bus, BERTH_BUS_NAME, path, BERTH_IFACE_VM, method,
                                    g_variant_new("(@a{sv})", g_variant_new_parsed(options)), NULL,
                                    G_DBUS_CALL_FLAGS_NONE, FIXTURE_CALL_MSEC, NULL, error);
}

static void subscribe(const Listener *listener, const char *path, const char *options)
{
    g_autoptr(GError) error = NULL;
    try(listener, path, "SubscribeUsage", options, &error);
    g_assert_no_error(error);
}

static void unsubscribe(const Listener *listener, const char *path)
{
    g_autoptr(GError) error = NULL;
    try(listener, path, "UnsubscribeUsage", "@a{sv} {}", &error);
    g_assert_no_error(error);
}

static void refused(const Listener *listener, const char *path, const char *options, const char *name,
                    const char *words)
{
    g_autoptr(GError) error = NULL;
    try(listener, path, "SubscribeUsage", options, &error);
    g_assert_nonnull(error);
    g_autofree char *got = fixture_error_name(error);
    if (!g_str_has_suffix(got, name) || !strstr(error->message, words))
        g_error("Got %s, “%s”; expected %s with “%s”", got, error->message, name, words);
}

static void await_more(const Listener *listener, guint n)
{
    const guint wanted = listener->n_heard + n;
    AWAIT(listener->n_heard >= wanted);
}

/* What was on its way to @listener has come in: its connection has answered a call. */
static void catch_up(const Listener *listener)
{
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        listener->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", NULL, NULL,
        G_DBUS_CALL_FLAGS_NONE, FIXTURE_CALL_MSEC, NULL, NULL);
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

/* Two figures of @other are time enough for one of @listener, whose interval is no longer. */
static void assert_hears_no_more(const Listener *listener, const Listener *other)
{
    catch_up(listener);
    const guint before = listener->n_heard;
    await_more(other, 3);
    catch_up(listener);
    g_assert_cmpuint(listener->n_heard, ==, before);
}

static void test_only_who_asked(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autoptr(Listener) asks = listener_new(fixture);
    g_autoptr(Listener) silent = listener_new(fixture);
    subscribe(asks, path, OFTEN);
    await_more(asks, 4);
    catch_up(silent);
    g_assert_cmpuint(silent->n_heard, ==, 0);
    g_assert_cmpstr(asks->path, ==, path);
}

/* The figures grow, and are what there is of the processes. */
static void test_figures(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autoptr(Listener) listener = listener_new(fixture);
    guint64 resident = 0, cpu = 0, time = (guint64) g_get_monotonic_time();
    subscribe(listener, path, OFTEN);
    for (guint i = 0; i < 4; i++) {
        await_more(listener, 1);
        /* Whole intervals of the clock: one that was late is followed by the next one after half of one at the least. */
        g_assert_cmpuint(listener->time, >=, time + (i == 0 ? 0 : 250 * 1000));
        g_assert_cmpuint(listener->time, <=, g_get_monotonic_time());
        g_assert_cmpuint(listener->cpu, >=, MAX(cpu, 1)); /* the keeper and QEMU have started */
        g_assert_true(g_variant_lookup(listener->figures, "resident-bytes", "t", &resident));
        g_assert_cmpuint(resident, >, 4096);
        time = listener->time;
        cpu = listener->cpu;
    }
}

static void test_unsubscribe(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autoptr(Listener) leaves = listener_new(fixture);
    g_autoptr(Listener) stays = listener_new(fixture);
    subscribe(leaves, path, OFTEN);
    subscribe(leaves, path, OFTEN); /* that is still one */
    subscribe(stays, path, OFTEN);
    await_more(leaves, 2);
    unsubscribe(leaves, path);
    assert_hears_no_more(leaves, stays);
    unsubscribe(leaves, path);
    subscribe(leaves, path, OFTEN);
    await_more(leaves, 2);
}

/* Whoever asks once hears of each run. */
static void test_runs(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *clock = scripted_vm(fixture, "clock", NULL);
    g_autoptr(Listener) listener = listener_new(fixture);
    g_autoptr(Listener) other = listener_new(fixture);
    subscribe(listener, path, OFTEN);
    fixture_vm(fixture, clock, "Start");
    subscribe(other, clock, OFTEN);
    assert_hears_no_more(listener, other);
    g_assert_cmpuint(listener->n_heard, ==, 0);
    for (guint run = 0; run < 2; run++) {
        fixture_vm(fixture, path, "Start");
        await_more(listener, 2);
        fixture_vm(fixture, path, "PowerOff");
        assert_hears_no_more(listener, other);
    }
}

/* The first one does not wait for the interval. */
static void test_at_once(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autoptr(Listener) listener = listener_new(fixture);
    subscribe(listener, path, "{'interval-usec': <@t 60000000>}");
    await_more(listener, 1);
    fixture_vm(fixture, path, "PowerOff");
    fixture_vm(fixture, path, "Start");
    await_more(listener, 1);
    subscribe(listener, path, OFTEN);
    await_more(listener, 3); /* the new interval is what counts */
}

static void test_arguments(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autoptr(Listener) listener = listener_new(fixture);
    refused(listener, path, "{'interval-usec': <@t 499999>}", "InvalidArgs", "499999");
    refused(listener, path, "{'interval-usec': <@t 60000001>}", "InvalidArgs", "60000001");
    refused(listener, path, "{'interval-usec': <@t 18446744073709551615>}", "InvalidArgs", "18446744073709551615");
    refused(listener, path, "{'interval-usec': <@t 0>}", "InvalidArgs", "interval");
    refused(listener, path, "{'interval-usec': <'often'>}", "InvalidArgs", "interval-usec");
    refused(listener, path, "{'colour': <'red'>}", "InvalidArgs", "colour");
    subscribe(listener, path, "@a{sv} {}");
}

/* Nobody wakes for a VM that does not run, nor for one who has left, asked for no more, or whose VM is gone. */
static void test_idle(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *stopped = scripted_vm(fixture, "stopped", NULL);
    g_autoptr(Listener) listener = listener_new(fixture);
    subscribe(listener, stopped, OFTEN);
    subscribe(listener, path, OFTEN);
    await_more(listener, 2);
    unsubscribe(listener, path);
    scripted_assert_idle(fixture);
    fixture_vm(fixture, stopped, "Start");
    await_more(listener, 2);
    fixture_vm(fixture, stopped, "PowerOff");
    scripted_assert_idle(fixture);
}

static void test_disconnect(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autoptr(Listener) listener = listener_new(fixture);
    subscribe(listener, path, OFTEN);
    await_more(listener, 2);
    g_dbus_connection_close_sync(listener->bus, NULL, NULL);
    scripted_assert_idle(fixture);
}

static void call_and_leave(Fixture *fixture, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) passer_by = private_bus_connect(fixture->bus);
    g_autoptr(GDBusMessage) call =
        g_dbus_message_new_method_call(fixture->owner, path, BERTH_IFACE_VM, "SubscribeUsage");
    g_dbus_message_set_body(call, g_variant_new("(a{sv})", NULL));
    g_dbus_connection_send_message(passer_by, call, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, &error);
    g_assert_no_error(error);
    g_dbus_connection_flush_sync(passer_by, NULL, &error);
    g_assert_no_error(error);
    g_dbus_connection_close_sync(passer_by, NULL, &error);
    g_assert_no_error(error);
}

static void on_owner_changed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                             const char *signal, GVariant *parameters, gpointer data)
{
    const char *owner;
    g_variant_get(parameters, "(&s&s&s)", NULL, NULL, &owner);
    *(guint *) data += *owner == '\0';
}

/* They have left before the daemon hears of them, and nobody tells it: they take no room. */
static void test_passers_by(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autoptr(Listener) listener = listener_new(fixture);
    guint n_left = 0;
    guint watch = g_dbus_connection_signal_subscribe(listener->bus, "org.freedesktop.DBus", "org.freedesktop.DBus",
                                                     "NameOwnerChanged", NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                                     on_owner_changed, &n_left, NULL);
    kill(fixture->daemon, SIGSTOP);
    for (guint i = 0; i < ALL_MAX; i++)
        call_and_leave(fixture, path);
    AWAIT(n_left == ALL_MAX);
    kill(fixture->daemon, SIGCONT);
    fixture_vm_fails(fixture, path, "Pause", "WrongState", ""); /* it has heard of all of them */
    fixture_vm_fails(fixture, path, "Pause", "WrongState", ""); /* and what the bus says of them */
    subscribe(listener, path, OFTEN);
    g_dbus_connection_signal_unsubscribe(listener->bus, watch);
}

/* However many clients a user has, others find room; and root does whatever all users take. */
static void test_limits_of_users(Fixture *fixture, gconstpointer unused)
{
    enum { CLIENTS_OF_USER = PER_USER_MAX / PER_CLIENT_MAX, CLIENTS = ALL_MAX / PER_CLIENT_MAX };
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) listeners = g_ptr_array_new_with_free_func((GDestroyNotify) listener_free);
    for (guint i = 0; i < PER_CLIENT_MAX; i++) {
        g_autofree char *name = g_strdup_printf("vm-%u", i);
        g_ptr_array_add(paths, scripted_vm(fixture, name, NULL));
    }
    const char *first = paths->pdata[0];
    for (guint i = 0; i < CLIENTS; i++) {
        const uid_t user = FIRST_USER + i / CLIENTS_OF_USER;
        g_ptr_array_add(listeners, listener_new_as(fixture, user));
        for (guint j = 0; j < paths->len; j++)
            subscribe(listeners->pdata[i], paths->pdata[j], OFTEN);
        g_autoptr(Listener) next = listener_new_as(fixture, user);
        if (i % CLIENTS_OF_USER == CLIENTS_OF_USER - 1)
            refused(next, first, OFTEN, "LimitReached", "of one user may not follow the usage of more than 128");
    }
    g_autoptr(Listener) third = listener_new_as(fixture, FIRST_USER + 2);
    g_autoptr(Listener) root = listener_new(fixture);
    refused(third, first, OFTEN, "LimitReached", "of all users may not follow the usage of more than 256");
    subscribe(root, first, OFTEN);
    refused(third, first, OFTEN, "LimitReached", "256");
    unsubscribe(listeners->pdata[0], first);
    subscribe(third, first, OFTEN);
}

static void test_limits(Fixture *fixture, gconstpointer unused)
{
    char *paths[PER_CLIENT_MAX + 1];
    Listener *listeners[ALL_MAX / PER_CLIENT_MAX];
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autofree char *name = g_strdup_printf("vm-%u", i);
        paths[i] = scripted_vm(fixture, name, NULL);
    }
    for (guint i = 0; i < G_N_ELEMENTS(listeners); i++) {
        listeners[i] = listener_new(fixture);
        for (guint j = 0; j < PER_CLIENT_MAX; j++)
            subscribe(listeners[i], paths[j], OFTEN);
    }
    g_autoptr(Listener) late = listener_new(fixture);
    refused(late, paths[0], OFTEN, "LimitReached", "256");
    unsubscribe(listeners[0], paths[0]);
    unsubscribe(listeners[1], paths[0]);
    subscribe(late, paths[0], OFTEN);
    refused(listeners[2], paths[PER_CLIENT_MAX], OFTEN, "LimitReached", "64");
    /* A VM that goes takes its subscriptions along, and makes room for others. */
    fixture_vm(fixture, paths[1], "Remove");
    fixture_await_gone(fixture, paths[1]);
    subscribe(listeners[2], paths[PER_CLIENT_MAX], OFTEN);
    for (guint i = 0; i < G_N_ELEMENTS(listeners); i++)
        listener_free(listeners[i]);
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++)
        g_free(paths[i]);
}

/* In its grace time a VM runs on, and who looks at it can go on to. */
static void test_removal(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autoptr(Listener) listener = listener_new(fixture);
    subscribe(listener, path, OFTEN);
    scripted_remove(fixture, path, "{'grace-seconds': <@u 600>}");
    await_more(listener, 2);
    subscribe(listener, path, OFTEN);
    await_more(listener, 2);
    fixture_vm(fixture, path, "Remove");
    fixture_await_gone(fixture, path);
    refused(listener, path, OFTEN, "UnknownObject", "");
    scripted_assert_idle(fixture);
}

/* On another bus nobody has subscribed yet. */
static void test_bus(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autoptr(Listener) before = listener_new(fixture);
    subscribe(before, path, OFTEN);
    await_more(before, 1);
    fixture_restart_bus(fixture);
    scripted_assert_idle(fixture);
    g_autoptr(Listener) after = listener_new(fixture);
    subscribe(after, path, OFTEN);
    await_more(after, 2);
}

/* And by another daemon. */
static void test_restart(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autoptr(Listener) before = listener_new(fixture);
    subscribe(before, path, OFTEN);
    await_more(before, 1);
    fixture_restart_daemon(fixture);
    scripted_assert_idle(fixture);
    g_autoptr(Listener) after = listener_new(fixture);
    subscribe(after, path, OFTEN);
    await_more(after, 2);
}

#define ADD(path, func) SCRIPTED_ADD("/usage/" path, "", func)

static void add(void)
{
    ADD("only-who-asked", test_only_who_asked);
    ADD("figures", test_figures);
    ADD("unsubscribe", test_unsubscribe);
    ADD("runs", test_runs);
    ADD("at-once", test_at_once);
    ADD("arguments", test_arguments);
    ADD("idle", test_idle);
    ADD("disconnect", test_disconnect);
    ADD("passers-by", test_passers_by);
    ADD("limits", test_limits);
    ADD("limits-of-users", test_limits_of_users);
    ADD("removal", test_removal);
    ADD("bus", test_bus);
    ADD("restart", test_restart);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
