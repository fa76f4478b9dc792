/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "await.h"
#include "client.h"
#include "fixture.h"
#include "src/core/names.h"

/* What the test asks of the daemon. */

char *fixture_error_name(const GError *error)
{
    return g_dbus_error_get_remote_error(error);
}

GVariant *fixture_call_with_fds(Fixture *fixture, const char *path, const char *interface, const char *method,
                                GVariant *parameters, GUnixFDList *fds, GUnixFDList **answer_fds, GError **error)
{
    return g_dbus_connection_call_with_unix_fd_list_sync(fixture->client, BERTH_BUS_NAME, path, interface, method,
                                                         parameters, NULL, G_DBUS_CALL_FLAGS_NONE, FIXTURE_CALL_MSEC,
                                                         fds, answer_fds, NULL, error);
}

GVariant *fixture_try(Fixture *fixture, const char *path, const char *interface, const char *method,
                      GVariant *parameters, GError **error)
{
    return fixture_call_with_fds(fixture, path, interface, method, parameters, NULL, NULL, error);
}

GVariant *fixture_call(Fixture *fixture, const char *path, const char *interface, const char *method,
                       GVariant *parameters)
{
    g_autoptr(GError) error = NULL;
    GVariant *answer = fixture_try(fixture, path, interface, method, parameters, &error);
    if (!answer)
        g_error("%s.%s of %s: %s", interface, method, path, error->message);
    return answer;
}

static void assert_error(const GError *error, const char *error_name, const char *words)
{
    g_autofree char *name = fixture_error_name(error);
    g_autofree char *expected =
        strchr(error_name, '.') ? g_strdup(error_name) : g_strconcat(BERTH_ERROR_PREFIX, error_name, NULL);
    if (g_strcmp0(name, expected) != 0)
        g_error("Got “%s”, expected %s", error->message, expected);
    if (!strstr(error->message, words))
        g_error("“%s” says nothing of “%s”", error->message, words);
}

void fixture_call_fails(Fixture *fixture, const char *path, const char *interface, const char *method,
                        GVariant *parameters, const char *error_name, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = fixture_try(fixture, path, interface, method, parameters, &error);
    if (answer)
        g_error("%s.%s of %s succeeded, expected %s", interface, method, path, error_name);
    assert_error(error, error_name, words);
}

static void on_call_done(GObject *source, GAsyncResult *result, gpointer data)
{
    FixtureCall *call = data;
    call->answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &call->error);
    call->done = TRUE;
}

FixtureCall *fixture_begin(Fixture *fixture, const char *path, const char *interface, const char *method,
                           GVariant *parameters)
{
    FixtureCall *call = g_new0(FixtureCall, 1);
    g_dbus_connection_call(fixture->client, BERTH_BUS_NAME, path, interface, method, parameters, NULL,
                           G_DBUS_CALL_FLAGS_NONE, FIXTURE_CALL_MSEC, NULL, on_call_done, call);
    return call;
}

void fixture_call_free(FixtureCall *call)
{
    g_assert_true(call->done);
    g_clear_pointer(&call->answer, g_variant_unref);
    g_clear_error(&call->error);
    g_free(call);
}

/* VMs */

static GVariant *no_options(void)
{
    return g_variant_new("(a{sv})", NULL);
}

char *fixture_create(Fixture *fixture, const char *name, GVariant *config)
{
    if (!config)
        config = g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0);
    g_autoptr(GVariant) answer = fixture_call(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                                              g_variant_new("(s@a{sv}a{sv})", name, config, NULL));
    char *path;
    g_variant_get(answer, "(o)", &path);
    return path;
}

void fixture_vm(Fixture *fixture, const char *path, const char *method)
{
    g_variant_unref(fixture_call(fixture, path, BERTH_IFACE_VM, method, no_options()));
}

void fixture_vm_fails(Fixture *fixture, const char *path, const char *method, const char *error_name, const char *words)
{
    fixture_call_fails(fixture, path, BERTH_IFACE_VM, method, no_options(), error_name, words);
}

GPtrArray *fixture_vms(Fixture *fixture)
{
    g_autoptr(GVariant) answer =
        fixture_call(fixture, BERTH_PATH_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
    return client_paths_below(answer, BERTH_PATH_VM "/");
}

char *fixture_unit(Fixture *fixture, const char *path)
{
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    return g_strconcat(BERTH_UNIT_PREFIX, id, BERTH_UNIT_SUFFIX, NULL);
}

/* properties */

GVariant *fixture_get(Fixture *fixture, const char *path, const char *interface, const char *property)
{
    g_autoptr(GVariant) answer = fixture_call(fixture, path, "org.freedesktop.DBus.Properties", "Get",
                                              g_variant_new("(ss)", interface, property));
    GVariant *value;
    g_variant_get(answer, "(v)", &value);
    return value;
}

char *fixture_get_string(Fixture *fixture, const char *path, const char *property)
{
    g_autoptr(GVariant) value = fixture_get(fixture, path, BERTH_IFACE_VM, property);
    return g_variant_dup_string(value, NULL);
}

guint32 fixture_get_uint(Fixture *fixture, const char *path, const char *property)
{
    g_autoptr(GVariant) value = fixture_get(fixture, path, BERTH_IFACE_VM, property);
    return g_variant_get_uint32(value);
}

typedef struct {
    const char *property;
    GVariant *wanted;
    GVariant *last; /* NULL until it is read */
    gboolean has_come;
} Watch;

static void note_value(Watch *watch, GVariant *value)
{
    g_clear_pointer(&watch->last, g_variant_unref);
    watch->last = value;
    watch->has_come = watch->has_come || g_variant_equal(value, watch->wanted);
}

/* What was told before it is read is in what is read. Of what comes after that each value counts, though several may come at
 * once, and the wanted one not last. */
static void on_properties_changed(GDBusConnection *client, const char *sender, const char *path, const char *interface,
                                  const char *signal, GVariant *parameters, gpointer data)
{
    Watch *watch = data;
    g_autoptr(GVariant) changed = g_variant_get_child_value(parameters, 1);
    GVariant *value = watch->last ? g_variant_lookup_value(changed, watch->property, NULL) : NULL;
    if (value)
        note_value(watch, value);
}

/* In its turn among the signals. */
static void on_read(GObject *client, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(client), result, &error);
    GVariant *value;
    g_assert_no_error(error);
    g_variant_get(answer, "(v)", &value);
    note_value(data, value);
}

static void await_value(const Watch *watch, const char *path)
{
    AwaitDeadline deadline;
    await_begin(&deadline, AWAIT_SECONDS * 1000);
    while (!watch->has_come) {
        if (await_step(&deadline))
            continue;
        g_autofree char *got = watch->last ? g_variant_print(watch->last, FALSE) : g_strdup("not told");
        g_autofree char *text = g_variant_print(watch->wanted, FALSE);
        g_error("%s of %s is %s, and has not become %s in %u s", watch->property, path, got, text, AWAIT_SECONDS);
    }
    await_end(&deadline);
}

void fixture_await_property(Fixture *fixture, const char *path, const char *property, GVariant *value)
{
    g_autoptr(GVariant) wanted = g_variant_ref_sink(value);
    Watch watch = {.property = property, .wanted = wanted};
    guint subscription = g_dbus_connection_signal_subscribe(
        fixture->client, BERTH_BUS_NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged", path, BERTH_IFACE_VM,
        G_DBUS_SIGNAL_FLAGS_NONE, on_properties_changed, &watch, NULL);
    g_dbus_connection_call(fixture->client, BERTH_BUS_NAME, path, "org.freedesktop.DBus.Properties", "Get",
                           g_variant_new("(ss)", BERTH_IFACE_VM, property), G_VARIANT_TYPE("(v)"),
                           G_DBUS_CALL_FLAGS_NONE, FIXTURE_CALL_MSEC, NULL, on_read, &watch);
    await_value(&watch, path);
    g_dbus_connection_signal_unsubscribe(fixture->client, subscription);
    g_variant_unref(watch.last);
}

void fixture_await_state(Fixture *fixture, const char *path, const char *state)
{
    fixture_await_property(fixture, path, "State", g_variant_new_string(state));
}

static void on_something_removed(GDBusConnection *client, const char *sender, const char *path, const char *interface,
                                 const char *signal, GVariant *parameters, gpointer data)
{
    gboolean *removed = data;
    *removed = TRUE;
}

/* Each removal, of whatever object, makes us look. */
void fixture_await_gone(Fixture *fixture, const char *path)
{
    gboolean removed = TRUE;
    guint subscription = g_dbus_connection_signal_subscribe(
        fixture->client, BERTH_BUS_NAME, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", BERTH_PATH_ROOT,
        NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_something_removed, &removed, NULL);
    for (gboolean there = TRUE; there;) {
        AWAIT(removed);
        removed = FALSE;
        g_autoptr(GPtrArray) vms = fixture_vms(fixture);
        there = g_ptr_array_find_with_equal_func(vms, path, g_str_equal, NULL);
    }
    g_dbus_connection_signal_unsubscribe(fixture->client, subscription);
}
