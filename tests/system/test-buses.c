/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "scene.h"

/* What the daemon talks to begins anew: the message bus, in both of its kinds, and the journal. Nothing is lost, and what was under
 * way goes on. */

enum { N_STARTING = 4 };

typedef struct {
    Guest *steady; /* with a console that is open all the while */
    Guest *stuck;  /* being removed, with a QEMU that hangs */
    Guest *starting[N_STARTING];
    pid_t qemu, stuck_qemu;
    double uptime;
    Answer answers[N_STARTING];
} Life;

static void begin_life(Life *life)
{
    scene_configure("[VM]\nPowerOffTimeoutSec=100\n");
    life->steady = guest_new_booted("steady", NULL);
    life->qemu = guest_qemu(life->steady);
    life->uptime = guest_uptime(life->steady);
    life->stuck = guest_new_bare("stuck");
    client_vm(scene_bus, life->stuck->path, "Start");
    life->stuck_qemu = guest_qemu(life->stuck);
    g_assert_cmpint(kill(life->stuck_qemu, SIGSTOP), ==, 0);
    client_vm(scene_bus, life->stuck->path, "Remove");
    for (guint i = 0; i < N_STARTING; i++) {
        g_autofree char *name = g_strdup_printf("starting-%u", i);
        life->starting[i] = guest_new_bare(name);
    }
    for (guint i = 0; i < N_STARTING; i++)
        guest_begin(life->starting[i], "Start", &life->answers[i]);
    /* All of them are on their way, and none has had the time to arrive. */
    client_await_other(life->starting[N_STARTING - 1]->vm, "State");
}

/* The bus that they were called by is gone, and so are the answers; the calls are not. */
static void assert_goes_on(Life *life)
{
    for (guint i = 0; i < N_STARTING; i++) {
        CLIENT_AWAIT(life->answers[i].done, "Start was not answered");
        g_free(life->answers[i].error);
        guest_rewatch(life->starting[i]);
        client_await_state(life->starting[i]->vm, "running");
        client_await(life->starting[i]->vm, "WantRunning", g_variant_new_boolean(TRUE));
    }
    guest_rewatch(life->steady);
    g_assert_cmpstr(client_told_string(life->steady->vm, "State"), ==, "running");
    g_assert_cmpint(guest_qemu(life->steady), ==, life->qemu);
    g_assert_cmpfloat(guest_uptime(life->steady), >=, life->uptime);
    client_vm(scene_bus, life->steady->path, "Pause");
    client_await_state(life->steady->vm, "paused");
    guest_rewatch(life->stuck);
    g_assert_cmpstr(client_told_string(life->stuck->vm, "State"), ==, "removing");
    g_assert_cmpint(kill(life->stuck_qemu, SIGKILL), ==, 0);
}

static void end_life(Life *life)
{
    guest_assert_goes(life->stuck);
    guest_free(life->steady);
    for (guint i = 0; i < N_STARTING; i++)
        guest_free(life->starting[i]);
    scene_configure(NULL);
}

static void live_through_restart(void)
{
    Life life = {0};
    begin_life(&life);
    pid_t daemon = scene_daemon_pid();
    g_free(scene_run("systemctl", "restart", "dbus.service", NULL));
    scene_reconnect();
    assert_goes_on(&life);
    g_assert_cmpint(scene_daemon_pid(), ==, daemon);
    end_life(&life);
}

static void test_dbus_daemon(void)
{
    g_assert_cmpint(scene_status("pgrep", "-x", "dbus-daemon", NULL), ==, 0);
    live_through_restart();
}

/* As its package does it, by an alias: what was the one goes on as the other. There is no such way back. */
static void use_dbus_broker(void)
{
    static const char alias[] = "/etc/systemd/system/dbus.service";
    g_assert_cmpint(symlink("/lib/systemd/system/dbus-broker.service", alias), ==, 0);
    g_free(scene_run("systemctl", "daemon-reload", NULL));
    g_free(scene_run("systemctl", "restart", "dbus.service", NULL));
    scene_reconnect();
}

static void test_dbus_broker(void)
{
    if (!g_file_test("/usr/bin/dbus-broker", G_FILE_TEST_IS_EXECUTABLE)) {
        g_test_skip("dbus-broker is not installed");
        return;
    }
    pid_t daemon = scene_daemon_pid();
    g_autoptr(Guest) guest = guest_new_bare("crossing");
    client_vm(scene_bus, guest->path, "Start");
    pid_t qemu = guest_qemu(guest);
    use_dbus_broker();
    g_assert_cmpint(scene_status("pgrep", "-x", "dbus-broker", NULL), ==, 0);
    g_assert_cmpint(scene_daemon_pid(), ==, daemon);
    guest_rewatch(guest);
    g_assert_cmpint(guest_qemu(guest), ==, qemu);
    live_through_restart();
    guest_rewatch(guest);
    g_assert_cmpint(guest_qemu(guest), ==, qemu);
}

/* The daemon, the keeper, and what they read from the guest: all of it is in the journal that comes after. */
static void test_journald(void)
{
    g_autoptr(Guest) guest = guest_new_booted("logged", NULL);
    g_free(scene_run("systemctl", "restart", "systemd-journald.service", NULL));
    console_say(guest->console, "echo the guest goes on");
    console_await(guest->console, "\nthe guest goes on");
    client_vm(scene_bus, guest->path, "Pause");
    client_vm(scene_bus, guest->path, "Resume");
    g_free(scene_run("systemctl", "kill", "--signal=INT", "--kill-whom=all", guest->unit,
                     NULL)); /* the keeper resets it */
    console_await(guest->console, "berth-guest: ready");
    g_free(scene_run("journalctl", "--sync", NULL));
    g_autofree char *match = g_strconcat("BERTH_VM_ID=", guest->id, NULL);
    g_autofree char *text = scene_run("journalctl", "--quiet", "--no-pager", "--output=cat", match, NULL);
    g_assert_nonnull(strstr(text, "\nthe guest goes on\n"));
    g_assert_nonnull(strstr(text, "running → paused"));
    g_assert_nonnull(strstr(text, "The guest is reset"));
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    g_test_add_func("/buses/dbus-daemon", test_dbus_daemon);
    g_test_add_func("/buses/journald", test_journald);
    g_test_add_func("/buses/dbus-broker", test_dbus_broker);
    return g_test_run();
}
