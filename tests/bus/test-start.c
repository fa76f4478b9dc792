/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "scripted.h"
#include "src/core/names.h"
#include "tests/lib/preloads/hold.h"

/* How a VM starts, and what is left where it does not: nothing. */

static void succeed(Fixture *fixture, const char *path)
{
    fixture_vm(fixture, path, "Start");
    scripted_assert_string(fixture, path, "State", "running");
    scripted_assert_last_error(fixture, path, "");
    scripted_assert_wanted(fixture, path, TRUE);
    fixture_vm(fixture, path, "PowerOff");
    scripted_assert_nobody(fixture, path);
    scripted_assert_string(fixture, path, "State", "stopped");
}

static void assert_failed(Fixture *fixture, const char *path, const char *words)
{
    scripted_assert_string(fixture, path, "State", "exited");
    scripted_assert_string(fixture, path, "ExitReason", "start-failed");
    scripted_assert_last_error(fixture, path, words);
    scripted_assert_nobody(fixture, path);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0); /* it hears of the cgroup's end a moment after us */
}

/* What has failed with @words; afterwards the VM starts as if nothing had been. */
static void recover(Fixture *fixture, const char *path, const char *words)
{
    assert_failed(fixture, path, words);
    fixture_await_property(fixture, path, "WantRunning", g_variant_new_boolean(FALSE));
    scripted_write(fixture, "web", NULL);
    succeed(fixture, path);
}

static void fail_and_recover(Fixture *fixture, const char *script, const char *words)
{
    g_autofree char *path = scripted_vm(fixture, "web", script);
    fixture_vm_fails(fixture, path, "Start", "StartFailed", words);
    recover(fixture, path, words);
}

static void set_start_timeout(Fixture *fixture, const char *span)
{
    g_autofree char *text = g_strdup_printf("[VM]\nStartTimeoutSec=%s\n", span);
    scripted_configure(fixture, text);
    scripted_reload(fixture, 0, 0, 0);
}

/* A start that waits at some step, which @words tell, until its time is over. Where a busy machine takes all of that time to come
 * there, it is begun again. */
static void run_out_of_time(Fixture *fixture, const char *path, const char *words)
{
    g_autoptr(GError) error = NULL;
    set_start_timeout(fixture, "1");
    do {
        g_clear_error(&error);
        g_autoptr(GVariant) answer =
            fixture_try(fixture, path, BERTH_IFACE_VM, "Start", g_variant_new("(a{sv})", NULL), &error);
        g_assert_null(answer);
        g_assert_nonnull(strstr(error->message, "did not start within 1 s ("));
    } while (!strstr(error->message, words));
    set_start_timeout(fixture, "120");
}

static void time_out_and_recover(Fixture *fixture, const char *script, const char *words)
{
    g_autofree char *path = scripted_vm(fixture, "web", script);
    run_out_of_time(fixture, path, words);
    recover(fixture, path, words);
}

/* in order */

static void assert_property(GVariant *properties, const char *name, const char *expected)
{
    GVariantIter iter;
    const char *key;
    GVariant *value;
    guint n = 0;
    g_variant_iter_init(&iter, properties);
    while (g_variant_iter_loop(&iter, "(&sv)", &key, &value)) {
        if (!g_str_equal(key, name))
            continue;
        g_autofree char *text = g_variant_print(value, FALSE);
        g_assert_cmpstr(text, ==, expected);
        n++;
    }
    g_assert_cmpuint(n, ==, 1);
}

static void assert_scope(Fixture *fixture, const char *path)
{
    g_autofree char *unit = fixture_unit(fixture, path);
    g_autoptr(GVariant) properties = fake_systemd_properties(fixture->systemd, unit);
    assert_property(properties, "Slice", "'machine.slice'");
    assert_property(properties, "Description", "'Virtual machine web'");
    assert_property(properties, "KillMode", "'control-group'");
    assert_property(properties, "SendSIGKILL", "true");
    assert_property(properties, "CollectMode", "'inactive-or-failed'");
    assert_property(properties, "OOMPolicy", "'continue'");
    assert_property(properties, "After", "['berthd.service']");
    assert_property(properties, "TimeoutStopUSec",
                    "130000000"); /* ShutdownTimeoutSec=, and what its keeper takes then */
    assert_property(properties, "CPUWeight", "50");
    assert_property(properties, "CPUQuotaPerSecUSec", "1500000");
    assert_property(properties, "MemoryMax", "268435456");
    assert_property(properties, "TasksMax", "64");
    assert_property(properties, "IOWeight", "20");
}

static void assert_mode(const char *dir, const char *name, guint mode)
{
    g_autofree char *file = g_build_filename(dir, name, NULL);
    GStatBuf info;
    g_assert_cmpint(g_stat(file, &info), ==, 0);
    g_assert_cmpuint(info.st_mode & 07777, ==, mode);
    g_assert_cmpuint(info.st_uid, ==, 0);
}

static void test_order(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    fake_systemd_set_flags(fixture->systemd, FAKE_SYSTEMD_PIDFDS);
    g_autofree char *path = scripted_vm_with(fixture, "web",
                                             "{'limits': <{'CPUWeight': <uint64 50>, 'CPUQuota': <uint64 150>, "
                                             "'MemoryMax': <uint64 268435456>, 'TasksMax': <uint64 64>, "
                                             "'IOWeight': <uint64 20>}>}",
                                             NULL);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    fake_service_hold(service, "StartTransientUnit");
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    AWAIT(fake_service_count(service, "StartTransientUnit") == 1);
    scripted_assert_string(fixture, path, "State", "starting");
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 0); /* not before the scope stands */
    fixture_vm_fails(fixture, path, "Start", "Busy", "web");
    fake_service_release(service, "StartTransientUnit");
    scripted_succeeds(start);
    scripted_assert_wanted(fixture, path, TRUE);
    g_assert_cmpuint(fake_service_count(service, "StartTransientUnit"), ==, 1);
    assert_scope(fixture, path);
    g_autofree char *runtime = scripted_runtime_dir(fixture, path);
    assert_mode(runtime, "", 0700);
    assert_mode(runtime, "lock", 0600);
    assert_mode(runtime, "run", 0600);
    AWAIT(recorder_changes(recorder, "State") == 2);
    g_autofree char *states = recorder_words(recorder, "State");
    g_assert_cmpstr(states, ==, "starting running");
    fixture_vm(fixture, path, "PowerOff");
}

/* QEMU */

static void test_exits(Fixture *fixture, gconstpointer unused)
{
    fail_and_recover(fixture, "on start exit 1 no such machine", "no such machine");
}

static void test_exits_cleanly(Fixture *fixture, gconstpointer unused)
{
    fail_and_recover(fixture, "on start exit 0", "web");
}

static void test_no_greeting(Fixture *fixture, gconstpointer unused)
{
    time_out_and_recover(fixture, "on connect ignore", "(QEMU does not answer)");
}

static void test_hangs_at_once(Fixture *fixture, gconstpointer unused)
{
    time_out_and_recover(fixture, "on start hang", "(QEMU does not answer)");
}

static void test_no_status(Fixture *fixture, gconstpointer unused)
{
    time_out_and_recover(fixture, "on query-status wait never", "(QEMU does not run the guest)");
}

static void test_status_refused(Fixture *fixture, gconstpointer unused)
{
    fail_and_recover(fixture, "on query-status refuse not today", "not today");
}

static void test_crashes(Fixture *fixture, gconstpointer unused)
{
    fail_and_recover(fixture, "on qmp_capabilities crash 11", "signal 11");
}

static void test_deep_greeting(Fixture *fixture, gconstpointer unused)
{
    fail_and_recover(fixture, "on connect deep-json", "QMP");
}

static void test_deep_json(Fixture *fixture, gconstpointer unused)
{
    fail_and_recover(fixture, "on ready deep-json\non query-status wait never", "QMP");
}

static void test_garbage(Fixture *fixture, gconstpointer unused)
{
    fail_and_recover(fixture, "on ready garbage\non query-status wait never", "QMP");
}

static void test_long_line(Fixture *fixture, gconstpointer unused)
{
    fail_and_recover(fixture, "on ready long-line\non query-status wait never", "QMP");
}

/* It is read, thrown away, and does no harm. */
static void test_flood(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", "on ready flood 20000");
    succeed(fixture, path);
}

/* Its monitor closes with the question, and QEMU lives: it is asked again on the next one. */
static void test_disconnects(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", "once query-status disconnect");
    succeed(fixture, path);
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp qmp_capabilities"), ==, 2);
}

/* The child that it leaves goes too, before the answer. */
static void test_exits_with_child(Fixture *fixture, gconstpointer unused)
{
    fail_and_recover(fixture, "on start fork-child\non start exit 3 half done", "half done");
}

/* the keeper */

static void start_with_keeper(Fixture *fixture, const char *keeper)
{
    fixture->environ = g_environ_setenv(fixture->environ, "BERTH_KEEPER", keeper, TRUE);
    fixture_start_daemon(fixture);
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    fixture_vm_fails(fixture, path, "Start", "StartFailed", keeper);
    assert_failed(fixture, path, keeper);
    fixture_stop_daemon(fixture, SIGTERM);
    fixture->environ = g_environ_setenv(fixture->environ, "BERTH_KEEPER", g_getenv("BERTH_KEEPER"), TRUE);
    fixture_start_daemon(fixture);
    succeed(fixture, path);
}

static void test_keeper_missing(Fixture *fixture, gconstpointer unused)
{
    start_with_keeper(fixture, "/nonexistent/berth-keeper");
}

static void test_keeper_not_executable(Fixture *fixture, gconstpointer unused)
{
    start_with_keeper(fixture, "/etc/passwd");
}

/* systemd */

static void test_job_fails(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    FakeService *service = fake_systemd_service(fixture->systemd);
    fake_systemd_set_job_result(fixture->systemd, "failed");
    fake_service_hold(service, "StopUnit"); /* whose job shall succeed */
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    AWAIT(fake_service_count(service, "StopUnit") > 0);
    fake_systemd_set_job_result(fixture->systemd, "done");
    fake_service_release(service, "StopUnit");
    scripted_fails(start, "StartFailed", "failed");
    assert_failed(fixture, path, "failed");
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 0);
    succeed(fixture, path);
}

static void test_job_never_ends(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    FakeService *service = fake_systemd_service(fixture->systemd);
    fake_service_hold(service, "JobRemoved");
    run_out_of_time(fixture, path, "(systemd did not start its scope)");
    assert_failed(fixture, path, "systemd did not start its scope");
    fake_service_release(service, "JobRemoved");
    succeed(fixture, path);
}

static void test_systemd_refuses(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    FakeService *service = fake_systemd_service(fixture->systemd);
    fake_service_fail(service, "StartTransientUnit", "org.freedesktop.DBus.Error.LimitsExceeded", 2);
    fixture_vm_fails(fixture, path, "Start", "StartFailed", "LimitsExceeded");
    assert_failed(fixture, path, "LimitsExceeded");
    fake_service_fail(service, "StartTransientUnit", "org.freedesktop.DBus.Error.LimitsExceeded", 0);
    succeed(fixture, path);
}

static void test_systemd_vanishes(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    FakeService *service = fake_systemd_service(fixture->systemd);
    fake_service_hold(service, "StartTransientUnit");
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    AWAIT(fake_service_count(service, "StartTransientUnit") == 1);
    fake_service_vanish(service);
    scripted_fails(start, "StartFailed", "systemd");
    scripted_assert_nobody(fixture, path);
    fixture_vm_fails(fixture, path, "Start", "StartFailed", "systemd");
    fake_service_release(service, "StartTransientUnit");
    fake_service_come_back(service);
    succeed(fixture, path);
}

/* systemd issue 36781, for good: tried three times, then given up. */
static void test_scope_lost(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    FakeService *service = fake_systemd_service(fixture->systemd);
    fake_systemd_set_flags(fixture->systemd, FAKE_SYSTEMD_PIDFDS | FAKE_SYSTEMD_LOSE_SCOPES);
    fixture_vm_fails(fixture, path, "Start", "StartFailed", "did not keep");
    g_assert_cmpuint(fake_service_count(service, "StartTransientUnit"), ==, 3);
    assert_failed(fixture, path, "did not keep");
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 0);
    fake_systemd_set_flags(fixture->systemd, FAKE_SYSTEMD_PIDFDS);
    succeed(fixture, path);
}

/* The same once: the second try is what counts, and the caller hears nothing of the first. */
static void test_scope_lost_once(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    FakeService *service = fake_systemd_service(fixture->systemd);
    fake_systemd_set_flags(fixture->systemd, FAKE_SYSTEMD_PIDFDS | FAKE_SYSTEMD_LOSE_SCOPES);
    fake_service_hold(service, "GetUnit");
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    AWAIT(fake_service_count(service, "GetUnit") == 1);
    fake_systemd_set_flags(fixture->systemd, FAKE_SYSTEMD_PIDFDS);
    fake_service_release(service, "GetUnit");
    scripted_succeeds(start);
    g_assert_cmpuint(fake_service_count(service, "StartTransientUnit"), ==, 2);
    g_autofree char *unit = fixture_unit(fixture, path);
    g_autofree char *state = fake_systemd_state(fixture->systemd, unit);
    g_assert_cmpstr(state, ==, "active");
}

/* Somebody else's scope bears the name: two daemons can't run one VM. It is left as it is. */
static void test_name_taken(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *unit = fixture_unit(fixture, path);
    const char *argv[] = {"sleep", "600", NULL};
    g_autoptr(GError) error = NULL;
    GPid other = 0;
    g_spawn_async(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &other,
                  &error);
    g_assert_no_error(error);
    scripted_start_scope(fixture, unit, other);

    fixture_vm_fails(fixture, path, "Start", "StartFailed", "there is a scope of that name already");
    g_autofree char *state = fake_systemd_state(fixture->systemd, unit);
    g_assert_cmpstr(state, ==, "active");
    g_assert_cmpint(waitpid(other, NULL, WNOHANG), ==, 0);
    scripted_assert_string(fixture, path, "State", "exited");

    kill(other, SIGKILL);
    g_assert_cmpint(waitpid(other, NULL, 0), ==, other);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
    succeed(fixture, path);
}

/* One with nobody in it is nobody's: systemd carries out what a daemon had asked for that was killed meanwhile, after its
 * keeper has gone with it. */
static void test_ghost_of_old(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *unit = fixture_unit(fixture, path);
    scripted_start_ghost(fixture, unit);
    succeed(fixture, path);
}

/* systemd is that slow to see its end: when it is asked who is in it, it is there no more. */
static void test_name_free_late(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *unit = fixture_unit(fixture, path);
    FakeService *service = fake_systemd_service(fixture->systemd);
    const guint asked = fake_service_count(service, "GetUnit");
    scripted_start_ghost(fixture, unit);
    fake_service_hold(service, "GetUnit");
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    AWAIT(fake_service_count(service, "GetUnit") > asked);
    fake_systemd_forget(fixture->systemd, unit);
    fake_service_release(service, "GetUnit");
    scripted_succeeds(start);
    fixture_vm(fixture, path, "PowerOff");
}

/* The scope of a start that failed may stand all the same; systemd can't take it away at once. */
static void test_ghost_of_failed(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    FakeService *service = fake_systemd_service(fixture->systemd);
    fake_systemd_set_job_result(fixture->systemd, "failed");
    fake_service_fail(service, "StopUnit", "org.freedesktop.DBus.Error.NoReply", 2);
    fake_service_hold(service, "StopUnit"); /* whose job shall succeed */
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    AWAIT(fake_service_count(service, "StopUnit") > 0);
    fake_systemd_set_job_result(fixture->systemd, "done");
    fake_service_release(service, "StopUnit");
    scripted_fails(start, "StartFailed", "failed");
    g_assert_cmpuint(fake_service_count(service, "StopUnit"), ==, 3);
    assert_failed(fixture, path, "failed");
}

/* A scope that failed earlier keeps its name until it is reset, which is done. */
static void test_name_of_failed(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *unit = fixture_unit(fixture, path);
    fake_systemd_add_failed(fixture->systemd, unit);
    succeed(fixture, path);
}

/* the disk */

static void test_disk_fails(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    if (!scripted_set_immutable(dir, TRUE)) {
        g_test_skip("files can't be made immutable here");
        return;
    }
    fixture_vm_fails(fixture, path, "Start", "StorageFailed", "want-running");
    assert_failed(fixture, path, "want-running");
    scripted_assert_wanted(fixture, path, FALSE);
    g_assert_true(scripted_set_immutable(dir, FALSE));
    succeed(fixture, path);
}

/* Where a start can be held. */
typedef struct {
    const char *name;
    const char *held;   /* systemd's method or signal */
    const char *script; /* or where QEMU waits for the file "go" */
    const char *line;   /* of its log, when it is there */
} Step;

static const Step steps[] = {
    {"unit", "StartTransientUnit", NULL, NULL},
    {"job", "JobRemoved", NULL, NULL},
    {"look", "GetUnit", NULL, NULL},
    {"qemu", NULL, "on start wait go", "start"},
    {"greeting", NULL, "on connect wait go", "start"},
    {"capabilities", NULL, "on qmp_capabilities wait go", "qmp qmp_capabilities"},
    {"status", NULL, "on query-status wait go", "qmp query-status"},
};

static const Step *step_named(const char *name)
{
    const Step *step = steps;
    while (!g_str_equal(step->name, name))
        step++;
    return step;
}

static FixtureCall *reach(Fixture *fixture, const char *path, const Step *step)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    if (step->held)
        fake_service_hold(service, step->held);
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    if (step->held)
        AWAIT(fake_service_count(service, step->held) > 0);
    else
        scripted_await(fixture, "web", step->line, 1);
    return start;
}

/* systemd does what it is asked in order: what undoes a step waits behind that step. */
static void test_power_off(Fixture *fixture, const Step *step)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_vm(fixture, "web", step->script);
    FixtureCall *start = reach(fixture, path, step);
    fake_service_hold(service, "StopUnit");
    FixtureCall *power_off = scripted_begin(fixture, path, "PowerOff");
    scripted_fails(start, "Cancelled", "");
    if (step->held)
        fake_service_release(service, step->held);
    fake_service_release(service, "StopUnit");
    scripted_succeeds(power_off);
    scripted_assert_nobody(fixture, path);
    scripted_assert_string(fixture, path, "State", "stopped");
    scripted_assert_wanted(fixture, path, FALSE);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
    scripted_write(fixture, "web", NULL);
    succeed(fixture, path);
}

/* (transfer full): its state when what was begun is ended, and has been begun anew where that is so */
static char *await_rest(Fixture *fixture, const char *path)
{
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    for (;;) {
        guint seen = recorder_changes(recorder, "State");
        g_autofree char *state = fixture_get_string(fixture, path, "State");
        if (!g_str_equal(state, "stopping") && !g_str_equal(state, "starting"))
            return g_steal_pointer(&state);
        AWAIT(recorder_changes(recorder, "State") > seen);
    }
}

/* The keeper was let go: the next daemon goes on, with the QEMU that there is. */
static void assert_goes_on(Fixture *fixture, const char *path)
{
    scripted_assert_string(fixture, path, "State", "starting");
    scripted_touch(fixture, "go");
    fixture_await_state(fixture, path, "running");
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
    g_assert_cmpuint(fixture_get_uint(fixture, path, "PID"), >, 0);
    scripted_assert_wanted(fixture, path, TRUE);
    fixture_restart_daemon(fixture); /* and what it came to is known to the one after that */
    scripted_assert_string(fixture, path, "State", "running");
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
}

/* It was not: what there is of the start is undone, and where it came to be wanted, it is begun anew. */
static void assert_begins_anew(Fixture *fixture, const char *path)
{
    g_autofree char *state = await_rest(fixture, path);
    g_autoptr(GVariant) wanted = fixture_get(fixture, path, BERTH_IFACE_VM, "WantRunning");
    if (g_variant_get_boolean(wanted)) {
        g_assert_cmpstr(state, ==, "running");
        g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
        return;
    }
    g_assert_cmpstr(state, ==, "stopped");
    scripted_assert_nobody(fixture, path);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
    fixture_vm(fixture, path, "Start");
}

/* The daemon's end at each step. */
static void test_killed(Fixture *fixture, const Step *step)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_vm(fixture, "web", step->script);
    FixtureCall *start = reach(fixture, path, step);
    fixture_stop_daemon(fixture, SIGKILL);
    AWAIT(start->done);
    g_assert_nonnull(start->error);
    fixture_call_free(start);
    if (step->held)
        fake_service_release(service, step->held);
    fixture_start_daemon(fixture);
    if (step->held)
        assert_begins_anew(fixture, path);
    else
        assert_goes_on(fixture, path);
    fixture_vm(fixture, path, "PowerOff");
    scripted_assert_nobody(fixture, path);
}

#define STEP(name)                                                                                                     \
    static void test_power_off_##name(Fixture *fixture, gconstpointer unused)                                          \
    {                                                                                                                  \
        test_power_off(fixture, step_named(#name));                                                                    \
    }                                                                                                                  \
    static void test_killed_##name(Fixture *fixture, gconstpointer unused)                                             \
    {                                                                                                                  \
        test_killed(fixture, step_named(#name));                                                                       \
    }
STEP(unit)
STEP(job)
STEP(look)
STEP(qemu)
STEP(greeting)
STEP(capabilities)
STEP(status)

/* The disk does not take that it is wanted; who has changed his mind by then is not told of that. */
static void test_powered_off_unstored(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *holds = g_build_filename(fixture->dir, "holds", NULL);
    Hold *hold = hold_new(holds, g_getenv("BERTH_HOLD_PRELOAD"), &fixture->environ);
    fixture_start_daemon(fixture);
    g_autofree char *path = scripted_vm(fixture, "web", "on query-status wait never");
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    hold_at(hold, HOLD_WANT);
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    hold_await(hold, HOLD_WANT);
    FixtureCall *power_off = scripted_begin(fixture, path, "PowerOff");
    fixture_await_property(fixture, path, "WantRunning", g_variant_new_boolean(FALSE));
    const gboolean refuses = scripted_set_immutable(dir, TRUE);
    hold_release(hold);
    scripted_fails(start, "Cancelled", "");
    scripted_succeeds(power_off);
    hold_free(hold);
    if (refuses)
        g_assert_true(scripted_set_immutable(dir, FALSE));
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "stopped");
}

#define ADD(path, func) SCRIPTED_ADD("/start/" path, "", func)
#define ADD_STEP(name)                                                                                                 \
    ADD("power-off/" #name, test_power_off_##name);                                                                    \
    ADD("killed/" #name, test_killed_##name)

static void add_steps(void)
{
    ADD_STEP(unit);
    ADD_STEP(job);
    ADD_STEP(look);
    ADD_STEP(qemu);
    ADD_STEP(greeting);
    ADD_STEP(capabilities);
    ADD_STEP(status);
}

static void add_qemu(void)
{
    ADD("qemu/exits", test_exits);
    ADD("qemu/exits-cleanly", test_exits_cleanly);
    ADD("qemu/exits-with-child", test_exits_with_child);
    ADD("qemu/no-greeting", test_no_greeting);
    ADD("qemu/hangs-at-once", test_hangs_at_once);
    ADD("qemu/no-status", test_no_status);
    ADD("qemu/status-refused", test_status_refused);
    ADD("qemu/crashes", test_crashes);
    ADD("qemu/deep-greeting", test_deep_greeting);
    ADD("qemu/deep-json", test_deep_json);
    ADD("qemu/garbage", test_garbage);
    ADD("qemu/long-line", test_long_line);
    ADD("qemu/flood", test_flood);
    ADD("qemu/disconnects", test_disconnects);
}

static void add(void)
{
    ADD("order", test_order);
    add_qemu();
    g_test_add("/start/powered-off/unstored", Fixture, "", scripted_prepare, test_powered_off_unstored,
               fixture_tear_down);
    g_test_add("/start/keeper/missing", Fixture, "", scripted_prepare, test_keeper_missing, fixture_tear_down);
    g_test_add("/start/keeper/not-executable", Fixture, "", scripted_prepare, test_keeper_not_executable,
               fixture_tear_down);
    ADD("systemd/job-fails", test_job_fails);
    ADD("systemd/job-never-ends", test_job_never_ends);
    ADD("systemd/refuses", test_systemd_refuses);
    ADD("systemd/vanishes", test_systemd_vanishes);
    ADD("systemd/scope-lost", test_scope_lost);
    ADD("systemd/scope-lost-once", test_scope_lost_once);
    ADD("systemd/name-taken", test_name_taken);
    ADD("systemd/ghost-of-old", test_ghost_of_old);
    ADD("systemd/name-free-late", test_name_free_late);
    ADD("systemd/ghost-of-failed", test_ghost_of_failed);
    ADD("systemd/name-of-failed", test_name_of_failed);
    ADD("disk-fails", test_disk_fails);
    add_steps();
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
