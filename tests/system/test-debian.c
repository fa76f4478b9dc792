/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "scene.h"

/* A complete Debian 12 on a disk, by its own boot loader: what the small guest is too small to show. It boots once, since that
 * takes a minute and more; what a test leaves is where the next one begins. */

#define BOOT_SECONDS 420u /* emulated, beside other tests */

static Guest *guest;

static void import_debian(void)
{
    const char *const paths[] = {g_getenv("BERTH_DEBIAN"), NULL};
    g_assert_nonnull(paths[0]);
    g_autofree char *text = NULL;
    g_autofree char *failure = scene_import("debian", g_variant_new_parsed("{'format': <'qcow2'>}"), paths, &text);
    if (*failure)
        g_error("Debian can't be imported: %s", text);
}

/* Longer than other waits may take; the other wait, which comes then, says what there was instead. */
static void await_long(gboolean (*is_so)(void))
{
    AwaitDeadline deadline;
    await_begin(&deadline, BOOT_SECONDS * 1000);
    while (!is_so() && await_step(&deadline))
        continue;
    await_end(&deadline);
}

static gboolean asks_for_login(void)
{
    return console_has(guest->console, "debian login:");
}

static gboolean has_ended(void)
{
    return g_str_equal(client_told_string(guest->vm, "State"), "stopped");
}

static void log_in(void)
{
    await_long(asks_for_login);
    console_await(guest->console, "debian login:");
    console_say(guest->console, "root");
    console_await(guest->console, "Password:");
    console_say(guest->console, "berth");
    console_await(guest->console, "root@debian:~#");
}

static void run_in_guest(const char *command)
{
    g_autofree char *line = g_strdup_printf("%s && echo do''ne", command);
    console_say(guest->console, line);
    console_await(guest->console, "done");
    console_await(guest->console, "root@debian:~#");
}

static void test_boot(void)
{
    scene_configure("[VM]\nShutdownTimeoutSec=10min\n");
    import_debian();
    guest = guest_new("debian", g_variant_new_parsed("{'image': <'debian'>, 'memory': <uint64 536870912>}"));
    client_vm(scene_bus, guest->path, "Start");
    g_assert_false(g_variant_get_boolean(client_told(guest->vm, "GuestReady")));
    guest->console = console_open(scene_bus, guest->path);
    log_in();
}

/* The address is what QEMU's user network gives. */
static void await_agent(void)
{
    client_await(guest->vm, "GuestReady", g_variant_new_boolean(TRUE));
    client_await(guest->vm, "GuestStatus", g_variant_new_string("the agent answers"));
    client_await(guest->vm, "GuestOS", g_variant_new_string("Debian GNU/Linux 12 (bookworm)"));
}

static gboolean has_address(void)
{
    g_autofree const char **addresses = g_variant_get_strv(client_told(guest->vm, "GuestAddresses"), NULL);
    return addresses[0] && g_str_has_prefix(addresses[0], "10.0.2.15/24 en");
}

static void await_address(void)
{
    CLIENT_AWAIT(has_address(), "the guest has no address");
}

static void test_agent(void)
{
    await_agent();
    await_address();
    g_autofree char *status = scene_run("berthctl", "status", "debian", NULL);
    g_assert_nonnull(strstr(status, "Guest: Debian GNU/Linux 12 (bookworm); ready; the agent answers"));
    g_assert_nonnull(strstr(status, "Address: 10.0.2.15/24 en"));
}

/* The daemon that comes after finds the agent again. */
static void test_restart(void)
{
    scene_restart_daemon();
    guest_rewatch(guest);
    await_agent();
    await_address();
}

/* Nothing tells of what changes later: a client asks. */
static void test_refresh(void)
{
    run_in_guest("ip address add 192.0.2.7/32 dev lo && ip link add berth0 type dummy && "
                 "ip address add 192.0.2.9/24 dev berth0");
    client_vm(scene_bus, guest->path, "RefreshGuest");
    g_autoptr(GVariant) addresses = client_get(scene_bus, guest->path, BERTH_IFACE_VM, "GuestAddresses");
    g_autofree char *text = g_variant_print(addresses, FALSE);
    if (!strstr(text, "'192.0.2.9/24 berth0'"))
        g_error("The new address is not in %s", text);
    client_await(guest->vm, "GuestAddresses", g_variant_ref(addresses));
}

/* An agent that goes takes along what it has said, and one that comes is asked. */
static void test_agent_goes(void)
{
    run_in_guest("systemctl stop qemu-guest-agent");
    client_await(guest->vm, "GuestReady", g_variant_new_boolean(FALSE));
    client_await(guest->vm, "GuestOS", g_variant_new_string(""));
    client_vm_fails(scene_bus, guest->path, "RefreshGuest", "Unsupported", "qemu-guest-agent");
    run_in_guest("systemctl start qemu-guest-agent");
    await_agent();
}

/* Its logind does not obey the power button: who powers it down is its agent, be it pressed, too, since the agent has so much
 * else to do. */
static void test_shutdown(void)
{
    run_in_guest("mkdir -p /run/systemd/logind.conf.d && printf '[Login]\\nHandlePowerKey=ignore\\n' "
                 ">/run/systemd/logind.conf.d/deaf.conf && systemctl restart systemd-logind");
    client_vm(scene_bus, guest->path, "Shutdown");
    await_long(has_ended);
    guest_assert_ended(guest, "stopped", "host-stop");
    g_assert_cmpint(g_variant_get_int32(client_told(guest->vm, "ExitStatus")), ==, 0);
    g_assert_false(g_variant_get_boolean(client_told(guest->vm, "GuestReady")));
    g_autofree char *states = client_history(guest->vm, "State");
    g_assert_cmpstr(states, ==, "running stopping stopped");
    guest_free(guest);
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    g_test_add_func("/debian/boot", test_boot);
    g_test_add_func("/debian/agent", test_agent);
    g_test_add_func("/debian/restart", test_restart);
    g_test_add_func("/debian/refresh", test_refresh);
    g_test_add_func("/debian/agent-goes", test_agent_goes);
    g_test_add_func("/debian/shutdown", test_shutdown);
    return g_test_run();
}
