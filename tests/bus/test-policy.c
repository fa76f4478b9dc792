/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "src/core/names.h"
#include "tests/lib/await.h"
#include "tests/lib/private-bus.h"

/* The files that tell others who may do what: dbus-daemon and polkit. */

#define UID_USER 65534u

static PrivateBus *private_bus;
static GDBusConnection *root, *user;

static guint request_name(GDBusConnection *connection, GError **error)
{
    guint result = 0;
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
        g_variant_new("(su)", BERTH_BUS_NAME, 4), G_VARIANT_TYPE("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, error);
    if (answer)
        g_variant_get(answer, "(u)", &result);
    return result;
}

/* Whether the bus lets a call through: GDBus on the other side knows no such object, and says so. */
static gboolean may_call(GDBusConnection *connection, const char *interface)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_sync(connection, BERTH_BUS_NAME, "/nowhere", interface, "Nothing", NULL, NULL,
                                    G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    g_assert_null(answer);
    if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED))
        return FALSE;
    g_assert_error(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD);
    return TRUE;
}

static void test_own(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_cmpuint(request_name(user, &error), ==, 0);
    g_assert_error(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
}

/* Every interface of the contract, and the standard ones; and nothing that is not Berth's. */
static void test_call(void)
{
    g_autofree char *xml = NULL;
    g_autoptr(GError) error = NULL;
    g_assert_true(g_file_get_contents(g_getenv("BERTH_CONTRACT"), &xml, NULL, &error));
    g_autoptr(GDBusNodeInfo) contract = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    guint n = 0;
    for (GDBusInterfaceInfo **interface = contract->interfaces; *interface; interface++, n++)
        g_assert_true(may_call(user, (*interface)->name));
    g_assert_cmpuint(n, ==, 4);
    g_assert_true(may_call(user, "org.freedesktop.DBus.ObjectManager"));
    g_assert_true(may_call(user, "org.freedesktop.DBus.Properties"));
    g_assert_true(may_call(user, "org.freedesktop.DBus.Introspectable"));
    g_assert_false(may_call(user, "org.example.Other"));
}

static void on_usage(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                     const char *signal, GVariant *parameters, gpointer data)
{
    *(gboolean *) data = TRUE;
}

/* A signal to one client alone is let through, too. */
static void test_unicast(void)
{
    g_autoptr(GError) error = NULL;
    gboolean heard = FALSE;
    guint subscription =
        g_dbus_connection_signal_subscribe(user, g_dbus_connection_get_unique_name(root), BERTH_IFACE_VM, "Usage", NULL,
                                           NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_usage, &heard, NULL);
    g_assert_true(g_dbus_connection_emit_signal(root, g_dbus_connection_get_unique_name(user), "/nowhere",
                                                BERTH_IFACE_VM, "Usage", NULL, &error));
    AWAIT(heard);
    g_dbus_connection_signal_unsubscribe(user, subscription);
}

static void on_element(GMarkupParseContext *context, const char *element, const char **names, const char **values,
                       gpointer data, GError **error)
{
    if (g_str_equal(element, "action"))
        g_hash_table_add(data, g_strdup(values[0]));
}

/* polkit refuses what it has no action for, even to an administrator: each must be there. */
static void test_actions(void)
{
    static const char *const expected[] = {
        BERTH_ACTION_CREATE,  BERTH_ACTION_CONTROL, BERTH_ACTION_CONFIGURE, BERTH_ACTION_REMOVE,
        BERTH_ACTION_CONSOLE, BERTH_ACTION_IMAGES,  BERTH_ACTION_RELOAD,
    };
    static const GMarkupParser parser = {.start_element = on_element};
    g_autofree char *xml = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GHashTable) actions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_assert_true(g_file_get_contents(g_getenv("BERTH_ACTIONS"), &xml, NULL, &error));
    g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&parser, 0, actions, NULL);
    g_assert_true(g_markup_parse_context_parse(context, xml, -1, &error));
    g_assert_true(g_markup_parse_context_end_parse(context, &error));
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
        if (!g_hash_table_contains(actions, expected[i]))
            g_error("polkit has no action %s", expected[i]);
    g_assert_cmpuint(g_hash_table_size(actions), ==, G_N_ELEMENTS(expected));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (geteuid() != 0) {
        g_print("1..0 # SKIP only root can connect as another user\n");
        return 0;
    }
    private_bus = private_bus_new_with_policy(g_getenv("BERTH_BUS_POLICY"));
    root = private_bus_connect(private_bus);
    user = private_bus_connect_as(private_bus, UID_USER);
    g_assert_cmpuint(request_name(root, NULL), ==, 1); /* primary owner */
    g_test_add_func("/policy/own", test_own);
    g_test_add_func("/policy/call", test_call);
    g_test_add_func("/policy/unicast", test_unicast);
    g_test_add_func("/policy/actions", test_actions);
    int r = g_test_run();
    g_object_unref(user);
    g_object_unref(root);
    private_bus_free(private_bus);
    return r;
}
