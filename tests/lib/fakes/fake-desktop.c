/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-desktop.h"

#define SERVICE "org.gtk.Notifications"

static const char contract[] =
    "<node><interface name='" SERVICE "'>"
    "<method name='AddNotification'><arg type='s' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='a{sv}' direction='in'/></method>"
    "<method name='RemoveNotification'><arg type='s' direction='in'/>"
    "<arg type='s' direction='in'/></method></interface></node>";

static GHashTable *shown;
static GDBusConnection *bus;
static guint registration;

static void on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                    const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
    const char *application, *id;
    g_variant_get_child(parameters, 0, "&s", &application);
    g_variant_get_child(parameters, 1, "&s", &id);
    g_assert_cmpstr(application, ==, "org.berth.Berth");
    if (g_str_equal(method, "AddNotification"))
        g_hash_table_insert(shown, g_strdup(id), g_variant_get_child_value(parameters, 2));
    else
        g_hash_table_remove(shown, id);
    g_dbus_method_invocation_return_value(invocation, NULL);
}

void fake_desktop_begin(void)
{
    static const GDBusInterfaceVTable vtable = {on_call, NULL, NULL, {0}};
    g_autoptr(GError) error = NULL;
    bus = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(contract, &error);
    g_assert_no_error(error);
    shown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
    registration = g_dbus_connection_register_object(bus, "/org/gtk/Notifications", node->interfaces[0], &vtable, NULL,
                                                     NULL, &error);
    g_assert_no_error(error);
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
        g_variant_new("(su)", SERVICE, 0), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    g_assert_no_error(error);
}

void fake_desktop_end(void)
{
    g_dbus_connection_unregister_object(bus, registration);
    g_clear_object(&bus);
    g_clear_pointer(&shown, g_hash_table_unref);
}

GHashTable *fake_desktop_shown(void)
{
    return shown;
}
