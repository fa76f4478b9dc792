/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "removal-scene.h"
#include "tests/lib/preloads/hold.h"

/* M20: whatever comes in the middle of whatever, there is one outcome, each call is answered once, and a VM that is
 * then removed leaves nothing. The first method is held at a step of it; the second comes in between. */

typedef enum {
    START,
    SHUTDOWN,
    POWER_OFF,
    RESET,
    PAUSE,
    RESUME,
    CONFIGURE,
    REMOVE,
    REMOVE_GRACE,
    CANCEL_REMOVAL,
    RELOAD,
    CREATE_VM, /* of the same name */
    CLONE,     /* of another, and only one at a time */
    N_METHODS,
    NOTHING = N_METHODS,
} Method;

static const char *const method_names[] = {
    [START] = "Start",
    [SHUTDOWN] = "Shutdown",
    [POWER_OFF] = "PowerOff",
    [RESET] = "Reset",
    [PAUSE] = "Pause",
    [RESUME] = "Resume",
    [CONFIGURE] = "Configure",
    [REMOVE] = "Remove",
    [REMOVE_GRACE] = "Remove-with-grace",
    [CANCEL_REMOVAL] = "CancelRemoval",
    [RELOAD] = "Reload",
    [CREATE_VM] = "CreateVM",
    [CLONE] = "Clone",
    [NOTHING] = "nothing",
};

typedef enum { NOWHERE, SYSTEMD, QEMU, DISK } Place;

/* What is to come. B(usy), W(rongState), R(emoving), N(ameTaken) or X (Cancelled) is why the second method is refused,
 * and the first one goes well. Else there is a letter, a colon and the state that follows ("gone" for none, "grace"
 * where it is removed, but not yet). o: both go well. c: the second does, and cancels the first. e: it may come too
 * late for that, since nothing is held. What is refused, or has a capital, is answered while the first is held.
 * "": not tried. */
typedef struct {
    const char *before; /* the state of the VM */
    Method first;
    Place place;
    const char *step;
    const char *end; /* the state that follows where the second is refused */
    const char *outcomes[N_METHODS];
} Row;

#define STARTING                                                                                                       \
    {                                                                                                                  \
        "B", "B", "c:stopped", "B", "B", "B", "B", "C:gone", "C:grace", "W", "O:running", "N", "B"                     \
    }
/* A short operation of a VM that runs is under way. */
#define BUSY_RUNNING                                                                                                   \
    {                                                                                                                  \
        "W", "B", "c:stopped", "B", "B", "W", "B", "C:gone", "O:grace", "W", "O:", "N", "W"                            \
    }
#define REMOVING                                                                                                       \
    {                                                                                                                  \
        "R", "R", "R", "R", "R", "R", "R", "O:gone", "O:gone", "W", "O:gone", "N", "R"                                 \
    }
/* The marker is being written, and it is no promise yet. */
#define MARKING(end, end_now)                                                                                          \
    {                                                                                                                  \
        "W", "B", "B", "B", "B", "W", "B", "o:" end_now, "o:" end, "W", "O:" end, "N", "W"                             \
    }

static const Row rows[] = {
    /* Start, Shutdown, PowerOff, Reset, Pause, Resume, Configure, Remove, Remove with grace, CancelRemoval, Reload,
     * CreateVM, Clone */
    {"stopped", START, SYSTEMD, "StartTransientUnit", "running", STARTING},
    {"stopped", START, SYSTEMD, "JobRemoved", "running", STARTING},
    {"stopped", START, SYSTEMD, "GetUnit", "running", STARTING},
    {"stopped", START, QEMU, "connect", "running", STARTING},
    {"stopped", START, QEMU, "qmp_capabilities", "running", STARTING},
    {"stopped", START, QEMU, "query-status", "running", STARTING},
    {"stopped", START, DISK, HOLD_WANT, "running", STARTING},
    {"stopped",
     START,
     NOWHERE,
     "at-once",
     "running",
     {"", "", "e:stopped", "", "", "", "", "e:gone", "e:grace", "W", "o:running", "N", "B"}},
    {"running",
     SHUTDOWN,
     DISK,
     HOLD_WANT,
     "stopped",
     {"W", "B", "c:stopped", "B", "B", "W", "B", "C:gone", "C:grace", "W", "O:stopped", "N", "W"}},
    {"running",
     SHUTDOWN,
     QEMU,
     "system_powerdown",
     "stopped",
     {"W", "B", "C:stopped", "B", "B", "W", "B", "C:gone", "O:grace", "W", "O:stopped", "N", "W"}},
    {"running",
     POWER_OFF,
     QEMU,
     "quit",
     "stopped",
     {"B", "X", "o:stopped", "B", "B", "B", "B", "O:gone", "O:grace", "W", "O:stopped", "N", "B"}},
    {"running",
     PAUSE,
     QEMU,
     "stop",
     "paused",
     {"W", "B", "C:stopped", "B", "B", "W", "B", "C:gone", "O:grace", "W", "O:paused", "N", "W"}},
    {"running",
     RESET,
     QEMU,
     "system_reset",
     "running",
     {"W", "B", "C:stopped", "B", "B", "W", "B", "C:gone", "O:grace", "W", "O:running", "N", "W"}},
    {"paused",
     RESUME,
     QEMU,
     "cont",
     "running",
     {"W", "W", "C:stopped", "B", "W", "B", "B", "C:gone", "O:grace", "W", "O:running", "N", "W"}},
    {"running",
     CONFIGURE,
     DISK,
     HOLD_SAVE,
     "running",
     {"W", "B", "O:stopped", "B", "B", "W", "B", "O:gone", "O:grace", "W", "O:running", "N", "W"}},
    /* It is answered when it has begun. */
    {"stopped",
     CLONE,
     DISK,
     HOLD_COPY,
     "stopped",
     {"B", "W", "O:stopped", "W", "W", "W", "B", "O:gone", "O:grace", "W", "O:stopped", "N", "B"}},
    {"running", REMOVE, DISK, HOLD_MARK, "gone", MARKING("gone", "gone")},
    {"running", REMOVE_GRACE, DISK, HOLD_MARK, "grace", MARKING("grace", "gone")},
    {"running", REMOVE, QEMU, "quit", "gone", REMOVING},
    {"running", REMOVE, SYSTEMD, "StopUnit", "gone", REMOVING},
    {"running", REMOVE, DISK, HOLD_DOOM, "gone", REMOVING},
    {"grace",
     NOTHING,
     NOWHERE,
     "grace",
     "grace",
     {"R", "R", "R", "R", "R", "R", "R", "o:gone", "o:grace", "o:running", "o:grace", "N", "R"}},
    /* The marker is written anew. */
    {"grace",
     REMOVE,
     DISK,
     HOLD_MARK,
     "gone",
     {"R", "R", "R", "R", "R", "R", "R", "o:gone", "o:gone", "B", "O:gone", "N", "R"}},
    {"grace",
     CANCEL_REMOVAL,
     DISK,
     HOLD_UNMARK,
     "running",
     {"R", "R", "R", "R", "R", "R", "R", "o:gone", "o:grace", "B", "O:running", "N", "R"}},
    {"back-off",
     NOTHING,
     NOWHERE,
     "back-off",
     "exited",
     {"", "", "o:stopped", "", "", "", "", "o:gone", "o:grace", "W", "", "N", "B"}},
    {"running",
     RELOAD,
     DISK,
     HOLD_SCAN,
     "running",
     {"W", "O:stopped", "O:stopped", "O:running", "O:paused", "W", "O:running", "O:gone", "O:grace", "W", "o:running",
      "N", "W"}},
};

#define BACK_OFF "{'restart': <'always'>, 'restart-delay': <@t 3600000000>, 'restart-max-delay': <@t 3600000000>}"

static Fixture shared; /* one daemon, as long as it lives */
static Hold *hold;
static guint n_runs;

/* Bringing it about */

static GVariant *parameters_of(Method method)
{
    if (method == CONFIGURE)
        return g_variant_new("(@a{sv}a{sv})", g_variant_new_parsed("{'description': <'another'>}"), NULL);
    if (method == REMOVE_GRACE)
        return g_variant_new("(@a{sv})", g_variant_new_parsed(REMOVAL_GRACE));
    if (method == CREATE_VM)
        return g_variant_new("(sa{sv}a{sv})", "web", NULL, NULL);
    if (method == CLONE)
        return g_variant_new("(sa{sv}a{sv})", "copy", NULL, NULL);
    return g_variant_new("(a{sv})", NULL);
}

static FixtureCall *begin(Method method, const char *path)
{
    const char *name = method == REMOVE_GRACE ? "Remove" : method_names[method];
    if (method == NOTHING)
        return NULL;
    if (method == RELOAD || method == CREATE_VM)
        return fixture_begin(&shared, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, name, parameters_of(method));
    return fixture_begin(&shared, path, BERTH_IFACE_VM, name, parameters_of(method));
}

static char *bring(const Row *row, const char *script)
{
    const char *config = g_str_equal(row->before, "back-off") ? BACK_OFF
                         : row->first == CLONE ? "{'disks': <[{'size': <uint64 1048576>, 'format': <'raw'>}]>}"
                                               : "{}";
    char *path = scripted_vm_with(&shared, "web", config, script);
    if (!g_str_equal(row->before, "stopped"))
        fixture_vm(&shared, path, "Start");
    if (g_str_equal(row->before, "paused"))
        fixture_vm(&shared, path, "Pause");
    if (g_str_equal(row->before, "grace"))
        scripted_remove(&shared, path, REMOVAL_GRACE);
    if (g_str_equal(row->before, "back-off")) {
        kill(scripted_qemu(&shared, path), SIGKILL);
        fixture_await_state(&shared, path, "exited");
    }
    return path;
}

/* A start whose scope systemd has not made yet is not stopped before it has: it keeps their order. */
static gboolean keeps_order(const Row *row)
{
    return row->place == SYSTEMD && g_str_equal(row->step, "StartTransientUnit");
}

/* (nullable): under way, and held */
static FixtureCall *begin_held(const Row *row, const char *path)
{
    FakeService *systemd = fake_systemd_service(shared.systemd);
    guint before = fake_service_count(systemd, row->step);
    if (row->place == SYSTEMD)
        fake_service_hold(systemd, row->step);
    if (keeps_order(row))
        fake_service_hold(systemd, "StopUnit");
    if (row->place == DISK)
        hold_at(hold, row->step);
    FixtureCall *first = begin(row->first, path);
    if (row->place == SYSTEMD)
        AWAIT(fake_service_count(systemd, row->step) > before);
    if (row->place == DISK)
        hold_await(hold, row->step);
    if (row->place == QEMU) {
        g_autofree char *line = g_strconcat("qmp ", row->step, NULL);
        scripted_await(&shared, "web", g_str_equal(row->step, "connect") ? "start" : line, 1);
    }
    return first;
}

static void release(const Row *row, const char *gate)
{
    FakeService *systemd = fake_systemd_service(shared.systemd);
    if (row->place == SYSTEMD)
        fake_service_release(systemd, row->step);
    if (keeps_order(row))
        fake_service_release(systemd, "StopUnit");
    if (row->place == DISK)
        hold_release(hold);
    if (row->place == QEMU)
        scripted_touch(&shared, gate);
}

/* What comes of it */

static const char *error_of(char refusal)
{
    return refusal == 'B'   ? "Busy"
           : refusal == 'W' ? "WrongState"
           : refusal == 'R' ? "Removing"
           : refusal == 'N' ? "NameTaken"
                            : "Cancelled";
}

static gboolean is_refused(const char *outcome)
{
    return outcome[1] == '\0';
}

static void assert_end(const char *path, const char *state)
{
    if (g_str_equal(state, "gone"))
        fixture_await_gone(&shared, path);
    else if (g_str_equal(state, "grace"))
        removal_await_phase(&shared, path, "grace");
    else
        fixture_await_state(&shared, path, state);
}

static gboolean is_there(const char *path)
{
    g_autoptr(GPtrArray) vms = fixture_vms(&shared);
    return g_ptr_array_find_with_equal_func(vms, path, g_str_equal, NULL);
}

/* Whole or not at all: there is no third. */
static void clear_copy(void)
{
    g_autoptr(GVariant) answer =
        fixture_try(&shared, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "copy"), NULL);
    const char *path;
    if (!answer)
        return;
    g_variant_get(answer, "(&o)", &path);
    fixture_vm(&shared, path, "Remove");
    fixture_await_gone(&shared, path);
}

/* Removed, it leaves no process, no scope, no directory, and its CID to the next: there is but one more, for a copy. */
static void clear(const char *path)
{
    clear_copy();
    if (is_there(path))
        fixture_vm(&shared, path, "Remove");
    removal_assert_gone(&shared, path);
    scripted_forget(&shared, "web");
}

static char *held_script(const Row *row, char **gate)
{
    *gate = g_strdup_printf("go-%u", ++n_runs);
    return row->place == QEMU ? g_strdup_printf("on %s wait %s\n", row->step, *gate) : g_strdup("");
}

/* A QEMU that does not answer is waited for as long as berth.conf says, which here is for ever. */
static void kill_qemu(void)
{
    g_autofree char *log = scripted_log(&shared, "web");
    const char *line = g_strrstr(log, "start ");
    g_assert_nonnull(line);
    kill((pid_t) g_ascii_strtoll(line + strlen("start "), NULL, 10), SIGKILL);
}

static gboolean may_be_cancelled(const char *outcome)
{
    return !is_refused(outcome) && strchr("cCe", *outcome);
}

/* Takes @first. */
static void assert_first(FixtureCall *first, const char *outcome)
{
    AWAIT(first->done);
    if (may_be_cancelled(outcome) && (*outcome != 'e' || first->error))
        scripted_fails(first, "Cancelled", "");
    else
        scripted_succeeds(first);
}

typedef struct {
    const Row *row;
    Method second;
} Case;

static void test_overlap(gconstpointer data)
{
    const Case *overlap = data;
    const Row *row = overlap->row;
    const char *outcome = row->outcomes[overlap->second];
    g_autofree char *gate = NULL;
    g_autofree char *script = held_script(row, &gate);
    g_autofree char *path = bring(row, script);
    g_autoptr(Recorder) recorder = recorder_new(shared.client, BERTH_BUS_NAME, NULL);
    FixtureCall *first = begin_held(row, path);
    FixtureCall *second = begin(overlap->second, path);
    g_free(fixture_get_string(&shared, path, "State")); /* after which the second call has been heard */
    /* A Remove cancels the first when its marker is durable: with QEMU killed before that, the first would fail by itself. */
    if ((overlap->second == REMOVE || overlap->second == REMOVE_GRACE) && g_ascii_isupper(*outcome))
        AWAIT(second->done);
    if (row->place == QEMU && may_be_cancelled(outcome))
        kill_qemu();
    if (row->place != NOWHERE && (is_refused(outcome) || g_ascii_isupper(*outcome)))
        AWAIT(second->done);
    release(row, gate);
    if (is_refused(outcome))
        scripted_fails(second, error_of(*outcome), "");
    else
        scripted_succeeds(second);
    if (first)
        assert_first(first, outcome);
    if (row->first == CLONE)
        AWAIT(recorder_count(recorder, "Completed") > 0);
    assert_end(path, is_refused(outcome) || !outcome[2] ? row->end : outcome + 2);
    clear(path);
    g_assert_cmpuint(recorder_count(recorder, "Completed"), ==, row->first == CLONE ? 1 : 0);
}

/* The daemon is killed meanwhile: what was answered is kept, and each caller hears of an end. */
static void test_restart(gconstpointer data)
{
    const Case *overlap = data;
    const Row *row = overlap->row;
    g_autofree char *gate = NULL;
    g_autofree char *script = held_script(row, &gate);
    g_autofree char *path = bring(row, script);
    g_autoptr(FixtureCall) first = begin_held(row, path);
    g_autoptr(FixtureCall) second = begin(overlap->second, path);
    const char *outcome = second ? row->outcomes[overlap->second] : "";
    if (g_ascii_isupper(*outcome))
        AWAIT(second->done);
    fixture_stop_daemon(&shared, SIGKILL);
    AWAIT((!first || first->done) && (!second || second->done));
    release(row, gate);
    fixture_start_daemon(&shared);
    gboolean is_promised = (row->first == REMOVE && !first->error) || (overlap->second == REMOVE && !second->error);
    if (is_promised)
        removal_assert_gone(&shared, path);
    else if (overlap->second == REMOVE_GRACE && !second->error)
        scripted_assert_string(&shared, path, "State", "removing");
    clear(path);
}

static void add_case(const Row *row, Method second, gboolean restart)
{
    Case *overlap = g_new(Case, 1);
    *overlap = (Case){row, second};
    g_autofree char *first =
        row->first == NOTHING ? g_strdup(row->step) : g_strjoin("@", method_names[row->first], row->step, NULL);
    g_autofree char *path =
        g_strdup_printf("/removal/M20/%s%s/%s%s", row->before[0] == 'g' && row->first != NOTHING ? "grace:" : "", first,
                        method_names[second], restart ? "-and-restart" : "");
    g_test_add_data_func_full(path, overlap, restart ? test_restart : test_overlap, g_free);
}

static void add(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (Method second = 0; second < N_METHODS; second++)
            if (*rows[i].outcomes[second])
                add_case(&rows[i], second, FALSE);
        add_case(&rows[i], NOTHING, TRUE);
        add_case(&rows[i], REMOVE, TRUE);
        add_case(&rows[i], REMOVE_GRACE, TRUE);
    }
    g_autofree char *dir = NULL;
    scripted_prepare(&shared, "PowerOffTimeoutSec=600\n[Manager]\nCIDFirst=2000\nCIDLast=2001");
    dir = g_build_filename(shared.dir, "hold", NULL);
    hold = hold_new(dir, g_getenv("BERTH_HOLD_PRELOAD"), &shared.environ);
    fixture_start_daemon(&shared);
}

int main(int argc, char **argv)
{
    int result = scripted_main(argc, argv, add);
    if (hold) {
        fixture_tear_down(&shared, NULL);
        hold_free(hold);
    }
    return result;
}
