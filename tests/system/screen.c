/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "screen.h"

#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/await.h"
#include "tests/lib/client.h"

#define CONSOLE_PATH "/org/qemu/Display1/Console_0"
#define LISTENER_PATH "/org/qemu/Display1/Listener"
#define IFACE(name) "org.qemu.Display1." name
#define FORMAT_X8R8G8B8 0x20020888u /* pixman's number */
#define BUTTON_LEFT 0u

struct Screen {
    GDBusConnection *qemu;
    GDBusConnection *pictures; /* on which QEMU calls */
    GDBusProxy *pointer;
    guint width, height;
    guint32 *points; /* line by line; NULL before the first picture */
};

static const char listener_xml[] =
    "<node><interface name='org.qemu.Display1.Listener'>"
    "<method name='Scanout'>"
    "<arg type='u'/><arg type='u'/><arg type='u'/><arg type='u'/><arg type='ay'/></method>"
    "<method name='Update'><arg type='i'/><arg type='i'/><arg type='i'/><arg type='i'/>"
    "<arg type='u'/><arg type='u'/><arg type='ay'/></method>"
    "<method name='Disable'/>"
    "<method name='MouseSet'><arg type='i'/><arg type='i'/><arg type='i'/></method>"
    "<method name='CursorDefine'><arg type='i'/><arg type='i'/><arg type='i'/>"
    "<arg type='i'/><arg type='ay'/></method></interface></node>";

/* --- The picture --- */

/* Rows of @stride bytes, to a place within the picture. */
static void draw(Screen *screen, guint x, guint y, guint width, guint height, guint stride, GVariant *data)
{
    gsize length;
    const char *bytes = g_variant_get_fixed_array(data, &length, 1);
    g_assert_cmpuint(x + width, <=, screen->width);
    g_assert_cmpuint(y + height, <=, screen->height);
    for (guint row = 0; row < height; row++) {
        g_assert_cmpuint((gsize) row * stride + (gsize) width * 4, <=, length);
        memcpy(screen->points + (gsize) (y + row) * screen->width + x, bytes + (gsize) row * stride, (gsize) width * 4);
    }
}

static void take_scanout(Screen *screen, GVariant *parameters)
{
    guint32 width, height, stride, format;
    g_autoptr(GVariant) data = NULL;
    g_variant_get(parameters, "(uuuu@ay)", &width, &height, &stride, &format, &data);
    g_assert_cmphex(format, ==, FORMAT_X8R8G8B8);
    g_free(screen->points);
    screen->width = width;
    screen->height = height;
    screen->points = g_new0(guint32, (gsize) width * height);
    draw(screen, 0, 0, width, height, stride, data);
}

static void take_update(Screen *screen, GVariant *parameters)
{
    gint32 x, y, width, height;
    guint32 stride, format;
    g_autoptr(GVariant) data = NULL;
    g_variant_get(parameters, "(iiiiuu@ay)", &x, &y, &width, &height, &stride, &format, &data);
    g_assert_cmphex(format, ==, FORMAT_X8R8G8B8);
    g_assert_nonnull(screen->points);
    draw(screen, (guint) x, (guint) y, (guint) width, (guint) height, stride, data);
}

static void on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                    const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
    Screen *screen = data;
    if (g_str_equal(method, "Scanout"))
        take_scanout(screen, parameters);
    else if (g_str_equal(method, "Update"))
        take_update(screen, parameters);
    g_dbus_method_invocation_return_value(invocation, NULL);
}

static gboolean is_filled(const Screen *screen, guint width, guint height, guint32 colour)
{
    if (screen->width != width || screen->height != height || !screen->points)
        return FALSE;
    for (gsize i = 0; i < (gsize) width * height; i++)
        if ((screen->points[i] & 0xffffff) != colour)
            return FALSE;
    return TRUE;
}

void screen_await_filled(Screen *screen, guint width, guint height, guint32 colour)
{
    CLIENT_AWAIT(is_filled(screen, width, height, colour), "The picture, %u x %u and %06x in the middle, is not %06x",
                 screen->width, screen->height,
                 screen->points ? screen->points[(gsize) screen->width * (screen->height + 1) / 2] & 0xffffff : 0,
                 colour);
}

/* --- Connections --- */

/* QEMU is the server on both. @fd: (transfer full) */
static GDBusConnection *connect_to_qemu(int fd, GDBusConnectionFlags flags)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, &error);
    g_assert_no_error(error);
    g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
    GDBusConnection *connection = g_dbus_connection_new_sync(
        G_IO_STREAM(stream), NULL, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | flags, NULL, NULL, &error);
    g_assert_no_error(error);
    return connection;
}

static void call(Screen *screen, const char *interface, const char *method, GVariant *parameters)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_sync(screen->qemu, NULL, CONSOLE_PATH, interface, method, parameters, NULL,
                                    G_DBUS_CALL_FLAGS_NONE, (int) CLIENT_SECONDS * 1000, NULL, &error);
    g_assert_no_error(error);
}

static void register_listener(Screen *screen)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    int ends[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    g_unix_fd_list_append(fds, ends[1], &error);
    g_assert_no_error(error);
    close(ends[1]);
    g_autoptr(GVariant) answer = g_dbus_connection_call_with_unix_fd_list_sync(
        screen->qemu, NULL, CONSOLE_PATH, IFACE("Console"), "RegisterListener", g_variant_new("(h)", 0), NULL,
        G_DBUS_CALL_FLAGS_NONE, (int) CLIENT_SECONDS * 1000, fds, NULL, NULL, &error);
    g_assert_no_error(error);
    screen->pictures = connect_to_qemu(ends[0], G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING);
}

static void serve_listener(Screen *screen)
{
    static const GDBusInterfaceVTable vtable = {.method_call = on_call};
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusNodeInfo) info = g_dbus_node_info_new_for_xml(listener_xml, &error);
    g_assert_no_error(error);
    g_dbus_connection_register_object(screen->pictures, LISTENER_PATH, info->interfaces[0], &vtable, screen, NULL,
                                      &error);
    g_assert_no_error(error);
    g_dbus_connection_start_message_processing(screen->pictures);
}

Screen *screen_new(int stream)
{
    g_autoptr(GError) error = NULL;
    Screen *screen = g_new0(Screen, 1);
    screen->qemu = connect_to_qemu(stream, G_DBUS_CONNECTION_FLAGS_NONE);
    screen->pointer = g_dbus_proxy_new_sync(screen->qemu, G_DBUS_PROXY_FLAGS_NONE, NULL, NULL, CONSOLE_PATH,
                                            IFACE("Mouse"), NULL, &error);
    g_assert_no_error(error);
    register_listener(screen);
    serve_listener(screen);
    return screen;
}

void screen_free(Screen *screen)
{
    g_dbus_connection_close_sync(screen->pictures, NULL, NULL);
    g_dbus_connection_close_sync(screen->qemu, NULL, NULL);
    g_object_unref(screen->pointer);
    g_object_unref(screen->pictures);
    g_object_unref(screen->qemu);
    g_free(screen->points);
    g_free(screen);
}

void screen_await_closed(Screen *screen)
{
    CLIENT_AWAIT(g_dbus_connection_is_closed(screen->qemu), "QEMU has not closed the connection to its display");
}

void screen_await_pictures_end(Screen *screen)
{
    CLIENT_AWAIT(g_dbus_connection_is_closed(screen->pictures), "QEMU goes on telling of the picture");
}

/* --- Keyboard and pointer --- */

static gboolean is_absolute(const Screen *screen)
{
    g_autoptr(GVariant) value = g_dbus_proxy_get_cached_property(screen->pointer, "IsAbsolute");
    return value && g_variant_get_boolean(value);
}

void screen_await_absolute(Screen *screen)
{
    CLIENT_AWAIT(is_absolute(screen), "The guest does not use its tablet");
}

void screen_type(Screen *screen, const guint8 *codes)
{
    for (; *codes; codes++) {
        call(screen, IFACE("Keyboard"), "Press", g_variant_new("(u)", (guint32) *codes));
        call(screen, IFACE("Keyboard"), "Release", g_variant_new("(u)", (guint32) *codes));
    }
}

void screen_click(Screen *screen, guint x, guint y)
{
    call(screen, IFACE("Mouse"), "SetAbsPosition", g_variant_new("(uu)", x, y));
    call(screen, IFACE("Mouse"), "Press", g_variant_new("(u)", BUTTON_LEFT));
    call(screen, IFACE("Mouse"), "Release", g_variant_new("(u)", BUTTON_LEFT));
}
