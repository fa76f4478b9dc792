/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "restart-scene.h"
#include "src/core/keeper-protocol.h"
#include "src/core/names.h"

/* Restarts: after which ends, when, how often, and what a daemon that comes later knows of them. */

/* After which ends */

static void test_on_failure(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'on-failure'>}", NULL);
    kill_qemu(fixture, path);
    await_restart(fixture, path, 1);
    scripted_assert_wanted(fixture, path, TRUE);
    scripted_assert_last_error(fixture, path, "");
    g_assert_cmpuint(next_start(fixture, path), ==, 0);
    kill_qemu(fixture, path);
    await_restart(fixture, path, 2);
    fixture_vm(fixture, path, "PowerOff");
    assert_n_restarts(fixture, path, 0);
}

static void test_panic(Fixture *fixture, gconstpointer unused)
{
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, NULL);
    g_autofree char *path = scripted_running(fixture, "{'restart': <'on-failure'>}", "on file go panic");
    scripted_write(fixture, "web", NULL);
    scripted_touch(fixture, "go");
    await_restart(fixture, path, 1);
    g_autofree char *reasons = recorder_words(recorder, "ExitReason");
    g_assert_true(g_str_has_prefix(reasons, "guest-panic"));
}

/* A guest that is deaf to `machinectl poweroff` runs on; when it crashes later, that is as any crash. */
static void test_poweroff_ignored(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'on-failure'>}", "on system_powerdown ignore");
    g_assert_cmpint(kill(scripted_keeper(fixture, path), SIGRTMIN + BERTH_SIGNAL_MACHINED_POWEROFF), ==, 0);
    fixture_await_state(fixture, path, "stopping");
    /* Its keeper has forgotten by then: what it waits for, and the time it needs to end QEMU, is what was waited for. */
    fixture_await_state(fixture, path, "running");
    scripted_await_last_error(fixture, path, "did not power down within 11s;");
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    kill_qemu(fixture, path);
    await_restart(fixture, path, 1);
    g_autofree char *reasons = recorder_words(recorder, "ExitReason");
    g_assert_true(g_str_has_prefix(reasons, "killed"));
}

/* A restart that fails is tried again after the next pause. */
static void test_fails(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'on-failure'>}", NULL);
    scripted_write(fixture, "web", "on start exit 1 not yet");
    kill_qemu(fixture, path);
    scripted_await_last_error(fixture, path, "not yet");
    scripted_assert_wanted(fixture, path, TRUE);
    scripted_write(fixture, "web", NULL);
    fixture_await_state(fixture, path, "running");
    g_assert_cmpuint(fixture_get_uint(fixture, path, "NRestarts"), >=, 2);
    scripted_assert_last_error(fixture, path, "");
}

static void test_guest_shutdown(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'on-failure'>}", "on file go shutdown");
    scripted_touch(fixture, "go");
    fixture_await_state(fixture, path, "stopped");
    fixture_await_property(fixture, path, "WantRunning", g_variant_new_boolean(FALSE));
    assert_stays(fixture, path, "stopped", 1);
    scripted_assert_string(fixture, path, "ExitReason", "guest-shutdown");
}

/* QEMU goes on: nothing is counted, and there is no new scope. */
static void test_guest_reboot(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_running(fixture, "{'restart': <'always'>}", "on file go reset");
    guint32 pid = fixture_get_uint(fixture, path, "PID");
    guint scopes = fake_service_count(service, "StartTransientUnit");
    scripted_touch(fixture, "go");
    scripted_await(fixture, "web", "event RESET", 1);
    fixture_vm(fixture, path, "Pause"); /* answered after the event */
    g_assert_cmpuint(fixture_get_uint(fixture, path, "PID"), ==, pid);
    g_assert_cmpuint(fake_service_count(service, "StartTransientUnit"), ==, scopes);
    assert_n_restarts(fixture, path, 0);
    assert_starts(fixture, 1);
}

static void test_always(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'always'>}", "on file go shutdown");
    scripted_write(fixture, "web", NULL);
    scripted_touch(fixture, "go");
    await_restart(fixture, path, 1);
    scripted_assert_wanted(fixture, path, TRUE);
    fixture_vm(fixture, path, "Shutdown"); /* wins over the policy */
    fixture_await_state(fixture, path, "stopped");
    assert_stays(fixture, path, "stopped", 2);
    scripted_assert_string(fixture, path, "ExitReason", "host-stop");
}

static void test_no(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'no'>}", NULL);
    kill_qemu(fixture, path);
    fixture_await_state(fixture, path, "exited");
    assert_stays(fixture, path, "exited", 1);
}

/* Bounds */

/* The pause is told beforehand, and the definition's own holds over berth.conf's. */
static void assert_pause(Fixture *fixture, const char *path, guint64 seconds)
{
    g_autoptr(GVariant) since = fixture_get(fixture, path, BERTH_IFACE_VM, "StateChangeTimestamp");
    guint64 pause = next_start(fixture, path) - g_variant_get_uint64(since);
    g_assert_cmpuint(pause, >=, seconds * G_USEC_PER_SEC - 10000);
    g_assert_cmpuint(pause, <, (seconds + 60) * G_USEC_PER_SEC);
}

static void test_pause(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = waiting(fixture, "{'restart': <'always'>}");
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    assert_pause(fixture, path, 3600);
    fixture_vm(fixture, path, "Start");
    g_assert_cmpuint(next_start(fixture, path), ==, 0);
    assert_next_start_told(recorder, 0);
    g_variant_unref(fixture_call(fixture, path, BERTH_IFACE_VM, "Configure",
                                 g_variant_new_parsed("({'restart-delay': <@t 7200000000>,"
                                                      "  'restart-max-delay': <@t 80000000000>}, @a{sv} {})")));
    kill_qemu(fixture, path);
    fixture_await_state(fixture, path, "exited");
    assert_pause(fixture, path, 7200);
}

static void await_limit(Fixture *fixture, const char *path, const char *words)
{
    scripted_await_last_error(fixture, path, words);
    g_autoptr(GVariant) error = fixture_get(fixture, path, BERTH_IFACE_VM, "LastError");
    const char *name, *text;
    g_variant_get(error, "(&s&s)", &name, &text);
    g_assert_cmpstr(name, ==, BERTH_ERROR_PREFIX "LimitReached");
    g_assert_nonnull(strstr(text, "not yet")); /* the cause is told, too */
}

/* Then it says so, what to do, and nothing more happens; a daemon that comes later knows it as well. */
static void test_limit(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'on-failure'>}", NULL);
    scripted_write(fixture, "web", "on start exit 1 not yet");
    kill_qemu(fixture, path);
    await_limit(fixture, path, "restarted 3 times within 1h, and is not any more: look at its logs");
    scripted_assert_wanted(fixture, path, TRUE);
    for (guint i = 0; i < 2; i++) {
        assert_stays(fixture, path, "exited", 4);
        assert_n_restarts(fixture, path, 3);
        scripted_assert_string(fixture, path, "ExitReason", "start-failed");
        fixture_restart_daemon(fixture);
        await_limit(fixture, path, "restarted 3 times");
    }
    scripted_write(fixture, "web", NULL);
    fixture_vm(fixture, path, "Start");
    scripted_assert_last_error(fixture, path, "");
    assert_n_restarts(fixture, path, 0);
    kill_qemu(fixture, path);
    await_restart(fixture, path, 1);
}

static void test_own_limit(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture,
                                             "{'restart': <'on-failure'>, 'restart-limit-burst': <@t 1>,"
                                             " 'restart-limit-interval': <@t 60000000>}",
                                             NULL);
    scripted_write(fixture, "web", "on start exit 1 not yet");
    kill_qemu(fixture, path);
    await_limit(fixture, path, "restarted 1 times within 1min");
    assert_starts(fixture, 2);
}

/* Who ran long enough has no earlier restarts. */
static void test_healthy(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'on-failure'>}", NULL);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    kill_qemu(fixture, path);
    await_restart(fixture, path, 1);
    await_silence(300); /* RestartHealthySec= and more */
    kill_qemu(fixture, path);
    scripted_await_told(recorder, "State", "exited starting running");
    scripted_await(fixture, "web", "start", 3);
    await_restart(fixture, path, 1);
}

/* Over the end of the daemon */

static void test_goes_on(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'always'>, 'restart-delay': <@t 100000>}", NULL);
    kill_qemu(fixture, path);
    await_restart(fixture, path, 1);
    g_variant_unref(fixture_call(fixture, path, BERTH_IFACE_VM, "Configure",
                                 g_variant_new_parsed("({'restart-delay': <@t 0>}, @a{sv} {})")));
    fixture_restart_daemon(fixture);
    assert_n_restarts(fixture, path, 1); /* it runs, and its count is known */
    kill_qemu(fixture, path);
    fixture_await_state(fixture, path, "exited");
    const guint64 due = next_start(fixture, path);
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "exited");
    scripted_assert_string(fixture, path, "ExitReason", "killed");
    scripted_assert_last_error(fixture, path, "signal 9");
    assert_n_restarts(fixture, path, 1);
    gint64 moved = (gint64) next_start(fixture, path) - (gint64) due;
    g_assert_cmpint(ABS(moved), <, 60 * G_USEC_PER_SEC);
    fixture_vm(fixture, path, "PowerOff");
    assert_stays(fixture, path, "stopped", 2);
}

/* The pause, which is an hour, ends so long after now; no daemon is there. */
static void end_pause(Fixture *fixture, const char *record, gint64 in_usec)
{
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(record, &text, NULL, NULL));
    g_auto(GStrv) parts = g_strsplit(strstr(text, "start-due="), "\n", 2);
    g_autofree char *due = g_strdup_printf("start-due=%" G_GINT64_FORMAT, g_get_monotonic_time() + in_usec);
    scripted_replace(record, parts[0], due);
}

/* The pause ends under another daemon, or had when that came. */
static void test_comes_due(Fixture *fixture, gconstpointer unused)
{
    static const gint64 ends_usec[] = {300000, -1};
    g_autofree char *path = scripted_running(fixture, "{'restart': <'always'>}", NULL);
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *name = g_strconcat(id, BERTH_ENDED_SUFFIX, NULL);
    g_autofree char *record = g_build_filename(fixture->runtime_dir, name, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(ends_usec); i++) {
        kill_qemu(fixture, path);
        fixture_await_state(fixture, path, "exited");
        fixture_stop_daemon(fixture, SIGTERM);
        end_pause(fixture, record, ends_usec[i]);
        fixture_start_daemon(fixture);
        await_restart(fixture, path, i + 1);
        assert_starts(fixture, i + 2);
    }
}

/* A daemon was killed when it had judged the end, and before that it is not wanted was durable. */
static void test_shutdown_half_known(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'on-failure'>}", "on file go shutdown");
    g_autofree char *wish = scripted_vm_file(fixture, path, BERTH_FILE_WANTED);
    scripted_touch(fixture, "go");
    fixture_await_state(fixture, path, "stopped");
    fixture_await_property(fixture, path, "WantRunning", g_variant_new_boolean(FALSE));
    fixture_stop_daemon(fixture, SIGTERM); /* which ends when that is durable */
    g_assert_false(g_file_test(wish, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_set_contents(wish, "", 0, NULL));
    fixture_start_daemon(fixture);
    assert_stays(fixture, path, "stopped", 1);
    fixture_stop_daemon(fixture, SIGTERM);
    fixture_start_daemon(fixture);
    scripted_assert_wanted(fixture, path, FALSE);
}

#define ADD(path, func) SCRIPTED_ADD("/restart/" path, SOON, func)

static void add(void)
{
    ADD("on-failure", test_on_failure);
    ADD("panic", test_panic);
    SCRIPTED_ADD("/restart/poweroff-ignored", SOON "\nShutdownTimeoutSec=1", test_poweroff_ignored);
    SCRIPTED_ADD("/restart/fails", SOON "\nRestartLimitBurst=1000000", test_fails);
    ADD("guest-shutdown", test_guest_shutdown);
    ADD("guest-reboot", test_guest_reboot);
    ADD("always", test_always);
    ADD("no", test_no);
    SCRIPTED_ADD("/restart/next-start", LATER, test_pause);
    SCRIPTED_ADD("/restart/limit", SOON "\nRestartLimitBurst=3", test_limit);
    ADD("own-limit", test_own_limit);
    SCRIPTED_ADD("/restart/healthy", SOON "\nRestartHealthySec=200ms", test_healthy);
    ADD("guest-shutdown/half-known", test_shutdown_half_known);
    SCRIPTED_ADD("/restart/goes-on", LATER, test_goes_on);
    SCRIPTED_ADD("/restart/comes-due", LATER, test_comes_due);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
