/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "display-peer.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <sys/socket.h>
#include <unistd.h>

#include "display-backlog.h"
#include "display-mouse.h"
#include "display-names.h"

#define IFACE_PROPERTIES "org.freedesktop.DBus.Properties"

/* Bytes that QEMU may have sent and we have not yet looked at: some whole pictures of the largest screens. */
#define BACKLOG_MAX ((gsize) 256 << 20)

/* What we take of QEMU's. "Interfaces" is what newer ones ask for: which faster ways we know beside this. */
static const char listener_xml[] =
    "<node><interface name='" QEMU_IFACE "Listener'>"
    "<method name='Scanout'><arg type='u' direction='in'/><arg type='u' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='u' direction='in'/><arg type='ay' direction='in'/></method>"
    "<method name='Update'><arg type='i' direction='in'/><arg type='i' direction='in'/><arg type='i' direction='in'/>"
    "<arg type='i' direction='in'/><arg type='u' direction='in'/><arg type='u' direction='in'/>"
    "<arg type='ay' direction='in'/></method>"
    "<method name='Disable'/>"
    "<method name='MouseSet'><arg type='i' direction='in'/><arg type='i' direction='in'/>"
    "<arg type='i' direction='in'/></method>"
    "<method name='CursorDefine'><arg type='i' direction='in'/><arg type='i' direction='in'/>"
    "<arg type='i' direction='in'/><arg type='i' direction='in'/><arg type='ay' direction='in'/></method>"
    "<property name='Interfaces' type='as' access='read'/>"
    "</interface></node>";

struct _BerthUiDisplayPeer {
    GObject parent_instance;
    GCancellable *cancellable;   /* of all that is under way */
    GDBusConnection *connection; /* we ask QEMU; NULL until it is there */
    GDBusConnection *listening;  /* QEMU tells us; likewise */
    guint registration, subscription;
    BerthUiBacklog *backlog;
    char *problem; /* NULL while it is not closed */
    BerthUiFrame frame;
    BerthUiCursor cursor;
    BerthUiDisplayMouse *mouse; /* as long as there is a connection */
};

G_DEFINE_FINAL_TYPE(BerthUiDisplayPeer, berth_ui_display_peer, G_TYPE_OBJECT)

enum { SIGNAL_FRAME_CHANGED, SIGNAL_CURSOR_CHANGED, SIGNAL_CLOSED, N_SIGNALS };
static guint signals[N_SIGNALS];

/* The end. */

static void leave(BerthUiDisplayPeer *self, GDBusConnection **connection)
{
    if (!*connection)
        return;
    g_signal_handlers_disconnect_by_data(*connection, self);
    g_dbus_connection_close(*connection, NULL, NULL, NULL);
    g_clear_object(connection);
}

static void disconnect(BerthUiDisplayPeer *self)
{
    g_cancellable_cancel(self->cancellable);
    if (self->registration)
        g_dbus_connection_unregister_object(self->listening, self->registration);
    if (self->subscription)
        g_dbus_connection_signal_unsubscribe(self->connection, self->subscription);
    self->registration = self->subscription = 0;
    g_clear_pointer(&self->mouse, berth_ui_display_mouse_free);
    leave(self, &self->listening);
    leave(self, &self->connection);
}

static void fail(BerthUiDisplayPeer *self, const char *problem)
{
    if (self->problem)
        return;
    self->problem = g_strdup(problem);
    disconnect(self);
    g_signal_emit(self, signals[SIGNAL_CLOSED], 0);
}

/* QEMU ends, or takes another client in our place. */
static void on_closed(GDBusConnection *connection, gboolean vanished, const GError *error, BerthUiDisplayPeer *self)
{
    if (berth_ui_backlog_is_over(self->backlog))
        fail(self, "QEMU sends more than can be shown");
    else
        fail(self, error && !vanished ? error->message : "");
}

/* What QEMU tells. */

/* @bytes: ay, held by the caller */
static void set_data(BerthUiPixels *pixels, GVariant *bytes)
{
    pixels->data = g_variant_get_fixed_array(bytes, &pixels->size, 1);
}

static gboolean on_scanout(BerthUiDisplayPeer *self, GVariant *parameters, GError **error)
{
    guint32 width, height;
    BerthUiPixels pixels;
    g_autoptr(GVariant) bytes = NULL;
    g_variant_get(parameters, "(uuuu@ay)", &width, &height, &pixels.stride, &pixels.format, &bytes);
    set_data(&pixels, bytes);
    return berth_ui_frame_replace(&self->frame, width, height, &pixels, error);
}

static gboolean on_update(BerthUiDisplayPeer *self, GVariant *parameters, GError **error)
{
    gint32 x, y, width, height;
    BerthUiPixels pixels;
    g_autoptr(GVariant) bytes = NULL;
    g_variant_get(parameters, "(iiiiuu@ay)", &x, &y, &width, &height, &pixels.stride, &pixels.format, &bytes);
    set_data(&pixels, bytes);
    return berth_ui_frame_update(&self->frame, x, y, width, height, &pixels, error);
}

static gboolean on_disable(BerthUiDisplayPeer *self, GVariant *parameters, GError **error)
{
    berth_ui_frame_clear(&self->frame);
    return TRUE;
}

/* Where it is, the user's own pointer says. */
static gboolean on_mouse_set(BerthUiDisplayPeer *self, GVariant *parameters, GError **error)
{
    gint32 is_on;
    g_variant_get_child(parameters, 2, "i", &is_on);
    self->cursor.hidden = !is_on;
    return TRUE;
}

static gboolean on_cursor_define(BerthUiDisplayPeer *self, GVariant *parameters, GError **error)
{
    BerthUiCursor cursor = {0};
    g_autoptr(GVariant) bytes = NULL;
    g_variant_get(parameters, "(iiii@ay)", &cursor.width, &cursor.height, &cursor.hot_x, &cursor.hot_y, &bytes);
    if (!berth_ui_cursor_check(cursor.width, cursor.height, cursor.hot_x, cursor.hot_y, g_variant_get_size(bytes),
                               error))
        return FALSE;
    g_clear_pointer(&self->cursor.pixels, g_bytes_unref);
    cursor.pixels = g_variant_get_data_as_bytes(bytes);
    cursor.hidden = self->cursor.hidden;
    self->cursor = cursor;
    return TRUE;
}

static const struct {
    const char *method;
    gboolean (*handle)(BerthUiDisplayPeer *self, GVariant *parameters, GError **error);
    guint signal;
} told[] = {
    {"Scanout", on_scanout, SIGNAL_FRAME_CHANGED},
    {"Update", on_update, SIGNAL_FRAME_CHANGED},
    {"Disable", on_disable, SIGNAL_FRAME_CHANGED},
    {"MouseSet", on_mouse_set, SIGNAL_CURSOR_CHANGED},
    {"CursorDefine", on_cursor_define, SIGNAL_CURSOR_CHANGED},
};

static void on_told(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                    const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
    g_autoptr(BerthUiDisplayPeer) self = g_object_ref(data);
    g_autoptr(GError) error = NULL;
    guint i = 0;
    while (!g_str_equal(told[i].method, method))
        i++; /* GDBus lets no other pass than the XML's */
    berth_ui_backlog_take(self->backlog, parameters);
    if (!told[i].handle(self, parameters, &error))
        fail(self, error->message);
    else
        g_signal_emit(self, signals[told[i].signal], 0);
    g_dbus_method_invocation_return_value(invocation, NULL);
}

static GVariant *get_property(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                              const char *name, GError **error, gpointer data)
{
    return g_variant_new_strv(NULL, 0);
}

/* A connection over a socket: QEMU authenticates us, on both. */

/* @fd: (transfer full) */
static void connect_to(BerthUiDisplayPeer *self, int fd, GDBusConnectionFlags flags, GAsyncReadyCallback callback)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, &error);
    if (!socket) {
        close(fd);
        fail(self, error->message);
        return;
    }
    g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
    g_dbus_connection_new(G_IO_STREAM(stream), NULL, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | flags, NULL,
                          self->cancellable, callback, self);
}

/* %NULL where that failed, or where it is over; then @self may be gone. */
static GDBusConnection *connected(BerthUiDisplayPeer *self, GAsyncResult *result)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection = g_dbus_connection_new_finish(result, &error);
    if (connection)
        g_signal_connect(connection, "closed", G_CALLBACK(on_closed), self);
    else if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        fail(self, error->message);
    return connection;
}

static void on_listening(GObject *source, GAsyncResult *result, gpointer data)
{
    static const GDBusInterfaceVTable vtable = {.method_call = on_told, .get_property = get_property};
    BerthUiDisplayPeer *self = data;
    GDBusConnection *connection = connected(self, result);
    if (!connection)
        return;
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(listener_xml, NULL);
    self->listening = connection;
    self->registration = g_dbus_connection_register_object(connection, QEMU_LISTENER_PATH, node->interfaces[0], &vtable,
                                                           self, NULL, NULL);
    berth_ui_backlog_watch(self->backlog, connection);
    g_dbus_connection_start_message_processing(connection);
}

static void on_registered(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(source), NULL, result, &error);
    if (!answer && !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        g_dbus_error_strip_remote_error(error);
        fail(data, error->message);
    }
}

static void register_listener(BerthUiDisplayPeer *self)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        fail(self, g_strerror(errno));
        return;
    }
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&pair[1], 1);
    g_dbus_connection_call_with_unix_fd_list(self->connection, NULL, QEMU_CONSOLE_PATH, QEMU_IFACE "Console",
                                             "RegisterListener", g_variant_new("(h)", 0), NULL, G_DBUS_CALL_FLAGS_NONE,
                                             G_MAXINT, fds, self->cancellable, on_registered, self);
    connect_to(self, pair[0], G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING, on_listening);
}

static void on_mouse_changed(gpointer data)
{
    g_signal_emit(data, signals[SIGNAL_CURSOR_CHANGED], 0);
}

/* QEMU tells when its guest begins to use a tablet, and of other things: of the lights of its keyboard, of its size. */
static void on_properties_changed(GDBusConnection *connection, const char *sender, const char *path,
                                  const char *interface, const char *signal, GVariant *parameters, gpointer data)
{
    BerthUiDisplayPeer *self = data;
    const char *of;
    g_autoptr(GVariant) values = NULL;
    berth_ui_backlog_take(self->backlog, parameters);
    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(sa{sv}as)")))
        return;
    g_variant_get(parameters, "(&s@a{sv}as)", &of, &values, NULL);
    if (g_str_equal(of, QEMU_IFACE_MOUSE))
        berth_ui_display_mouse_take_properties(self->mouse, values);
}

static void on_connected(GObject *source, GAsyncResult *result, gpointer data)
{
    BerthUiDisplayPeer *self = data;
    GDBusConnection *connection = connected(self, result);
    if (!connection)
        return;
    self->connection = connection;
    berth_ui_backlog_watch(self->backlog, connection);
    self->subscription =
        g_dbus_connection_signal_subscribe(connection, NULL, IFACE_PROPERTIES, "PropertiesChanged", QEMU_CONSOLE_PATH,
                                           NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_properties_changed, self, NULL);
    self->mouse = berth_ui_display_mouse_new(connection, self->cancellable, on_mouse_changed, self);
    register_listener(self);
}

/* What a person does. */

static void call(BerthUiDisplayPeer *self, const char *interface, const char *method, GVariant *parameters)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(parameters);
    if (self->connection)
        g_dbus_connection_call(self->connection, NULL, QEMU_CONSOLE_PATH, interface, method, sunk, NULL,
                               G_DBUS_CALL_FLAGS_NONE, G_MAXINT, self->cancellable, NULL, NULL);
}

void berth_ui_display_peer_key(BerthUiDisplayPeer *self, guint key, gboolean pressed)
{
    call(self, QEMU_IFACE "Keyboard", pressed ? "Press" : "Release", g_variant_new("(u)", key));
}

void berth_ui_display_peer_button(BerthUiDisplayPeer *self, BerthUiButton button, gboolean pressed)
{
    if (self->mouse)
        berth_ui_display_mouse_button(self->mouse, button, pressed);
}

void berth_ui_display_peer_move_to(BerthUiDisplayPeer *self, guint x, guint y)
{
    if (self->mouse)
        berth_ui_display_mouse_move_to(self->mouse, x, y);
}

void berth_ui_display_peer_move_by(BerthUiDisplayPeer *self, int x, int y)
{
    if (self->mouse)
        berth_ui_display_mouse_move_by(self->mouse, x, y);
}

void berth_ui_display_peer_set_size(BerthUiDisplayPeer *self, guint width, guint height)
{
    call(self, QEMU_IFACE "Console", "SetUIInfo", g_variant_new("(qqiiuu)", 0, 0, 0, 0, width, height));
}

/* The object. */

const BerthUiFrame *berth_ui_display_peer_get_frame(BerthUiDisplayPeer *self)
{
    return &self->frame;
}

const BerthUiCursor *berth_ui_display_peer_get_cursor(BerthUiDisplayPeer *self)
{
    return &self->cursor;
}

const char *berth_ui_display_peer_get_problem(BerthUiDisplayPeer *self)
{
    return self->problem;
}

gboolean berth_ui_display_peer_is_absolute(BerthUiDisplayPeer *self)
{
    return self->mouse && berth_ui_display_mouse_is_absolute(self->mouse);
}

BerthUiDisplayPeer *berth_ui_display_peer_new(int fd)
{
    BerthUiDisplayPeer *self = g_object_new(BERTH_UI_TYPE_DISPLAY_PEER, NULL);
    connect_to(self, fd, G_DBUS_CONNECTION_FLAGS_NONE, on_connected);
    return self;
}

static void berth_ui_display_peer_dispose(GObject *object)
{
    disconnect(BERTH_UI_DISPLAY_PEER(object));
    G_OBJECT_CLASS(berth_ui_display_peer_parent_class)->dispose(object);
}

static void berth_ui_display_peer_finalize(GObject *object)
{
    BerthUiDisplayPeer *self = BERTH_UI_DISPLAY_PEER(object);
    berth_ui_frame_clear(&self->frame);
    g_clear_pointer(&self->cursor.pixels, g_bytes_unref);
    berth_ui_backlog_unref(self->backlog);
    g_object_unref(self->cancellable);
    g_free(self->problem);
    G_OBJECT_CLASS(berth_ui_display_peer_parent_class)->finalize(object);
}

static void berth_ui_display_peer_class_init(BerthUiDisplayPeerClass *klass)
{
    static const char *const names[] = {"frame-changed", "cursor-changed", "closed"};
    G_OBJECT_CLASS(klass)->dispose = berth_ui_display_peer_dispose;
    G_OBJECT_CLASS(klass)->finalize = berth_ui_display_peer_finalize;
    for (guint i = 0; i < N_SIGNALS; i++)
        signals[i] =
            g_signal_new(names[i], G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void berth_ui_display_peer_init(BerthUiDisplayPeer *self)
{
    self->cancellable = g_cancellable_new();
    self->backlog = berth_ui_backlog_new(BACKLOG_MAX);
}
