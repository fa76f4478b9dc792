/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hands.h"

#include <gdk/x11/gdkx.h>

static void on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_subprocess_wait_check_finish(G_SUBPROCESS(source), result, &error);
    g_assert_no_error(error);
    *(gboolean *) data = TRUE;
}

void hands_do(const char *command)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *line = g_strconcat("xdotool ", command, NULL);
    g_auto(GStrv) argv = NULL;
    gboolean done = FALSE;
    g_shell_parse_argv(line, NULL, &argv, &error);
    g_assert_no_error(error);
    g_autoptr(GSubprocess) process =
        g_subprocess_newv((const char *const *) argv, G_SUBPROCESS_FLAGS_STDOUT_SILENCE, &error);
    g_assert_no_error(error);
    g_subprocess_wait_check_async(process, NULL, on_done, &done);
    AWAIT(done);
}

static gulong xid_of(Stage *stage)
{
    return gdk_x11_surface_get_xid(gtk_native_get_surface(GTK_NATIVE(stage->window)));
}

void hands_focus(Stage *stage)
{
    g_autofree char *command = g_strdup_printf("windowfocus %lu", xid_of(stage));
    hands_do(command);
    AWAIT(gtk_window_is_active(GTK_WINDOW(stage->window)));
}

void hands_point(Stage *stage, BerthUiDisplay *display, guint x, guint y)
{
    const BerthUiFrame *frame = berth_ui_display_peer_get_frame(berth_ui_display_get_peer(display));
    BerthUiFit fit = berth_ui_display_get_fit(display);
    double left, top, window_x, window_y;
    gtk_widget_translate_coordinates(GTK_WIDGET(display), GTK_WIDGET(stage->window),
                                     fit.x + (x + 0.5) * fit.width / frame->width,
                                     fit.y + (y + 0.5) * fit.height / frame->height, &window_x, &window_y);
    gtk_native_get_surface_transform(GTK_NATIVE(stage->window), &left, &top);
    g_autofree char *command =
        g_strdup_printf("mousemove --window %lu %d %d", xid_of(stage), (int) (left + window_x), (int) (top + window_y));
    hands_do(command);
}
