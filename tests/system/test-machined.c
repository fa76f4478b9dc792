/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scene.h"

/* Somebody has told systemd-machined of a running VM, which Berth itself does not: machinectl's verbs mean what people expect, and
 * change nothing in the outcome of a removal. */

static void on_machine_signal(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                              const char *signal, GVariant *parameters, gpointer data)
{
    /* That it came has woken the main context. */
}

static guint listen_to_machined(void)
{
    return g_dbus_connection_signal_subscribe(scene_bus, "org.freedesktop.machine1", "org.freedesktop.machine1.Manager",
                                              NULL, "/org/freedesktop/machine1", NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                              on_machine_signal, NULL, NULL);
}

static gboolean is_listed(const char *machine)
{
    return scene_status("machinectl", "--quiet", "show", "-p", "Name", machine, NULL) == 0;
}

static void await_machine_gone(const char *machine)
{
    guint subscription = listen_to_machined();
    CLIENT_AWAIT(!is_listed(machine), "%s is still listed", machine);
    g_dbus_connection_signal_unsubscribe(scene_bus, subscription);
}

/* With the keeper as its leader, and so with the VM's scope as its unit. */
static void add_machine(const char *machine, Guest *guest)
{
    g_autofree char *leader = g_strdup_printf("%d", (int) guest_keeper(guest));
    g_free(scene_run("busctl", "call", "org.freedesktop.machine1", "/org/freedesktop/machine1",
                     "org.freedesktop.machine1.Manager", "RegisterMachine", "sayssus", machine, "0", "test", "vm",
                     leader, "", NULL));
    g_autofree char *unit = scene_run("machinectl", "show", "--value", "-p", "Unit", machine, NULL);
    g_assert_cmpstr(unit, ==, guest->unit);
}

static void machinectl(const char *verb, const char *machine)
{
    g_free(scene_run("machinectl", verb, machine, NULL));
}

static void test_poweroff(void)
{
    g_autoptr(Guest) guest = guest_new_booted("off", NULL);
    add_machine("off", guest);
    machinectl("poweroff", "off");
    client_await_state(guest->vm, "stopped");
    await_machine_gone("off");
}

static void test_reboot(void)
{
    g_autoptr(Guest) guest = guest_new_booted("again", NULL);
    pid_t qemu = guest_qemu(guest);
    add_machine("again", guest);
    machinectl("reboot", "again");
    console_await(guest->console, "berth-guest: ready");
    g_assert_cmpint(guest_qemu(guest), ==, qemu);
}

static void test_terminate(void)
{
    g_autoptr(Guest) guest = guest_new_booted("end", NULL);
    pid_t daemon = scene_daemon_pid();
    add_machine("end", guest);
    machinectl("terminate", "end");
    client_await_state(guest->vm, "stopped");
    g_assert_cmpint(scene_daemon_pid(), ==, daemon);
}

/* In its grace time, and while it is being stopped: the outcome is the same. */

static void test_terminate_in_grace(void)
{
    Guest *guest = guest_new_booted("grace", NULL);
    int qemu = scene_pidfd(guest_qemu(guest));
    add_machine("grace", guest);
    g_variant_unref(client_call(scene_bus, guest->path, BERTH_IFACE_VM, "Remove",
                                g_variant_new_parsed("({'grace-seconds': <uint32 600>},)")));
    machinectl("terminate", "grace");
    scene_await_death(qemu);
    client_await(guest->vm, "PID", g_variant_new_uint32(0));
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, "removing");
    client_vm(scene_bus, guest->path, "Remove");
    client_await_gone(guest->vm);
    guest_assert_no_trace(guest->id);
    guest_forget(guest);
    await_machine_gone("grace");
}

static void test_terminate_while_stopping(void)
{
    Guest *guest = guest_new_booted("stopping", NULL);
    add_machine("stopping", guest);
    client_vm(scene_bus, guest->path, "Remove");
    /* It may be gone by then, which is as good. */
    (void) scene_status("machinectl", "terminate", "stopping", NULL);
    client_await_gone(guest->vm);
    guest_assert_no_trace(guest->id);
    guest_forget(guest);
    await_machine_gone("stopping");
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    g_test_add_func("/machined/poweroff", test_poweroff);
    g_test_add_func("/machined/reboot", test_reboot);
    g_test_add_func("/machined/terminate", test_terminate);
    g_test_add_func("/removal/M10/machinectl-terminate-in-grace", test_terminate_in_grace);
    g_test_add_func("/removal/M10/machinectl-terminate-while-stopping", test_terminate_while_stopping);
    return g_test_run();
}
