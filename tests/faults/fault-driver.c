/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Plays each scenario once for every call of berthd's that can go wrong, with that call going wrong, and holds what is
 * left against what was answered.
 *
 *   fault-driver SCENARIO [KIND [FIRST [LAST]]]
 *
 * without KIND for all kinds; from the call FIRST to the call LAST of each. A violation prints the command that repeats
 * it. */

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenarios.h"
#include "src/core/names.h"

static const struct {
    const char *name;
    FaultKind kind;
    int error;
} kinds[] = {
    {"kill-before", FAULT_KILL_BEFORE, 0},
    {"kill-after", FAULT_KILL_AFTER, 0},
    {"short", FAULT_SHORT, 0},
    {"EIO", FAULT_ERROR, EIO},
    {"ENOSPC", FAULT_ERROR, ENOSPC},
    {"EROFS", FAULT_ERROR, EROFS},
    {"EACCES", FAULT_ERROR, EACCES},
    {"EMFILE", FAULT_ERROR, EMFILE},
    {"ENOMEM", FAULT_ERROR, ENOMEM},
};

/* Where it is, for the report. */
static struct {
    const char *program;
    const Scenario *scenario;
    guint kind;
    guint at;
    const Faults *faults;
    guint tried;
} now;

static guint first = 1, last = G_MAXUINT;

/* The daemon is as it should be: dead where it was to be killed, and else alive or ended in an orderly way. */
static void check_daemon(Stage *stage)
{
    Fixture *fixture = &stage->fixture;
    const gboolean killed = faults_fired(stage->faults) && kinds[now.kind].kind <= FAULT_KILL_AFTER;
    if (killed)
        AWAIT(fixture->daemon == 0 && !fixture->owner);
    if (fixture->daemon == 0 && !killed && !WIFEXITED(fixture->daemon_status))
        g_error("berthd crashed: wait status %#x", (guint) fixture->daemon_status);
}

static gboolean creates(const char *call)
{
    return g_str_has_prefix(call, "open(") || g_str_has_prefix(call, "openat(") || g_str_has_prefix(call, "creat(");
}

/* It failed to delete something: of a clone that was cancelled, where nothing had gone wrong before, an fsync does that, too. */
static gboolean may_leave(const Stage *stage, const char *call)
{
    return g_str_has_prefix(call, "unlink") || g_str_has_prefix(call, "rmdir") ||
           (stage->was_cancelled && g_str_has_prefix(call, "fsync(") && strstr(call, "/" BERTH_STAGING_PREFIX));
}

/* One point; FALSE where there is no such call. */
static gboolean play(Stage *stage, guint at)
{
    const Scenario *scenario = now.scenario;
    now.at = at;
    stage->is_unknown = stage->was_cancelled = FALSE;
    scenario->prepare(stage);
    faults_arm(stage->faults, kinds[now.kind].kind, kinds[now.kind].error, at);
    scenario->act(stage);
    faults_disarm(stage->faults);
    check_daemon(stage);
    stage->was_killed = stage->fixture.daemon == 0;
    g_autofree char *call = faults_describe(stage->faults, at);
    /* Who could not look may take a VM for broken, and say so; what it does must be right all the same. */
    const gboolean was_blind = kinds[now.kind].error == EMFILE && faults_fired(stage->faults) && !creates(call);
    if (stage->fixture.daemon != 0 && !stage->is_unknown && !was_blind) {
        world_allow_leftovers(stage->world, may_leave(stage, call));
        world_check(stage->world);
        world_allow_leftovers(stage->world, FALSE);
        stage_probe(stage);
    }
    stage_restart(stage, scenario->boots);
    if (scenario->after)
        scenario->after(stage);
    world_check(stage->world);
    stage_probe(stage);
    stage_clear(stage);
    return faults_fired(stage->faults);
}

/* For berth.conf's [VM]. A start that loses a message of its own waits for its deadline, and is refused, as one may be that is
 * slow; no other start may be. A QEMU to which `quit` is not sent is killed after half a second; where nothing is lost but a
 * daemon, the next one sends it, and no QEMU is killed for being slow. */
static const char *deadlines(void)
{
    if (kinds[now.kind].kind <= FAULT_KILL_AFTER)
        return "StartTimeoutSec=60\nPowerOffTimeoutSec=60\n";
    return now.scenario->is_start && kinds[now.kind].kind == FAULT_ERROR ? "StartTimeoutSec=5\n"
                                                                         : "StartTimeoutSec=60\n";
}

static void test_kind(gconstpointer data)
{
    Stage stage;
    now.kind = GPOINTER_TO_UINT(data);
    stage_set_up(&stage, now.scenario->n_vms, deadlines());
    now.faults = stage.faults;
    play(&stage, 0);
    /* A thread more or less, and there are some calls more or less: the first number that is not reached and is beyond
     * what was counted is the end. */
    const guint counted = faults_count(stage.faults);
    guint n_points = 0;
    for (guint at = first; at <= last; at++) {
        gboolean fired = play(&stage, at);
        n_points += fired ? 1 : 0;
        if (!fired && at > counted)
            break;
    }
    now.tried += n_points;
    g_test_message("%s %s: %u points", now.scenario->name, kinds[now.kind].name, n_points);
    stage_tear_down(&stage);
}

/* Where the programs are. */
static const char *const variables[] = {"BERTHD", "BERTH_KEEPER", "BERTH_FAKE_QEMU", "BERTH_FAULT_PRELOAD"};

static void report(const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
    if (level & G_LOG_FLAG_FATAL) {
        g_autofree char *call = now.faults ? faults_describe(now.faults, now.at) : g_strdup("no call");
        fprintf(stderr, "Violation in %s: %s, call %u: %s\nTo repeat it:", now.scenario->name, kinds[now.kind].name,
                now.at, call);
        for (guint i = 0; i < G_N_ELEMENTS(variables); i++)
            fprintf(stderr, " %s=%s", variables[i], g_getenv(variables[i]));
        fprintf(stderr, " %s %s %s %u %u\n", now.program, now.scenario->name, kinds[now.kind].name, now.at, now.at);
        g_print("# fault points tried: %u, violations: 1\n", now.tried + now.at);
    }
    g_log_default_handler(domain, level, message, data);
}

static void add_kinds(const char *wanted)
{
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (wanted && !g_str_has_prefix(kinds[i].name, wanted))
            continue;
        /* An error is the second promise: what fails has changed nothing. */
        const char *promise = kinds[i].kind == FAULT_ERROR ? "M02" : now.scenario->promise;
        g_autofree char *path = g_strconcat("/faults/", promise, "/", now.scenario->name, "/", kinds[i].name, NULL);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_kind);
    }
}

int main(int argc, char **argv)
{
    now.program = argv[0];
    /* Thousands of fsyncs: what they are for is another test's business. */
    if (!g_getenv("TMPDIR") && g_access("/dev/shm", W_OK) == 0)
        g_setenv("TMPDIR", "/dev/shm", TRUE);
    g_test_init(&argc, &argv, NULL);
    now.scenario = argc > 1 ? scenario_find(argv[1]) : NULL;
    if (!now.scenario) {
        fprintf(stderr, "Usage: %s SCENARIO [KIND [FIRST [LAST]]], with one of\n", now.program);
        for (guint i = 0; i < n_scenarios; i++)
            fprintf(stderr, "  %s\n", scenarios[i].name);
        return 2;
    }
    g_autofree char *missing = fixture_missing();
    if (missing) {
        g_print("1..0 # SKIP %s\n", missing);
        return 0;
    }
    first = argc > 3 ? (guint) atoi(argv[3]) : first;
    last = argc > 4 ? (guint) atoi(argv[4]) : last;
    add_kinds(argc > 2 ? argv[2] : NULL);
    g_log_set_default_handler(report, NULL);
    int status = g_test_run();
    g_print("# fault points tried: %u, violations: 0\n", now.tried);
    return status;
}
