/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"

#include "src/core/names.h"

#define CALL_MSEC 60000

GDBusConnection *client_bus(void)
{
    static GDBusConnection *bus = NULL;
    g_autoptr(GError) error = NULL;
    if (!bus)
        bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
    if (!bus)
        g_error("%s", error->message);
    return bus;
}

static GVariant *call(const char *name, const char *path, const char *interface, const char *method,
                      GVariant *arguments)
{
    g_autoptr(GError) error = NULL;
    GVariant *answer = g_dbus_connection_call_sync(client_bus(), name, path, interface, method, arguments, NULL,
                                                   G_DBUS_CALL_FLAGS_NONE, CALL_MSEC, NULL, &error);
    if (!answer)
        g_error("%s of %s: %s", method, path, error->message);
    return answer;
}

GVariant *client_call(const char *path, const char *interface, const char *method, GVariant *arguments)
{
    return call(BERTH_BUS_NAME, path, interface, method, arguments);
}

/* (transfer full) */
static GVariant *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    GVariant *value = g_variant_parse(G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);
    if (!value)
        g_error("%s: %s", text, error->message);
    return value;
}

char *client_create(const char *name, const char *config)
{
    g_autoptr(GVariant) definition = parse(config ? config : "{}");
    g_autoptr(GVariant) options = parse("{}");
    GVariant *arguments = g_variant_new("(s@a{sv}@a{sv})", name, definition, options);
    g_autoptr(GVariant) answer = client_call(BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM", arguments);
    char *path = NULL;
    g_variant_get(answer, "(o)", &path);
    return path;
}

GVariant *client_no_options(void)
{
    return g_variant_new("(a{sv})", NULL);
}

void client_run(const char *vm, const char *method)
{
    g_autoptr(GVariant) answer = client_call(vm, BERTH_IFACE_VM, method, client_no_options());
}

GVariant *client_get(const char *vm, const char *property)
{
    g_autoptr(GVariant) answer =
        client_call(vm, "org.freedesktop.DBus.Properties", "Get", g_variant_new("(ss)", BERTH_IFACE_VM, property));
    GVariant *value = NULL;
    g_variant_get(answer, "(v)", &value);
    return value;
}

pid_t client_daemon_pid(void)
{
    g_autoptr(GVariant) answer = call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                      "GetConnectionUnixProcessID", g_variant_new("(s)", BERTH_BUS_NAME));
    guint32 pid = 0;
    g_variant_get(answer, "(u)", &pid);
    return (pid_t) pid;
}
