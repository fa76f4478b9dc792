/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scripted.h"
#include "src/core/keeper-protocol.h"
#include "src/core/names.h"

/* How a VM's processes end: asked to, made to, by themselves; and what follows. */

/* Stands for good: no process, and who asked for it is believed after a restart of the daemon too. */
static void assert_stopped(Fixture *fixture, const char *path, const char *reason)
{
    scripted_assert_string(fixture, path, "State", "stopped");
    scripted_assert_string(fixture, path, "ExitReason", reason);
    scripted_assert_wanted(fixture, path, FALSE);
    scripted_assert_nobody(fixture, path);
}

static gint32 exit_status(Fixture *fixture, const char *path)
{
    g_autoptr(GVariant) value = fixture_get(fixture, path, BERTH_IFACE_VM, "ExitStatus");
    return g_variant_get_int32(value);
}

/* Shutdown */

#define DEAF_AT_FIRST "once system_powerdown ignore\nonce system_powerdown ignore"

static void test_shutdown(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_powerdown wait go");
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    FixtureCall *call = scripted_begin(fixture, path, "Shutdown");
    scripted_await(fixture, "web", "qmp system_powerdown", 1);
    g_assert_false(call->done); /* the guest has not been asked yet */
    scripted_assert_wanted(fixture, path, FALSE);
    scripted_touch(fixture, "go");
    scripted_succeeds(call);
    fixture_await_state(fixture, path, "stopped");
    AWAIT(recorder_changes(recorder, "State") > 0); /* both may come in one signal */
    g_autofree char *states = recorder_words(recorder, "State");
    g_assert_true(g_str_has_prefix(states, "stop"));
    assert_stopped(fixture, path, "host-stop");
    g_assert_cmpint(exit_status(fixture, path), ==, 0);
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp quit"), ==, 0);
}

/* PowerOffTimeoutSec is long here: it has no say in how long a guest may take. */
static void test_shutdown_ignored(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_powerdown ignore");
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    pid_t pid = scripted_qemu(fixture, path);
    fixture_vm(fixture, path, "Shutdown");
    scripted_await_told(recorder, "State", "stopping running");
    scripted_assert_last_error(fixture, path, "did not power down");
    g_assert_cmpint(scripted_qemu(fixture, path), ==, pid);
    g_assert_cmpint(kill(pid, 0), ==, 0);
    fixture_vm(fixture, path, "PowerOff");
    assert_stopped(fixture, path, "host-stop");
    scripted_assert_last_error(fixture, path, "");
}

static void test_shutdown_again(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_powerdown ignore\non file go shutdown");
    fixture_vm(fixture, path, "Shutdown");
    scripted_assert_string(fixture, path, "State", "stopping");
    fixture_vm(fixture, path, "Shutdown");
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp system_powerdown"), >=, 2);
    scripted_assert_string(fixture, path, "State", "stopping");
    scripted_touch(fixture, "go");
    fixture_await_state(fixture, path, "stopped");
    assert_stopped(fixture, path, "host-stop");
}

/* It was in its firmware, and could not hear; what is pressed again after a pause, it does. */
static void test_shutdown_deaf(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", DEAF_AT_FIRST);
    fixture_vm(fixture, path, "Shutdown");
    fixture_await_state(fixture, path, "stopped");
    assert_stopped(fixture, path, "host-stop");
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp system_powerdown"), ==, 3);
    g_assert_cmpuint(scripted_count(fixture, "web", "keeper system_powerdown"), ==, 0);
}

/* Where systemd stops the scope, or machined asks, it is the keeper that does so, and the daemon leaves it to that. */
static void assert_keeper_presses(Fixture *fixture, int signal_number)
{
    g_autofree char *path = scripted_running(fixture, "{}", DEAF_AT_FIRST);
    g_assert_cmpint(kill(scripted_keeper(fixture, path), signal_number), ==, 0);
    fixture_await_state(fixture, path, "stopped");
    scripted_assert_string(fixture, path, "ExitReason", "host-stop");
    g_assert_cmpuint(scripted_count(fixture, "web", "keeper system_powerdown"), ==, 3);
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp system_powerdown"), ==, 0);
    g_assert_cmpuint(scripted_count(fixture, "web", "keeper quit"), ==, 0);
}

static void test_stop_deaf(Fixture *fixture, gconstpointer unused)
{
    assert_keeper_presses(fixture, SIGTERM);
}

static void test_poweroff_deaf(Fixture *fixture, gconstpointer unused)
{
    assert_keeper_presses(fixture, SIGRTMIN + BERTH_SIGNAL_MACHINED_POWEROFF);
}

static void test_shutdown_refused(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_powerdown refuse no button");
    fixture_vm_fails(fixture, path, "Shutdown", "WrongState", "no button");
    scripted_assert_string(fixture, path, "State", "running");
    fixture_vm(fixture, path, "PowerOff");
}

/* PowerOff */

static void test_quit(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    fixture_vm(fixture, path, "PowerOff");
    assert_stopped(fixture, path, "host-stop");
    g_assert_cmpint(exit_status(fixture, path), ==, 0);
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp quit"), ==, 1);
    fixture_vm(fixture, path, "PowerOff"); /* no harm */
}

static void test_quit_ignored(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on quit ignore");
    fixture_vm(fixture, path, "PowerOff");
    assert_stopped(fixture, path, "host-stop");
    /* Its keeper has half a second to write that down, where we have killed it: on a busy machine not each time enough. */
    for (guint tries = 0; exit_status(fixture, path) == -1; tries++) {
        g_assert_cmpuint(tries, <, 4);
        scripted_start(fixture, path);
        fixture_vm(fixture, path, "PowerOff");
    }
    g_assert_cmpint(exit_status(fixture, path), ==, SIGKILL);
}

static void test_power_off_stopped_process(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    kill(scripted_qemu(fixture, path), SIGSTOP);
    fixture_vm(fixture, path, "PowerOff");
    assert_stopped(fixture, path, "host-stop");
}

static void test_power_off_during_shutdown(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_powerdown ignore");
    fixture_vm(fixture, path, "Shutdown");
    fixture_vm(fixture, path, "PowerOff");
    assert_stopped(fixture, path, "host-stop");
}

static pid_t child_of_qemu(Fixture *fixture)
{
    scripted_await(fixture, "web", "child", 1);
    g_autofree char *log = scripted_log(fixture, "web");
    return (pid_t) g_ascii_strtoll(strstr(log, "child ") + strlen("child "), NULL, 10);
}

/* A helper that ignores SIGTERM is dead before the answer, and no patience meant for QEMU is spent on it. */
static void power_off_with_child(Fixture *fixture, gboolean kill_keeper)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on ready fork-child");
    int child = scripted_pidfd(child_of_qemu(fixture));
    if (kill_keeper) {
        kill(scripted_keeper(fixture, path), SIGKILL);
        scripted_await_last_error(fixture, path, "keeper");
    }
    scripted_succeeds(scripted_begin(fixture, path, "PowerOff"));
    g_assert_true(scripted_is_dead(child));
    assert_stopped(fixture, path, "host-stop");
    close(child);
}

static void test_child(Fixture *fixture, gconstpointer unused)
{
    power_off_with_child(fixture, FALSE);
}

static void test_child_without_keeper(Fixture *fixture, gconstpointer unused)
{
    power_off_with_child(fixture, TRUE);
}

/* systemd does not answer: the daemon kills by the cgroup itself. */
static void test_systemd_silent(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    fake_service_hold(service, "KillUnit");
    power_off_with_child(fixture, TRUE);
    g_assert_cmpuint(fake_service_count(service, "KillUnit"), >, 0);
    fake_service_release(service, "KillUnit");
}

static void test_systemd_gone(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on ready fork-child\non quit ignore");
    FakeService *service = fake_systemd_service(fixture->systemd);
    fake_service_vanish(service);
    scripted_succeeds(scripted_begin(fixture, path, "PowerOff"));
    assert_stopped(fixture, path, "host-stop");
    fake_service_come_back(service);
}

static void test_keeper_killed(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    pid_t pid = scripted_qemu(fixture, path);
    kill(scripted_keeper(fixture, path), SIGKILL);
    scripted_await_last_error(fixture, path, "keeper");
    scripted_assert_string(fixture, path, "State", "running");
    g_assert_cmpint(kill(pid, 0), ==, 0);
    fixture_vm(fixture, path, "Pause");
    fixture_vm(fixture, path, "Resume");
    fixture_vm(fixture, path, "PowerOff");
    assert_stopped(fixture, path, "host-stop");
    g_assert_cmpint(exit_status(fixture, path), ==, -1); /* nobody is left who knows it */
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);  /* systemd sees the end of the scope a moment later */
    fixture_vm(fixture, path, "Start");
    kill(scripted_keeper(fixture, path), SIGKILL);
    scripted_await_last_error(fixture, path, "keeper");
    kill(scripted_qemu(fixture, path), SIGKILL);
    fixture_await_state(fixture, path, "exited");
    scripted_assert_string(fixture, path, "ExitReason", "lost");
}

/* On a busy host it is slow to tell how its QEMU ended: it is waited for, and a guest that turned itself off is not taken for one
 * that failed. */
static void test_keeper_slow(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'on-failure'>}", "on file go shutdown");
    const pid_t keeper = scripted_keeper(fixture, path);
    g_assert_cmpint(kill(keeper, SIGSTOP), ==, 0);
    scripted_touch(fixture, "go");
    scripted_await(fixture, "web", "end 0", 1);
    await_silence(1500);
    g_assert_cmpint(kill(keeper, SIGCONT), ==, 0);
    fixture_await_state(fixture, path, "stopped");
    scripted_assert_string(fixture, path, "ExitReason", "guest-shutdown");
}

/* What a keeper writes whose QEMU the kernel has killed for want of memory (tests/unit/test-keeper-memory.c). */
static void test_oom_killed(Fixture *fixture, gconstpointer unused)
{
    static const char record[] = "wait-status=9\nreason=\npanicked=0\noom-killed=1\nrequested=0\ntime=1\nwords=\nend\n";
    g_autoptr(GError) error = NULL;
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *file = g_build_filename(fixture->runtime_dir, id, BERTH_FILE_EXIT, NULL);
    kill(scripted_keeper(fixture, path), SIGKILL);
    scripted_await_last_error(fixture, path, "keeper");
    g_file_set_contents(file, record, -1, &error);
    g_assert_no_error(error);
    kill(scripted_qemu(fixture, path), SIGKILL);
    fixture_await_state(fixture, path, "exited");
    scripted_assert_string(fixture, path, "ExitReason", "oom-killed");
    scripted_assert_last_error(fixture, path, "memory");
}

/* How it ended. */
typedef struct {
    const char *script; /* on the file "go", or NULL */
    int signal;         /* to QEMU, 0 for none */
    gboolean stop_unit; /* systemctl stop */
    const char *state, *reason;
    gint32 status;
    gboolean wanted;
    const char *words; /* in LastError */
} End;

static const End ends[] = {
    {"on file go shutdown", 0, FALSE, "stopped", "guest-shutdown", 0, FALSE, ""},
    {"on file go panic", 0, FALSE, "exited", "guest-panic", 1 << 8, TRUE, "panicked"},
    {"on file go crash 11", 0, FALSE, "exited", "crashed", SIGSEGV, TRUE, "signal 11"},
    {"on file go exit 7 out of luck", 0, FALSE, "exited", "crashed", 7 << 8, TRUE, "out of luck"},
    {NULL, SIGKILL, FALSE, "exited", "killed", SIGKILL, TRUE, "signal 9"},
    {NULL, 0, TRUE, "stopped", "host-stop", 0, TRUE, ""},
};

static void stop_unit(Fixture *fixture, const char *unit)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        fixture->client, "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
        "StopUnit", g_variant_new("(ss)", unit, "replace"), NULL, G_DBUS_CALL_FLAGS_NONE, FIXTURE_CALL_MSEC, NULL,
        &error);
    g_assert_no_error(error);
}

/* (transfer full): its path; nobody passes on what systemd does, or writes it down */
static char *running_without_keeper(Fixture *fixture, const char *script)
{
    char *path = scripted_running(fixture, "{'restart': <'always'>}", script);
    kill(scripted_keeper(fixture, path), SIGKILL);
    scripted_await_last_error(fixture, path, "keeper");
    return path;
}

/* It is no failure, and what is wanted stays so. */
static void assert_stopped_by_scope(Fixture *fixture, const char *path)
{
    fixture_await_state(fixture, path, "stopped");
    scripted_assert_string(fixture, path, "ExitReason", "host-stop");
    scripted_assert_wanted(fixture, path, TRUE);
    scripted_assert_nobody(fixture, path);
}

/* The daemon presses in its place, again and again. */
static void test_stop_without_keeper(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running_without_keeper(fixture, DEAF_AT_FIRST);
    g_autofree char *unit = fixture_unit(fixture, path);
    stop_unit(fixture, unit);
    assert_stopped_by_scope(fixture, path);
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp system_powerdown"), ==, 3);
    g_assert_cmpuint(scripted_count(fixture, "web", "event SHUTDOWN"), ==, 1);
}

/* Who is paused would not hear. */
static void test_stop_paused_without_keeper(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running_without_keeper(fixture, NULL);
    g_autofree char *unit = fixture_unit(fixture, path);
    fixture_vm(fixture, path, "Pause");
    stop_unit(fixture, unit);
    assert_stopped_by_scope(fixture, path);
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp cont"), ==, 1);
}

/* The next daemon does as well, and systemd's patience is over at last. */
static void test_stop_without_keeper_later(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running_without_keeper(fixture, "on system_powerdown ignore");
    g_autofree char *unit = fixture_unit(fixture, path);
    stop_unit(fixture, unit);
    fixture_await_state(fixture, path, "stopping");
    fixture_stop_daemon(fixture, SIGKILL);
    const guint n_pressed = scripted_count(fixture, "web", "qmp system_powerdown");
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "stopping");
    scripted_await(fixture, "web", "qmp system_powerdown", n_pressed + 1);
    kill(scripted_qemu(fixture, path), SIGKILL);
    assert_stopped_by_scope(fixture, path);
}

/* The keeper had passed it on, and was killed then. */
static void test_stop_loses_keeper(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path =
        scripted_running(fixture, "{'restart': <'always'>}", "on system_powerdown ignore\non file go shutdown");
    g_autofree char *unit = fixture_unit(fixture, path);
    stop_unit(fixture, unit);
    fixture_await_state(fixture, path, "stopping");
    kill(scripted_keeper(fixture, path), SIGKILL);
    scripted_await(fixture, "web", "qmp system_powerdown", 1);
    scripted_touch(fixture, "go");
    assert_stopped_by_scope(fixture, path);
}

#define PRESSES 8 /* more than there are in ShutdownTimeoutSec= */

/* Shutdown's own deadline is nothing to a scope that is being stopped: that ends it, and how is what was asked for. */
static void outlast_shutdown(Fixture *fixture, const char *path)
{
    const guint n_pressed = scripted_count(fixture, "web", "qmp system_powerdown");
    scripted_await(fixture, "web", "qmp system_powerdown", n_pressed + PRESSES);
    kill(scripted_qemu(fixture, path), SIGKILL);
    fixture_await_state(fixture, path, "stopped");
    assert_stopped(fixture, path, "host-stop");
}

static void test_shutdown_then_stop(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running_without_keeper(fixture, "on system_powerdown ignore");
    g_autofree char *unit = fixture_unit(fixture, path);
    fixture_vm(fixture, path, "Shutdown");
    stop_unit(fixture, unit);
    outlast_shutdown(fixture, path);
}

static void test_stop_then_shutdown(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running_without_keeper(fixture, "on system_powerdown ignore");
    g_autofree char *unit = fixture_unit(fixture, path);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    stop_unit(fixture, unit);
    fixture_await_state(fixture, path, "stopping");
    fixture_vm(fixture, path, "Shutdown");
    outlast_shutdown(fixture, path);
    AWAIT(recorder_changes(recorder, "State") >= 2);
    g_autofree char *states = recorder_words(recorder, "State");
    g_assert_cmpstr(states, ==, "stopping stopped");
}

/* The keeper outlives its QEMU. */
static void bring_about(Fixture *fixture, const char *unit, pid_t pid, int keeper, const End *end)
{
    if (end->script)
        scripted_touch(fixture, "go");
    if (end->signal)
        kill(pid, end->signal);
    if (end->stop_unit)
        stop_unit(fixture, unit);
    scripted_await_dead(keeper);
}

static void end_it(Fixture *fixture, const End *end, gboolean daemon_is_down)
{
    /* The core flag of a wait status is the machine's affair. */
    g_autofree char *path = scripted_running(fixture, "{}", end->script);
    g_autofree char *unit = fixture_unit(fixture, path);
    pid_t pid = scripted_qemu(fixture, path);
    int keeper = scripted_pidfd(scripted_keeper(fixture, path));
    if (daemon_is_down)
        fixture_stop_daemon(fixture, SIGKILL);
    bring_about(fixture, unit, pid, keeper, end);
    if (daemon_is_down) {
        fixture_start_daemon(fixture);
        scripted_assert_string(fixture, path, "State", end->state); /* never shown as running */
    }
    fixture_await_state(fixture, path, end->state);
    scripted_assert_string(fixture, path, "ExitReason", end->reason);
    g_assert_cmpint(exit_status(fixture, path) & ~0x80, ==, end->status);
    fixture_await_property(fixture, path, "WantRunning", g_variant_new_boolean(end->wanted));
    scripted_assert_last_error(fixture, path, end->words);
    scripted_assert_nobody(fixture, path);
}

#define END(name, number)                                                                                              \
    static void test_end_##name(Fixture *fixture, gconstpointer unused)                                                \
    {                                                                                                                  \
        end_it(fixture, &ends[number], FALSE);                                                                         \
    }                                                                                                                  \
    static void test_end_unseen_##name(Fixture *fixture, gconstpointer unused)                                         \
    {                                                                                                                  \
        end_it(fixture, &ends[number], TRUE);                                                                          \
    }
END(guest_shutdown, 0)
END(guest_panic, 1)
END(crashed, 2)
END(failed, 3)
END(killed, 4)
END(host_stop, 5)

/* Pause, Resume, Reset */

static void test_pause(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    fixture_vm(fixture, path, "Pause");
    scripted_assert_string(fixture, path, "State", "paused");
    fixture_vm_fails(fixture, path, "Pause", "WrongState", "paused");
    fixture_vm(fixture, path, "Reset");
    scripted_assert_string(fixture, path, "State", "paused");
    fixture_vm(fixture, path, "Resume");
    scripted_assert_string(fixture, path, "State", "running");
    fixture_vm_fails(fixture, path, "Resume", "WrongState", "web");
    AWAIT(recorder_changes(recorder, "State") == 2);
    g_autofree char *states = recorder_words(recorder, "State");
    g_assert_cmpstr(states, ==, "paused running");
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp system_reset"), ==, 1);
    fixture_vm(fixture, path, "Pause");
    fixture_vm(fixture, path, "PowerOff");
    assert_stopped(fixture, path, "host-stop");
}

static void test_refused(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on stop refuse not now");
    fixture_vm_fails(fixture, path, "Pause", "WrongState", "not now");
    scripted_assert_string(fixture, path, "State", "running");
}

/* The monitor hangs: the call has an end, and everybody sees it; its late answer shows that it is back. */
static void test_hung(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_reset wait go\non system_reset ignore");
    FixtureCall *reset = scripted_begin(fixture, path, "Reset");
    scripted_await(fixture, "web", "qmp system_reset", 1);
    fixture_vm_fails(fixture, path, "Pause", "Busy", "Reset");
    scripted_fails(reset, "Cancelled", "did not answer");
    fixture_await_property(fixture, path, "Responsive", g_variant_new_boolean(FALSE));
    scripted_touch(fixture, "go");
    fixture_await_property(fixture, path, "Responsive", g_variant_new_boolean(TRUE));
    scripted_assert_string(fixture, path, "State", "running");
}

/* Nobody asks anything of it, and all the same everybody sees it. */
static void test_standstill(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_reset wait go");
    const pid_t qemu = scripted_qemu(fixture, path);
    for (int i = 0; i < 2; i++) {
        g_assert_cmpint(kill(qemu, SIGSTOP), ==, 0);
        scripted_await_last_error(fixture, path, "was stopped by a signal");
        fixture_await_property(fixture, path, "Responsive", g_variant_new_boolean(FALSE));
        scripted_assert_string(fixture, path, "State", "running");
        g_assert_cmpint(kill(qemu, SIGCONT), ==, 0);
        scripted_await_last_error(fixture, path, "");
        fixture_await_property(fixture, path, "Responsive", g_variant_new_boolean(TRUE));
    }
    /* One that hangs is none the better for it. */
    scripted_fails(scripted_begin(fixture, path, "Reset"), "Cancelled", "did not answer");
    g_assert_cmpint(kill(qemu, SIGSTOP), ==, 0);
    scripted_await_last_error(fixture, path, "was stopped by a signal");
    g_assert_cmpint(kill(qemu, SIGCONT), ==, 0);
    scripted_await_last_error(fixture, path, "");
    g_autoptr(GVariant) responsive = fixture_get(fixture, path, BERTH_IFACE_VM, "Responsive");
    g_assert_false(g_variant_get_boolean(responsive));
    scripted_touch(fixture, "go");
    fixture_await_property(fixture, path, "Responsive", g_variant_new_boolean(TRUE));
}

/* It can be ended, and then begins anew. */
static void test_standstill_ends(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_assert_cmpint(kill(scripted_qemu(fixture, path), SIGSTOP), ==, 0);
    scripted_await_last_error(fixture, path, "was stopped by a signal");
    fixture_vm(fixture, path, "PowerOff");
    assert_stopped(fixture, path, "host-stop");
    scripted_assert_last_error(fixture, path, "");
    fixture_vm(fixture, path, "Start");
    fixture_await_property(fixture, path, "Responsive", g_variant_new_boolean(TRUE));
}

/* PowerOff does not wait for a command that hangs. */
static void test_power_off_hung(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_reset wait never");
    FixtureCall *reset = scripted_begin(fixture, path, "Reset");
    scripted_await(fixture, "web", "qmp system_reset", 1);
    fixture_vm(fixture, path, "PowerOff");
    assert_stopped(fixture, path, "host-stop");
    scripted_fails(reset, "Cancelled", "");
}

/* The monitor closes for a moment: the daemon comes back to it. */
static void test_monitor_lost(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "once system_reset garbage");
    FixtureCall *reset = scripted_begin(fixture, path, "Reset");
    scripted_fails(reset, "Cancelled", "QMP");
    scripted_await(fixture, "web", "qmp qmp_capabilities", 2);
    fixture_await_property(fixture, path, "Responsive", g_variant_new_boolean(TRUE));
    scripted_assert_string(fixture, path, "State", "running");
    fixture_vm(fixture, path, "Pause");
}

/* What the guest does meanwhile nobody hears, and is found out then. */
static void test_monitor_misses(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "once system_reset disconnect\non connect resume");
    fixture_vm(fixture, path, "Pause");
    scripted_fails(scripted_begin(fixture, path, "Reset"), "Cancelled", "QMP");
    fixture_await_state(fixture, path, "running");
    g_assert_cmpuint(scripted_count(fixture, "web", "event RESUME"), ==, 1);
    fixture_vm(fixture, path, "Pause");
}

#define ADD(path, func) SCRIPTED_ADD("/stop/" path, "", func)
#define ADD_PATIENT(path, func) SCRIPTED_ADD("/stop/" path, "PowerOffTimeoutSec=60", func)
/* A button that is pressed again after a sixth of it. */
#define ADD_BUTTON(path, func) SCRIPTED_ADD("/stop/" path, "ShutdownTimeoutSec=15", func)
#define ADD_PAUSE(path, func) SCRIPTED_ADD("/stop/" path, "ShutdownTimeoutSec=40", func)
#define ADD_SHORT(path, func) SCRIPTED_ADD("/stop/" path, "ShutdownTimeoutSec=500ms", func)
#define ADD_END(name)                                                                                                  \
    ADD("end/" #name, test_end_##name);                                                                                \
    ADD("end-unseen/" #name, test_end_unseen_##name)

static void add_ends(void)
{
    ADD_END(guest_shutdown);
    ADD_END(guest_panic);
    ADD_END(crashed);
    ADD_END(failed);
    ADD_END(killed);
    ADD_END(host_stop);
}

static void add(void)
{
    ADD("shutdown/asked", test_shutdown);
    SCRIPTED_ADD("/stop/shutdown/ignored", "ShutdownTimeoutSec=500ms\nPowerOffTimeoutSec=60", test_shutdown_ignored);
    ADD("shutdown/again", test_shutdown_again);
    ADD_BUTTON("shutdown/deaf", test_shutdown_deaf);
    ADD_BUTTON("shutdown/deaf-by-scope", test_stop_deaf);
    ADD_BUTTON("shutdown/deaf-by-machined", test_poweroff_deaf);
    ADD("shutdown/refused", test_shutdown_refused);
    ADD_PATIENT("power-off/quit", test_quit);
    ADD("power-off/quit-ignored", test_quit_ignored);
    ADD("power-off/stopped-process", test_power_off_stopped_process);
    ADD("power-off/during-shutdown", test_power_off_during_shutdown);
    ADD("power-off/hung", test_power_off_hung);
    ADD_PATIENT("power-off/child", test_child);
    ADD_PATIENT("power-off/child-without-keeper", test_child_without_keeper);
    ADD("power-off/systemd-silent", test_systemd_silent);
    ADD("power-off/systemd-gone", test_systemd_gone);
    ADD("keeper-killed", test_keeper_killed);
    ADD("keeper-slow", test_keeper_slow);
    ADD_BUTTON("keeper-killed/scope-stops", test_stop_without_keeper);
    ADD("keeper-killed/scope-stops-paused", test_stop_paused_without_keeper);
    ADD_PAUSE("keeper-killed/scope-stops-later", test_stop_without_keeper_later);
    ADD("keeper-killed/while-scope-stops", test_stop_loses_keeper);
    ADD_SHORT("keeper-killed/shutdown-then-stop", test_shutdown_then_stop);
    ADD_SHORT("keeper-killed/stop-then-shutdown", test_stop_then_shutdown);
    ADD("oom-killed", test_oom_killed);
    add_ends();
    ADD("pause/done", test_pause);
    ADD("pause/refused", test_refused);
    ADD("hung", test_hung);
    ADD("standstill", test_standstill);
    ADD("standstill-ends", test_standstill_ends);
    ADD("monitor-lost", test_monitor_lost);
    ADD("monitor-misses", test_monitor_misses);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
