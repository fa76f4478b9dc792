/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <signal.h>

#include "scripted.h"
#include "src/core/names.h"

/* The host boots: what was wanted starts, in its order, and not all at once. */

#define VMS 6u

/* VMs that run, and are wanted. */
static void make_running(Fixture *fixture, char *paths[], const char *const names[], const char *const configs[],
                         guint n)
{
    for (guint i = 0; i < n; i++) {
        paths[i] = scripted_vm_with(fixture, names[i], configs ? configs[i] : "{}", NULL);
        fixture_vm(fixture, paths[i], "Start");
    }
}

static void free_paths(char *paths[], guint n)
{
    for (guint i = 0; i < n; i++)
        g_free(paths[i]);
}

static int remove_entry(const char *path)
{
    const char *argv[] = {"rm", "-r", path, NULL};
    int status = -1;
    g_assert_true(g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL));
    return status;
}

/* No process lives, and nothing is left of what lay in /run. */
static void go_down(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    fixture_stop_daemon(fixture, SIGKILL);
    test_cgroup_signal(fixture->cgroup, SIGKILL);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
    g_autoptr(GDir) dir = g_dir_open(fixture->runtime_dir, 0, &error);
    g_assert_no_error(error);
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(fixture->runtime_dir, name, NULL);
        g_assert_cmpint(remove_entry(path), ==, 0);
    }
}

static guint64 time_of(Fixture *fixture, const char *path, const char *property)
{
    g_autoptr(GVariant) value = fixture_get(fixture, path, BERTH_IFACE_VM, property);
    return g_variant_get_uint64(value);
}

static void await_all(Fixture *fixture, char *paths[], guint n)
{
    for (guint i = 0; i < n; i++)
        fixture_await_state(fixture, paths[i], "running");
}

/* Who is starting, by the signals. Those of one turn of the daemon's loop come in any order. */
typedef struct {
    GHashTable *starting; /* paths, a set */
    guint subscription;
} Overlap;

static void note_state(Overlap *overlap, const char *path, const char *state)
{
    if (g_str_equal(state, "starting"))
        g_hash_table_add(overlap->starting, g_strdup(path));
    else
        g_hash_table_remove(overlap->starting, path);
}

static void on_changed(GDBusConnection *client, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer data)
{
    g_autoptr(GVariant) changes = g_variant_get_child_value(parameters, 1);
    const char *state;
    if (g_variant_lookup(changes, "State", "&s", &state))
        note_state(data, path, state);
}

static void overlap_begin(Overlap *overlap, Fixture *fixture)
{
    *overlap = (Overlap){.starting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
    overlap->subscription = g_dbus_connection_signal_subscribe(fixture->client, NULL, "org.freedesktop.DBus.Properties",
                                                               "PropertiesChanged", NULL, NULL,
                                                               G_DBUS_SIGNAL_FLAGS_NONE, on_changed, overlap, NULL);
}

static void overlap_end(Overlap *overlap, Fixture *fixture)
{
    g_dbus_connection_signal_unsubscribe(fixture->client, overlap->subscription);
    g_hash_table_unref(overlap->starting);
}

/* (transfer none): one that is starting */
static guint any_starting(const Overlap *overlap, char *paths[])
{
    for (guint i = 0; i < VMS; i++)
        if (g_hash_table_contains(overlap->starting, paths[i]))
            return i;
    g_assert_not_reached();
}

static const char *const names[VMS] = {"a", "b", "c", "d", "e", "f"};

/* Each start waits until the test lets it go on: so there are as many at a time as there can be. */
static void block_starts(Fixture *fixture)
{
    for (guint i = 0; i < VMS; i++) {
        g_autofree char *script = g_strdup_printf("on query-status wait go-%s", names[i]);
        scripted_write(fixture, names[i], script);
    }
}

static void let_go(Fixture *fixture, guint i)
{
    g_autofree char *file = g_strdup_printf("go-%s", names[i]);
    scripted_touch(fixture, file);
}

static void find_states(Fixture *fixture, Overlap *overlap, char *paths[])
{
    for (guint i = 0; i < VMS; i++) {
        g_autofree char *state = fixture_get_string(fixture, paths[i], "State");
        note_state(overlap, paths[i], state);
    }
}

/* How many QEMUs there were since the boot: no more than were let go, and two. */
static void assert_bounded(Fixture *fixture, guint let_go_so_far)
{
    guint n = 0;
    for (guint i = 0; i < VMS; i++)
        n += scripted_count(fixture, names[i], "start") - 1;
    g_assert_cmpuint(n, <=, let_go_so_far + 2);
}

static void test_at_a_time(Fixture *fixture, gconstpointer unused)
{
    char *paths[VMS];
    Overlap overlap;
    make_running(fixture, paths, names, NULL, VMS);
    go_down(fixture);
    block_starts(fixture);
    overlap_begin(&overlap, fixture);
    fixture_start_daemon(fixture);
    find_states(fixture, &overlap, paths);
    for (guint left = VMS; left > 0; left--) {
        AWAIT(g_hash_table_size(overlap.starting) == MIN(left, 2));
        assert_bounded(fixture, VMS - left);
        guint next = any_starting(&overlap, paths);
        let_go(fixture, next);
        fixture_await_state(fixture, paths[next], "running");
        AWAIT(!g_hash_table_contains(overlap.starting, paths[next]));
        assert_bounded(fixture, VMS - left + 1);
    }
    for (guint i = 0; i < VMS; i++)
        g_assert_cmpuint(scripted_count(fixture, names[i], "start"), ==, 2);
    overlap_end(&overlap, fixture);
    free_paths(paths, VMS);
}

/* By number, those without one last; then by name. What was not wanted is not started. */
static void test_order(Fixture *fixture, gconstpointer unused)
{
    static const char *const configs[VMS] = {"{}", "{'boot-order': <@t 7>}", "{'boot-order': <@t 2>}",
                                             "{}", "{'boot-order': <@t 2>}", "{'boot-order': <@t 1>}"};
    static const guint order[] = {5, 2, 4, 1, 0};
    char *paths[VMS];
    make_running(fixture, paths, names, configs, VMS);
    fixture_vm(fixture, paths[3], "PowerOff");
    go_down(fixture);
    fixture_start_daemon(fixture);
    guint64 before = 0;
    for (guint i = 0; i < G_N_ELEMENTS(order); i++) {
        fixture_await_state(fixture, paths[order[i]], "running");
        guint64 started = time_of(fixture, paths[order[i]], "StartedTimestamp");
        g_assert_cmpuint(started, >, before);
        before = started;
        g_assert_cmpuint(time_of(fixture, paths[order[i]], "NextStart"), ==, 0);
        g_assert_cmpuint(fixture_get_uint(fixture, paths[order[i]], "NRestarts"), ==, 0);
    }
    scripted_assert_string(fixture, paths[3], "State", "stopped");
    g_assert_cmpuint(time_of(fixture, paths[3], "NextStart"), ==, 0);
    g_assert_cmpuint(scripted_count(fixture, names[3], "start"), ==, 1);
    free_paths(paths, VMS);
}

/* Those behind wait until it runs, and so long after. */
static void test_delay(Fixture *fixture, gconstpointer unused)
{
    static const char *const configs[] = {"{'boot-delay': <@t 400000>}", "{}", "{}"};
    char *paths[3];
    make_running(fixture, paths, names, configs, 3);
    go_down(fixture);
    scripted_write(fixture, "a", "on query-status wait go-a");
    fixture_start_daemon(fixture);
    fixture_await_state(fixture, paths[0], "starting");
    await_silence(600);
    scripted_assert_string(fixture, paths[1], "State", "stopped");
    let_go(fixture, 0);
    await_all(fixture, paths, 3);
    for (guint i = 1; i < 3; i++)
        g_assert_cmpuint(time_of(fixture, paths[i], "StartedTimestamp"), >=,
                         time_of(fixture, paths[0], "StartedTimestamp") + 390000);
    free_paths(paths, 3);
}

/* When each is due is told, from delay to delay. Whoever is called for meanwhile does as it is told. */
static void test_next_start(Fixture *fixture, gconstpointer unused)
{
    static const guint64 hour = 3600 * (guint64) G_USEC_PER_SEC;
    static const char *const configs[VMS] = {
        "{'boot-delay': <@t 3600000000>}", "{}", "{'boot-delay': <@t 7200000000>}", "{}", "{}", "{}"};
    char *paths[VMS];
    make_running(fixture, paths, names, configs, VMS);
    go_down(fixture);
    fixture_start_daemon(fixture);
    fixture_await_state(fixture, paths[0], "running");
    const guint64 began = time_of(fixture, paths[0], "StartedTimestamp");
    static const guint hours[VMS] = {0, 1, 1, 3, 3, 3};
    for (guint i = 1; i < VMS; i++) {
        guint64 next = time_of(fixture, paths[i], "NextStart");
        g_assert_cmpuint(next, >, began + hours[i] * hour - hour / 2);
        g_assert_cmpuint(next, <, began + hours[i] * hour + hour / 2);
        scripted_assert_string(fixture, paths[i], "State", "stopped");
        scripted_assert_wanted(fixture, paths[i], TRUE);
    }
    fixture_vm(fixture, paths[1], "Start");
    fixture_vm(fixture, paths[2], "PowerOff");
    fixture_vm(fixture, paths[3], "Shutdown");
    scripted_remove(fixture, paths[4], "{'grace-seconds': <uint32 600>}");
    fixture_vm(fixture, paths[5], "Remove");
    fixture_await_gone(fixture, paths[5]);
    for (guint i = 1; i < 5; i++)
        g_assert_cmpuint(time_of(fixture, paths[i], "NextStart"), ==, 0);
    scripted_assert_wanted(fixture, paths[2], FALSE);
    scripted_assert_wanted(fixture, paths[3], FALSE);
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, paths[1], "State", "running");
    static const char *const states[] = {"stopped", "stopped", "removing"};
    for (guint i = 2; i < 5; i++) {
        scripted_assert_string(fixture, paths[i], "State", states[i - 2]);
        g_assert_cmpuint(time_of(fixture, paths[i], "NextStart"), ==, 0);
        g_assert_cmpuint(scripted_count(fixture, names[i], "start"), ==, 1);
    }
    fixture_vm(fixture, paths[4], "CancelRemoval");
    free_paths(paths, VMS);
}

/* One that can't be started holds nobody up; nor does one that is ended while it starts. */
static void test_failure(Fixture *fixture, gconstpointer unused)
{
    char *paths[3];
    make_running(fixture, paths, names, NULL, 3);
    go_down(fixture);
    scripted_write(fixture, "a", "on start exit 1 no luck");
    scripted_write(fixture, "b", "on query-status wait go-b");
    fixture_start_daemon(fixture);
    fixture_await_state(fixture, paths[0], "exited");
    scripted_assert_last_error(fixture, paths[0], "no luck");
    fixture_await_state(fixture, paths[1], "starting");
    scripted_assert_string(fixture, paths[2], "State", "stopped");
    fixture_vm(fixture, paths[1], "PowerOff");
    fixture_await_state(fixture, paths[2], "running");
    /* It has been tried since the boot: what follows is for its policy to say, which is "no". */
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, paths[0], "State", "exited");
    scripted_assert_last_error(fixture, paths[0], "no luck");
    g_assert_cmpuint(scripted_count(fixture, "a", "start"), ==, 2);
    free_paths(paths, 3);
}

/* A daemon that comes in the middle goes on: who runs is left alone, and who does not is still to be started. */
static void test_daemon_restarts(Fixture *fixture, gconstpointer unused)
{
    static const char *const configs[VMS] = {"{'boot-delay': <@t 1000000>}", "{}", "{}", "{}", "{}", "{}"};
    char *paths[VMS];
    make_running(fixture, paths, names, configs, VMS);
    go_down(fixture);
    fixture_start_daemon(fixture);
    fixture_await_state(fixture, paths[0], "running");
    guint32 pid = fixture_get_uint(fixture, paths[0], "PID");
    fixture_restart_daemon(fixture);
    await_all(fixture, paths, VMS);
    g_assert_cmpuint(fixture_get_uint(fixture, paths[0], "PID"), ==, pid);
    for (guint i = 0; i < VMS; i++)
        g_assert_cmpuint(scripted_count(fixture, names[i], "start"), ==, 2);
    /* And what crashes from now on, is for its policy. */
    kill((pid_t) pid, SIGKILL);
    fixture_await_state(fixture, paths[0], "exited");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, paths[0], "State", "exited");
    scripted_assert_string(fixture, paths[0], "ExitReason", "killed");
    free_paths(paths, VMS);
}

/* While there is no daemon @usec more have passed since it was started. */
static void let_pass(const char *run_record, guint64 started, guint64 usec)
{
    g_autofree char *old = g_strdup_printf("started=%" G_GUINT64_FORMAT "\n", started);
    g_autofree char *new = g_strdup_printf("started=%" G_GUINT64_FORMAT "\n", started - usec);
    scripted_replace(run_record, old, new);
}

/* In the middle of a delay: the rest of it still counts, and is no longer than that. */
static void test_daemon_restarts_delay(Fixture *fixture, gconstpointer unused)
{
    static const guint64 hour = 3600 * (guint64) G_USEC_PER_SEC;
    static const char *const configs[] = {"{'boot-order': <@t 1>, 'boot-delay': <@t 3600000000>}", "{}", "{}"};
    char *paths[3];
    make_running(fixture, paths, names, configs, 3);
    g_autofree char *runtime = scripted_runtime_dir(fixture, paths[0]);
    g_autofree char *record = g_build_filename(runtime, BERTH_FILE_RUN, NULL);
    go_down(fixture);
    fixture_start_daemon(fixture);
    fixture_await_state(fixture, paths[0], "running");
    const guint64 began = time_of(fixture, paths[0], "StartedTimestamp");
    for (guint i = 0; i < 2; i++) {
        fixture_restart_daemon(fixture);
        scripted_assert_string(fixture, paths[1], "State", "stopped");
        const gint64 off = (gint64) (time_of(fixture, paths[2], "NextStart") - began - hour);
        g_assert_cmpint(ABS(off), <, 60 * G_USEC_PER_SEC);
    }
    fixture_stop_daemon(fixture, SIGKILL);
    let_pass(record, began, hour - G_USEC_PER_SEC / 2);
    fixture_start_daemon(fixture);
    await_all(fixture, paths, 3);
    for (guint i = 1; i < 3; i++)
        g_assert_cmpuint(time_of(fixture, paths[i], "StartedTimestamp"), >=, began + G_USEC_PER_SEC / 2);
    free_paths(paths, 3);
}

/* Only those behind wait: who was started beside the order holds up nobody in front of it. */
static void test_daemon_restarts_in_front(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *front = scripted_vm(fixture, "a", NULL);
    g_autofree char *behind = scripted_vm_with(fixture, "b", "{'boot-delay': <@t 3600000000>}", NULL);
    g_autofree char *wish = scripted_vm_file(fixture, front, BERTH_FILE_WANTED);
    fixture_vm(fixture, behind, "Start");
    fixture_stop_daemon(fixture, SIGKILL);
    g_assert_true(g_file_set_contents(wish, "", 0, NULL));
    fixture_start_daemon(fixture);
    fixture_await_state(fixture, front, "running");
}

/* Killed while its first VM starts, so far that it goes on. */
static void kill_in_start(Fixture *fixture, const char *cgroup)
{
    scripted_write(fixture, "a", "on query-status wait go-a");
    fixture_start_daemon(fixture);
    scripted_await(fixture, "a", "qmp query-status", 2);
    fixture_stop_daemon(fixture, SIGKILL);
}

/* Or so early that it is undone: its keeper, which has not noticed yet, waits in its scope. */
static void kill_early_in_start(Fixture *fixture, const char *cgroup)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    const guint asked = fake_service_count(service, "GetUnit");
    scripted_write(fixture, "a", "on query-status wait go-a");
    fake_service_hold(service, "GetUnit");
    fixture_start_daemon(fixture);
    AWAIT(fake_service_count(service, "GetUnit") > asked);
    test_cgroup_signal(cgroup, SIGSTOP);
    fixture_stop_daemon(fixture, SIGKILL);
    fake_service_release(service, "GetUnit");
}

/* It goes on, or begins anew at once; the other waits for that, and for the delay after it. */
static void restart_before_delay(Fixture *fixture, void (*begin)(Fixture *fixture, const char *cgroup))
{
    static const guint64 hour = 3600 * (guint64) G_USEC_PER_SEC;
    static const char *const configs[] = {"{'boot-order': <@t 1>, 'boot-delay': <@t 3600000000>}", "{}"};
    char *paths[2];
    make_running(fixture, paths, names, configs, 2);
    g_autofree char *cgroup = scripted_cgroup(fixture, paths[0]);
    go_down(fixture);
    begin(fixture, cgroup);
    fixture_start_daemon(fixture);
    scripted_await(fixture, "a", "start", 2);
    await_silence(300);
    scripted_assert_string(fixture, paths[1], "State", "stopped");
    let_go(fixture, 0);
    fixture_await_state(fixture, paths[0], "running");
    const guint64 after = time_of(fixture, paths[0], "StartedTimestamp") + hour;
    scripted_assert_string(fixture, paths[1], "State", "stopped");
    const gint64 off = (gint64) (time_of(fixture, paths[1], "NextStart") - after);
    g_assert_cmpint(ABS(off), <, 60 * G_USEC_PER_SEC);
    free_paths(paths, 2);
}

static void test_daemon_restarts_gate(Fixture *fixture, gconstpointer unused)
{
    restart_before_delay(fixture, kill_in_start);
}

static void test_daemon_restarts_gate_anew(Fixture *fixture, gconstpointer unused)
{
    restart_before_delay(fixture, kill_early_in_start);
}

/* The same while some are starting: those starts go on, or begin anew, and the rest follows. */
static void test_daemon_restarts_starting(Fixture *fixture, gconstpointer unused)
{
    char *paths[VMS];
    make_running(fixture, paths, names, NULL, VMS);
    go_down(fixture);
    block_starts(fixture);
    fixture_start_daemon(fixture);
    let_go(fixture, 0);
    let_go(fixture, 1);
    await_all(fixture, paths, 2);
    fixture_stop_daemon(fixture, SIGKILL);
    for (guint i = 2; i < VMS; i++)
        let_go(fixture, i);
    fixture_start_daemon(fixture);
    await_all(fixture, paths, VMS);
    g_assert_cmpuint(scripted_count(fixture, "a", "start"), ==, 2);
    g_assert_cmpuint(scripted_count(fixture, "f", "start"), ==, 2);
    free_paths(paths, VMS);
}

/* An end that somebody asked for in the boot before says nothing about this one. */
static void test_stopped_before(Fixture *fixture, gconstpointer unused)
{
    char *paths[1];
    make_running(fixture, paths, names, NULL, 1);
    g_autofree char *cgroup = scripted_cgroup(fixture, paths[0]);
    test_cgroup_signal(cgroup, SIGTERM);
    fixture_await_state(fixture, paths[0], "stopped");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, paths[0], "State", "stopped");
    go_down(fixture);
    fixture_start_daemon(fixture);
    fixture_await_state(fixture, paths[0], "running");
    free_paths(paths, 1);
}

#define ADD_FEW(path, n, func) SCRIPTED_ADD("/boot/" path, "[Manager]\nMaxConcurrentStarts=" #n, func)

static void add(void)
{
    ADD_FEW("at-a-time", 2, test_at_a_time);
    ADD_FEW("order", 1, test_order);
    ADD_FEW("delay", 4, test_delay);
    ADD_FEW("next-start", 4, test_next_start);
    ADD_FEW("failure", 1, test_failure);
    ADD_FEW("daemon-restarts", 2, test_daemon_restarts);
    ADD_FEW("daemon-restarts-delay", 4, test_daemon_restarts_delay);
    ADD_FEW("daemon-restarts-in-front", 4, test_daemon_restarts_in_front);
    ADD_FEW("daemon-restarts-gate", 4, test_daemon_restarts_gate);
    ADD_FEW("daemon-restarts-gate-anew", 4, test_daemon_restarts_gate_anew);
    ADD_FEW("daemon-restarts-starting", 2, test_daemon_restarts_starting);
    ADD_FEW("stopped-before", 4, test_stopped_before);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
