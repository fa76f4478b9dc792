/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scripted.h"
#include "src/core/names.h"

/* What a daemon had begun, the next one goes on with; and what came of it while there was none, it finds out. */

static void assert_stopped(Fixture *fixture, const char *path, const char *reason, gboolean wanted)
{
    fixture_await_state(fixture, path, "stopped");
    scripted_assert_string(fixture, path, "ExitReason", reason);
    scripted_assert_wanted(fixture, path, wanted);
    scripted_assert_nobody(fixture, path);
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
}

/* A method that its daemon does not live to answer; @line is QEMU's, when it has heard of it. */
static void interrupt(Fixture *fixture, const char *path, const char *method, const char *line)
{
    g_autoptr(FixtureCall) call = scripted_begin(fixture, path, method);
    scripted_await(fixture, "web", line, 1);
    fixture_stop_daemon(fixture, SIGKILL);
    AWAIT(call->done);
}

/* The run's record */

static char *record_file(Fixture *fixture, const char *id)
{
    return g_build_filename(fixture->runtime_dir, id, BERTH_FILE_RUN, NULL);
}

/* (transfer full): the line of @key */
static char *record_line(const char *file, const char *key)
{
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **at = lines; *at; at++)
        if (g_str_has_prefix(*at, key))
            return g_strdup(*at);
    g_error("%s has no %s", file, key);
}

/* Shutdown */

/* It has what is left of its time, and meanwhile its button is pressed again. */
static void test_shutdown_goes_on(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_powerdown ignore\non file go shutdown");
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *file = record_file(fixture, id);
    fixture_vm(fixture, path, "Shutdown");
    g_autofree char *until = record_line(file, "until=");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "stopping");
    g_autofree char *still = record_line(file, "until=");
    g_assert_cmpstr(until, !=, "until=0");
    g_assert_cmpstr(still, ==, until);
    fixture_stop_daemon(fixture, SIGKILL);
    const guint n_pressed = scripted_count(fixture, "web", "qmp system_powerdown");
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "stopping");
    scripted_await(fixture, "web", "qmp system_powerdown", n_pressed + 1);
    scripted_touch(fixture, "go");
    assert_stopped(fixture, path, "host-stop", FALSE);
}

/* Its time ran out while there was no daemon. */
static void test_shutdown_is_over(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_powerdown ignore");
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *file = record_file(fixture, id);
    fixture_vm(fixture, path, "Shutdown");
    fixture_stop_daemon(fixture, SIGKILL);
    g_autofree char *until = record_line(file, "until=");
    scripted_replace(file, until, "until=1");
    fixture_start_daemon(fixture);
    fixture_await_state(fixture, path, "running");
    scripted_await_last_error(fixture, path, "did not power down");
    scripted_assert_wanted(fixture, path, FALSE);
    /* That it runs on is nobody's operation any more: how it ends is its own affair. */
    g_autofree char *operation = record_line(file, "operation=");
    g_assert_cmpstr(operation, ==, "operation=");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "running");
    kill(scripted_qemu(fixture, path), SIGKILL);
    fixture_await_state(fixture, path, "exited");
    scripted_assert_string(fixture, path, "ExitReason", "killed");
}

/* QEMU had let the guest stand still meanwhile. */
static void test_shutdown_over_paused(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_powerdown ignore\non file full pause");
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *file = record_file(fixture, id);
    fixture_vm(fixture, path, "Shutdown");
    scripted_touch(fixture, "full");
    scripted_await(fixture, "web", "event STOP", 1);
    fixture_stop_daemon(fixture, SIGKILL);
    g_autofree char *until = record_line(file, "until=");
    scripted_replace(file, until, "until=1");
    fixture_start_daemon(fixture);
    fixture_await_state(fixture, path, "paused");
    scripted_assert_last_error(fixture, path, "did not power down");
    fixture_vm(fixture, path, "Resume");
}

/* Not asked yet, for all that is known: so it is asked. */
static void test_shutdown_unasked(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_powerdown ignore\non file go shutdown");
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *file = record_file(fixture, id);
    fixture_vm(fixture, path, "Shutdown");
    fixture_stop_daemon(fixture, SIGKILL);
    const guint n_pressed = scripted_count(fixture, "web", "qmp system_powerdown");
    g_autofree char *until = record_line(file, "until=");
    scripted_replace(file, until, "until=0");
    fixture_start_daemon(fixture);
    scripted_await(fixture, "web", "qmp system_powerdown", n_pressed + 1);
    scripted_touch(fixture, "go");
    assert_stopped(fixture, path, "host-stop", FALSE);
}

/* What it says of itself is what the disk says, where the daemon was killed before that was written. */
static void test_shutdown_unwritten(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_powerdown ignore\non file go shutdown");
    g_autofree char *wanted = scripted_vm_file(fixture, path, BERTH_FILE_WANTED);
    fixture_vm(fixture, path, "Shutdown");
    fixture_stop_daemon(fixture, SIGKILL);
    g_assert_true(g_file_set_contents(wanted, "", -1, NULL));
    fixture_start_daemon(fixture);
    scripted_assert_wanted(fixture, path, FALSE);
    g_assert_false(g_file_test(wanted, G_FILE_TEST_EXISTS));
    scripted_touch(fixture, "go");
    assert_stopped(fixture, path, "host-stop", FALSE);
}

/* Refused, it was told so: nothing goes on. */
static void test_shutdown_refused(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_powerdown refuse no button");
    fixture_vm_fails(fixture, path, "Shutdown", "WrongState", "no button");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "running");
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp system_powerdown"), ==, 1);
}

/* systemd asks the keeper; the guest takes its time. What is wanted stays so. */
static void test_powerdown(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_powerdown ignore\non file go shutdown");
    g_assert_cmpint(kill(scripted_keeper(fixture, path), SIGTERM), ==, 0);
    fixture_await_state(fixture, path, "stopping");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "stopping");
    scripted_touch(fixture, "go");
    assert_stopped(fixture, path, "host-stop", TRUE);
}

static void on_ignored(GObject *client, GAsyncResult *result, gpointer data)
{
    g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(client), result, NULL);
}

/* The same, begun while there was no daemon: the scope tells. */
static void test_powerdown_unseen(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on system_powerdown ignore\non file go shutdown");
    g_autofree char *unit = fixture_unit(fixture, path);
    fixture_stop_daemon(fixture, SIGKILL);
    g_dbus_connection_call(fixture->client, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                           "org.freedesktop.systemd1.Manager", "StopUnit", g_variant_new("(ss)", unit, "replace"), NULL,
                           G_DBUS_CALL_FLAGS_NONE, FIXTURE_CALL_MSEC, NULL, on_ignored, NULL);
    scripted_await(fixture, "web", "keeper system_powerdown", 1);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "stopping");
    scripted_touch(fixture, "go");
    assert_stopped(fixture, path, "host-stop", TRUE);
}

/* PowerOff */

static void test_power_off_goes_on(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "once quit ignore");
    interrupt(fixture, path, "PowerOff", "qmp quit");
    fixture_start_daemon(fixture);
    assert_stopped(fixture, path, "host-stop", FALSE);
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp quit"), ==, 2);
}

/* A QEMU that hangs is killed by the next daemon as it would have been by the first. */
static void test_power_off_hung(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on quit wait never");
    interrupt(fixture, path, "PowerOff", "qmp quit");
    scripted_configure(fixture, "[VM]\nPowerOffTimeoutSec=500ms\n");
    fixture_start_daemon(fixture);
    assert_stopped(fixture, path, "host-stop", FALSE);
}

/* QEMU went when there was no daemon. The policy has no say: it was asked to. */
static void test_power_off_unseen(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'always'>}", "on quit wait go");
    int keeper = scripted_pidfd(scripted_keeper(fixture, path)); /* which outlives its QEMU */
    interrupt(fixture, path, "PowerOff", "qmp quit");
    scripted_touch(fixture, "go");
    scripted_await_dead(keeper);
    fixture_start_daemon(fixture);
    assert_stopped(fixture, path, "host-stop", FALSE);
}

/* Ends */

/* How it ended is known to each daemon that comes, and not only to the first. */
static void test_end_stays_known(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    kill(scripted_qemu(fixture, path), SIGKILL);
    fixture_await_state(fixture, path, "exited");
    for (guint i = 0; i < 2; i++) {
        fixture_restart_daemon(fixture);
        scripted_assert_string(fixture, path, "State", "exited");
        scripted_assert_string(fixture, path, "ExitReason", "killed");
        scripted_assert_last_error(fixture, path, "signal 9");
    }
    /* Until it is powered off, or started. */
    fixture_vm(fixture, path, "PowerOff");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "stopped");
    scripted_assert_last_error(fixture, path, "");
}

/* systemctl stop is no failure, and stays none: nobody starts it again but its owner, or a boot. */
static void test_stop_stays_known(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'always'>}", NULL);
    g_assert_cmpint(kill(scripted_keeper(fixture, path), SIGTERM), ==, 0);
    fixture_await_state(fixture, path, "stopped");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "stopped");
    scripted_assert_string(fixture, path, "ExitReason", "host-stop");
    scripted_assert_wanted(fixture, path, TRUE);
    fixture_restart_daemon(fixture);
    assert_stopped(fixture, path, "host-stop", TRUE);
}

/* Nobody is left, and nobody has told how that came: there was no daemon, and the keeper goes first. */
static void lose_all(Fixture *fixture, const char *path)
{
    pid_t qemu = scripted_qemu(fixture, path), keeper = scripted_keeper(fixture, path);
    int qemu_end = scripted_pidfd(qemu), keeper_end = scripted_pidfd(keeper);
    fixture_stop_daemon(fixture, SIGKILL);
    g_assert_cmpint(kill(keeper, SIGKILL), ==, 0);
    scripted_await_dead(keeper_end);
    g_assert_cmpint(kill(qemu, SIGKILL), ==, 0);
    scripted_await_dead(qemu_end);
}

/* The one that would have told is gone as well. */
static void test_lost(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    lose_all(fixture, path);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "exited");
    scripted_assert_string(fixture, path, "ExitReason", "lost");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "ExitReason", "lost");
}

/* QEMU is dead, and the keeper hangs over it: it is not taken for life. */
static void test_keeper_hangs(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    pid_t qemu = scripted_qemu(fixture, path), keeper = scripted_keeper(fixture, path);
    fixture_stop_daemon(fixture, SIGKILL);
    g_assert_cmpint(kill(keeper, SIGSTOP), ==, 0);
    g_assert_cmpint(kill(qemu, SIGKILL), ==, 0);
    fixture_start_daemon(fixture);
    fixture_await_state(fixture, path, "exited");
    scripted_assert_string(fixture, path, "ExitReason", "lost");
    scripted_assert_nobody(fixture, path);
}

/* So are both, and a helper of QEMU's lingers: it is ended, and the VM with it. */
static void test_helper_lingers(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on start fork-child");
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *file = record_file(fixture, id);
    pid_t qemu = scripted_qemu(fixture, path), keeper = scripted_keeper(fixture, path);
    fixture_stop_daemon(fixture, SIGKILL);
    g_assert_cmpint(kill(keeper, SIGKILL), ==, 0);
    g_assert_cmpint(kill(qemu, SIGKILL), ==, 0);
    /* Whoever is their parent here may not reap them: a zombie would still tell that it is dead. */
    g_autofree char *line = record_line(file, "qemu-pid=");
    scripted_replace(file, line, "qemu-pid=4194303"); /* no process of ours */
    fixture_start_daemon(fixture);
    fixture_await_state(fixture, path, "exited");
    scripted_assert_string(fixture, path, "ExitReason", "lost");
    scripted_assert_nobody(fixture, path);
}

/* All have ended, and the numbers that they had are another's now, who is neither watched nor killed. */
static void test_numbers_of_another(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *file = record_file(fixture, id);
    lose_all(fixture, path);
    g_autofree char *qemu = record_line(file, "qemu-pid="), *keeper = record_line(file, "keeper-pid=");
    g_autofree char *our_qemu = g_strdup_printf("qemu-pid=%d", (int) getpid());
    g_autofree char *our_keeper = g_strdup_printf("keeper-pid=%d", (int) getpid());
    scripted_replace(file, qemu, our_qemu);
    scripted_replace(file, keeper, our_keeper);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "exited");
    scripted_assert_string(fixture, path, "ExitReason", "lost");
    fixture_vm(fixture, path, "PowerOff");
}

/* Starts: test-start.c kills the daemon at each step of one. */

/* It was killed before there was a process, and after it was wanted. */
static void test_start_without_process(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *runtime = scripted_runtime_dir(fixture, path);
    g_autofree char *lock = g_build_filename(runtime, "lock", NULL);
    g_autofree char *wanted = scripted_vm_file(fixture, path, BERTH_FILE_WANTED);
    fixture_stop_daemon(fixture, SIGKILL);
    g_assert_cmpint(g_mkdir(runtime, 0700), ==, 0);
    g_assert_true(g_file_set_contents(lock, "", -1, NULL));
    g_assert_true(g_file_set_contents(wanted, "", -1, NULL));
    fixture_start_daemon(fixture);
    fixture_await_state(fixture, path, "running");
    fixture_vm(fixture, path, "PowerOff");
}

/* What went on and came to run has been started once, and ends as any other. */
static void test_start_goes_on_once(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", "once query-status wait go");
    interrupt(fixture, path, "Start", "qmp query-status");
    scripted_touch(fixture, "go");
    fixture_start_daemon(fixture);
    fixture_await_state(fixture, path, "running");
    g_assert_cmpint(kill(scripted_keeper(fixture, path), SIGTERM), ==, 0);
    assert_stopped(fixture, path, "host-stop", TRUE);
}

/* It was killed between the record of the start and the word to its keeper, who has not noticed yet. */
static void test_start_without_word(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *cgroup = scripted_cgroup(fixture, path);
    g_autofree char *file = record_file(fixture, id);
    FakeService *service = fake_systemd_service(fixture->systemd);
    fake_service_hold(service, "GetUnit");
    g_autoptr(FixtureCall) start = scripted_begin(fixture, path, "Start");
    AWAIT(fake_service_count(service, "GetUnit") > 0);
    g_autoptr(GArray) pids = test_cgroup_pids(cgroup);
    g_assert_cmpuint(pids->len, ==, 1);
    const pid_t keeper = g_array_index(pids, pid_t, 0);
    g_assert_cmpint(kill(keeper, SIGSTOP), ==, 0);
    fixture_stop_daemon(fixture, SIGKILL);
    AWAIT(start->done);
    fake_service_release(service, "GetUnit");
    g_autofree char *record = g_strdup_printf("incarnation=x\ncid=1000\nkeeper-pid=%d\nqemu-pid=0\ncontrol-group=%s\n"
                                              "started=0\noperation=start\nuntil=0\nend\n",
                                              (int) keeper, cgroup);
    g_assert_true(g_file_set_contents(file, record, -1, NULL));
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "starting");
    g_assert_cmpint(kill(keeper, SIGCONT), ==, 0);
    fixture_await_state(fixture, path, "running");
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
    scripted_assert_wanted(fixture, path, TRUE);
    /* It has begun anew once, and does so no more. */
    g_assert_cmpint(kill(scripted_keeper(fixture, path), SIGTERM), ==, 0);
    assert_stopped(fixture, path, "host-stop", TRUE);
}

/* A start that failed is told as that, by the next daemon too. */
static void test_start_failed(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", "on start exit 3 no such machine");
    fixture_vm_fails(fixture, path, "Start", "StartFailed", "no such machine");
    fixture_restart_daemon(fixture);
    scripted_assert_wanted(fixture, path, FALSE);
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
    scripted_write(fixture, "web", NULL);
    fixture_vm(fixture, path, "Start");
}

/* Half a start is cancelled by Remove and by PowerOff, whoever began it. */
static void test_start_powered_off(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", "on query-status wait go");
    interrupt(fixture, path, "Start", "qmp query-status");
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "starting");
    fixture_vm(fixture, path, "PowerOff");
    assert_stopped(fixture, path, "host-stop", FALSE);
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "stopped");
}

static void test_start_removed(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", "on query-status wait go");
    interrupt(fixture, path, "Start", "qmp query-status");
    fixture_start_daemon(fixture);
    fixture_vm(fixture, path, "Remove");
    fixture_await_gone(fixture, path);
}

/* A record as one of before an upgrade wrote it. */
static void test_old_record(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *file = record_file(fixture, id);
    pid_t qemu = scripted_qemu(fixture, path);
    fixture_stop_daemon(fixture, SIGKILL);
    scripted_replace(file, "operation=\nuntil=0\n", "");
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "running");
    g_assert_cmpint(scripted_qemu(fixture, path), ==, qemu);
}

/* Its socket is gone, and it runs on, deaf; it can be ended all the same. */
static void test_deaf(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *runtime = scripted_runtime_dir(fixture, path);
    g_autofree char *socket = g_build_filename(runtime, BERTH_FILE_QMP_SOCKET, NULL);
    pid_t qemu = scripted_qemu(fixture, path);
    fixture_stop_daemon(fixture, SIGKILL);
    g_assert_cmpint(g_unlink(socket), ==, 0);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "running");
    g_assert_cmpint(scripted_qemu(fixture, path), ==, qemu);
    g_autoptr(GVariant) responsive = fixture_get(fixture, path, BERTH_IFACE_VM, "Responsive");
    g_assert_false(g_variant_get_boolean(responsive));
    fixture_vm(fixture, path, "PowerOff");
    assert_stopped(fixture, path, "host-stop", FALSE);
}

#define ADD(path, func) SCRIPTED_ADD("/recovery/" path, "", func)
#define ADD_PATIENT(path, func) SCRIPTED_ADD("/recovery/" path, "PowerOffTimeoutSec=120", func)

static void add_ends(void)
{
    ADD("end/stays-known", test_end_stays_known);
    ADD("end/stop-stays-known", test_stop_stays_known);
    ADD("end/lost", test_lost);
    ADD("end/keeper-hangs", test_keeper_hangs);
    ADD("end/helper-lingers", test_helper_lingers);
    ADD("end/numbers-of-another", test_numbers_of_another);
}

static void add(void)
{
    SCRIPTED_ADD("/recovery/shutdown/goes-on", "ShutdownTimeoutSec=40", test_shutdown_goes_on);
    ADD_PATIENT("shutdown/is-over", test_shutdown_is_over);
    ADD_PATIENT("shutdown/is-over-paused", test_shutdown_over_paused);
    ADD_PATIENT("shutdown/unasked", test_shutdown_unasked);
    ADD_PATIENT("shutdown/unwritten", test_shutdown_unwritten);
    ADD_PATIENT("shutdown/refused", test_shutdown_refused);
    ADD_PATIENT("powerdown/goes-on", test_powerdown);
    ADD_PATIENT("powerdown/unseen", test_powerdown_unseen);
    ADD_PATIENT("power-off/goes-on", test_power_off_goes_on);
    ADD_PATIENT("power-off/hung", test_power_off_hung);
    ADD_PATIENT("power-off/unseen", test_power_off_unseen);
    add_ends();
    ADD("start/without-process", test_start_without_process);
    ADD("start/goes-on-once", test_start_goes_on_once);
    ADD("start/without-word", test_start_without_word);
    ADD("start/failed", test_start_failed);
    ADD("start/powered-off", test_start_powered_off);
    ADD("start/removed", test_start_removed);
    ADD("old-record", test_old_record);
    ADD("deaf", test_deaf);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
