/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "scripted.h"
#include "src/core/names.h"

/* Answers: each call has one, and what it has changed was told before it. */

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

static GDBusMessage *listen(GDBusConnection *client, GDBusMessage *message, gboolean incoming, gpointer data)
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
    wire->filter = g_dbus_connection_add_filter(fixture->client, listen, wire, NULL);
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

static void add(void)
{
    SCRIPTED_ADD("/answers/told-before", "", test_told_before_answered);
    SCRIPTED_ADD("/answers/utf-8", "", test_text_is_utf8);
    SCRIPTED_ADD("/answers/of-an-end", "", test_of_an_end);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
