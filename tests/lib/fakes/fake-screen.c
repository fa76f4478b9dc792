/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-screen.h"

#include <gio/gunixfdlist.h>

#include "tests/lib/await.h"

#define CONSOLE "/org/qemu/Display1/Console_0"
#define LISTENER "/org/qemu/Display1/Listener"
#define IFACE "org.qemu.Display1."

static const char xml[] =
    "<node>"
    "<interface name='" IFACE "Console'><method name='RegisterListener'><arg type='h' direction='in'/></method>"
    "<method name='SetUIInfo'><arg type='q' direction='in'/><arg type='q' direction='in'/>"
    "<arg type='i' direction='in'/><arg type='i' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='u' direction='in'/></method></interface>"
    "<interface name='" IFACE "Keyboard'><method name='Press'><arg type='u' direction='in'/></method>"
    "<method name='Release'><arg type='u' direction='in'/></method></interface>"
    "<interface name='" IFACE "Mouse'><method name='Press'><arg type='u' direction='in'/></method>"
    "<method name='Release'><arg type='u' direction='in'/></method>"
    "<method name='SetAbsPosition'><arg type='u' direction='in'/><arg type='u' direction='in'/></method>"
    "<method name='RelMotion'><arg type='i' direction='in'/><arg type='i' direction='in'/></method>"
    "<property name='IsAbsolute' type='b' access='read'/></interface>"
    "</node>";

static void connect_to(FakeScreen *display, int fd, GAsyncReadyCallback callback)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *guid = g_dbus_generate_guid();
    g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, &error);
    g_assert_no_error(error);
    g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
    g_dbus_connection_new(G_IO_STREAM(stream), guid,
                          G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER |
                              G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                          NULL, display->cancellable, callback, display);
}

static void on_listener(GObject *source, GAsyncResult *result, gpointer data)
{
    FakeScreen *display = data;
    g_autoptr(GError) error = NULL;
    display->listener = g_dbus_connection_new_finish(result, &error);
    g_assert_no_error(error);
    g_dbus_connection_start_message_processing(display->listener);
}

static void register_listener(FakeScreen *display, GDBusMethodInvocation *invocation)
{
    g_autoptr(GError) error = NULL;
    GUnixFDList *fds = g_dbus_message_get_unix_fd_list(g_dbus_method_invocation_get_message(invocation));
    int fd = g_unix_fd_list_get(fds, 0, &error);
    g_assert_no_error(error);
    connect_to(display, fd, on_listener);
}

static gboolean is_outside(FakeScreen *display, const char *method, GVariant *parameters)
{
    guint x, y;
    if (!g_str_equal(method, "SetAbsPosition"))
        return FALSE;
    g_variant_get(parameters, "(uu)", &x, &y);
    return x >= display->width || y >= display->height;
}

/* A refusal is QEMU's own. */
static gboolean is_refused(FakeScreen *display, const char *method, GVariant *parameters,
                           GDBusMethodInvocation *invocation)
{
    gboolean refuses = g_str_equal(method, display->is_absolute ? "RelMotion" : "SetAbsPosition") ||
                       is_outside(display, method, parameters);
    if (refuses) {
        display->n_refused++;
        g_dbus_method_invocation_return_dbus_error(invocation, IFACE "Error.Invalid", "Mouse is not like that");
    }
    return refuses;
}

static void hear(FakeScreen *display, const char *interface, const char *method, GVariant *parameters)
{
    gboolean is_key = g_str_equal(interface, IFACE "Keyboard"), pressed = g_str_equal(method, "Press");
    guint number, x, y;
    int dx, dy;
    if (g_variant_is_of_type(parameters, G_VARIANT_TYPE("(u)"))) {
        g_variant_get(parameters, "(u)", &number);
        g_string_append_printf(is_key ? display->keys : display->pointer, "%s %u ",
                               is_key ? (pressed ? "press" : "release") : (pressed ? "click" : "unclick"), number);
    } else if (g_variant_is_of_type(parameters, G_VARIANT_TYPE("(uu)"))) {
        g_variant_get(parameters, "(uu)", &x, &y);
        g_string_append_printf(display->pointer, "place %u,%u ", x, y);
    } else if (g_variant_is_of_type(parameters, G_VARIANT_TYPE("(ii)"))) {
        g_variant_get(parameters, "(ii)", &dx, &dy);
        g_string_append_printf(display->pointer, "move %d,%d ", dx, dy);
    } else {
        g_variant_get(parameters, "(qqiiuu)", NULL, NULL, NULL, NULL, &x, &y);
        g_string_append_printf(display->sizes, "size %u,%u ", x, y);
    }
}

static void on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                    const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
    FakeScreen *display = data;
    if (is_refused(display, method, parameters, invocation))
        return;
    if (g_str_equal(method, "RegisterListener"))
        register_listener(display, invocation);
    else
        hear(display, interface, method, parameters);
    g_dbus_method_invocation_return_value(invocation, NULL);
}

static GVariant *get_property(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                              const char *name, GError **error, gpointer data)
{
    const FakeScreen *display = data;
    return g_variant_new_boolean(display->is_absolute && !display->is_silent);
}

static void on_closed(FakeScreen *display)
{
    display->is_gone = TRUE;
}

static void on_viewer(GObject *source, GAsyncResult *result, gpointer data)
{
    static const GDBusInterfaceVTable vtable = {.method_call = on_call, .get_property = get_property};
    FakeScreen *display = data;
    g_autoptr(GError) error = NULL;
    display->connection = g_dbus_connection_new_finish(result, &error);
    g_assert_no_error(error);
    for (GDBusInterfaceInfo **interface = display->node->interfaces; *interface; interface++) {
        guint registration =
            g_dbus_connection_register_object(display->connection, CONSOLE, *interface, &vtable, display, NULL, &error);
        g_assert_no_error(error);
        g_array_append_val(display->registrations, registration);
    }
    g_signal_connect_swapped(display->connection, "closed", G_CALLBACK(on_closed), display);
    g_dbus_connection_start_message_processing(display->connection);
}

static FakeScreen *begin(int fd, gboolean is_absolute, gboolean is_silent)
{
    FakeScreen *display = g_new0(FakeScreen, 1);
    display->keys = g_string_new(NULL);
    display->pointer = g_string_new(NULL);
    display->sizes = g_string_new(NULL);
    display->registrations = g_array_new(FALSE, FALSE, sizeof(guint));
    display->cancellable = g_cancellable_new();
    display->is_absolute = is_absolute;
    display->is_silent = is_silent;
    display->node = g_dbus_node_info_new_for_xml(xml, NULL);
    connect_to(display, fd, on_viewer);
    AWAIT(display->listener);
    return display;
}

FakeScreen *fake_screen_new(int fd, gboolean is_absolute)
{
    return begin(fd, is_absolute, FALSE);
}

FakeScreen *fake_screen_new_silent(int fd)
{
    return begin(fd, TRUE, TRUE);
}

static void hang_up(GDBusConnection *connection, FakeScreen *display)
{
    g_autoptr(GError) error = NULL;
    g_signal_handlers_disconnect_by_data(connection, display);
    if (!g_dbus_connection_is_closed(connection))
        g_dbus_connection_close_sync(connection, NULL, &error);
    g_object_unref(connection);
}

/* Calls may be on their way yet. */
void fake_screen_free(FakeScreen *display)
{
    for (guint i = 0; i < display->registrations->len; i++)
        g_dbus_connection_unregister_object(display->connection, g_array_index(display->registrations, guint, i));
    g_array_unref(display->registrations);
    hang_up(display->listener, display);
    hang_up(display->connection, display);
    g_dbus_node_info_unref(display->node);
    g_object_unref(display->cancellable);
    g_string_free(display->keys, TRUE);
    g_string_free(display->pointer, TRUE);
    g_string_free(display->sizes, TRUE);
    g_free(display);
}

/* QEMU asks for no answer. */
void fake_screen_tell(FakeScreen *display, const char *method, GVariant *parameters)
{
    g_dbus_connection_call(display->listener, NULL, LISTENER, IFACE "Listener", method, parameters, NULL,
                           G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
}

/* (transfer full): ay, floating */
static GVariant *pixels_new(int width, int height, guint32 colour)
{
    gsize n = (gsize) width * (gsize) height;
    guint32 *pixels = g_new(guint32, n);
    for (gsize i = 0; i < n; i++)
        pixels[i] = colour;
    g_autoptr(GBytes) bytes = g_bytes_new_take(pixels, n * sizeof *pixels);
    return g_variant_new_from_bytes(G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

void fake_screen_fill(FakeScreen *display, guint width, guint height, guint32 colour)
{
    display->width = width;
    display->height = height;
    fake_screen_tell(display, "Scanout",
                     g_variant_new("(uuuu@ay)", width, height, width * 4, FAKE_SCREEN_XRGB,
                                   pixels_new((int) width, (int) height, colour)));
}

void fake_screen_fill_part(FakeScreen *display, int x, int y, int width, int height, guint32 colour)
{
    fake_screen_tell(display, "Update",
                     g_variant_new("(iiiiuu@ay)", x, y, width, height, (guint) width * 4, FAKE_SCREEN_XRGB,
                                   pixels_new(width, height, colour)));
}

void fake_screen_set_absolute(FakeScreen *display, gboolean is_absolute)
{
    display->is_absolute = is_absolute;
    if (display->is_silent)
        return;
    g_dbus_connection_emit_signal(
        display->connection, NULL, CONSOLE, "org.freedesktop.DBus.Properties", "PropertiesChanged",
        g_variant_new_parsed("(%s, {'IsAbsolute': <%b>}, @as [])", IFACE "Mouse", is_absolute), NULL);
}

void fake_screen_await(GString *heard, const char *what)
{
    AWAIT(strstr(heard->str, what));
    g_string_truncate(heard, 0);
}
