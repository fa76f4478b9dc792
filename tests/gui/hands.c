/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hands.h"

#include <X11/Xatom.h>
#include <gdk/x11/gdkx.h>
#include <glib-unix.h>

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
    gdk_display_sync(gdk_display_get_default()); /* as the server knows the windows, so they are by now */
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

/* A window manager that knows of one thing: a window that asks to be on the whole monitor is told that it is. */

struct WindowManager {
    Display *display;
    Atom state, full;
    guint source;
};

static void answer(WindowManager *manager, const XClientMessageEvent *asked)
{
    gboolean is_about_full = asked->message_type == manager->state && (Atom) asked->data.l[1] == manager->full;
    if (is_about_full)
        XChangeProperty(manager->display, asked->window, manager->state, XA_ATOM, 32, PropModeReplace,
                        (const guchar *) &manager->full, asked->data.l[0] == 1);
}

static gboolean on_asked(int fd, GIOCondition condition, gpointer data)
{
    WindowManager *manager = data;
    while (XPending(manager->display) > 0) {
        XEvent event;
        XNextEvent(manager->display, &event);
        if (event.type == ClientMessage)
            answer(manager, &event.xclient);
    }
    XFlush(manager->display);
    return G_SOURCE_CONTINUE;
}

WindowManager *hands_manage_windows(void)
{
    WindowManager *manager = g_new0(WindowManager, 1);
    manager->display = XOpenDisplay(NULL);
    g_assert_nonnull(manager->display);
    manager->state = XInternAtom(manager->display, "_NET_WM_STATE", False);
    manager->full = XInternAtom(manager->display, "_NET_WM_STATE_FULLSCREEN", False);
    XSelectInput(manager->display, DefaultRootWindow(manager->display), SubstructureNotifyMask);
    XSync(manager->display, False);
    manager->source = g_unix_fd_add(ConnectionNumber(manager->display), G_IO_IN, on_asked, manager);
    return manager;
}

void hands_leave_windows(WindowManager *manager)
{
    g_source_remove(manager->source);
    XCloseDisplay(manager->display);
    g_free(manager);
}
