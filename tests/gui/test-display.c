/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"

#include "hands.h"
#include "src/core/autofd.h"
#include "tests/lib/fakes/fake-screen.h"
#include "ui-gtk/display/display.h"

/* A person before a guest's screen: real keys and a real pointer, by way of the X server, and a fake QEMU behind it. */

#define WIDTH 320
#define HEIGHT 200
#define RED 0xff0000u
#define BLUE 0x0000ffu

static BerthUiDisplay *screen(Stage *stage)
{
    GtkWidget *found = stage_find(GTK_WIDGET(stage->window), BERTH_UI_TYPE_DISPLAY, NULL);
    return found ? BERTH_UI_DISPLAY(found) : NULL;
}

static FakeVm *add_vm(Stage *stage, const char *state)
{
    FakeVm *vm = fake_berth_add(stage->fake, "desk", state);
    fake_berth_configure(stage->fake, vm, g_variant_new_parsed("{'display': <'vga'>}"));
    stage_choose(stage, "desk");
    return vm;
}

/* The QEMU that the window connects to. */
static FakeScreen *accept_viewer(Stage *stage, gboolean is_absolute)
{
    AWAIT(stage->fake->display >= 0);
    return fake_screen_new(berth_steal_fd(&stage->fake->display), is_absolute);
}

static FakeScreen *show_screen(Stage *stage, gboolean is_absolute)
{
    add_vm(stage, "running");
    stage_view(stage, "display");
    FakeScreen *display = accept_viewer(stage, is_absolute);
    fake_screen_fill(display, WIDTH, HEIGHT, RED);
    AWAIT(screen(stage));
    return display;
}

/* Each pixel of what is drawn, as the one of the guest's that it shows. */
static guint32 pixel(Stage *stage, guint x, guint y)
{
    GdkTexture *texture = screen(stage) ? berth_ui_display_get_texture(screen(stage)) : NULL;
    if (!texture)
        return 0;
    guint width = (guint) gdk_texture_get_width(texture), height = (guint) gdk_texture_get_height(texture);
    g_autofree guint32 *pixels = g_new(guint32, width * height);
    gdk_texture_download(texture, (guchar *) pixels, width * 4);
    return pixels[y * height / HEIGHT * width + x * width / WIDTH];
}

static gboolean shows(Stage *stage, guint x, guint y, guint32 colour)
{
    return pixel(stage, x, y) == (0xff000000u | colour);
}

static void point_at(Stage *stage, guint x, guint y)
{
    hands_point(stage, screen(stage), x, y);
}

static void test_picture(Stage *stage, gconstpointer data)
{
    g_autoptr(FakeScreen) display = show_screen(stage, TRUE);
    AWAIT(shows(stage, 0, 0, RED) && shows(stage, WIDTH - 1, HEIGHT - 1, RED));
    fake_screen_fill_part(display, 10, 20, 30, 40, BLUE);
    AWAIT(shows(stage, 10, 20, BLUE) && shows(stage, 39, 59, BLUE));
    g_assert_true(shows(stage, 9, 20, RED) && shows(stage, 40, 59, RED) && shows(stage, 39, 60, RED));
    /* The guest is told how large a screen would fit. */
    BerthUiDisplay *widget = screen(stage);
    g_autofree char *size = g_strdup_printf("size %d,%d ", gtk_widget_get_width(GTK_WIDGET(widget)),
                                            gtk_widget_get_height(GTK_WIDGET(widget)));
    fake_screen_await(display->sizes, size);
}

static void test_keys(Stage *stage, gconstpointer data)
{
    g_autoptr(FakeScreen) display = show_screen(stage, TRUE);
    hands_focus(stage);
    gtk_widget_grab_focus(GTK_WIDGET(screen(stage)));
    hands_do("key a");
    fake_screen_await(display->keys, "press 30 release 30 ");
    hands_do("key Right");
    fake_screen_await(display->keys, "press 205 release 205 ");
    /* What the window would take for a shortcut: its search, and the end of the VM. */
    hands_do("key ctrl+f");
    fake_screen_await(display->keys, "press 29 press 33 release 29 release 33 ");
    hands_do("key Delete");
    fake_screen_await(display->keys, "press 211 release 211 ");
    hands_do("key Escape");
    fake_screen_await(display->keys, "press 1 release 1 ");
    g_assert_true(stage_top(stage) == GTK_WIDGET(stage->window));
    g_assert_true(gtk_widget_has_focus(GTK_WIDGET(screen(stage))));
}

/* Nothing of what is held hangs in the guest. */
static void test_focus_lost(Stage *stage, gconstpointer data)
{
    g_autoptr(FakeScreen) display = show_screen(stage, TRUE);
    hands_focus(stage);
    gtk_widget_grab_focus(GTK_WIDGET(screen(stage)));
    hands_do("keydown shift keydown b");
    fake_screen_await(display->keys, "press 42 press 48 ");
    gtk_widget_child_focus(GTK_WIDGET(stage->window), GTK_DIR_TAB_FORWARD);
    fake_screen_await(display->keys, "release 42 release 48 ");
    hands_do("keyup b keyup shift key c");
    gtk_widget_grab_focus(GTK_WIDGET(screen(stage)));
    hands_do("key d");
    fake_screen_await(display->keys, "press 32 release 32 ");
}

static void test_way_out(Stage *stage, gconstpointer data)
{
    g_autoptr(FakeScreen) display = show_screen(stage, TRUE);
    GtkWidget *widget = GTK_WIDGET(screen(stage));
    hands_focus(stage);
    gtk_widget_grab_focus(widget);
    /* With another key it is the guest's own. */
    hands_do("key ctrl+alt+x");
    fake_screen_await(display->keys, "press 29 press 56 press 45 release 29 release 56 release 45 ");
    g_assert_true(gtk_widget_has_focus(widget));
    hands_do("keydown ctrl keydown alt keyup alt keyup ctrl");
    AWAIT(!gtk_widget_has_focus(widget));
    fake_screen_await(display->keys, "press 29 press 56 release 56 release 29 ");
    /* The window's keys are its own again. */
    hands_do("key ctrl+f");
    AWAIT(GTK_IS_TEXT(gtk_window_get_focus(GTK_WINDOW(stage->window))));
    g_assert_cmpstr(display->keys->str, ==, "");
}

static void test_pointer(Stage *stage, gconstpointer data)
{
    g_autoptr(FakeScreen) display = show_screen(stage, TRUE);
    AWAIT(shows(stage, 0, 0, RED));
    point_at(stage, 100, 50);
    fake_screen_await(display->pointer, "place 100,50 ");
    point_at(stage, WIDTH - 1, HEIGHT - 1);
    fake_screen_await(display->pointer, "place 319,199 ");
    hands_do("mousedown 1 mouseup 1");
    fake_screen_await(display->pointer, "click 0 unclick 0 ");
    AWAIT(gtk_widget_has_focus(GTK_WIDGET(screen(stage))));
    hands_do("mousedown 3 mouseup 3 mousedown 2 mouseup 2");
    fake_screen_await(display->pointer, "click 2 unclick 2 click 1 unclick 1 ");
    hands_do("click 4");
    fake_screen_await(display->pointer, "click 3 unclick 3 ");
    hands_do("click 5");
    fake_screen_await(display->pointer, "click 4 unclick 4 ");
    /* A guest without a tablet. */
    point_at(stage, 100, 50);
    fake_screen_await(display->pointer, "place 100,50 ");
    fake_screen_set_absolute(display, FALSE);
    AWAIT(gtk_widget_get_cursor(GTK_WIDGET(screen(stage))));
    point_at(stage, 110, 45);
    fake_screen_await(display->pointer, "move 10,-5 ");
}

/* QEMU says nothing of it, and takes but one. */
static void test_silent_pointer(Stage *stage, gconstpointer data)
{
    add_vm(stage, "running");
    stage_view(stage, "display");
    AWAIT(stage->fake->display >= 0);
    g_autoptr(FakeScreen) display = fake_screen_new_silent(berth_steal_fd(&stage->fake->display));
    fake_screen_fill(display, WIDTH, HEIGHT, RED);
    AWAIT(shows(stage, 0, 0, RED));
    AWAIT(berth_ui_display_peer_is_absolute(berth_ui_display_get_peer(screen(stage))));
    point_at(stage, 100, 50);
    fake_screen_await(display->pointer, "place 100,50 ");
    /* The guest's next driver knows a mouse only; then the tablet again. */
    fake_screen_set_absolute(display, FALSE);
    point_at(stage, 90, 50);
    AWAIT(!berth_ui_display_peer_is_absolute(berth_ui_display_get_peer(screen(stage))));
    point_at(stage, 100, 45);
    fake_screen_await(display->pointer, "move 10,-5 ");
    fake_screen_set_absolute(display, TRUE);
    point_at(stage, 110, 45);
    AWAIT(berth_ui_display_peer_is_absolute(berth_ui_display_get_peer(screen(stage))));
    point_at(stage, 120, 60);
    fake_screen_await(display->pointer, "place 120,60 ");
}

/* A place that the picture has no longer is refused as well, and makes no mouse of a tablet. */
static void test_place_outside(Stage *stage, gconstpointer data)
{
    g_autoptr(FakeScreen) display = show_screen(stage, TRUE);
    BerthUiDisplayPeer *peer = berth_ui_display_get_peer(screen(stage));
    AWAIT(berth_ui_display_peer_is_absolute(peer));
    berth_ui_display_peer_move_to(peer, WIDTH, 0);
    AWAIT(display->n_refused == 2); /* the place, and then the question */
    berth_ui_display_peer_move_to(peer, 1, 2);
    fake_screen_await(display->pointer, "place 1,2 ");
    g_assert_true(berth_ui_display_peer_is_absolute(peer));
}

static const char *cursor_name(Stage *stage)
{
    GdkCursor *cursor = gtk_widget_get_cursor(GTK_WIDGET(screen(stage)));
    return cursor ? gdk_cursor_get_name(cursor) : "default";
}

static GdkTexture *cursor_texture(Stage *stage)
{
    GdkCursor *cursor = gtk_widget_get_cursor(GTK_WIDGET(screen(stage)));
    return cursor ? gdk_cursor_get_texture(cursor) : NULL;
}

static void test_cursor(Stage *stage, gconstpointer data)
{
    g_autoptr(FakeScreen) display = show_screen(stage, TRUE);
    AWAIT(g_strcmp0(cursor_name(stage), "default") == 0);
    fake_screen_tell(display, "CursorDefine", g_variant_new_parsed("(2, 1, 1, 0, b'1234567')"));
    AWAIT(cursor_texture(stage));
    g_assert_cmpint(gdk_texture_get_width(cursor_texture(stage)), ==, 2);
    fake_screen_tell(display, "MouseSet", g_variant_new("(iii)", 0, 0, 0));
    AWAIT(g_strcmp0(cursor_name(stage), "none") == 0);
    fake_screen_tell(display, "MouseSet", g_variant_new("(iii)", 0, 0, 1));
    AWAIT(cursor_texture(stage));
}

/* QEMU ends, and the next run has a display again. */
static void test_next_run(Stage *stage, gconstpointer data)
{
    FakeVm *vm = add_vm(stage, "stopped");
    stage_view(stage, "display");
    AWAIT(stage_sees(stage, "Its screen is here as soon as it runs."));
    stage_click(stage, "_Start");
    AWAIT(g_strcmp0(stage->fake->called, "Start desk") == 0);
    for (guint i = 0; i < 2; i++) {
        fake_berth_change(stage->fake, vm, "running", "", "");
        g_autoptr(FakeScreen) display = accept_viewer(stage, TRUE);
        fake_screen_fill(display, WIDTH, HEIGHT, i ? RED : BLUE);
        AWAIT(shows(stage, 0, 0, i ? RED : BLUE));
        g_clear_pointer(&display, fake_screen_free);
        AWAIT(stage_sees(stage, "The Screen Was Closed"));
        fake_berth_change(stage->fake, vm, "stopped", "", "");
        AWAIT(stage_sees(stage, "Its screen is here as soon as it runs."));
    }
}

/* Another viewer has taken it: no fight over it. */
static void test_taken(Stage *stage, gconstpointer data)
{
    FakeScreen *first = show_screen(stage, TRUE);
    fake_screen_free(first);
    AWAIT(stage_sees(stage, "The Screen Was Closed"));
    await_silence(300);
    g_assert_cmpint(stage->fake->display, ==, -1);
    stage_click(stage, "_Try Again");
    g_autoptr(FakeScreen) second = accept_viewer(stage, TRUE);
    fake_screen_fill(second, WIDTH, HEIGHT, BLUE);
    AWAIT(shows(stage, 0, 0, BLUE));
}

/* Only who looks has it. */
static void test_look_away(Stage *stage, gconstpointer data)
{
    g_autoptr(FakeScreen) display = show_screen(stage, TRUE);
    stage_view(stage, "overview");
    AWAIT(display->is_gone);
    stage_view(stage, "display");
    g_autoptr(FakeScreen) again = accept_viewer(stage, TRUE);
}

/* Without a daemon there is nothing to look at; with the next one there is. */
static void test_daemon_restarts(Stage *stage, gconstpointer data)
{
    g_autoptr(FakeScreen) display = show_screen(stage, TRUE);
    fake_berth_stop(stage->fake);
    AWAIT(stage_sees(stage, "The Service Is Not Running"));
    fake_berth_start(stage->fake);
    g_autoptr(FakeScreen) again = accept_viewer(stage, TRUE);
    fake_screen_fill(again, WIDTH, HEIGHT, BLUE);
    AWAIT(shows(stage, 0, 0, BLUE));
}

static void test_refused(Stage *stage, gconstpointer data)
{
    stage->fake->refuse = g_strdup("org.freedesktop.DBus.Error.AccessDenied");
    add_vm(stage, "running");
    stage_view(stage, "display");
    AWAIT(stage_sees(stage, "You are not allowed to do that"));
    g_clear_pointer(&stage->fake->refuse, g_free);
    stage_click(stage, "_Try Again");
    g_autoptr(FakeScreen) display = accept_viewer(stage, TRUE);
}

static void test_no_display(Stage *stage, gconstpointer data)
{
    FakeVm *vm = add_vm(stage, "stopped");
    stage->fake->refuse = g_strdup("org.berth.Berth1.Error.Unsupported");
    fake_berth_configure(stage->fake, vm, g_variant_new_parsed("{'display': <'none'>}"));
    stage_view(stage, "display");
    AWAIT(stage_sees(stage, "No Display"));
    fake_berth_change(stage->fake, vm, "running", "", "");
    AWAIT(g_strcmp0(stage_badge(stage, "desk"), "Stopped") != 0);
    g_assert_true(stage_sees(stage, "No Display"));
    g_assert_null(stage->fake->called);
    fake_berth_configure(stage->fake, vm, g_variant_new_parsed("{'display': <'vga'>}"));
    AWAIT(stage_sees(stage, "Started Without a Display"));
}

static void test_hostile(Stage *stage, gconstpointer data)
{
    g_autoptr(FakeScreen) display = show_screen(stage, TRUE);
    fake_screen_tell(display, "Scanout",
                     g_variant_new_parsed("(@u 65535, @u 65535, @u 4, %u, b'1234567')", FAKE_SCREEN_XRGB));
    AWAIT(stage_sees(stage, "The Screen Can’t Be Shown"));
    AWAIT(stage_sees(stage, "QEMU sent a picture that has no such size"));
    AWAIT(display->is_gone);
}

static void test_send_keys(Stage *stage, gconstpointer data)
{
    g_autoptr(FakeScreen) display = show_screen(stage, TRUE);
    g_assert_true(gtk_widget_activate_action(GTK_WIDGET(screen(stage)), "display.send-keys", "s", "ctrl-alt-delete"));
    fake_screen_await(display->keys, "press 29 press 56 press 211 release 211 release 56 release 29 ");
}

static gboolean shows_all(Stage *stage)
{
    GtkWidget *window = GTK_WIDGET(stage->window);
    return stage_find(window, ADW_TYPE_HEADER_BAR, NULL) && stage_n_rows(stage) == 1;
}

static gboolean shows_screen_only(Stage *stage)
{
    GtkWidget *window = GTK_WIDGET(stage->window);
    return screen(stage) && !stage_find(window, ADW_TYPE_HEADER_BAR, NULL) && stage_n_rows(stage) == 0;
}

/* There by the key, and back: the screen's keys are the guest's, F11 too, until it is left. */
static void test_fullscreen(Stage *stage, gconstpointer data)
{
    g_autoptr(WindowManager) manager = hands_manage_windows();
    g_autoptr(FakeScreen) display = show_screen(stage, TRUE);
    g_assert_true(shows_all(stage));
    hands_focus(stage);
    gtk_widget_grab_focus(stage_find(GTK_WIDGET(stage->window), GTK_TYPE_BUTTON, "Fullscreen"));
    hands_do("key F11");
    AWAIT(shows_screen_only(stage));
    gtk_widget_grab_focus(GTK_WIDGET(screen(stage)));
    hands_do("key F11");
    fake_screen_await(display->keys, "press 87 release 87 ");
    g_assert_true(shows_screen_only(stage));
    hands_do("keydown ctrl keydown alt keyup alt keyup ctrl");
    AWAIT(!gtk_widget_has_focus(GTK_WIDGET(screen(stage))));
    hands_do("key F11");
    AWAIT(shows_all(stage));
    g_assert_true(screen(stage) && !display->is_gone);
}

/* Where something else is shown, the way out is there. */
static void test_fullscreen_left(Stage *stage, gconstpointer data)
{
    g_autoptr(WindowManager) manager = hands_manage_windows();
    g_autoptr(FakeScreen) display = show_screen(stage, TRUE);
    stage_click(stage, "Fullscreen");
    AWAIT(shows_screen_only(stage));
    stage_view(stage, "overview");
    AWAIT(shows_all(stage));
    stage_view(stage, "display");
    g_autoptr(FakeScreen) again = accept_viewer(stage, TRUE);
    fake_screen_fill(again, WIDTH, HEIGHT, RED);
    AWAIT(shows_screen_only(stage));
    g_clear_pointer(&again, fake_screen_free);
    AWAIT(stage_sees(stage, "The Screen Was Closed") && shows_all(stage));
    stage_click(stage, "_Try Again");
    again = accept_viewer(stage, TRUE);
    fake_screen_fill(again, WIDTH, HEIGHT, RED);
    AWAIT(shows_screen_only(stage));
    fake_berth_vanish(stage->fake, g_ptr_array_index(stage->fake->vms, 0));
    AWAIT(stage_find(GTK_WIDGET(stage->window), ADW_TYPE_HEADER_BAR, NULL) && stage_n_rows(stage) == 0);
}

static void add(void)
{
    STAGE_ADD_FAKE("/gui/display/picture", test_picture);
    STAGE_ADD_FAKE("/gui/display/keys", test_keys);
    STAGE_ADD_FAKE("/gui/display/focus-lost", test_focus_lost);
    STAGE_ADD_FAKE("/gui/display/way-out", test_way_out);
    STAGE_ADD_FAKE("/gui/display/pointer", test_pointer);
    STAGE_ADD_FAKE("/gui/display/silent-pointer", test_silent_pointer);
    STAGE_ADD_FAKE("/gui/display/place-outside", test_place_outside);
    STAGE_ADD_FAKE("/gui/display/cursor", test_cursor);
    STAGE_ADD_FAKE("/gui/display/next-run", test_next_run);
    STAGE_ADD_FAKE("/gui/display/taken", test_taken);
    STAGE_ADD_FAKE("/gui/display/look-away", test_look_away);
    STAGE_ADD_FAKE("/gui/display/daemon-restarts", test_daemon_restarts);
    STAGE_ADD_FAKE("/gui/display/refused", test_refused);
    STAGE_ADD_FAKE("/gui/display/no-display", test_no_display);
    STAGE_ADD_FAKE("/gui/display/hostile", test_hostile);
    STAGE_ADD_FAKE("/gui/display/send-keys", test_send_keys);
    STAGE_ADD_FAKE("/gui/display/fullscreen", test_fullscreen);
    STAGE_ADD_FAKE("/gui/display/fullscreen-left", test_fullscreen_left);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, add);
}
