/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "scripted.h"
#include "src/core/keeper-protocol.h"
#include "src/core/names.h"
#include "tests/lib/preloads/hold.h"

/* Restarts: when, how often, who wins over one, and what a daemon that comes later knows of them. */

#define SOON "RestartSec=100ms\nRestartMaxDelaySec=100ms"
#define LATER "RestartSec=1h\nRestartMaxDelaySec=1h"
#define SOON_MSEC 500u /* a restart that is due after 100 ms would have come */

static void kill_qemu(Fixture *fixture, const char *path)
{
    pid_t pid = (pid_t) fixture_get_uint(fixture, path, "PID");
    g_assert_cmpint(pid, >, 0);
    kill(pid, SIGKILL);
}

static guint64 next_start(Fixture *fixture, const char *path)
{
    g_autoptr(GVariant) value = fixture_get(fixture, path, BERTH_IFACE_VM, "NextStart");
    return g_variant_get_uint64(value);
}

/* By signals, and those before an answer have come. */
static void assert_next_start_told(const Recorder *recorder, guint64 when)
{
    g_autoptr(GVariant) told = recorder_last(recorder, "NextStart");
    g_assert_nonnull(told);
    g_assert_cmpuint(g_variant_get_uint64(told), ==, when);
}

/* In its back-off, which is announced. */
static char *waiting(Fixture *fixture, const char *config)
{
    char *path = scripted_running(fixture, config, NULL);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    kill_qemu(fixture, path);
    fixture_await_state(fixture, path, "exited");
    g_assert_cmpuint(next_start(fixture, path), >, 0);
    assert_next_start_told(recorder, next_start(fixture, path));
    return path;
}

static void await_restart(Fixture *fixture, const char *path, guint n)
{
    fixture_await_property(fixture, path, "NRestarts", g_variant_new_uint32(n));
    fixture_await_state(fixture, path, "running");
}

static void assert_starts(Fixture *fixture, guint n)
{
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, n);
}

static void assert_n_restarts(Fixture *fixture, const char *path, guint n)
{
    g_assert_cmpuint(fixture_get_uint(fixture, path, "NRestarts"), ==, n);
}

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

static void assert_stays(Fixture *fixture, const char *path, const char *state, guint starts)
{
    g_assert_cmpuint(next_start(fixture, path), ==, 0);
    await_silence(SOON_MSEC);
    scripted_assert_string(fixture, path, "State", state);
    g_assert_cmpuint(next_start(fixture, path), ==, 0);
    assert_starts(fixture, starts);
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
    fixture_await_state(fixture, path, "exited");
    await_restart(fixture, path, 1);
    assert_starts(fixture, 3);
}

/* Who wins */

typedef struct {
    const char *method, *options, *state;
} Winner;

static const Winner winners[] = {
    {"PowerOff", "@a{sv} {}", "stopped"},
    {"Shutdown", "@a{sv} {}", "stopped"},
    {"Remove", "{'grace-seconds': <uint32 600>}", "removing"},
    {"Remove", "@a{sv} {}", NULL},
};

static void begin_winner(Fixture *fixture, const char *path, const Winner *winner)
{
    g_autoptr(GVariant) options = g_variant_ref_sink(g_variant_new_parsed(winner->options));
    g_variant_unref(fixture_call(fixture, path, BERTH_IFACE_VM, winner->method, g_variant_new("(@a{sv})", options)));
}

static void assert_won(Fixture *fixture, const char *path, const Winner *winner, guint starts)
{
    if (!winner->state) {
        fixture_await_gone(fixture, path);
        await_silence(SOON_MSEC);
        assert_starts(fixture, starts);
        return;
    }
    assert_stays(fixture, path, winner->state, starts);
    fixture_restart_daemon(fixture);
    assert_stays(fixture, path, winner->state, starts);
    if (g_str_equal(winner->state, "removing")) {
        fixture_vm(fixture, path, "CancelRemoval"); /* nor does it come back to life by itself then */
        assert_stays(fixture, path, "exited", starts);
        fixture_restart_daemon(fixture);
        assert_stays(fixture, path, "exited", starts);
    }
}

/* In its back-off. */
static void win_over_pause(Fixture *fixture, gconstpointer winner)
{
    g_autofree char *path = waiting(fixture, "{'restart': <'always'>, 'restart-delay': <@t 400000>}");
    begin_winner(fixture, path, winner);
    assert_won(fixture, path, winner, 1);
}

/* The same where the daemon that had decided that is gone. */
static void win_over_taken_pause(Fixture *fixture, gconstpointer winner)
{
    g_autofree char *path =
        waiting(fixture, "{'restart': <'always'>, 'restart-delay': <@t 5000000>, 'restart-max-delay': <@t 5000000>}");
    fixture_stop_daemon(fixture, SIGKILL);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "exited");
    g_assert_cmpuint(next_start(fixture, path), >, 0);
    begin_winner(fixture, path, winner);
    assert_won(fixture, path, winner, 1);
}

/* Another VM that is starting has the only turn. */
static char *hold_turn(Fixture *fixture)
{
    char *path = scripted_vm_with(fixture, "holder", "{'restart': <'always'>}", NULL);
    fixture_vm(fixture, path, "Start");
    scripted_write(fixture, "holder", "on query-status wait go");
    kill_qemu(fixture, path);
    fixture_await_state(fixture, path, "starting");
    return path;
}

/* It is due, and another's turn. */
static void win_over_wait(Fixture *fixture, gconstpointer winner)
{
    g_autofree char *holder = hold_turn(fixture);
    g_autofree char *path = waiting(fixture, "{'restart': <'always'>}");
    await_silence(SOON_MSEC);
    scripted_assert_string(fixture, path, "State", "exited");
    g_assert_cmpuint(next_start(fixture, path), <, (guint64) g_get_real_time());
    begin_winner(fixture, path, winner);
    scripted_touch(fixture, "go");
    assert_won(fixture, path, winner, 1);
    fixture_await_state(fixture, holder, "running");
}

/* It is being started again; what ends that makes room for the next. */
static void win_over_start(Fixture *fixture, gconstpointer winner)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'always'>}", NULL);
    g_autofree char *next = scripted_vm_with(fixture, "next", "{'restart': <'always'>}", NULL);
    scripted_start(fixture, next);
    scripted_write(fixture, "web", "on query-status wait go");
    kill_qemu(fixture, path);
    scripted_await(fixture, "web", "start", 2);
    kill_qemu(fixture, next);
    fixture_await_state(fixture, next, "exited");
    begin_winner(fixture, path, winner);
    await_restart(fixture, next, 1);
    scripted_touch(fixture, "go");
    const Winner half = {.state = "stopped"};
    if (g_strcmp0(((const Winner *) winner)->state, "removing") == 0) {
        fixture_vm(fixture, path, "CancelRemoval"); /* half a start is not worth a grace time */
        winner = &half;
    }
    assert_won(fixture, path, winner, 2);
}

static void test_start_wins(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *holder = hold_turn(fixture);
    g_autofree char *path = waiting(fixture, "{'restart': <'always'>}");
    await_silence(SOON_MSEC);
    fixture_vm(fixture, path, "Start"); /* waits for nobody's turn */
    assert_starts(fixture, 2);
    scripted_touch(fixture, "go");
    fixture_await_state(fixture, holder, "running");
    assert_n_restarts(fixture, path, 0);
    assert_starts(fixture, 2);
}

/* It comes due while something of it is being written. */
static void while_held(Fixture *fixture, const char *point, const char *method, GVariant *parameters,
                       void (*then)(Fixture *fixture, const char *path))
{
    g_autofree char *holds = g_build_filename(fixture->dir, "holds", NULL);
    Hold *hold = hold_new(holds, g_getenv("BERTH_HOLD_PRELOAD"), &fixture->environ);
    fixture_start_daemon(fixture);
    g_autofree char *path = waiting(fixture, "{'restart': <'always'>}");
    hold_at(hold, point);
    FixtureCall *call = fixture_begin(fixture, path, BERTH_IFACE_VM, method, parameters);
    hold_await(hold, point);
    await_silence(SOON_MSEC);
    scripted_assert_string(fixture, path, "State", "exited");
    assert_starts(fixture, 1);
    hold_release(hold);
    scripted_succeeds(call);
    then(fixture, path);
    hold_free(hold);
}

static void assert_gone_unstarted(Fixture *fixture, const char *path)
{
    fixture_await_gone(fixture, path);
    assert_starts(fixture, 1);
}

static void assert_restarted(Fixture *fixture, const char *path)
{
    await_restart(fixture, path, 1);
}

static void test_due_during_remove(Fixture *fixture, gconstpointer unused)
{
    while_held(fixture, HOLD_MARK, "Remove", g_variant_new_parsed("(@a{sv} {},)"), assert_gone_unstarted);
}

static void test_due_during_configure(Fixture *fixture, gconstpointer unused)
{
    while_held(fixture, HOLD_SAVE, "Configure", g_variant_new_parsed("({'description': <'more'>}, @a{sv} {})"),
               assert_restarted);
}

/* Its policy is changed in its back-off, by whatever way: what it says now holds. */
static void lose_policy(Fixture *fixture, void (*change)(Fixture *fixture, const char *path))
{
    g_autofree char *path =
        waiting(fixture, "{'restart': <'always'>, 'restart-delay': <@t 5000000>, 'restart-max-delay': <@t 5000000>}");
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
    g_assert_cmpint(ABS(moved), <, G_USEC_PER_SEC);
    fixture_vm(fixture, path, "PowerOff");
    assert_stays(fixture, path, "stopped", 2);
}

/* The pause ends under another daemon, or had when that came. */
static void test_comes_due(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = waiting(fixture, "{'restart': <'always'>, 'restart-delay': <@t 1000000>}");
    fixture_restart_daemon(fixture);
    await_restart(fixture, path, 1);
    kill_qemu(fixture, path);
    fixture_await_state(fixture, path, "exited");
    fixture_stop_daemon(fixture, SIGTERM);
    await_silence(2200); /* the pause, which has doubled */
    fixture_start_daemon(fixture);
    await_restart(fixture, path, 2);
    assert_starts(fixture, 3);
}

/* An administrator's `systemctl stop` of the scope is no failure, whatever the policy; and no daemon of this boot
 * takes it for one later. The VM is still wanted: the next boot starts it. */
static void stop_scope(Fixture *fixture, const char *path, gboolean unseen)
{
    g_autofree char *cgroup = scripted_cgroup(fixture, path);
    if (unseen)
        fixture_stop_daemon(fixture, SIGKILL);
    test_cgroup_signal(cgroup, SIGTERM);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
    if (unseen)
        fixture_start_daemon(fixture);
    fixture_await_state(fixture, path, "stopped");
}

static void test_stopped_scope(Fixture *fixture, gconstpointer unseen)
{
    g_autofree char *path = scripted_running(fixture, "{'restart': <'always'>}", NULL);
    stop_scope(fixture, path, unseen != NULL);
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
    g_autofree char *cgroup = scripted_cgroup(fixture, path);
    if (unseen)
        fixture_stop_daemon(fixture, SIGKILL);
    test_cgroup_signal(cgroup, SIGTERM);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
    if (unseen)
        fixture_start_daemon(fixture);
    fixture_await_state(fixture, path, "exited");
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

#define ADD_WINNER(i, name)                                                                                            \
    static void test_pause_##name(Fixture *fixture, gconstpointer unused)                                              \
    {                                                                                                                  \
        win_over_pause(fixture, &winners[i]);                                                                          \
    }                                                                                                                  \
    static void test_taken_##name(Fixture *fixture, gconstpointer unused)                                              \
    {                                                                                                                  \
        win_over_taken_pause(fixture, &winners[i]);                                                                    \
    }                                                                                                                  \
    static void test_wait_##name(Fixture *fixture, gconstpointer unused)                                               \
    {                                                                                                                  \
        win_over_wait(fixture, &winners[i]);                                                                           \
    }
#define ADD_WINNER_OVER_START(i, name)                                                                                 \
    static void test_start_##name(Fixture *fixture, gconstpointer unused)                                              \
    {                                                                                                                  \
        win_over_start(fixture, &winners[i]);                                                                          \
    }
ADD_WINNER(0, power_off)
ADD_WINNER(1, shutdown)
ADD_WINNER(2, remove_later)
ADD_WINNER(3, remove)
ADD_WINNER_OVER_START(0, power_off)
ADD_WINNER_OVER_START(2, remove_later)
ADD_WINNER_OVER_START(3, remove)

#define ADD(path, func) SCRIPTED_ADD("/restart/" path, SOON, func)
#define ADD_ONE(path, func) SCRIPTED_ADD(path, SOON "\n[Manager]\nMaxConcurrentStarts=1", func)
#define ADD_HELD(path, func) g_test_add(path, Fixture, SOON, scripted_prepare, func, fixture_tear_down)

static void add_winners(void)
{
    ADD("pause/power-off", test_pause_power_off);
    ADD("pause/shutdown", test_pause_shutdown);
    SCRIPTED_ADD("/removal/M04/restart-due-grace", SOON, test_pause_remove_later);
    SCRIPTED_ADD("/removal/M20/restart-due", SOON, test_pause_remove);
    ADD("taken-over/power-off", test_taken_power_off);
    ADD("taken-over/shutdown", test_taken_shutdown);
    SCRIPTED_ADD("/removal/M04/restart-taken-over-grace", SOON, test_taken_remove_later);
    SCRIPTED_ADD("/removal/M20/restart-taken-over", SOON, test_taken_remove);
    ADD_ONE("/restart/in-line/power-off", test_wait_power_off);
    ADD_ONE("/restart/in-line/shutdown", test_wait_shutdown);
    ADD_ONE("/removal/M04/restart-in-line-grace", test_wait_remove_later);
    ADD_ONE("/removal/M20/restart-in-line", test_wait_remove);
    ADD_ONE("/restart/starting/power-off", test_start_power_off);
    ADD_ONE("/removal/M20/restarting-grace", test_start_remove_later);
    ADD_ONE("/removal/M20/restarting", test_start_remove);
    ADD_ONE("/restart/in-line/start", test_start_wins);
    ADD_HELD("/removal/M20/restart-during-remove", test_due_during_remove);
    ADD_HELD("/restart/during-configure", test_due_during_configure);
}

static void add(void)
{
    ADD("on-failure", test_on_failure);
    ADD("panic", test_panic);
    SCRIPTED_ADD("/restart/poweroff-ignored", SOON "\nShutdownTimeoutSec=1", test_poweroff_ignored);
    ADD("fails", test_fails);
    ADD("guest-shutdown", test_guest_shutdown);
    ADD("guest-reboot", test_guest_reboot);
    ADD("always", test_always);
    ADD("no", test_no);
    SCRIPTED_ADD("/restart/next-start", LATER, test_pause);
    SCRIPTED_ADD("/restart/limit", SOON "\nRestartLimitBurst=3", test_limit);
    ADD("own-limit", test_own_limit);
    SCRIPTED_ADD("/restart/healthy", SOON "\nRestartHealthySec=200ms", test_healthy);
    add_winners();
    ADD("policy/configured", test_policy_configured);
    ADD("policy/reloaded", test_policy_reloaded);
    ADD("policy/edited", test_policy_edited);
    SCRIPTED_ADD("/restart/goes-on", LATER, test_goes_on);
    SCRIPTED_ADD("/restart/comes-due", LATER, test_comes_due);
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
