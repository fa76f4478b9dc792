/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "display-mouse.h"

#include "display-names.h"

struct BerthUiDisplayMouse {
    GDBusConnection *connection;
    GCancellable *cancellable;
    void (*changed)(gpointer data);
    gpointer data;
    gboolean is_absolute;
    guint n_sent; /* motions that QEMU has not answered yet */
    gboolean is_placed;
    guint x, y; /* where it is placed, if it is; else it is moved by the others */
    int dx, dy;
};

/* @callback: (nullable): where the answer matters */
static void call(BerthUiDisplayMouse *self, const char *method, GVariant *parameters, GAsyncReadyCallback callback)
{
    g_dbus_connection_call(self->connection, NULL, QEMU_CONSOLE_PATH, QEMU_IFACE_MOUSE, method, parameters, NULL,
                           G_DBUS_CALL_FLAGS_NONE, G_MAXINT, self->cancellable, callback, callback ? self : NULL);
}

/* What kind it is. Whatever tells of that does nothing after it. */

static void set_absolute(BerthUiDisplayMouse *self, gboolean is_absolute)
{
    if (is_absolute == self->is_absolute)
        return;
    self->is_absolute = is_absolute;
    self->changed(self->data);
}

static gboolean is_refusal(const GError *error)
{
    g_autofree char *name = error ? g_dbus_error_get_remote_error(error) : NULL;
    return g_strcmp0(name, QEMU_IFACE "Error.Invalid") == 0;
}

static void on_probed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (answer || is_refusal(error))
        set_absolute(data, !answer);
}

/* IsAbsolute tells of changes only: where the tablet has been the only pointer from the beginning, as on a microvm, it
 * stays false. A mouse that has to be put refuses to be moved, even by nothing; that can't be taken for a place that is
 * outside of the picture, for which the error is the same. */
static void probe(BerthUiDisplayMouse *self)
{
    call(self, "RelMotion", g_variant_new("(ii)", 0, 0), on_probed);
}

void berth_ui_display_mouse_take_properties(BerthUiDisplayMouse *self, GVariant *values)
{
    gboolean is_absolute;
    if (!g_variant_lookup(values, "IsAbsolute", "b", &is_absolute))
        return;
    if (is_absolute)
        set_absolute(self, TRUE);
    else
        probe(self);
}

static void on_properties(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (!answer)
        return; /* a display without a mouse, or the end */
    g_autoptr(GVariant) values = g_variant_get_child_value(answer, 0);
    berth_ui_display_mouse_take_properties(data, values);
}

gboolean berth_ui_display_mouse_is_absolute(const BerthUiDisplayMouse *self)
{
    return self->is_absolute;
}

/* What a person does with it. */

static void send_motion(BerthUiDisplayMouse *self);

static void on_moved(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    BerthUiDisplayMouse *self = data;
    if (is_refusal(error))
        probe(self);
    if (--self->n_sent == 0)
        send_motion(self);
}

static void send_motion(BerthUiDisplayMouse *self)
{
    if (!self->is_placed && !self->dx && !self->dy)
        return;
    if (self->is_placed)
        call(self, "SetAbsPosition", g_variant_new("(uu)", self->x, self->y), on_moved);
    else
        call(self, "RelMotion", g_variant_new("(ii)", self->dx, self->dy), on_moved);
    self->n_sent++;
    self->is_placed = FALSE;
    self->dx = self->dy = 0;
}

/* A click belongs where the pointer is by then. */
void berth_ui_display_mouse_button(BerthUiDisplayMouse *self, guint button, gboolean pressed)
{
    send_motion(self);
    call(self, pressed ? "Press" : "Release", g_variant_new("(u)", button), NULL);
}

void berth_ui_display_mouse_move_to(BerthUiDisplayMouse *self, guint x, guint y)
{
    self->is_placed = TRUE;
    self->x = x;
    self->y = y;
    if (self->n_sent == 0)
        send_motion(self);
}

void berth_ui_display_mouse_move_by(BerthUiDisplayMouse *self, int x, int y)
{
    self->dx += x;
    self->dy += y;
    if (self->n_sent == 0)
        send_motion(self);
}

BerthUiDisplayMouse *berth_ui_display_mouse_new(GDBusConnection *connection, GCancellable *cancellable,
                                                void (*changed)(gpointer data), gpointer data)
{
    BerthUiDisplayMouse *self = g_new0(BerthUiDisplayMouse, 1);
    self->connection = g_object_ref(connection);
    self->cancellable = g_object_ref(cancellable);
    self->changed = changed;
    self->data = data;
    g_dbus_connection_call(connection, NULL, QEMU_CONSOLE_PATH, "org.freedesktop.DBus.Properties", "GetAll",
                           g_variant_new("(s)", QEMU_IFACE_MOUSE), G_VARIANT_TYPE("(a{sv})"), G_DBUS_CALL_FLAGS_NONE,
                           G_MAXINT, cancellable, on_properties, self);
    return self;
}

void berth_ui_display_mouse_free(BerthUiDisplayMouse *self)
{
    g_object_unref(self->connection);
    g_object_unref(self->cancellable);
    g_free(self);
}
