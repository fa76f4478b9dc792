/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>

#include "scene.h"

/* With systemd-machined: a running VM is a machine, and machinectl's verbs mean what people expect. */

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

/* It is registered when its scope stands, and nobody waits for that. */
static void await_machine(const char *machine, gboolean listed)
{
    guint subscription = listen_to_machined();
    CLIENT_AWAIT(is_listed(machine) == listed, "%s is %slisted", machine, listed ? "not " : "");
    g_dbus_connection_signal_unsubscribe(scene_bus, subscription);
}

static void assert_property(const char *machine, const char *property, const char *value)
{
    g_autofree char *text = scene_run("machinectl", "show", "--value", "-p", property, machine, NULL);
    g_assert_cmpstr(text, ==, value);
}

static void machinectl(const char *verb, const char *machine)
{
    g_free(scene_run("machinectl", verb, machine, NULL));
}

static void test_listed(void)
{
    g_autoptr(Guest) guest = guest_new("listed", NULL);
    client_vm(scene_bus, guest->path, "Start");
    await_machine("listed", TRUE);
    g_autofree char *leader = g_strdup_printf("%d", (int) guest_keeper(guest));
    assert_property("listed", "Class", "vm");
    assert_property("listed", "Service", "berth");
    assert_property("listed", "Leader", leader);
    assert_property("listed", "Unit", guest->unit); /* and not the daemon's */
    scene_restart_daemon();
    assert_property("listed", "Unit", guest->unit);
    client_vm(scene_bus, guest->path, "PowerOff");
    await_machine("listed", FALSE);
}

/* machined goes by the rules of host names, by which two names may be one; the second goes by its id. */
static void test_name_taken(void)
{
    g_autoptr(Guest) guest = guest_new("other", NULL);
    g_autofree char *machine = g_strconcat("berth-", guest->id, NULL);
    g_autofree char *root = g_dir_make_tmp("machine-XXXXXX", NULL);
    g_free(scene_run("systemd-run", "--quiet", "--unit=other", "sleep", "infinity", NULL));
    g_autofree char *pid = scene_unit_property("other.service", "MainPID");
    g_free(scene_run("busctl", "call", "org.freedesktop.machine1", "/org/freedesktop/machine1",
                     "org.freedesktop.machine1.Manager", "RegisterMachine", "sayssus", "other", "0", "test",
                     "container", pid, root, NULL));
    client_vm(scene_bus, guest->path, "Start");
    await_machine(machine, TRUE);
    assert_property("other", "Unit", "other.service");
    g_free(scene_run("systemctl", "stop", "other.service", NULL));
    g_rmdir(root);
}

static void test_poweroff(void)
{
    g_autoptr(Guest) guest = guest_new_booted("off", NULL);
    await_machine("off", TRUE);
    machinectl("poweroff", "off");
    client_await_state(guest->vm, "stopped");
    await_machine("off", FALSE);
}

static void test_reboot(void)
{
    g_autoptr(Guest) guest = guest_new_booted("again", NULL);
    pid_t qemu = guest_qemu(guest);
    await_machine("again", TRUE);
    machinectl("reboot", "again");
    console_await(guest->console, "berth-guest: ready");
    g_assert_cmpint(guest_qemu(guest), ==, qemu);
}

static void test_terminate(void)
{
    g_autoptr(Guest) guest = guest_new_booted("end", NULL);
    pid_t daemon = scene_daemon_pid();
    await_machine("end", TRUE);
    machinectl("terminate", "end");
    client_await_state(guest->vm, "stopped");
    g_assert_cmpint(scene_daemon_pid(), ==, daemon);
}

/* In its grace time, and while it is being stopped: the outcome is the same. */

static void test_terminate_in_grace(void)
{
    Guest *guest = guest_new_booted("grace", NULL);
    int qemu = scene_pidfd(guest_qemu(guest));
    await_machine("grace", TRUE);
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
    await_machine("grace", FALSE);
}

static void test_terminate_while_stopping(void)
{
    Guest *guest = guest_new_booted("stopping", NULL);
    await_machine("stopping", TRUE);
    client_vm(scene_bus, guest->path, "Remove");
    /* It may be gone by then, which is as good. */
    (void) scene_status("machinectl", "terminate", "stopping", NULL);
    client_await_gone(guest->vm);
    guest_assert_no_trace(guest->id);
    guest_forget(guest);
    await_machine("stopping", FALSE);
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    g_test_add_func("/machined/listed", test_listed);
    g_test_add_func("/machined/name-taken", test_name_taken);
    g_test_add_func("/machined/poweroff", test_poweroff);
    g_test_add_func("/machined/reboot", test_reboot);
    g_test_add_func("/machined/terminate", test_terminate);
    g_test_add_func("/removal/M10/machinectl-terminate-in-grace", test_terminate_in_grace);
    g_test_add_func("/removal/M10/machinectl-terminate-while-stopping", test_terminate_while_stopping);
    return g_test_run();
}
