/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "scene.h"

/* A complete Debian 12 on a disk, by its own boot loader: what the small guest is too small to show. */

#define BOOT_SECONDS 420u /* emulated, beside other tests */

static void import_debian(void)
{
    const char *const paths[] = {g_getenv("BERTH_DEBIAN"), NULL};
    g_assert_nonnull(paths[0]);
    g_autofree char *text = NULL;
    g_autofree char *failure = scene_import("debian", g_variant_new_parsed("{'format': <'qcow2'>}"), paths, &text);
    if (*failure)
        g_error("Debian can't be imported: %s", text);
}

/* Longer than other waits may take. */
static void await_login(Console *console)
{
    AwaitDeadline deadline;
    await_begin(&deadline, BOOT_SECONDS * 1000);
    while (!console_has(console, "debian login:") && await_step(&deadline))
        continue;
    await_end(&deadline);
    console_await(console, "debian login:");
}

/* Up to the login, and down by the power button, which its logind obeys. */
static void test_life(void)
{
    scene_configure("[VM]\nShutdownTimeoutSec=110\n");
    import_debian();
    g_autoptr(Guest) guest =
        guest_new("debian", g_variant_new_parsed("{'image': <'debian'>, 'memory': <uint64 536870912>}"));
    client_vm(scene_bus, guest->path, "Start");
    guest->console = console_open(scene_bus, guest->path);
    await_login(guest->console);
    console_say(guest->console, "root");
    console_await(guest->console, "Password:");
    console_say(guest->console, "berth");
    console_await(guest->console, "root@debian:~#");

    client_vm(scene_bus, guest->path, "Shutdown");
    guest_assert_ended(guest, "stopped", "host-stop");
    g_assert_cmpint(g_variant_get_int32(client_told(guest->vm, "ExitStatus")), ==, 0);
    g_autofree char *states = client_history(guest->vm, "State");
    g_assert_cmpstr(states, ==, "stopped starting running stopping stopped");
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    g_test_add_func("/debian/life", test_life);
    return g_test_run();
}
