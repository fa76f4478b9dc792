/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "picture.h"

/* What @widget's window shows now, when everything has its place. */
static void save(GtkWidget *widget, const char *file)
{
    g_autoptr(GdkPaintable) paintable = gtk_widget_paintable_new(widget);
    int width = gtk_widget_get_width(widget), height = gtk_widget_get_height(widget);
    GtkSnapshot *snapshot = gtk_snapshot_new();
    gdk_paintable_snapshot(paintable, snapshot, width, height);
    g_autoptr(GskRenderNode) node = gtk_snapshot_free_to_node(snapshot);
    g_assert_nonnull(node);
    g_autoptr(GdkTexture) texture =
        gsk_renderer_render_texture(gtk_native_get_renderer(gtk_widget_get_native(widget)), node, NULL);
    g_assert_true(gdk_texture_save_to_png(texture, file));
}

/* After a change: the frame clock has come by, and nothing is left to be done. */
static gboolean on_tick(GtkWidget *widget, GdkFrameClock *clock, gpointer data)
{
    guint *frames = data;
    return ++*frames < 4 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

void picture_await_frames(GtkWidget *widget)
{
    guint frames = 0;
    gtk_widget_add_tick_callback(widget, on_tick, &frames, NULL);
    AWAIT(frames >= 4);
}

/* Each window fits on a small screen; but that of the shortcuts is laid out by GTK alone. */
static void assert_narrow(GtkWidget *window)
{
    int minimum;
    if (GTK_IS_SHORTCUTS_WINDOW(window))
        return;
    gtk_widget_measure(window, GTK_ORIENTATION_HORIZONTAL, -1, &minimum, NULL, NULL, NULL);
    g_assert_cmpint(minimum, <=, PICTURE_NARROW);
}

void picture_take(Stage *stage, const char *name, const char *variant)
{
    g_autofree char *file = g_strdup_printf("%s/%s-%s.png", g_getenv("BERTH_SCREENSHOTS"), name, variant);
    GtkWidget *top = stage_top(stage);
    gtk_widget_remove_css_class(top, PICTURE_FRAME);
    picture_await_frames(top);
    assert_narrow(top);
    save(top, file);
}
