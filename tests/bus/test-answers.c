/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scripted.h"
#include "src/core/autofd.h"
#include "src/core/names.h"
#include "tests/lib/preloads/hold.h"

/* Answers: each call has one, and what it has changed was told before it. */

#define NOBODY 65534

/* What came in on the client's connection, in the bus's own order: "State=removing" and the like, "InterfacesAdded", and
 * "answer" for each answer to a call. The filter runs in GDBus's thread. */
typedef struct {
    GMutex mutex;
    GString *words;
    const char *owner;
    guint filter;
} Wire;

static void note_state(GString *words, GVariant *body)
{
    const char *state = NULL;
    g_autoptr(GVariant) changed = g_variant_get_child_value(body, 1);
    if (g_variant_lookup(changed, "State", "&s", &state))
        g_string_append_printf(words, "State=%s ", state);
}

static GDBusMessage *hear(GDBusConnection *client, GDBusMessage *message, gboolean incoming, gpointer data)
{
    Wire *wire = data;
    const GDBusMessageType type = g_dbus_message_get_message_type(message);
    /* What the bus itself answers, to AddMatch and the like, is nothing to this. */
    if (!incoming || g_strcmp0(g_dbus_message_get_sender(message), wire->owner) != 0)
        return message;
    g_mutex_lock(&wire->mutex);
    if (type == G_DBUS_MESSAGE_TYPE_METHOD_RETURN || type == G_DBUS_MESSAGE_TYPE_ERROR)
        g_string_append(wire->words, "answer ");
    else if (g_strcmp0(g_dbus_message_get_member(message), "PropertiesChanged") == 0)
        note_state(wire->words, g_dbus_message_get_body(message));
    else if (g_strcmp0(g_dbus_message_get_member(message), "InterfacesAdded") == 0)
        g_string_append(wire->words, "InterfacesAdded ");
    g_mutex_unlock(&wire->mutex);
    return message;
}

static void wire_begin(Wire *wire, Fixture *fixture)
{
    g_mutex_init(&wire->mutex);
    wire->words = g_string_new(NULL);
    wire->owner = fixture->owner;
    wire->filter = g_dbus_connection_add_filter(fixture->client, hear, wire, NULL);
}

static void wire_end(Wire *wire, Fixture *fixture)
{
    g_dbus_connection_remove_filter(fixture->client, wire->filter);
    g_string_free(wire->words, TRUE);
    g_mutex_clear(&wire->mutex);
}

/* Since the last look, at its end: states that one turn of the loop went through may come as one. */
static void assert_heard(Wire *wire, const char *words)
{
    g_mutex_lock(&wire->mutex);
    g_autofree char *heard = g_strdup(wire->words->str);
    g_string_truncate(wire->words, 0);
    g_mutex_unlock(&wire->mutex);
    if (!g_str_has_suffix(heard, words))
        g_error("Heard “%s”, which does not end with “%s”", heard, words);
}

static void test_told_before_answered(Fixture *fixture, gconstpointer unused)
{
    Wire wire;
    /* The fixture's own signals are what the client has asked the bus for. */
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, NULL);
    scripted_write(fixture, "web", NULL);
    wire_begin(&wire, fixture);
    g_autofree char *path = fixture_create(fixture, "web", NULL);
    assert_heard(&wire, "InterfacesAdded answer ");
    fixture_vm(fixture, path, "Start");
    assert_heard(&wire, "State=running answer ");
    fixture_vm(fixture, path, "Pause");
    assert_heard(&wire, "State=paused answer ");
    fixture_vm(fixture, path, "Resume");
    assert_heard(&wire, "State=running answer ");
    fixture_vm(fixture, path, "PowerOff");
    assert_heard(&wire, "State=stopped answer ");
    scripted_remove(fixture, path, "{'grace-seconds': <uint32 600>}");
    assert_heard(&wire, "State=removing answer ");
    fixture_vm(fixture, path, "CancelRemoval");
    assert_heard(&wire, "State=stopped answer ");
    wire_end(&wire, fixture);
}

/* A text that is no UTF-8 would be no answer at all: here half of a letter, which the quoted name was cut in. */
static void test_text_is_utf8(Fixture *fixture, gconstpointer unused)
{
    char name[64 + 2];
    memset(name, 'x', 63);
    strcpy(name + 63, "é");
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", name), "NotFound",
                       "xxx");
}

/* A daemon that is stopped answers what it has not done, each call once, and comes to an end itself. */
static void test_of_an_end(Fixture *fixture, gconstpointer unused)
{
    static const char *const methods[] = {"Start", "Pause", "Shutdown", "Reset", "OpenDisplay"};
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    FixtureCall *calls[G_N_ELEMENTS(methods)];
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autofree char *name = g_strdup_printf("vm%u", i);
        const char *script = i == 0 ? "on connect ignore\n"
                                    : "on stop wait never\non system_powerdown wait never\n"
                                      "on system_reset wait never\non getfd wait never\n";
        g_ptr_array_add(paths, scripted_vm_with(fixture, name, "{'display': <'vga'>}", script));
        if (i > 0)
            scripted_start(fixture, paths->pdata[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++)
        calls[i] = scripted_begin(fixture, paths->pdata[i], methods[i]);
    scripted_await(fixture, "vm0", "start", 1);
    scripted_await(fixture, "vm1", "qmp stop", 1);
    scripted_await(fixture, "vm2", "qmp system_powerdown", 1);
    scripted_await(fixture, "vm3", "qmp system_reset", 1);
    scripted_await(fixture, "vm4", "qmp getfd", 1);

    const int status = fixture_stop_daemon(fixture, SIGTERM);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++)
        scripted_fails(calls[i], "Cancelled", "");
    fixture_start_daemon(fixture);
}

static void on_answered(GObject *user, GAsyncResult *result, gpointer data)
{
    FixtureCall *call = data;
    call->answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(user), result, &call->error);
    call->done = TRUE;
}

static FixtureCall *begin_as_user(GDBusConnection *user, const char *path, const char *method)
{
    FixtureCall *call = g_new0(FixtureCall, 1);
    g_dbus_connection_call(user, BERTH_BUS_NAME, path, BERTH_IFACE_VM, method, g_variant_new("(a{sv})", NULL), NULL,
                           G_DBUS_CALL_FLAGS_NONE, FIXTURE_CALL_MSEC, NULL, on_answered, call);
    return call;
}

static FixtureCall *begin_on_root(Fixture *fixture, const char *method)
{
    return fixture_begin(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, method, g_variant_new("(a{sv})", NULL));
}

/* So are those that wait for somebody else, or for each other: the daemon is ending before the disk has been read for the
 * first Reload. */
static void test_waiting_at_the_end(Fixture *fixture, gconstpointer config)
{
    scripted_prepare(fixture, config);
    g_autofree char *dir = g_build_filename(fixture->dir, "hold", NULL);
    Hold *hold = hold_new(dir, g_getenv("BERTH_HOLD_PRELOAD"), &fixture->environ);
    BERTH_AUTOFD told = scripted_notify_socket(fixture);
    fixture_start_daemon(fixture);
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autoptr(GDBusConnection) user = private_bus_connect_as(fixture->bus, NOBODY);

    hold_at(hold, HOLD_SCAN);
    FixtureCall *reload = begin_on_root(fixture, "Reload"), *next = begin_on_root(fixture, "Reload");
    hold_await(hold, HOLD_SCAN);
    fake_service_hold(fake_systemd_service(fixture->systemd), "ListUnitsByPatterns");
    FixtureCall *audit = begin_on_root(fixture, "Audit");
    AWAIT(fake_service_count(fake_systemd_service(fixture->systemd), "ListUnitsByPatterns") > 1);
    fake_service_hold(fake_polkit_service(fixture->polkit), "CheckAuthorization");
    FixtureCall *start = begin_as_user(user, path, "Start");
    AWAIT(fake_service_count(fake_polkit_service(fixture->polkit), "CheckAuthorization") == 1);

    g_assert_cmpint(kill(fixture->daemon, SIGTERM), ==, 0);
    scripted_await_notified(told, "STOPPING=1");
    hold_release(hold);
    const int status = fixture_stop_daemon(fixture, SIGTERM);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    scripted_fails(reload, "Cancelled", "berthd ends");
    scripted_fails(next, "Cancelled", "berthd ends");
    scripted_fails(audit, "Cancelled", "berthd ends");
    scripted_fails(start, "Cancelled", "berthd ends");
    fake_service_release(fake_systemd_service(fixture->systemd), "ListUnitsByPatterns");
    fake_service_release(fake_polkit_service(fixture->polkit), "CheckAuthorization");
    hold_free(hold);
    fixture_start_daemon(fixture);
}

static void add(void)
{
    SCRIPTED_ADD("/answers/told-before", "", test_told_before_answered);
    SCRIPTED_ADD("/answers/utf-8", "", test_text_is_utf8);
    SCRIPTED_ADD("/answers/of-an-end", "", test_of_an_end);
    g_test_add("/answers/waiting-at-the-end", Fixture, "", NULL, test_waiting_at_the_end, fixture_tear_down);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
