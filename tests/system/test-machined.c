/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "scene.h"

/* With systemd-machined: a running VM is a machine, and machinectl's verbs mean what people expect. */

static guint listen_to_machined(void)
{
    return scene_listen("org.freedesktop.machine1", "/org/freedesktop/machine1");
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

/* @before: (transfer full) */
static char *leader_of(const char *machine, char *before)
{
    g_free(before);
    return is_listed(machine) ? scene_run("sh", "-c", "machinectl show --value -p Leader \"$0\" || :", machine, NULL)
                              : g_strdup("");
}

/* Its leader is that of the run that goes on now. */
static void await_leader(const char *machine, pid_t keeper)
{
    g_autofree char *leader = g_strdup_printf("%d", (int) keeper);
    guint subscription = listen_to_machined();
    g_autofree char *told = NULL;
    CLIENT_AWAIT(g_strcmp0(told = leader_of(machine, told), leader) == 0, "The leader of %s is “%s” and not %s",
                 machine, told, leader);
    g_dbus_connection_signal_unsubscribe(scene_bus, subscription);
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

/* A start that comes right after the end of a run: of the machine that it then forgets, machined stops the unit by its
 * name. With -m slow it is tried so often that a start which does not mind that is caught. */
static void test_restarts(void)
{
    const guint n_rounds = g_test_slow() ? 400 : 25;
    g_autoptr(Guest) guest = guest_new_bare("restless");
    client_vm(scene_bus, guest->path, "Start");
    for (guint i = 0; i < n_rounds; i++) {
        if (i % 2 == 0) /* else it ends while it is being registered */
            await_leader("restless", guest_keeper(guest));
        g_assert_cmpint(kill(guest_qemu(guest), SIGKILL), ==, 0);
        client_await_state(guest->vm, "exited");
        g_assert_cmpstr(client_told_string(guest->vm, "ExitReason"), ==, "killed");
        client_vm(scene_bus, guest->path, "Start");
    }
    g_autofree char *states = client_history(guest->vm, "State");
    g_assert_null(strstr(states, "stopping"));
    await_leader("restless", guest_keeper(guest));
}

/* A machined that hangs holds nobody up, and when it goes on it shows what is true. */

static void start(Guest *guest)
{
    client_vm(scene_bus, guest->path, "Start");
    client_await_state(guest->vm, "running");
}

static void test_hung(void)
{
    g_autoptr(Guest) listed = guest_new_bare("hung-listed");
    g_autoptr(Guest) fresh = guest_new_bare("hung-fresh");
    Guest *gone = guest_new_bare("hung-gone");
    start(listed);
    start(gone);
    await_machine("hung-listed", TRUE);
    await_machine("hung-gone", TRUE);
    g_autofree char *pid = scene_unit_property("systemd-machined.service", "MainPID");
    pid_t machined = (pid_t) g_ascii_strtoll(pid, NULL, 10);

    g_assert_cmpint(kill(machined, SIGSTOP), ==, 0);
    start(fresh);
    client_vm(scene_bus, listed->path, "PowerOff");
    start(listed);
    client_vm(scene_bus, gone->path, "Remove");
    guest_assert_goes(gone);
    g_assert_cmpint(kill(machined, SIGCONT), ==, 0);

    await_leader("hung-listed", guest_keeper(listed));
    await_leader("hung-fresh", guest_keeper(fresh));
    await_machine("hung-gone", FALSE);
    g_assert_cmpstr(client_told_string(listed->vm, "State"), ==, "running");
}

static void test_absent(void)
{
    g_autoptr(Guest) guest = guest_new_bare("absent");
    g_free(scene_run("systemctl", "--quiet", "mask", "--runtime", "--now", "systemd-machined.service", NULL));
    start(guest);
    client_vm(scene_bus, guest->path, "PowerOff");
    start(guest);
    g_free(scene_run("systemctl", "--quiet", "unmask", "--runtime", "systemd-machined.service", NULL));
    /* It comes, and goes: what is left of it on disk is taken up. */
    client_vm(scene_bus, guest->path, "PowerOff");
    start(guest);
    await_leader("absent", guest_keeper(guest));
    g_free(scene_run("systemctl", "stop", "systemd-machined.service", NULL));
    client_vm(scene_bus, guest->path, "PowerOff");
    start(guest);
    await_leader("absent", guest_keeper(guest));
}

/* Killed before it had told machined, or before it had taken that back: the next one does. */
static void test_daemon_killed(void)
{
    g_autoptr(Guest) guest = guest_new_bare("bereft");
    start(guest);
    await_leader("bereft", guest_keeper(guest));
    g_free(scene_run("busctl", "call", "org.freedesktop.machine1", "/org/freedesktop/machine1",
                     "org.freedesktop.machine1.Manager", "UnregisterMachine", "s", "bereft", NULL));
    scene_kill_daemon();
    scene_start_daemon();
    guest_rewatch(guest);
    await_leader("bereft", guest_keeper(guest));
    scene_kill_daemon();
    g_assert_cmpint(kill(guest_qemu(guest), SIGKILL), ==, 0);
    scene_start_daemon();
    guest_rewatch(guest);
    start(guest);
    await_leader("bereft", guest_keeper(guest));
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
    g_test_add_func("/machined/restarts", test_restarts);
    g_test_add_func("/machined/hung", test_hung);
    g_test_add_func("/machined/absent", test_absent);
    g_test_add_func("/machined/daemon-killed", test_daemon_killed);
    g_test_add_func("/machined/poweroff", test_poweroff);
    g_test_add_func("/machined/reboot", test_reboot);
    g_test_add_func("/machined/terminate", test_terminate);
    g_test_add_func("/removal/M10/machinectl-terminate-in-grace", test_terminate_in_grace);
    g_test_add_func("/removal/M10/machinectl-terminate-while-stopping", test_terminate_while_stopping);
    return g_test_run();
}
