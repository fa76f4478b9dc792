/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "removal-scene.h"

/* M7 to M10: the processes end, whatever they do, and nothing goes before the kernel says that they have. */

/* M7 */

static void remove_running(Fixture *fixture, const char *script, void (*disturb)(Fixture *fixture, const char *path))
{
    g_autofree char *path = scripted_running(fixture, "{}", script);
    int pidfd = scripted_pidfd(scripted_qemu(fixture, path));
    if (disturb)
        disturb(fixture, path);
    removal_and_await(fixture, path);
    g_assert_true(scripted_is_dead(pidfd));
    close(pidfd);
}

static void stop_process(Fixture *fixture, const char *path)
{
    kill(scripted_qemu(fixture, path), SIGSTOP);
}

static void stop_both(Fixture *fixture, const char *path)
{
    kill(scripted_keeper(fixture, path), SIGSTOP);
    kill(scripted_qemu(fixture, path), SIGSTOP);
}

static void freeze(Fixture *fixture, const char *path)
{
    g_autofree char *cgroup = scripted_cgroup(fixture, path);
    g_autofree char *dir = test_cgroup_dir(cgroup);
    g_autofree char *file = g_build_filename(dir, "cgroup.freeze", NULL);
    FILE *stream = g_fopen(file, "w");
    g_assert_cmpint(fputs("1", stream), >=, 0);
    g_assert_cmpint(fclose(stream), ==, 0);
}

static void pause_it(Fixture *fixture, const char *path)
{
    fixture_vm(fixture, path, "Pause");
}

static void test_running(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, NULL, NULL);
}

static void test_stopped_process(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, NULL, stop_process);
}

static void test_stopped_processes(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, NULL, stop_both);
}

static void test_frozen(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, NULL, freeze);
}

static void test_quit_ignored(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, "on quit ignore", NULL);
}

static void test_hung(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, "on quit wait never", NULL);
}

static void test_paused(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, NULL, pause_it);
}

static void test_keeper_killed(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, NULL, removal_kill_keeper);
}

static void test_bus_lost(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on quit ignore");
    int pidfd = scripted_pidfd(scripted_qemu(fixture, path));
    fixture_vm(fixture, path, "Remove");
    fixture_restart_bus(fixture);
    removal_assert_gone(fixture, path);
    g_assert_true(scripted_is_dead(pidfd));
    close(pidfd);
}

/* systemd is away and comes back: what only it can do waits for it. */
static void test_systemd_away(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    int pidfd = scripted_pidfd(scripted_qemu(fixture, path));
    fake_service_vanish(service);
    fixture_vm(fixture, path, "Remove");
    removal_await_phase(fixture, path, "waiting");
    g_assert_true(scripted_is_dead(pidfd));
    close(pidfd);
    fake_service_come_back(service);
    removal_assert_gone(fixture, path); /* nobody had to ask again */
}

static guint64 next_attempt_told(const Recorder *recorder)
{
    g_autoptr(GVariant) next = recorder_last(recorder, "RemovalNextAttemptTimestamp");
    return next ? g_variant_get_uint64(next) : 0;
}

/* M7: the processes are killed without systemd, and what only it can do is tried again. M8: and all the while everybody
 * sees what is going on. */
static void test_systemd_silent(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_running(fixture, "{}", "on ready fork-child");
    int child = scripted_pidfd(removal_child_of_qemu(fixture));
    removal_kill_keeper(fixture, path);
    fake_service_hold(service, "KillUnit");
    fake_service_hold(service, "StopUnit");
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    const guint64 begun = (guint64) g_get_real_time();
    fixture_vm(fixture, path, "Remove");
    scripted_assert_string(fixture, path, "RemovalPhase", "stopping");
    fixture_vm(fixture, path, "Remove"); /* no harm, and no false answer */
    scripted_assert_string(fixture, path, "State", "removing");
    removal_await_phase(fixture, path, "releasing");
    g_assert_true(scripted_is_dead(child));
    removal_await_phase(fixture, path, "waiting");
    scripted_assert_last_error(fixture, path, "systemd has not answered in time");
    removal_await_blocker(fixture, path, "systemd");
    AWAIT(next_attempt_told(recorder) > begun);
    fake_service_release(service, "KillUnit");
    fake_service_release(service, "StopUnit");
    removal_and_await(fixture, path);
    close(child);
}

/* M9 */

/* Nothing has gone while somebody lives. */
static void assert_everything_there(Fixture *fixture, const char *path)
{
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    g_autofree char *disks = scripted_vm_file(fixture, path, BERTH_DIR_DISKS);
    scripted_assert_string(fixture, path, "State", "removing");
    scripted_assert_string(fixture, path, "RemovalPhase", "stopping");
    g_assert_true(g_file_test(definition, G_FILE_TEST_IS_REGULAR));
    g_assert_true(g_file_test(disks, G_FILE_TEST_IS_DIR));
    removal_assert_cid_kept(fixture);
}

/* What systemd has spared ends in the end. */
static void end_spared(Fixture *fixture, const char *path, int pidfd)
{
    g_autofree char *cgroup = scripted_cgroup(fixture, path);
    test_cgroup_signal(cgroup, SIGKILL);
    removal_assert_gone(fixture, path);
    scripted_await_dead(pidfd);
}

/* Only a child of QEMU's is left, and systemd does not kill it, though it says so; @lie says that it is dead, too. */
static void outlive(Fixture *fixture, gboolean restart, void (*lie)(Fixture *fixture, const char *path))
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_running(fixture, "{}", "on ready fork-child");
    int child = scripted_pidfd(removal_child_of_qemu(fixture));
    removal_kill_keeper(fixture, path);
    fake_systemd_set_flags(fixture->systemd, FAKE_SYSTEMD_SPARES);
    fixture_vm(fixture, path, "Remove");
    AWAIT(fake_service_count(service, "KillUnit") > 0); /* QEMU is dead */
    if (restart)
        fixture_stop_daemon(fixture, SIGKILL);
    if (lie)
        lie(fixture, path);
    if (restart)
        fixture_start_daemon(fixture);
    await_silence(300);
    g_assert_false(scripted_is_dead(child));
    assert_everything_there(fixture, path);
    if (!restart)
        removal_await_blocker(fixture, path, "fake-helper");
    end_spared(fixture, path, child);
}

static void tell_unit_removed(Fixture *fixture, const char *path)
{
    g_autofree char *unit = fixture_unit(fixture, path);
    fake_systemd_send_unit_removed(fixture->systemd, unit, TRUE);
    fake_systemd_send_unit_removed(fixture->systemd, unit, FALSE);
}

static void tell_stop_done(Fixture *fixture, const char *path)
{
    g_autofree char *unit = fixture_unit(fixture, path);
    fake_systemd_send(fixture->systemd, "JobRemoved",
                      g_variant_new("(uoss)", 1u, "/org/freedesktop/systemd1/job/1", unit, "done"));
}

static void test_child_lives(Fixture *fixture, gconstpointer unused)
{
    outlive(fixture, FALSE, NULL);
}

static void test_unit_removed(Fixture *fixture, gconstpointer unused)
{
    outlive(fixture, FALSE, tell_unit_removed);
}

static void test_stop_done(Fixture *fixture, gconstpointer unused)
{
    outlive(fixture, FALSE, tell_stop_done);
}

static void test_child_outlives_daemon(Fixture *fixture, gconstpointer unused)
{
    outlive(fixture, TRUE, NULL);
}

/* The daemon that comes then knows of no run: only its scope tells. */
static void test_record_missing(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_running(fixture, "{}", "on ready fork-child");
    int child = scripted_pidfd(removal_child_of_qemu(fixture));
    g_autofree char *runtime = scripted_runtime_dir(fixture, path);
    removal_kill_keeper(fixture, path);
    fake_systemd_set_flags(fixture->systemd, FAKE_SYSTEMD_SPARES);
    fixture_vm(fixture, path, "Remove");
    AWAIT(fake_service_count(service, "KillUnit") > 0);
    fixture_stop_daemon(fixture, SIGKILL);
    removal_delete(runtime);
    fixture_start_daemon(fixture);
    await_silence(300);
    g_assert_false(scripted_is_dead(child));
    assert_everything_there(fixture, path);
    end_spared(fixture, path, child);
}

static guint last_attempt(const Recorder *recorder)
{
    g_autoptr(GVariant) attempt = recorder_last(recorder, "RemovalAttempt");
    return attempt ? g_variant_get_uint32(attempt) : 0;
}

/* In the scope, though it holds nothing: the cgroup tells. It is killed again and again, and each time that is said. */
static void test_stranger_in_scope(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *cgroup = scripted_cgroup(fixture, path);
    pid_t stranger = removal_bystander();
    int pidfd = scripted_pidfd(stranger);
    g_assert_true(test_cgroup_add(cgroup, stranger));
    fake_systemd_set_flags(fixture->systemd, FAKE_SYSTEMD_SPARES);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    fixture_vm(fixture, path, "Remove");
    AWAIT(fake_service_count(service, "KillUnit") > 0);
    await_silence(300);
    g_assert_false(scripted_is_dead(pidfd));
    AWAIT(last_attempt(recorder) >= 3);
    assert_everything_there(fixture, path);
    end_spared(fixture, path, pidfd);
    g_assert_cmpint(waitpid(stranger, NULL, 0), ==, stranger);
}

/* Not in the scope any more, but it holds the lock: nobody kills it, and nothing goes until it has ended. */
static void test_escaped(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on ready fork-child");
    pid_t child = removal_child_of_qemu(fixture);
    g_autofree char *elsewhere = g_build_filename(fixture->cgroup, "elsewhere", NULL);
    int pidfd = scripted_pidfd(child);
    removal_kill_keeper(fixture, path); /* which would end it too */
    test_cgroup_make(elsewhere);
    g_assert_true(test_cgroup_add(elsewhere, child));
    fixture_vm(fixture, path, "Remove");
    fixture_await_property(fixture, path, "RemovalBlocker",
                           g_variant_new_string("a process holds the lock in the VM's runtime directory"));
    assert_everything_there(fixture, path);
    g_assert_false(scripted_is_dead(pidfd));
    kill(child, SIGKILL);
    scripted_await_dead(pidfd);
    removal_assert_gone(fixture, path);
}

/* Its monitor closes, and QEMU runs on. */
static void test_monitor_closed(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on quit close\non quit ignore");
    pid_t pid = scripted_qemu(fixture, path);
    int pidfd = scripted_pidfd(pid);
    fixture_vm(fixture, path, "Remove");
    scripted_await(fixture, "web", "qmp quit", 1);
    await_silence(300);
    g_assert_false(scripted_is_dead(pidfd));
    assert_everything_there(fixture, path);
    kill(pid, SIGKILL);
    removal_assert_gone(fixture, path);
    close(pidfd);
}

/* The numbers in the record are those of a process that is not ours any more: it is neither killed nor waited for. */
static void test_pid_reused(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *runtime = scripted_runtime_dir(fixture, path);
    g_autofree char *record = g_build_filename(runtime, "run", NULL);
    pid_t other = removal_bystander();
    g_autofree char *keeper = g_strdup_printf("=%d\n", scripted_keeper(fixture, path));
    g_autofree char *qemu = g_strdup_printf("=%d\n", scripted_qemu(fixture, path));
    g_autofree char *reused = g_strdup_printf("=%d\n", other);
    scripted_remove(fixture, path, REMOVAL_GRACE);
    removal_kill_all(fixture);
    scripted_replace(record, keeper, reused);
    scripted_replace(record, qemu, reused);
    fixture_start_daemon(fixture);
    g_assert_cmpuint(fixture_get_uint(fixture, path, "PID"), ==, 0);
    removal_and_await(fixture, path);
    removal_end_bystander(other);
}

/* daemon-reload and daemon-reexec, seen of a VM that runs. */
static void test_false_signals(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    tell_unit_removed(fixture, path);
    fixture_vm(fixture, path, "Pause"); /* after which they have been heard */
    scripted_assert_string(fixture, path, "State", "paused");
    g_assert_cmpint(kill(scripted_qemu(fixture, path), 0), ==, 0);
}

/* M10 */

static void test_ends_in_grace(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on file go shutdown");
    scripted_remove(fixture, path, REMOVAL_GRACE);
    scripted_touch(fixture, "go");
    fixture_await_property(fixture, path, "PID", g_variant_new_uint32(0));
    scripted_assert_string(fixture, path, "State", "removing");
    scripted_assert_string(fixture, path, "RemovalPhase", "grace");
    removal_and_await(fixture, path);
}

/* In the middle of being asked to quit. */
static void test_ends_in_stopping(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on quit wait never\non file go crash 11");
    fixture_vm(fixture, path, "Remove");
    scripted_await(fixture, "web", "qmp quit", 1);
    scripted_assert_string(fixture, path, "RemovalPhase", "stopping");
    scripted_touch(fixture, "go");
    removal_assert_gone(fixture, path);
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1); /* a crash is no reason to start it again */
}

/* It powers itself off while Remove comes in: which is first, nobody knows. */
static void test_ends_at_once(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on file go shutdown");
    FixtureCall *removal = scripted_begin(fixture, path, "Remove");
    scripted_touch(fixture, "go");
    scripted_succeeds(removal);
    removal_assert_gone(fixture, path);
}

static void test_second_daemon(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on quit wait never");
    fixture_vm(fixture, path, "Remove");
    scripted_assert_string(fixture, path, "RemovalPhase", "stopping");
    removal_refuse_second_daemon(fixture);
    kill(scripted_qemu(fixture, path), SIGKILL);
    removal_assert_gone(fixture, path);
}

static void add(void)
{
    REMOVAL_ADD("M07/running", test_running);
    REMOVAL_ADD("M07/stopped-process", test_stopped_process);
    REMOVAL_ADD("M07/stopped-processes", test_stopped_processes);
    REMOVAL_ADD("M07/frozen", test_frozen);
    REMOVAL_ADD("M07/quit-ignored", test_quit_ignored);
    REMOVAL_ADD("M07/hung", test_hung);
    REMOVAL_ADD("M07/paused", test_paused);
    REMOVAL_ADD("M07/keeper-killed", test_keeper_killed);
    REMOVAL_ADD("M07/bus-lost", test_bus_lost);
    REMOVAL_ADD("M07/systemd-away", test_systemd_away);
    REMOVAL_ADD("M08/systemd-silent", test_systemd_silent);
    REMOVAL_ADD_TWO_CIDS("M09/child-lives", test_child_lives);
    REMOVAL_ADD_TWO_CIDS("M09/child-outlives-daemon", test_child_outlives_daemon);
    REMOVAL_ADD_TWO_CIDS("M09/unit-removed", test_unit_removed);
    REMOVAL_ADD_TWO_CIDS("M09/stop-done", test_stop_done);
    REMOVAL_ADD_TWO_CIDS("M09/record-missing", test_record_missing);
    REMOVAL_ADD_PATIENT("M09/monitor-closed", test_monitor_closed);
    REMOVAL_ADD_TWO_CIDS("M09/stranger-in-scope", test_stranger_in_scope);
    REMOVAL_ADD_TWO_CIDS("M09/escaped", test_escaped);
    REMOVAL_ADD("M09/pid-reused", test_pid_reused);
    REMOVAL_ADD("M09/false-signals", test_false_signals);
    REMOVAL_ADD("M10/ends-in-grace", test_ends_in_grace);
    REMOVAL_ADD_PATIENT("M10/ends-in-stopping", test_ends_in_stopping);
    REMOVAL_ADD("M10/ends-at-once", test_ends_at_once);
    REMOVAL_ADD_PATIENT("M10/second-daemon", test_second_daemon);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
