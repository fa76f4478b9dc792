/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "picture.h"

#include <X11/Xatom.h>
#include <gdk/x11/gdkx.h>
#include <signal.h>
#include <string.h>

#include "src/core/names.h"
#include "ui-gtk/model/settings.h"
#include "ui-gtk/overview/graph.h"
#include "ui-gtk/overview/monitor.h"
#include "ui-gtk/widgets/badge.h"

/* A person before the window, and the real daemon behind it. */

static void test_appears(Stage *stage, gconstpointer data)
{
    AWAIT(stage_sees(stage, "No Virtual Machines"));
    /* Another client makes one. */
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    stage_await_badge(stage, "web", "Stopped");
    fixture_vm(&stage->fixture, path, "Remove");
    AWAIT(stage_sees(stage, "No Virtual Machines"));
    g_assert_null(stage_badge(stage, "web"));
}

static void test_start_and_stop(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    stage_choose(stage, "web");
    g_assert_cmpstr(stage_await_button(stage, "Pause", FALSE), ==, "It is not running");
    stage_click(stage, "Start");
    stage_await_badge(stage, "web", "Running");
    g_assert_cmpstr(stage_await_button(stage, "Start", FALSE), ==, "It is running already");
    stage_click(stage, "Pause");
    stage_await_badge(stage, "web", "Paused");
    stage_click(stage, "Resume");
    stage_await_badge(stage, "web", "Running");
    stage_click(stage, "Power Off");
    stage_await_badge(stage, "web", "Stopped");
    scripted_assert_string(&stage->fixture, path, "State", "stopped");
}

/* There is time to undo it, however slowly all goes. */
static void begin_removal(Stage *stage, const char *vm)
{
    g_autoptr(GSettings) settings = g_settings_new(BERTH_UI_SETTINGS);
    g_settings_set_uint(settings, BERTH_UI_SETTING_UNDO_SECONDS, 120);
    stage_choose(stage, vm);
    stage_click(stage, "Remove");
    AWAIT(stage_top(stage) != GTK_WIDGET(stage->window));
    AWAIT(stage_sees(stage, "Remove “web”?"));
    stage_click(stage, "_Remove");
    stage_await_badge(stage, vm, "Removing: can be undone");
}

/* The toast's button comes later than that of the page; both undo it. */
static void test_remove_and_undo(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    begin_removal(stage, "web");
    AWAIT(stage_sees(stage, "“web” is going to be removed"));
    stage_click(stage, "_Undo");
    stage_await_badge(stage, "web", "Stopped");
    scripted_assert_string(&stage->fixture, path, "State", "stopped");
}

static void test_remove_cancelled(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    stage_choose(stage, "web");
    stage_click(stage, "Remove");
    stage_click(stage, "_Cancel");
    AWAIT(stage_top(stage) == GTK_WIDGET(stage->window));
    scripted_assert_string(&stage->fixture, path, "State", "stopped");
}

/* The time to undo it is the user's; this one has none left. */
static void test_remove_to_the_end(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    begin_removal(stage, "web");
    fixture_vm(&stage->fixture, path, "Remove");
    AWAIT(stage_n_rows(stage) == 0);
    AWAIT(stage_sees(stage, "No Virtual Machines"));
    picture_await_frames(GTK_WIDGET(stage->window));
    g_assert_false(stage_sees(stage, "web")); /* nor in the title */
    fixture_await_gone(&stage->fixture, path);
}

static void test_start_fails(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", "on start exit 1 no disk\n");
    stage_choose(stage, "web");
    stage_click(stage, "Start");
    AWAIT(stage_sees(stage, "“web” could not be started"));
    stage_click(stage, "_Details"); /* at once: the toast goes by itself */
    AWAIT(stage_top(stage) != GTK_WIDGET(stage->window));
    stage_click(stage, "_Close");
    AWAIT(stage_sees(stage, "The virtual machine could not be started"));
}

static void test_daemon_restarts(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    scripted_start(&stage->fixture, path);
    stage_choose(stage, "web");
    stage_await_badge(stage, "web", "Running");
    fixture_stop_daemon(&stage->fixture, SIGKILL);
    AWAIT(stage_sees(stage, "The Service Is Not Running"));
    fixture_start_daemon(&stage->fixture);
    stage_await_badge(stage, "web", "Running");
    /* The page is still its. */
    stage_click(stage, "Power Off");
    stage_await_badge(stage, "web", "Stopped");
}

/* What goes while the daemon is away is no row when it is back. */
static void test_ghost(Stage *stage, gconstpointer data)
{
    g_autofree char *ghost = scripted_vm(&stage->fixture, "ghost", NULL);
    g_autofree char *web = scripted_vm(&stage->fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(&stage->fixture, ghost);
    stage_choose(stage, "ghost");
    stage_await_badge(stage, "web", "Stopped");
    fixture_stop_daemon(&stage->fixture, SIGTERM);
    AWAIT(stage_sees(stage, "The Service Is Not Running"));
    const char *argv[] = {"rm", "-rf", dir, NULL};
    g_assert_true(g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
    fixture_start_daemon(&stage->fixture);
    stage_await_badge(stage, "web", "Stopped");
    AWAIT(stage_n_rows(stage) == 1);
    AWAIT(stage_sees(stage, "Choose a Virtual Machine"));
}

/* What a VM uses, in two graphs. In words, for those who don't see them: */
static gboolean says(Stage *stage, const char *title, const char *figure)
{
    GtkWidget *graph;
    for (guint n = 0; (graph = stage_find_nth(GTK_WIDGET(stage->window), BERTH_UI_TYPE_GRAPH, n)); n++) {
        const char *words = "";
        if (berth_ui_graph_get_last(BERTH_UI_GRAPH(graph), &words) < 0)
            continue;
        g_autofree char *difference =
            gtk_test_accessible_check_property(GTK_ACCESSIBLE(graph), GTK_ACCESSIBLE_PROPERTY_LABEL, words);
        g_assert_null(difference);
        if (g_str_has_prefix(words, title) && strstr(words, figure))
            return TRUE;
    }
    return FALSE;
}

static void await_figures(Stage *stage)
{
    AWAIT(says(stage, "Memory: ", " of 64"));
    AWAIT(says(stage, "Processors: ", "%"));
}

/* They are there while it runs and is looked at, and only then the daemon is asked. */
static void test_usage(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    g_autofree char *other = scripted_vm(&stage->fixture, "other", NULL);
    scripted_start(&stage->fixture, path);
    stage_choose(stage, "web");
    await_figures(stage);
    BerthUiMonitor *monitor = BERTH_UI_MONITOR(stage_find(GTK_WIDGET(stage->window), BERTH_UI_TYPE_MONITOR, NULL));
    stage_choose(stage, "other");
    AWAIT(!berth_ui_monitor_watches(monitor));
    g_assert_false(gtk_widget_get_mapped(GTK_WIDGET(monitor)));
    stage_choose(stage, "web");
    AWAIT(berth_ui_monitor_watches(monitor));
    gtk_widget_hide(GTK_WIDGET(stage->window));
    g_assert_false(berth_ui_monitor_watches(monitor));
    gtk_window_present(GTK_WINDOW(stage->window));
    await_figures(stage);
    stage_click(stage, "Power Off");
    AWAIT(!berth_ui_monitor_watches(monitor));
    stage_click(stage, "Start");
    await_figures(stage);
}

/* What a window manager does. */
static void set_minimized(Stage *stage, gboolean minimized)
{
    GdkSurface *surface = gtk_native_get_surface(GTK_NATIVE(stage->window));
    GdkDisplay *display = gdk_surface_get_display(surface);
    Atom hidden = gdk_x11_get_xatom_by_name_for_display(display, "_NET_WM_STATE_HIDDEN");
    XChangeProperty(gdk_x11_display_get_xdisplay(display), gdk_x11_surface_get_xid(surface),
                    gdk_x11_get_xatom_by_name_for_display(display, "_NET_WM_STATE"), XA_ATOM, 32, PropModeReplace,
                    (const guchar *) &hidden, minimized ? 1 : 0);
}

static void test_usage_minimized(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    scripted_start(&stage->fixture, path);
    stage_choose(stage, "web");
    await_figures(stage);
    BerthUiMonitor *monitor = BERTH_UI_MONITOR(stage_find(GTK_WIDGET(stage->window), BERTH_UI_TYPE_MONITOR, NULL));
    set_minimized(stage, TRUE);
    AWAIT(!berth_ui_monitor_watches(monitor));
    g_assert_true(gtk_widget_get_mapped(GTK_WIDGET(monitor)));
    set_minimized(stage, FALSE);
    await_figures(stage);
}

/* A daemon that comes back is asked again; and one VM's figures are never shown as another's. */
static void test_usage_again(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    g_autofree char *other = scripted_vm(&stage->fixture, "other", NULL);
    scripted_start(&stage->fixture, path);
    scripted_start(&stage->fixture, other);
    stage_choose(stage, "web");
    await_figures(stage);
    fixture_stop_daemon(&stage->fixture, SIGKILL);
    AWAIT(stage_sees(stage, "The Service Is Not Running"));
    fixture_start_daemon(&stage->fixture);
    await_figures(stage);
    stage_choose(stage, "other");
    g_assert_false(says(stage, "Processors", ""));
    g_assert_false(says(stage, "Memory", ""));
    await_figures(stage);
}

static void add(void)
{
    STAGE_ADD("/gui/window/appears", test_appears);
    STAGE_ADD("/gui/window/start-and-stop", test_start_and_stop);
    STAGE_ADD("/gui/window/remove-and-undo", test_remove_and_undo);
    STAGE_ADD("/gui/window/remove-cancelled", test_remove_cancelled);
    STAGE_ADD("/gui/window/remove-to-the-end", test_remove_to_the_end);
    STAGE_ADD("/gui/window/start-fails", test_start_fails);
    STAGE_ADD("/gui/window/daemon-restarts", test_daemon_restarts);
    STAGE_ADD("/gui/window/ghost", test_ghost);
    STAGE_ADD("/gui/window/usage", test_usage);
    STAGE_ADD("/gui/window/usage/minimized", test_usage_minimized);
    STAGE_ADD("/gui/window/usage/again", test_usage_again);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, add);
}
