/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "scene.h"

/* berthd comes and goes; guests don't notice, and what they did meanwhile is known afterwards. */

#define WATCHDOG_SECONDS 12 /* also where the machine stands still for some of them, the daemon has time to pat */
#define DROP_IN_DIR "/run/systemd/system/berthd.service.d"

static void assert_state(Guest *guest, const char *state)
{
    g_autoptr(GVariant) told = client_get(scene_bus, guest->path, BERTH_IFACE_VM, "State");
    g_assert_cmpstr(g_variant_get_string(told, NULL), ==, state);
}

/* The same process, the same boot, and a console that was open before. */
static void assert_unharmed(Guest *guest, pid_t qemu, double uptime)
{
    assert_state(guest, "running");
    guest_rewatch(guest);
    g_assert_cmpint(guest_qemu(guest), ==, qemu);
    g_assert_cmpfloat(guest_uptime(guest), >=, uptime);
    g_assert_true(g_variant_get_boolean(client_told(guest->vm, "WantRunning")));
    g_assert_true(g_variant_get_boolean(client_told(guest->vm, "Responsive")));
    client_vm(scene_bus, guest->path, "Pause");
    client_await_state(guest->vm, "paused");
    client_vm(scene_bus, guest->path, "Resume");
    client_await_state(guest->vm, "running");
}

static void test_restart(void)
{
    g_autoptr(Guest) guest = guest_new_booted("steady", NULL);
    pid_t qemu = guest_qemu(guest);
    double uptime = guest_uptime(guest);
    scene_restart_daemon();
    assert_unharmed(guest, qemu, uptime);
    uptime = guest_uptime(guest);
    scene_kill_daemon();
    scene_start_daemon();
    assert_unharmed(guest, qemu, uptime);
    g_autoptr(GVariant) started = client_get(scene_bus, guest->path, BERTH_IFACE_VM, "StartedTimestamp");
    g_assert_cmpuint(g_variant_get_uint64(started), >, 0);
}

/* An upgrade */

/* (transfer full): the program that @pid is, by its path */
static char *program_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/exe", (int) pid);
    char *program = g_file_read_link(path, NULL);
    g_assert_nonnull(program);
    return program;
}

/* As a package's upgrade does it: another file takes the name. In it, one text stands for another of its length. */
static void replace_program(const char *path, const char *old, const char *new)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *contents = NULL, *staged = g_strconcat(path, ".new", NULL);
    gsize length;
    g_file_get_contents(path, &contents, &length, &error);
    g_assert_no_error(error);
    char *at = old ? memmem(contents, length, old, strlen(old) + 1) : NULL;
    g_assert_true(!old || at);
    if (at)
        memcpy(at, new, strlen(old));
    g_file_set_contents(staged, contents, (gssize) length, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_chmod(staged, 0755), ==, 0);
    g_assert_cmpint(g_rename(staged, path), ==, 0);
}

static void assert_version(const char *version)
{
    g_autoptr(GVariant) told = client_get(scene_bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Version");
    g_assert_cmpstr(g_variant_get_string(told, NULL), ==, version);
}

/* Daemon and keeper are of another version; who runs goes on with the old keeper, who is started gets the new one. */
static void test_upgrade(void)
{
    g_autoptr(Guest) guest = guest_new_booted("upgraded", NULL);
    g_autoptr(GVariant) told = client_get(scene_bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Version");
    const char *old = g_variant_get_string(told, NULL);
    g_autofree char *new = g_strdup(old);
    new[strlen(new) - 1] = old[strlen(old) - 1] == '9' ? '8' : '9';
    const pid_t qemu = guest_qemu(guest), keeper = guest_keeper(guest);
    g_autofree char *daemon_path = program_of(scene_daemon_pid()), *keeper_path = program_of(keeper);

    double uptime = guest_uptime(guest);
    replace_program(daemon_path, old, new);
    replace_program(keeper_path, NULL, NULL);
    scene_restart_daemon();
    assert_version(new);
    assert_unharmed(guest, qemu, uptime);
    g_autofree char *gone = g_strconcat(keeper_path, " (deleted)", NULL), *still = program_of(keeper);
    g_assert_cmpstr(still, ==, gone);

    g_autoptr(Guest) next = guest_new_booted("next", NULL);
    g_autofree char *next_keeper = program_of(guest_keeper(next));
    g_assert_cmpstr(next_keeper, ==, keeper_path);

    /* And back, with a daemon that had no time to say goodbye. */
    const pid_t next_qemu = guest_qemu(next);
    uptime = guest_uptime(guest);
    replace_program(daemon_path, new, old);
    scene_kill_daemon();
    scene_start_daemon();
    assert_version(old);
    assert_unharmed(guest, qemu, uptime);
    assert_unharmed(next, next_qemu, 0);
}

static void test_found_paused(void)
{
    g_autoptr(Guest) guest = guest_new_booted("still", NULL);
    client_vm(scene_bus, guest->path, "Pause");
    scene_kill_daemon();
    scene_start_daemon();
    guest_rewatch(guest);
    client_await_state(guest->vm, "paused");
    client_vm(scene_bus, guest->path, "Resume");
    g_assert_cmpfloat(guest_uptime(guest), >, 0);
}

/* What happened while nobody looked. */

static Guest *start_only(const char *name, const char *policy)
{
    Guest *guest = guest_new(name, g_variant_new_parsed("{'restart': <%s>}", policy));
    client_vm(scene_bus, guest->path, "Start");
    return guest;
}

static void assert_end_was_seen(Guest *guest, const char *state, const char *reason, gboolean wanted)
{
    guest_rewatch(guest);
    guest_assert_ended(guest, state, reason);
    client_await(guest->vm, "WantRunning", g_variant_new_boolean(wanted));
}

static void test_ends_meanwhile(void)
{
    g_autoptr(Guest) off = start_only("off", "on-failure"), panicked = start_only("panicked", "no"),
                     killed = start_only("was-killed", "no"), stopped = start_only("was-stopped", "always");
    Guest *const all[] = {off, panicked, killed, stopped};
    int keepers[G_N_ELEMENTS(all)];
    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        guest_await_ready(all[i], 0);
        keepers[i] = scene_pidfd(guest_keeper(all[i]));
    }
    pid_t qemu = guest_qemu(killed);

    scene_kill_daemon();
    console_say(off->console, "poweroff");
    console_say(panicked->console, "panic");
    g_assert_cmpint(kill(qemu, SIGKILL), ==, 0);
    g_free(scene_run("systemctl", "stop", stopped->unit, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        scene_await_death(keepers[i]);

    scene_start_daemon();
    assert_end_was_seen(off, "stopped", "guest-shutdown", FALSE);
    assert_end_was_seen(panicked, "exited", "guest-panic", TRUE);
    assert_end_was_seen(killed, "exited", "killed", TRUE);
    assert_end_was_seen(stopped, "stopped", "host-stop", TRUE);
    /* And is known to the next one, too. */
    scene_restart_daemon();
    assert_end_was_seen(panicked, "exited", "guest-panic", TRUE);
    assert_end_was_seen(killed, "exited", "killed", TRUE);
    assert_end_was_seen(stopped, "stopped", "host-stop", TRUE);
    guest_rewatch(off);
    guest_boot(off);
    assert_state(off, "running");
}

/* A policy holds over what happened meanwhile. */
static void test_restarted_afterwards(void)
{
    g_autoptr(Guest) guest = guest_new_booted("policy", g_variant_new_parsed("{'restart': <'on-failure'>}"));
    pid_t qemu = guest_qemu(guest);
    int keeper = scene_pidfd(guest_keeper(guest));
    scene_kill_daemon();
    g_assert_cmpint(kill(qemu, SIGKILL), ==, 0);
    scene_await_death(keeper);
    scene_start_daemon();
    guest_rewatch(guest);
    client_await(guest->vm, "NRestarts", g_variant_new_uint32(1));
    client_await_state(guest->vm, "running");
    g_assert_cmpint(guest_qemu(guest), !=, qemu);
}

/* Killed in the middle of a start */

static void on_ignored_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, NULL);
    *(gboolean *) data = TRUE;
}

static void on_unit_new(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                        const char *signal, GVariant *parameters, gpointer data)
{
    const char *unit;
    g_variant_get(parameters, "(&so)", &unit, NULL);
    if (g_str_has_prefix(unit, BERTH_UNIT_PREFIX))
        *(gboolean *) data = TRUE;
}

typedef enum { AT_STARTING, AT_SCOPE, AT_PID, N_MOMENTS } Moment;

static void await_moment(Guest *guest, Moment moment, const gboolean *scope)
{
    if (moment == AT_STARTING)
        client_await_state(guest->vm, "starting");
    else if (moment == AT_SCOPE)
        CLIENT_AWAIT(*scope, "systemd has not told of a scope");
    else
        client_await_other(guest->vm, "PID");
}

/* Whether it came to be wanted, or not: either way it is whole. */
static void assert_settled(Guest *guest)
{
    guest_rewatch(guest);
    CLIENT_AWAIT(!g_str_equal(client_told_string(guest->vm, "State"), "stopping") &&
                     !g_str_equal(client_told_string(guest->vm, "State"), "starting"),
                 "It is neither started nor stopped");
    const gboolean wanted = g_variant_get_boolean(client_told(guest->vm, "WantRunning"));
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, wanted ? "running" : "stopped");
    if (wanted) {
        guest_await_ready(guest, 0);
        return;
    }
    g_assert_cmpint(scene_status("pgrep", "-f", guest->id, NULL), ==, 1);
    scene_await_unit_gone(guest->unit);
    guest_boot(guest);
}

static void kill_during_start(gconstpointer data)
{
    Moment moment = GPOINTER_TO_UINT(data);
    gboolean answered = FALSE, scope = FALSE;
    guint subscription =
        g_dbus_connection_signal_subscribe(scene_bus, "org.freedesktop.systemd1", "org.freedesktop.systemd1.Manager",
                                           "UnitNew", NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_unit_new, &scope, NULL);
    g_autoptr(Guest) guest = guest_new("begun", NULL);
    g_dbus_connection_call(scene_bus, BERTH_BUS_NAME, guest->path, BERTH_IFACE_VM, "Start",
                           g_variant_new("(a{sv})", NULL), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_ignored_answer,
                           &answered);
    await_moment(guest, moment, &scope);
    const guint32 qemu = client_told_uint(guest->vm, "PID");
    scene_kill_daemon();
    scene_start_daemon();
    CLIENT_AWAIT(answered, "Start was not answered");
    assert_settled(guest);
    /* One that had its QEMU has gone on with that. */
    if (moment == AT_PID)
        g_assert_cmpuint(client_told_uint(guest->vm, "PID"), ==, qemu);
    g_dbus_connection_signal_unsubscribe(scene_bus, subscription);
}

/* Killed in the middle of a stop: it goes on. */
static void kill_during_stop(gconstpointer method)
{
    scene_configure("[VM]\nPowerOffTimeoutSec=1\n");
    g_autoptr(Guest) guest = guest_new_booted("half-stopped", NULL);
    Answer answer = {0};
    const pid_t qemu = guest_qemu(guest);
    const gboolean by_guest = g_str_equal(method, "Shutdown");
    if (!by_guest)
        g_assert_cmpint(kill(qemu, SIGSTOP), ==, 0); /* it does not hear of it */
    guest_begin(guest, method, &answer);
    client_await_state(guest->vm, "stopping");
    if (by_guest)
        kill(qemu, SIGSTOP); /* it does nothing meanwhile, where it has not gone already */
    scene_kill_daemon();
    scene_start_daemon();
    CLIENT_AWAIT(answer.done, "%s was not answered", (const char *) method);
    g_free(answer.error);
    guest_rewatch(guest);
    if (by_guest)
        kill(qemu, SIGCONT);
    assert_end_was_seen(guest, "stopped", "host-stop", FALSE);
    scene_configure(NULL);
}

/* Removals */

static Guest *kill_while_deleting(const char *n_files)
{
    Guest *guest = guest_new_booted("half-gone", NULL);
    int daemon = scene_pidfd(scene_daemon_pid());
    g_autofree char *dir = g_strdup_printf("/var/lib/berth/vms/%s/disks/more", guest->id);
    g_free(scene_run("sh", "-c", "mkdir \"$0\" && cd \"$0\" && seq \"$1\" | xargs touch", dir, n_files, NULL));
    client_vm(scene_bus, guest->path, "Remove");
    client_await(guest->vm, "RemovalPhase", g_variant_new_string("deleting"));
    scene_kill_daemon_at(daemon);
    return guest;
}

/* It has been moved aside, or is about to be. */
static gboolean is_on_disk(const Guest *guest)
{
    static const char command[] = "find /var/lib/berth/vms /var/lib/berth/removing -maxdepth 1 -name \"*$0*\"";
    g_autofree char *left = scene_run("sh", "-c", command, guest->id, NULL);
    return *left != '\0';
}

static void test_removal_resumes(void)
{
    /* So many to delete that it is hardly ever done before it is noticed; where it is, there are more the next time. */
    static const char *const n_files[] = {"20000", "40000", "80000", "160000", "320000"};
    Guest *guest = kill_while_deleting(n_files[0]);
    for (guint tries = 1; !is_on_disk(guest); tries++) {
        g_assert_cmpuint(tries, <, G_N_ELEMENTS(n_files));
        guest_forget(guest);
        scene_start_daemon();
        guest = kill_while_deleting(n_files[tries]);
    }

    scene_start_daemon();
    g_autofree char *command = g_strdup_printf("berthctl wait %s gone; test $? -eq 0 -o $? -eq 3", guest->id);
    g_free(scene_run("sh", "-c", command, NULL));
    guest_assert_no_trace(guest->id);
    client_vm_fails(scene_bus, guest->path, "Start", "org.freedesktop.DBus.Error.UnknownObject", "");
    guest_forget(guest);
}

static void test_grace_outlives(void)
{
    g_autoptr(Guest) guest = guest_new_booted("regret", NULL);
    pid_t qemu = guest_qemu(guest);
    g_variant_unref(client_call(scene_bus, guest->path, BERTH_IFACE_VM, "Remove",
                                g_variant_new_parsed("({'grace-seconds': <uint32 3600>},)")));
    client_await(guest->vm, "RemovalPhase", g_variant_new_string("grace"));
    scene_kill_daemon();
    scene_start_daemon();
    guest_rewatch(guest);
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, "removing");
    g_assert_cmpstr(client_told_string(guest->vm, "RemovalPhase"), ==, "grace");
    client_vm_fails(scene_bus, guest->path, "Start", "Removing", "");
    client_vm(scene_bus, guest->path, "CancelRemoval");
    client_await_state(guest->vm, "running");
    g_assert_cmpint(guest_qemu(guest), ==, qemu);
    g_assert_cmpfloat(guest_uptime(guest), >, 0);
}

/* systemd */

/* Its UnitRemoved signals for scopes that live are none of a death. */
static void test_systemd_reloads(void)
{
    g_autoptr(Guest) guest = guest_new_booted("unmoved", NULL);
    pid_t qemu = guest_qemu(guest);
    g_free(scene_run("systemctl", "daemon-reload", NULL));
    g_free(scene_run("systemctl", "daemon-reexec", NULL));
    g_free(scene_run("systemctl", "reload", "berthd.service", NULL));
    g_assert_cmpfloat(guest_uptime(guest), >, 0);
    assert_state(guest, "running");
    g_assert_cmpint(guest_qemu(guest), ==, qemu);
    g_autofree char *states = client_history(guest->vm, "State");
    g_assert_cmpstr(states, ==, "stopped starting running");
    g_free(scene_run("systemctl", "stop", guest->unit, NULL));
    guest_assert_ended(guest, "stopped", "host-stop");
}

static void test_activation(void)
{
    scene_stop_daemon();
    g_assert_cmpint(scene_status("systemctl", "is-active", "--quiet", "berthd.service", NULL), !=, 0);
    g_autofree char *version =
        scene_run("busctl", "get-property", BERTH_BUS_NAME, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Version", NULL);
    g_assert_true(g_str_has_prefix(version, "s \""));
    g_assert_cmpint(scene_status("systemctl", "is-active", "--quiet", "berthd.service", NULL), ==, 0);
}

static void assert_service(const char *property, const char *expected)
{
    g_autofree char *value = scene_unit_property("berthd.service", property);
    g_assert_cmpstr(value, ==, expected);
}

static void on_owner(GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
    char **last = data;
    g_free(*last);
    *last = g_strdup(owner);
}

/* A daemon that hangs is replaced by systemd, and its guests don't notice. */
static void test_watchdog(void)
{
    assert_service("Type", "notify");
    assert_service("WatchdogUSec", "3min");
    g_assert_cmpint(g_mkdir_with_parents(DROP_IN_DIR, 0755), ==, 0);
    static const char drop_in[] = "[Service]\nWatchdogSec=" G_STRINGIFY(WATCHDOG_SECONDS) "s\n";
    g_assert_true(g_file_set_contents(DROP_IN_DIR "/50-test.conf", drop_in, -1, NULL));
    g_free(scene_run("systemctl", "daemon-reload", NULL));
    scene_restart_daemon();
    const gint64 began = g_get_monotonic_time();
    g_autoptr(Guest) guest = guest_new_booted("watched", NULL);
    pid_t qemu = guest_qemu(guest), daemon = scene_daemon_pid();

    /* It pats: else it would have been replaced by then. */
    const gint64 passed = (g_get_monotonic_time() - began) / 1000;
    await_silence((guint) MAX((WATCHDOG_SECONDS + 1) * 1000 - passed, 0));
    g_assert_cmpint(scene_daemon_pid(), ==, daemon);
    assert_service("NRestarts", "0");

    char *owner = NULL;
    guint watch = g_bus_watch_name_on_connection(scene_bus, BERTH_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, on_owner,
                                                 NULL, &owner, NULL);
    AWAIT(owner != NULL);
    g_autofree char *old = g_strdup(owner);
    g_assert_cmpint(kill(daemon, SIGSTOP), ==, 0);
    CLIENT_AWAIT(!g_str_equal(owner, old), "The daemon that hangs was not replaced");
    g_bus_unwatch_name(watch);
    g_free(owner);
    g_assert_cmpint(scene_daemon_pid(), !=, daemon);
    assert_unharmed(guest, qemu, 0);

    g_assert_cmpint(g_unlink(DROP_IN_DIR "/50-test.conf"), ==, 0);
    g_free(scene_run("systemctl", "daemon-reload", NULL));
    scene_restart_daemon();
}

/* Two on one state directory would each think itself alone. */
static void test_second_daemon(void)
{
    pid_t first = scene_daemon_pid();
    g_autofree char *path = g_strdup_printf("/proc/%d/exe", (int) first);
    g_autofree char *program = g_file_read_link(path, NULL);
    g_assert_nonnull(program);
    g_assert_cmpint(scene_status("timeout", "120", program, NULL), ==, 1);
    g_assert_cmpint(scene_daemon_pid(), ==, first);
    g_autofree char *version = scene_run("berthctl", "version", NULL);
    g_assert_cmpstr(version, !=, "");
}

static void assert_journal(const char *match, const char *words)
{
    g_free(scene_run("journalctl", "--sync", NULL));
    g_autofree char *text = scene_run("journalctl", "--output=cat", match, NULL);
    if (!strstr(text, words))
        g_error("The journal has no “%s” of %s, but: %s", words, match, text);
}

/* VMs from before the range was changed; and what systemctl makes of a Reload. */
static void test_configuration(void)
{
    static const char drop_in[] = "/etc/berth/berth.conf.d/60-test.conf";
    g_autoptr(Guest) guest = guest_new_bare("ranged");
    scene_configure("[Manager]\nCIDFirst=3000\nCIDLast=3001\n");
    guest_rewatch(guest);
    assert_journal("BERTH_VM=ranged", "not in the range from CIDFirst=3000 to CIDLast=3001");
    g_autofree char *status = scene_run("berthctl", "status", "ranged", NULL);
    g_assert_nonnull(strstr(status, "outside of 3000 to 3001"));
    client_vm(scene_bus, guest->path, "Start");

    g_assert_true(g_file_set_contents(drop_in, "[Manager]\nMaxVMs=1\n[VM]\nShutdownTimeoutSec=7\n", -1, NULL));
    g_free(scene_run("systemctl", "reload", "berthd.service", NULL));
    assert_journal("_SYSTEMD_UNIT=berthd.service", "ShutdownTimeoutSec=7");
    assert_journal("_SYSTEMD_UNIT=berthd.service", "MaxVMs=1 is taken when berthd starts anew");
    g_assert_cmpint(g_unlink(drop_in), ==, 0);
    g_assert_cmpint(g_mkdir(drop_in, 0755), ==, 0);
    g_assert_cmpint(scene_status("systemctl", "reload", "berthd.service", NULL), !=, 0);
    assert_state(guest, "running");
    g_assert_cmpint(g_rmdir(drop_in), ==, 0);
    g_free(scene_run("systemctl", "reload", "berthd.service", NULL));
    scene_configure(NULL);
    guest_rewatch(guest);
}

/* systemctl's reload fails by it, and what was in force is; a daemon that starts takes what it understands. */
static void test_mistake(void)
{
    static const char drop_in[] = "/etc/berth/berth.conf.d/60-test.conf";
    g_autoptr(Guest) guest = guest_new_bare("mistaken");
    client_vm(scene_bus, guest->path, "Start");
    pid_t qemu = guest_qemu(guest), daemon = scene_daemon_pid();
    g_assert_true(g_file_set_contents(drop_in, "[VM]\nShutdownTimeoutSec=8\nRestart=somtimes\n", -1, NULL));
    g_assert_cmpint(scene_status("systemctl", "reload", "berthd.service", NULL), !=, 0);
    assert_journal("_SYSTEMD_UNIT=berthd.service", "60-test.conf:3: Restart is \"somtimes\"; it must be one of");
    g_assert_cmpint(scene_status("berthctl", "reload", NULL), !=, 0);
    g_assert_cmpint(scene_daemon_pid(), ==, daemon);
    g_autofree char *active = scene_unit_property("berthd.service", "ActiveState");
    g_assert_cmpstr(active, ==, "active");
    scene_restart_daemon();
    assert_journal("_SYSTEMD_UNIT=berthd.service", "Restart is \"somtimes\"; it must be one of \"no\", \"on-failure\", "
                                                   "\"always\"; this is ignored");
    guest_rewatch(guest);
    g_assert_cmpint(guest_qemu(guest), ==, qemu);
    g_assert_cmpint(g_unlink(drop_in), ==, 0);
    g_free(scene_run("systemctl", "reload", "berthd.service", NULL));
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    g_test_add_func("/daemon/restart", test_restart);
    g_test_add_func("/daemon/upgrade", test_upgrade);
    g_test_add_func("/daemon/found-paused", test_found_paused);
    g_test_add_func("/daemon/ends-meanwhile", test_ends_meanwhile);
    g_test_add_func("/daemon/restarted-afterwards", test_restarted_afterwards);
    g_test_add_data_func("/daemon/killed-at-starting", GUINT_TO_POINTER(AT_STARTING), kill_during_start);
    g_test_add_data_func("/daemon/killed-at-scope", GUINT_TO_POINTER(AT_SCOPE), kill_during_start);
    g_test_add_data_func("/daemon/killed-at-pid", GUINT_TO_POINTER(AT_PID), kill_during_start);
    g_test_add_data_func("/daemon/killed-at-shutdown", "Shutdown", kill_during_stop);
    g_test_add_data_func("/daemon/killed-at-power-off", "PowerOff", kill_during_stop);
    g_test_add_func("/daemon/M01/removal-resumes", test_removal_resumes);
    g_test_add_func("/daemon/grace-outlives", test_grace_outlives);
    g_test_add_func("/daemon/M09/systemd-reloads", test_systemd_reloads);
    g_test_add_func("/daemon/activation", test_activation);
    g_test_add_func("/daemon/watchdog", test_watchdog);
    g_test_add_func("/daemon/configuration", test_configuration);
    g_test_add_func("/daemon/mistaken-configuration", test_mistake);
    g_test_add_func("/daemon/M26/second-daemon", test_second_daemon);
    return g_test_run();
}
