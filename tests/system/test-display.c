/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "scene.h"
#include "screen.h"

/* The display of real guests, which paint on their kernel's framebuffer console, and hear keyboard and tablet. */

#define RED 0xaa0000u /* as Linux' terminals have it: colour 1 */
#define GREEN 0x00aa00u
#define BLUE 0x0000aau

static const guint8 berth_enter[] = {0x30, 0x12, 0x13, 0x14, 0x23, 0x1c, 0};

static Guest *boot(const char *name, const char *display, const char *machine)
{
    g_autofree char *cmdline = scene_microvm_cmdline();
    return guest_new_booted(
        name,
        g_variant_new_parsed(
            "{'image': <'screen'>, 'memory': <uint64 268435456>, 'display': <%s>, 'machine': <%s>, 'cmdline': <%s>}",
            display, machine, cmdline));
}

static Screen *open_screen(Guest *guest)
{
    return screen_new(client_open(scene_bus, guest->path, "OpenDisplay", g_variant_new("(a{sv})", NULL)));
}

/* What the guest paints, as large as it says that its screen is, is what is seen. */
static void assert_paints(Guest *guest, Screen *screen, guint colour, guint32 seen)
{
    guint width, height;
    g_autofree char *command = g_strdup_printf("paint %u", colour);
    g_autofree char *size = console_ask(guest->console, command, "painted ");
    g_assert_cmpint(sscanf(size, "%u,%u", &width, &height), ==, 2);
    screen_await_filled(screen, width, height, seen);
}

static void assert_hears(Guest *guest, Screen *screen)
{
    g_free(console_ask(guest->console, "typed", "typing"));
    screen_type(screen, berth_enter);
    console_await(guest->console, "berth-guest: typed berth");
    g_free(console_ask(guest->console, "pointed", "pointing"));
    screen_click(screen, 100, 100);
    console_await(guest->console, "berth-guest: pointed");
}

static void test_vga(void)
{
    g_autoptr(Guest) guest = boot("vga", "vga", "q35");
    g_autoptr(Screen) screen = open_screen(guest);
    screen_await_absolute(screen);
    assert_paints(guest, screen, 1, RED);
    assert_paints(guest, screen, 4, BLUE);
    assert_hears(guest, screen);
    /* It is between the client and QEMU: what becomes of the daemon is nothing to it. */
    scene_kill_daemon();
    scene_start_daemon();
    guest_rewatch(guest);
    assert_paints(guest, screen, 2, GREEN);
    client_vm(scene_bus, guest->path, "PowerOff");
    screen_await_closed(screen);
    client_vm_fails(scene_bus, guest->path, "OpenDisplay", "WrongState", "stopped");
}

static void test_virtio(void)
{
    g_autoptr(Guest) guest = boot("virtio", "virtio", "q35");
    g_autoptr(Screen) screen = open_screen(guest);
    screen_await_absolute(screen); /* the guest's driver has the tablet: a click is not lost */
    assert_paints(guest, screen, 1, RED);
    assert_hears(guest, screen);
}

/* Its tablet is its only pointer, and absolute from the beginning; QEMU 7.2's IsAbsolute tells of changes alone. */
static void test_microvm(void)
{
    g_autoptr(Guest) guest = boot("micro", "virtio", "microvm");
    g_autoptr(Screen) screen = open_screen(guest);
    assert_paints(guest, screen, 1, RED);
    assert_hears(guest, screen);
}

/* The second takes the place of the first, which is told by the end of its connection. */
static void test_second(void)
{
    g_autoptr(Guest) guest = boot("twice", "vga", "q35");
    g_autoptr(Screen) first = open_screen(guest);
    assert_paints(guest, first, 1, RED);
    g_autoptr(Screen) second = open_screen(guest);
    screen_await_closed(first);
    screen_await_pictures_end(first);
    assert_paints(guest, second, 2, GREEN);
    client_vm(scene_bus, guest->path, "Pause");
    g_autoptr(Screen) third = open_screen(guest);
    screen_await_closed(second);
    client_vm(scene_bus, guest->path, "Resume");
    assert_paints(guest, third, 4, BLUE);
}

static void test_none(void)
{
    g_autoptr(Guest) guest = guest_new_bare("blind");
    client_vm(scene_bus, guest->path, "Start");
    client_vm_fails(scene_bus, guest->path, "OpenDisplay", "Unsupported", "display");
    /* Its QEMU says it better than the definition, which may have changed. */
    g_autoptr(GVariant) changed =
        client_call(scene_bus, guest->path, BERTH_IFACE_VM, "Configure",
                    g_variant_new("(@a{sv}a{sv})", g_variant_new_parsed("{'display': <'vga'>}"), NULL));
    client_vm_fails(scene_bus, guest->path, "OpenDisplay", "Unsupported", "next start");
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    scene_import_screen_guest();
    g_test_add_func("/display/vga", test_vga);
    g_test_add_func("/display/virtio", test_virtio);
    g_test_add_func("/display/microvm", test_microvm);
    g_test_add_func("/display/second", test_second);
    g_test_add_func("/display/none", test_none);
    return g_test_run();
}
