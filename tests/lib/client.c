/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"

#include <string.h>

#include "await.h"
#include "src/core/names.h"

#define IFACE_PROPERTIES "org.freedesktop.DBus.Properties"
#define IFACE_OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

GDBusConnection *client_connect(GBusType type)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *address = g_dbus_address_get_for_bus_sync(type, NULL, &error);
    g_assert_no_error(error);
    GDBusConnection *bus = g_dbus_connection_new_for_address_sync(
        address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL,
        NULL, &error);
    g_assert_no_error(error);
    return bus;
}

/* Calls */

typedef struct {
    gboolean done;
    GVariant *answer;
    GUnixFDList *fds;
    GError *error;
} Call;

static void on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    call->answer =
        g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(source), &call->fds, result, &call->error);
    call->done = TRUE;
}

/* In the main context, so that what was told before the answer is known when it comes. */
GVariant *client_try_with_fds(GDBusConnection *bus, const char *path, const char *interface, const char *method,
                              GVariant *parameters, GUnixFDList *fds, GUnixFDList **answer_fds, GError **error)
{
    Call call = {0};
    g_dbus_connection_call_with_unix_fd_list(bus, BERTH_BUS_NAME, path, interface, method, parameters, NULL,
                                             G_DBUS_CALL_FLAGS_NONE, (int) CLIENT_SECONDS * 1000, fds, NULL, on_answer,
                                             &call);
    while (!call.done)
        g_main_context_iteration(NULL, TRUE);
    if (call.error)
        g_propagate_error(error, call.error);
    if (answer_fds)
        *answer_fds = call.fds;
    else
        g_clear_object(&call.fds);
    return call.answer;
}

GVariant *client_try(GDBusConnection *bus, const char *path, const char *interface, const char *method,
                     GVariant *parameters, GError **error)
{
    return client_try_with_fds(bus, path, interface, method, parameters, NULL, NULL, error);
}

GVariant *client_call(GDBusConnection *bus, const char *path, const char *interface, const char *method,
                      GVariant *parameters)
{
    g_autoptr(GError) error = NULL;
    GVariant *answer = client_try(bus, path, interface, method, parameters, &error);
    if (!answer)
        g_error("%s.%s of %s: %s", interface, method, path, error->message);
    return answer;
}

void client_fails(GDBusConnection *bus, const char *path, const char *interface, const char *method,
                  GVariant *parameters, const char *error_name, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = client_try(bus, path, interface, method, parameters, &error);
    if (answer)
        g_error("%s.%s of %s succeeded, expected %s", interface, method, path, error_name);
    g_autofree char *name = g_dbus_error_get_remote_error(error);
    g_autofree char *expected =
        strchr(error_name, '.') ? g_strdup(error_name) : g_strconcat(BERTH_ERROR_PREFIX, error_name, NULL);
    if (g_strcmp0(name, expected) != 0)
        g_error("%s of %s: got “%s”, expected %s", method, path, error->message, expected);
    if (!strstr(error->message, words))
        g_error("%s of %s: “%s” says nothing of “%s”", method, path, error->message, words);
}

GVariant *client_get(GDBusConnection *bus, const char *path, const char *interface, const char *property)
{
    g_autoptr(GVariant) answer =
        client_call(bus, path, IFACE_PROPERTIES, "Get", g_variant_new("(ss)", interface, property));
    GVariant *value;
    g_variant_get(answer, "(v)", &value);
    return value;
}

void client_vm(GDBusConnection *bus, const char *path, const char *method)
{
    g_variant_unref(client_call(bus, path, BERTH_IFACE_VM, method, g_variant_new("(a{sv})", NULL)));
}

void client_vm_fails(GDBusConnection *bus, const char *path, const char *method, const char *error_name,
                     const char *words)
{
    client_fails(bus, path, BERTH_IFACE_VM, method, g_variant_new("(a{sv})", NULL), error_name, words);
}

char *client_create(GDBusConnection *bus, const char *name, GVariant *config)
{
    g_autoptr(GVariant) answer = client_call(bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                                             g_variant_new("(s@a{sv}a{sv})", name, config, NULL));
    char *path;
    g_variant_get(answer, "(o)", &path);
    return path;
}

int client_open(GDBusConnection *bus, const char *path, const char *method, GVariant *parameters)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) answer = client_try_with_fds(bus, path, BERTH_IFACE_VM, method, parameters, NULL, &fds, &error);
    if (!answer)
        g_error("%s of %s: %s", method, path, error->message);
    gint32 handle;
    g_variant_get(answer, "(h)", &handle);
    int fd = g_unix_fd_list_get(fds, handle, &error);
    g_assert_no_error(error);
    return fd;
}

/* Objects */

GPtrArray *client_paths_below(GVariant *managed_objects, const char *prefix)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GVariant) objects = g_variant_get_child_value(managed_objects, 0);
    GVariantIter iter;
    const char *path;
    g_variant_iter_init(&iter, objects);
    while (g_variant_iter_next(&iter, "{&o@a{sa{sv}}}", &path, NULL))
        if (g_str_has_prefix(path, prefix))
            g_ptr_array_add(paths, g_strdup(path));
    return paths;
}

struct ClientObject {
    GDBusConnection *bus;
    char *path, *interface;
    guint changes, removals; /* subscriptions */
    GHashTable *told;        /* property → GPtrArray of GVariant, oldest first */
    guint n_removed;
    gboolean is_read;
    const char *awaited; /* a property, NULL while nobody waits for one */
    GVariant *awaited_value;
    gboolean has_come;
};

static void tell(ClientObject *object, GVariant *properties)
{
    GVariantIter iter;
    const char *property;
    GVariant *value;
    g_variant_iter_init(&iter, properties);
    while (g_variant_iter_next(&iter, "{&sv}", &property, &value)) {
        GPtrArray *values = g_hash_table_lookup(object->told, property);
        if (!values) {
            values = g_ptr_array_new_with_free_func((GDestroyNotify) g_variant_unref);
            g_hash_table_insert(object->told, g_strdup(property), values);
        }
        g_ptr_array_add(values, value);
        if (g_strcmp0(property, object->awaited) == 0 && g_variant_equal(value, object->awaited_value))
            object->has_come = TRUE;
    }
}

static void on_changed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer data)
{
    g_autoptr(GVariant) changed = g_variant_get_child_value(parameters, 1);
    tell(data, changed);
}

static void on_removed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer data)
{
    ClientObject *object = data;
    const char *gone;
    g_autofree const char **interfaces = NULL;
    g_variant_get(parameters, "(&o^a&s)", &gone, &interfaces);
    if (g_str_equal(gone, object->path) && g_strv_contains(interfaces, object->interface))
        object->n_removed++;
}

/* Subscribed first, read then: nothing falls in between. */
/* In its turn among the signals: what was told before the answer is in it, and what is told after it counts. */
static void on_all_read(GObject *bus, GAsyncResult *result, gpointer data)
{
    ClientObject *object = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(bus), result, &error);
    g_assert_no_error(error);
    g_autoptr(GVariant) properties = g_variant_get_child_value(answer, 0);
    g_hash_table_remove_all(object->told);
    tell(object, properties);
    object->is_read = TRUE;
}

ClientObject *client_watch(GDBusConnection *bus, const char *path, const char *interface)
{
    ClientObject *object = g_new0(ClientObject, 1);
    object->bus = g_object_ref(bus);
    object->path = g_strdup(path);
    object->interface = g_strdup(interface);
    object->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
    object->changes =
        g_dbus_connection_signal_subscribe(bus, BERTH_BUS_NAME, IFACE_PROPERTIES, "PropertiesChanged", path, interface,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_changed, object, NULL);
    object->removals =
        g_dbus_connection_signal_subscribe(bus, BERTH_BUS_NAME, IFACE_OBJECT_MANAGER, "InterfacesRemoved",
                                           BERTH_PATH_ROOT, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_removed, object, NULL);
    g_dbus_connection_call(bus, BERTH_BUS_NAME, path, IFACE_PROPERTIES, "GetAll", g_variant_new("(s)", interface),
                           G_VARIANT_TYPE("(a{sv})"), G_DBUS_CALL_FLAGS_NONE, CLIENT_SECONDS * 1000, NULL, on_all_read,
                           object);
    CLIENT_AWAIT(object->is_read, "The properties of %s are not told", path);
    return object;
}

void client_object_free(ClientObject *object)
{
    g_dbus_connection_signal_unsubscribe(object->bus, object->changes);
    g_dbus_connection_signal_unsubscribe(object->bus, object->removals);
    g_object_unref(object->bus);
    g_hash_table_unref(object->told);
    g_free(object->path);
    g_free(object->interface);
    g_free(object);
}

static const GPtrArray *values_of(const ClientObject *object, const char *property)
{
    const GPtrArray *values = g_hash_table_lookup(object->told, property);
    if (!values)
        g_error("%s has no property %s", object->path, property);
    return values;
}

GVariant *client_told(const ClientObject *object, const char *property)
{
    const GPtrArray *values = values_of(object, property);
    return values->pdata[values->len - 1];
}

const char *client_told_string(const ClientObject *object, const char *property)
{
    return g_variant_get_string(client_told(object, property), NULL);
}

guint32 client_told_uint(const ClientObject *object, const char *property)
{
    return g_variant_get_uint32(client_told(object, property));
}

char *client_history(const ClientObject *object, const char *property)
{
    const GPtrArray *values = values_of(object, property);
    GString *words = g_string_new(NULL);
    for (guint i = 0; i < values->len; i++)
        g_string_append_printf(words, "%s%s", i > 0 ? " " : "", g_variant_get_string(values->pdata[i], NULL));
    return g_string_free(words, FALSE);
}

static char *print(GVariant *value)
{
    return g_variant_print(value, FALSE);
}

/* One turn of the main context may bring several values, of which the last is another. */
void client_await(ClientObject *object, const char *property, GVariant *value)
{
    g_autoptr(GVariant) wanted = g_variant_ref_sink(value);
    object->awaited = property;
    object->awaited_value = wanted;
    object->has_come = g_variant_equal(client_told(object, property), wanted);
    CLIENT_AWAIT(object->has_come, "%s of %s is %s, and has not become %s (%s)", property, object->path,
                 print(client_told(object, property)), print(wanted), print(client_told(object, "LastError")));
    object->awaited = NULL;
}

void client_await_state(ClientObject *object, const char *state)
{
    client_await(object, "State", g_variant_new_string(state));
}

void client_await_other(const ClientObject *object, const char *property)
{
    g_autoptr(GVariant) old = g_variant_ref(client_told(object, property));
    CLIENT_AWAIT(!g_variant_equal(client_told(object, property), old), "%s of %s is still %s", property, object->path,
                 print(old));
}

void client_await_gone(const ClientObject *object)
{
    CLIENT_AWAIT(object->n_removed > 0, "%s is not gone: %s, %s, %s", object->path, client_told_string(object, "State"),
                 client_told_string(object, "RemovalPhase"), client_told_string(object, "RemovalBlocker"));
}

guint client_n_removed(const ClientObject *object)
{
    return object->n_removed;
}
