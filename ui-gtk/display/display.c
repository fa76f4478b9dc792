/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "display.h"

#include <glib/gi18n.h>

#include "display-input.h"
#include "display-keys.h"

/* ms that the widget has kept its size before the guest is told: dragging a window's edge makes many of them. */
#define RESIZE_DELAY 300

/* Logical pixels: the least that is asked for, whatever the guest's size. */
#define NATURAL_WIDTH 320
#define NATURAL_HEIGHT 240

struct _BerthUiDisplay {
    GtkWidget parent_instance;
    BerthUiDisplayPeer *peer;
    GSignalGroup *signals; /* of the peer */
    BerthUiDisplayInput *input;
    GdkTexture *texture; /* of the frame as it is; NULL where it has changed since */
    guint enlarged;      /* how many pixels of the texture one of the frame's is wide */
    GBytes *pointer;     /* how the guest's pointer looks, as shown */
    gboolean is_pointer_hidden;
    guint resize; /* timer */
    guint told_width, told_height;
};

G_DEFINE_FINAL_TYPE(BerthUiDisplay, berth_ui_display, GTK_TYPE_WIDGET)

/* The picture. */

static const BerthUiFrame *frame_of(BerthUiDisplay *self)
{
    static const BerthUiFrame off;
    return self->peer ? berth_ui_display_peer_get_frame(self->peer) : &off;
}

BerthUiFit berth_ui_display_get_fit(BerthUiDisplay *self)
{
    GtkWidget *widget = GTK_WIDGET(self);
    const BerthUiFrame *frame = frame_of(self);
    return berth_ui_fit(gtk_widget_get_width(widget), gtk_widget_get_height(widget),
                        (guint) gtk_widget_get_scale_factor(widget), frame->width, frame->height);
}

/* GTK smooths what it enlarges. Where no pixel needs to be mixed of two, they are repeated here, and GTK has
 * nothing to do. */
static void make_texture(BerthUiDisplay *self, const BerthUiFit *fit)
{
    const BerthUiFrame *frame = frame_of(self);
    guint times = MAX(fit->enlarge, 1);
    if (self->texture && self->enlarged == times)
        return;
    g_autoptr(GBytes) pixels = berth_ui_frame_copy(frame, times);
    g_clear_object(&self->texture);
    self->texture = gdk_memory_texture_new((int) (frame->width * times), (int) (frame->height * times),
                                           GDK_MEMORY_DEFAULT, pixels, (gsize) frame->width * times * 4);
    self->enlarged = times;
}

/* However many updates came since the last frame of ours: one copy. */
static void berth_ui_display_snapshot(GtkWidget *widget, GtkSnapshot *snapshot)
{
    BerthUiDisplay *self = BERTH_UI_DISPLAY(widget);
    BerthUiFit fit = berth_ui_display_get_fit(self);
    if (fit.width <= 0)
        return;
    make_texture(self, &fit);
    gtk_snapshot_append_texture(
        snapshot, self->texture,
        &GRAPHENE_RECT_INIT((float) fit.x, (float) fit.y, (float) fit.width, (float) fit.height));
}

GdkTexture *berth_ui_display_get_texture(BerthUiDisplay *self)
{
    return self->texture;
}

/* How large the guest's screen should be. */

static gboolean on_resized(gpointer data)
{
    BerthUiDisplay *self = data;
    guint scale = (guint) gtk_widget_get_scale_factor(GTK_WIDGET(self));
    self->resize = 0;
    self->told_width = (guint) gtk_widget_get_width(GTK_WIDGET(self)) * scale;
    self->told_height = (guint) gtk_widget_get_height(GTK_WIDGET(self)) * scale;
    if (self->peer && self->told_width > 0 && self->told_height > 0)
        berth_ui_display_peer_set_size(self->peer, self->told_width, self->told_height);
    return G_SOURCE_REMOVE;
}

static void plan_resize(BerthUiDisplay *self)
{
    g_clear_handle_id(&self->resize, g_source_remove);
    if (self->peer)
        self->resize = g_timeout_add(RESIZE_DELAY, on_resized, self);
}

static void berth_ui_display_size_allocate(GtkWidget *widget, int width, int height, int baseline)
{
    plan_resize(BERTH_UI_DISPLAY(widget));
}

static void berth_ui_display_measure(GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum,
                                     int *natural, int *minimum_baseline, int *natural_baseline)
{
    *minimum = 1;
    *natural = orientation == GTK_ORIENTATION_HORIZONTAL ? NATURAL_WIDTH : NATURAL_HEIGHT;
    *minimum_baseline = *natural_baseline = -1;
}

/* The pointer. */

static void set_pointer(BerthUiDisplay *self, const BerthUiCursor *cursor)
{
    g_autoptr(GdkTexture) texture = gdk_memory_texture_new(
        cursor->width, cursor->height, G_BYTE_ORDER == G_LITTLE_ENDIAN ? GDK_MEMORY_B8G8R8A8 : GDK_MEMORY_A8R8G8B8,
        cursor->pixels, (gsize) cursor->width * 4);
    g_autoptr(GdkCursor) shown = gdk_cursor_new_from_texture(texture, cursor->hot_x, cursor->hot_y, NULL);
    gtk_widget_set_cursor(GTK_WIDGET(self), shown);
}

/* A guest that draws a pointer of its own, or wants none, has no other beside it. QEMU tells again and again of
 * what has not changed. */
static void show_pointer(BerthUiDisplay *self)
{
    static const BerthUiCursor none;
    const BerthUiCursor *cursor = self->peer ? berth_ui_display_peer_get_cursor(self->peer) : &none;
    gboolean is_hidden = self->peer && (cursor->hidden || !berth_ui_display_peer_is_absolute(self->peer));
    if (is_hidden == self->is_pointer_hidden && cursor->pixels == self->pointer)
        return;
    self->is_pointer_hidden = is_hidden;
    g_clear_pointer(&self->pointer, g_bytes_unref);
    self->pointer = cursor->pixels ? g_bytes_ref(cursor->pixels) : NULL;
    if (is_hidden)
        gtk_widget_set_cursor_from_name(GTK_WIDGET(self), "none");
    else if (cursor->pixels)
        set_pointer(self, cursor);
    else
        gtk_widget_set_cursor(GTK_WIDGET(self), NULL);
}

/* The peer. */

static void on_frame_changed(BerthUiDisplay *self)
{
    g_clear_object(&self->texture);
    gtk_widget_queue_draw(GTK_WIDGET(self));
    if (!self->told_width && !self->resize)
        plan_resize(self); /* the first: now there is somebody to be told */
}

BerthUiDisplayPeer *berth_ui_display_get_peer(BerthUiDisplay *self)
{
    return self->peer;
}

void berth_ui_display_set_peer(BerthUiDisplay *self, BerthUiDisplayPeer *peer)
{
    if (self->peer == peer)
        return;
    berth_ui_display_input_release_all(self->input);
    g_set_object(&self->peer, peer);
    g_signal_group_set_target(self->signals, peer);
    g_clear_handle_id(&self->resize, g_source_remove);
    self->told_width = self->told_height = 0;
    on_frame_changed(self);
    show_pointer(self);
}

void berth_ui_display_send_keys(BerthUiDisplay *self, const guint *keys)
{
    guint n = 0;
    for (; self->peer && keys[n]; n++)
        berth_ui_display_peer_key(self->peer, berth_ui_key_to_qemu(keys[n]), TRUE);
    while (n-- > 0)
        berth_ui_display_peer_key(self->peer, berth_ui_key_to_qemu(keys[n]), FALSE);
}

/* The object. */

static void berth_ui_display_dispose(GObject *object)
{
    BerthUiDisplay *self = BERTH_UI_DISPLAY(object);
    if (self->input)
        berth_ui_display_set_peer(self, NULL);
    g_clear_handle_id(&self->resize, g_source_remove);
    g_clear_object(&self->input);
    g_clear_object(&self->signals);
    g_clear_object(&self->texture);
    g_clear_pointer(&self->pointer, g_bytes_unref);
    G_OBJECT_CLASS(berth_ui_display_parent_class)->dispose(object);
}

static void berth_ui_display_class_init(BerthUiDisplayClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    G_OBJECT_CLASS(klass)->dispose = berth_ui_display_dispose;
    widget_class->snapshot = berth_ui_display_snapshot;
    widget_class->measure = berth_ui_display_measure;
    widget_class->size_allocate = berth_ui_display_size_allocate;
    gtk_widget_class_set_css_name(widget_class, "display");
    gtk_widget_class_set_accessible_role(widget_class, GTK_ACCESSIBLE_ROLE_IMG);
    g_signal_new("released", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void berth_ui_display_init(BerthUiDisplay *self)
{
    GtkWidget *widget = GTK_WIDGET(self);
    gtk_widget_set_focusable(widget, TRUE);
    gtk_widget_set_hexpand(widget, TRUE);
    gtk_widget_set_vexpand(widget, TRUE);
    gtk_widget_set_overflow(widget, GTK_OVERFLOW_HIDDEN);
    gtk_accessible_update_property(GTK_ACCESSIBLE(self), GTK_ACCESSIBLE_PROPERTY_LABEL, _("The guest’s screen"),
                                   GTK_ACCESSIBLE_PROPERTY_DESCRIPTION,
                                   _("All keys are the guest’s. Press Ctrl and Alt together to leave."), -1);
    self->input = berth_ui_display_input_new(self);
    self->signals = g_signal_group_new(BERTH_UI_TYPE_DISPLAY_PEER);
    g_signal_group_connect_swapped(self->signals, "frame-changed", G_CALLBACK(on_frame_changed), self);
    g_signal_group_connect_swapped(self->signals, "cursor-changed", G_CALLBACK(show_pointer), self);
}
