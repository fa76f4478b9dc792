/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "restart-scene.h"
#include "src/core/names.h"

/* What becomes of a restart when something else befalls its VM: another policy, a damaged definition, a scope that was
 * stopped. */

/* Its policy is changed in its back-off, by whatever way: what it says now holds. */
static void lose_policy(Fixture *fixture, void (*change)(Fixture *fixture, const char *path))
{
    g_autofree char *path = waiting(fixture, "{'restart': <'always'>, " LONG_PAUSE "}");
    change(fixture, path);
    for (guint i = 0; i < 2; i++) {
        assert_stays(fixture, path, "exited", 1);
        scripted_assert_string(fixture, path, "ExitReason", "killed");
        scripted_assert_wanted(fixture, path, TRUE);
        fixture_restart_daemon(fixture);
    }
}

static void configure_policy(Fixture *fixture, const char *path)
{
    g_variant_unref(fixture_call(fixture, path, BERTH_IFACE_VM, "Configure",
                                 g_variant_new_parsed("({'restart': <'on-failure'>}, @a{sv} {})")));
    g_assert_cmpuint(next_start(fixture, path), >, 0); /* which it was */
    g_variant_unref(fixture_call(fixture, path, BERTH_IFACE_VM, "Configure",
                                 g_variant_new_parsed("({'restart': <'no'>}, @a{sv} {})")));
}

static void reload_policy(Fixture *fixture, const char *path)
{
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    scripted_replace(definition, "\"always\"", "\"no\"");
    scripted_reload(fixture, 0, 1, 0);
}

static void edit_policy_unseen(Fixture *fixture, const char *path)
{
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    fixture_stop_daemon(fixture, SIGKILL);
    scripted_replace(definition, "\"always\"", "\"no\"");
    fixture_start_daemon(fixture);
}

static void test_policy_configured(Fixture *fixture, gconstpointer unused)
{
    lose_policy(fixture, configure_policy);
}

static void test_policy_reloaded(Fixture *fixture, gconstpointer unused)
{
    lose_policy(fixture, reload_policy);
}

static void test_policy_edited(Fixture *fixture, gconstpointer unused)
{
    lose_policy(fixture, edit_policy_unseen);
}

/* Its definition is damaged for a while. */
static void damage(const char *definition)
{
    scripted_replace(definition, "\"vcpus\"", "\"wings\"");
}

static void repair(const char *definition)
{
    scripted_replace(definition, "\"wings\"", "\"vcpus\"");
}

static void mend(Fixture *fixture, const char *path, const char *definition)
{
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, "wings");
    g_assert_cmpuint(next_start(fixture, path), ==, 0);
    repair(definition);
    scripted_reload(fixture, 0, 1, 0);
}

/* In its back-off, which goes on when it is mended; and under another daemon all the same. */
static void test_broken_in_pause(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = waiting(fixture, "{'restart': <'always'>}");
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    const guint64 due = next_start(fixture, path);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    damage(definition);
    scripted_reload(fixture, 0, 1, 0);
    mend(fixture, path, definition);
    g_autofree char *states = recorder_words(recorder, "State");
    g_assert_cmpstr(states, ==, "broken exited");
    for (guint i = 0; i < 2; i++) {
        const gint64 moved = (gint64) next_start(fixture, path) - (gint64) due;
        g_assert_cmpint(ABS(moved), <, 60 * G_USEC_PER_SEC);
        scripted_assert_string(fixture, path, "State", "exited");
        scripted_assert_string(fixture, path, "ExitReason", "killed");
        scripted_assert_last_error(fixture, path, "signal 9");
        fixture_restart_daemon(fixture);
    }
}

/* It turns itself off meanwhile, which nobody takes for a failure. */
static void test_broken_shuts_down(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'on-failure'>}", "on file go shutdown");
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    damage(definition);
    scripted_reload(fixture, 0, 1, 0);
    scripted_touch(fixture, "go");
    fixture_await_property(fixture, path, "PID", g_variant_new_uint32(0));
    mend(fixture, path, definition);
    fixture_await_property(fixture, path, "WantRunning", g_variant_new_boolean(FALSE));
    for (guint i = 0; i < 2; i++) {
        assert_stays(fixture, path, "stopped", 1);
        scripted_assert_string(fixture, path, "ExitReason", "guest-shutdown");
        scripted_assert_last_error(fixture, path, "");
        fixture_restart_daemon(fixture);
    }
}

/* Its QEMU ends meanwhile: that is known when it is mended, by this daemon or by one that comes then. */
static void end_broken(Fixture *fixture, gboolean unseen)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'no'>}", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    damage(definition);
    scripted_reload(fixture, 0, 1, 0);
    kill_qemu(fixture, path);
    fixture_await_property(fixture, path, "PID", g_variant_new_uint32(0));
    if (unseen) {
        repair(definition);
        fixture_restart_daemon(fixture);
    } else {
        mend(fixture, path, definition);
    }
    for (guint i = 0; i < 2; i++) {
        assert_stays(fixture, path, "exited", 1);
        scripted_assert_string(fixture, path, "ExitReason", "killed");
        scripted_assert_last_error(fixture, path, "ended unexpectedly: QEMU was killed by signal 9");
        fixture_restart_daemon(fixture);
    }
}

static void test_broken_ends(Fixture *fixture, gconstpointer unused)
{
    end_broken(fixture, FALSE);
}

static void test_broken_ends_mended_unseen(Fixture *fixture, gconstpointer unused)
{
    end_broken(fixture, TRUE);
}

/* An administrator's `systemctl stop` of the scope is no failure, whatever the policy; and no daemon of this boot
 * takes it for one later. The VM is still wanted: the next boot starts it. */
static void stop_scope(Fixture *fixture, const char *path, gboolean unseen, const char *state)
{
    g_autofree char *cgroup = scripted_cgroup(fixture, path);
    if (unseen)
        fixture_stop_daemon(fixture, SIGKILL);
    test_cgroup_signal(cgroup, SIGTERM);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
    if (unseen)
        fixture_start_daemon(fixture);
    fixture_await_state(fixture, path, state);
}

static void test_stopped_scope(Fixture *fixture, gconstpointer unseen)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'always'>}", NULL);
    stop_scope(fixture, path, unseen != NULL, "stopped");
    for (guint i = 0; i < 3; i++) {
        assert_stays(fixture, path, "stopped", 1);
        scripted_assert_string(fixture, path, "ExitReason", "host-stop");
        scripted_assert_wanted(fixture, path, TRUE);
        fixture_restart_daemon(fixture);
    }
    fixture_vm(fixture, path, "Start");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "running");
    kill_qemu(fixture, path);
    await_restart(fixture, path, 1);
}

static void test_stopped_scope_seen(Fixture *fixture, gconstpointer unused)
{
    test_stopped_scope(fixture, NULL);
}

static void test_stopped_scope_unseen(Fixture *fixture, gconstpointer unused)
{
    test_stopped_scope(fixture, fixture);
}

/* Who ends badly when he is told to stop has ended as he was told: no daemon starts him again. */
static void fail_when_stopped(Fixture *fixture, const char *script, const char *reason, gboolean unseen)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'always'>}", script);
    stop_scope(fixture, path, unseen, "exited");
    for (guint i = 0; i < 2; i++) {
        assert_stays(fixture, path, "exited", 1);
        scripted_assert_string(fixture, path, "ExitReason", reason);
        scripted_assert_last_error(fixture, path, "ended unexpectedly");
        scripted_assert_wanted(fixture, path, TRUE);
        fixture_restart_daemon(fixture);
    }
}

static void test_stopped_crashes(Fixture *fixture, gconstpointer unused)
{
    fail_when_stopped(fixture, "on system_powerdown crash 11", "crashed", FALSE);
}

static void test_stopped_panics(Fixture *fixture, gconstpointer unused)
{
    fail_when_stopped(fixture, "on system_powerdown panic", "guest-panic", FALSE);
}

static void test_stopped_panics_unseen(Fixture *fixture, gconstpointer unused)
{
    fail_when_stopped(fixture, "on system_powerdown panic", "guest-panic", TRUE);
}

/* Its scope is stopped before it runs: by its policy it would be tried again at once. */
static void test_stopped_starting(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'always'>}", NULL);
    g_autofree char *cgroup = scripted_cgroup(fixture, path);
    scripted_write(fixture, "web", "on query-status wait go");
    kill_qemu(fixture, path);
    scripted_await(fixture, "web", "qmp query-status", 2);
    test_cgroup_signal(cgroup, SIGTERM);
    fixture_await_state(fixture, path, "stopped");
    for (guint i = 0; i < 2; i++) {
        assert_stays(fixture, path, "stopped", 2);
        scripted_assert_string(fixture, path, "ExitReason", "host-stop");
        scripted_assert_last_error(fixture, path, "");
        scripted_assert_wanted(fixture, path, TRUE);
        fixture_restart_daemon(fixture);
    }
}

/* The same to somebody who waits for his Start. */
static void test_stopped_called(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm_with(fixture, "web", "{'restart': <'always'>}", "on query-status wait go");
    g_autofree char *cgroup = scripted_cgroup(fixture, path);
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    scripted_await(fixture, "web", "qmp query-status", 1);
    test_cgroup_signal(cgroup, SIGTERM);
    scripted_fails(start, "StartFailed", "did not start");
    scripted_assert_wanted(fixture, path, FALSE);
    assert_stays(fixture, path, "stopped", 1);
    fixture_restart_daemon(fixture);
    assert_stays(fixture, path, "stopped", 1);
}

#define ADD(path, func) SCRIPTED_ADD("/restart/" path, SOON, func)

static void add(void)
{
    SCRIPTED_ADD("/restart/broken/in-pause", LATER, test_broken_in_pause);
    ADD("broken/ends", test_broken_ends);
    ADD("broken/shuts-down", test_broken_shuts_down);
    ADD("broken/ends-mended-unseen", test_broken_ends_mended_unseen);
    ADD("policy/configured", test_policy_configured);
    ADD("policy/reloaded", test_policy_reloaded);
    ADD("policy/edited", test_policy_edited);
    ADD("stopped-scope", test_stopped_scope_seen);
    ADD("stopped-scope-unseen", test_stopped_scope_unseen);
    ADD("stopped-scope/crashes", test_stopped_crashes);
    ADD("stopped-scope/panics", test_stopped_panics);
    ADD("stopped-scope/panics-unseen", test_stopped_panics_unseen);
    ADD("stopped-scope/starting", test_stopped_starting);
    ADD("stopped-scope/called", test_stopped_called);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
