/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "scene.h"
#include "tests/gui/hands.h"

/* A real guest's screen in the real window, and all that lies between them: the guest paints on its kernel's
 * framebuffer console, and hears what is typed and pointed at in the window. */

/* The bed's; the stage's own bus has taken the variables by which it would be found. */
#define SYSTEM_BUS "unix:path=/run/dbus/system_bus_socket"

#define RED 0xffaa0000u /* as Linux' terminals have it: colour 1 */
#define BLUE 0xff0000aau

static BerthUiDisplay *screen(Stage *stage)
{
    GtkWidget *found = stage_find(GTK_WIDGET(stage->window), BERTH_UI_TYPE_DISPLAY, NULL);
    return found ? BERTH_UI_DISPLAY(found) : NULL;
}

/* Whether the window draws a picture of this size, all of one colour. */
static gboolean is_filled(Stage *stage, guint width, guint height, guint32 colour)
{
    GdkTexture *texture = screen(stage) ? berth_ui_display_get_texture(screen(stage)) : NULL;
    if (!texture || (guint) gdk_texture_get_width(texture) != width ||
        (guint) gdk_texture_get_height(texture) != height)
        return FALSE;
    g_autofree guint32 *pixels = g_new(guint32, width * height);
    gdk_texture_download(texture, (guchar *) pixels, width * 4);
    for (guint i = 0; i < width * height; i++)
        if (pixels[i] != colour)
            return FALSE;
    return TRUE;
}

static void assert_paints(Stage *stage, Guest *guest, guint colour, guint32 seen)
{
    guint width, height;
    g_autofree char *command = g_strdup_printf("paint %u", colour);
    g_autofree char *size = console_ask(guest->console, command, "painted ");
    g_assert_cmpint(sscanf(size, "%u,%u", &width, &height), ==, 2);
    CLIENT_AWAIT(is_filled(stage, width, height, seen), "The window does not show what the guest has painted");
}

static void assert_hears(Stage *stage, Guest *guest)
{
    g_free(console_ask(guest->console, "typed", "typing"));
    hands_focus(stage);
    gtk_widget_grab_focus(GTK_WIDGET(screen(stage)));
    hands_do("type berth");
    hands_do("key Return");
    console_await(guest->console, "berth-guest: typed berth");
    CLIENT_AWAIT(berth_ui_display_peer_is_absolute(berth_ui_display_get_peer(screen(stage))),
                 "The guest does not use its tablet");
    g_free(console_ask(guest->console, "pointed", "pointing"));
    hands_point(stage, screen(stage), 100, 100);
    hands_do("click 1");
    console_await(guest->console, "berth-guest: pointed");
}

static Guest *show(Stage *stage, const char *name, const char *display, const char *machine)
{
    g_autofree char *cmdline = scene_microvm_cmdline();
    Guest *guest = guest_new_booted(
        name,
        g_variant_new_parsed(
            "{'image': <'screen'>, 'memory': <uint64 268435456>, 'display': <%s>, 'machine': <%s>, 'cmdline': <%s>}",
            display, machine, cmdline));
    stage_open(stage, SYSTEM_BUS);
    stage_choose(stage, name);
    stage_view(stage, "display");
    return guest;
}

static void test_vga(void)
{
    Stage stage = {0};
    g_autoptr(Guest) guest = show(&stage, "vga", "vga", "q35");
    assert_paints(&stage, guest, 1, RED);
    assert_paints(&stage, guest, 4, BLUE);
    assert_hears(&stage, guest);
    /* The next run of it. */
    client_vm(scene_bus, guest->path, "PowerOff");
    AWAIT(stage_sees(&stage, "Its screen is here as soon as it runs."));
    guest_boot(guest);
    assert_paints(&stage, guest, 1, RED);
    stage_close(&stage);
}

static void assert_works(const char *machine)
{
    Stage stage = {0};
    g_autoptr(Guest) guest = show(&stage, machine, "virtio", machine);
    assert_paints(&stage, guest, 4, BLUE);
    assert_hears(&stage, guest);
    stage_close(&stage);
}

static void test_virtio(void)
{
    assert_works("q35");
}

/* Of whose tablet QEMU does not tell that it is absolute. */
static void test_microvm(void)
{
    assert_works("microvm");
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    scene_import_screen_guest();
    stage_begin();
    g_test_add_func("/ui-display/vga", test_vga);
    g_test_add_func("/ui-display/virtio", test_virtio);
    g_test_add_func("/ui-display/microvm", test_microvm);
    int status = g_test_run();
    stage_end();
    return status;
}
