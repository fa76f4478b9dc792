/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tooled.h"

/* Every state and every method. The table says what is to come, on its own: it is not the daemon's. */

enum {
    START,
    SHUTDOWN,
    POWER_OFF,
    RESET,
    PAUSE,
    RESUME,
    CONFIGURE,
    REMOVE,
    CANCEL_REMOVAL,
    OPEN_CONSOLE,
    OPEN_DISPLAY,
    OPEN_LOG
};

static const char *const methods[] = {
    [START] = "Start",
    [SHUTDOWN] = "Shutdown",
    [POWER_OFF] = "PowerOff",
    [RESET] = "Reset",
    [PAUSE] = "Pause",
    [RESUME] = "Resume",
    [CONFIGURE] = "Configure",
    [REMOVE] = "Remove",
    [CANCEL_REMOVAL] = "CancelRemoval",
    [OPEN_CONSOLE] = "OpenConsole",
    [OPEN_DISPLAY] = "OpenDisplay",
    [OPEN_LOG] = "OpenLog",
};

/* Where a method is allowed, @after is the state it leads to: "" for the same, "gone" for none. Else a W stands for
 * WrongState, B for Busy, R for Removing. */
typedef struct {
    const char *state;
    void (*bring)(Tooled *tooled, const char *name, char **path);
    void (*release)(Tooled *tooled, const char *name);
    const char *after[G_N_ELEMENTS(methods)];
} Row;

/* Into each state */

static char *vm_with_display(Tooled *tooled, const char *name, const char *script)
{
    return tooled_vm_with(tooled, name, "{'display': <'vga'>}", script);
}

static void bring_stopped(Tooled *tooled, const char *name, char **path)
{
    *path = vm_with_display(tooled, name, NULL);
}

/* It ran before: there are logs. */
static void bring_stopped_again(Tooled *tooled, const char *name, char **path)
{
    bring_stopped(tooled, name, path);
    fixture_vm(&tooled->fixture, *path, "Start");
    fixture_vm(&tooled->fixture, *path, "PowerOff");
}

static FixtureCall *start; /* a Start under way, which the test of its state looks after */

static void begin_start(Tooled *tooled, const char *path)
{
    start = tooled_begin(&tooled->fixture, path, "Start");
    fixture_await_state(&tooled->fixture, path, "starting");
}

/* systemd has not begun its job. */
static void bring_starting_at_systemd(Tooled *tooled, const char *name, char **path)
{
    FakeService *service = fake_systemd_service(tooled->fixture.systemd);
    *path = vm_with_display(tooled, name, NULL);
    fake_service_hold(service, "StartTransientUnit");
    guint before = fake_service_count(service, "StartTransientUnit");
    begin_start(tooled, *path);
    AWAIT(fake_service_count(service, "StartTransientUnit") > before);
}

static void release_systemd(Tooled *tooled, const char *name)
{
    fake_service_release(fake_systemd_service(tooled->fixture.systemd), "StartTransientUnit");
}

static gboolean has_pid(const Recorder *recorder)
{
    g_autoptr(GVariant) pid = recorder_last(recorder, "PID");
    return pid && g_variant_get_uint32(pid) > 0;
}

/* QEMU does not answer yet. */
static void bring_starting_at_qmp(Tooled *tooled, const char *name, char **path)
{
    g_autofree char *script = g_strdup_printf("on query-status wait go-%s\n", name);
    *path = vm_with_display(tooled, name, script);
    g_autoptr(Recorder) recorder = recorder_new(tooled->fixture.client, BERTH_BUS_NAME, *path);
    begin_start(tooled, *path);
    AWAIT(has_pid(recorder));
}

static void release_qmp(Tooled *tooled, const char *name)
{
    g_autofree char *file = g_strconcat("go-", name, NULL);
    fake_tools_touch(tooled->tools, file);
}

static void bring_running(Tooled *tooled, const char *name, char **path)
{
    *path = vm_with_display(tooled, name, NULL);
    fixture_vm(&tooled->fixture, *path, "Start");
    fixture_await_state(&tooled->fixture, *path, "running");
}

static void bring_paused(Tooled *tooled, const char *name, char **path)
{
    bring_running(tooled, name, path);
    fixture_vm(&tooled->fixture, *path, "Pause");
    fixture_await_state(&tooled->fixture, *path, "paused");
}

/* Its guest is deaf to the power button. */
static void bring_stopping(Tooled *tooled, const char *name, char **path)
{
    *path = vm_with_display(tooled, name, "on system_powerdown ignore\n");
    fixture_vm(&tooled->fixture, *path, "Start");
    fixture_vm(&tooled->fixture, *path, "Shutdown");
    fixture_await_state(&tooled->fixture, *path, "stopping");
}

static void bring_exited(Tooled *tooled, const char *name, char **path)
{
    g_autofree char *script = g_strdup_printf("on file fall-%s crash 9\n", name);
    g_autofree char *file = g_strdup_printf("fall-%s", name);
    *path = vm_with_display(tooled, name, script);
    fixture_vm(&tooled->fixture, *path, "Start");
    fake_tools_touch(tooled->tools, file);
    fixture_await_state(&tooled->fixture, *path, "exited");
    fake_tools_script(tooled->tools, name, "");
}

static void remove_with_grace(Tooled *tooled, const char *path)
{
    g_variant_unref(fixture_call(&tooled->fixture, path, BERTH_IFACE_VM, "Remove",
                                 g_variant_new("(@a{sv})", tooled_asv("{'grace-seconds': <uint32 600>}"))));
    fixture_await_state(&tooled->fixture, path, "removing");
}

static void bring_in_grace(Tooled *tooled, const char *name, char **path)
{
    bring_running(tooled, name, path);
    remove_with_grace(tooled, *path);
}

/* systemd does not let its unit go: the removal is tried again and again. */
static void bring_waiting(Tooled *tooled, const char *name, char **path)
{
    bring_stopped(tooled, name, path);
    fake_service_fail(fake_systemd_service(tooled->fixture.systemd), "StopUnit",
                      "org.freedesktop.DBus.Error.LimitsExceeded", 1000000);
    fixture_vm(&tooled->fixture, *path, "Remove");
    fixture_await_property(&tooled->fixture, *path, "RemovalPhase", g_variant_new_string("waiting"));
}

static void release_stop(Tooled *tooled, const char *name)
{
    fake_service_fail(fake_systemd_service(tooled->fixture.systemd), "StopUnit", "", 0);
}

static void reload(Fixture *fixture)
{
    g_variant_unref(fixture_call(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload",
                                 g_variant_new("(@a{sv})", tooled_asv("{}"))));
}

static void bring_broken(Tooled *tooled, const char *name, char **path)
{
    bring_stopped(tooled, name, path);
    g_autofree char *definition = tooled_vm_file(&tooled->fixture, *path, BERTH_FILE_DEFINITION);
    g_assert_true(g_file_set_contents(definition, "{ \"half\": ", -1, NULL));
    reload(&tooled->fixture);
    fixture_await_state(&tooled->fixture, *path, "broken");
}

#define SAME ""
#define GONE "gone"

static const Row rows[] = {
    /*          Start      Shutdown   PowerOff   Reset Pause     Resume     Configure Remove Cancel Console Display Log */
    {"stopped", bring_stopped_again, NULL, {"running", "W", SAME, "W", "W", "W", SAME, GONE, "W", "W", "W", SAME}},
    {"starting",
     bring_starting_at_systemd,
     release_systemd,
     {"B", "B", "stopped", "B", "B", "B", "B", GONE, "W", SAME, "B", SAME}},
    {"starting",
     bring_starting_at_qmp,
     release_qmp,
     {"B", "B", "stopped", "B", "B", "B", "B", GONE, "W", SAME, "B", SAME}},
    {"running",
     bring_running,
     NULL,
     {"W", "stopped", "stopped", SAME, "paused", "W", SAME, GONE, "W", SAME, SAME, SAME}},
    {"paused", bring_paused, NULL, {"W", "W", "stopped", SAME, "W", "running", SAME, GONE, "W", SAME, SAME, SAME}},
    {"stopping", bring_stopping, NULL, {"B", SAME, "stopped", "B", "B", "B", "B", GONE, "W", SAME, SAME, SAME}},
    {"exited", bring_exited, NULL, {"running", "W", "stopped", "W", "W", "W", SAME, GONE, "W", "W", "W", SAME}},
    {"removing", bring_in_grace, NULL, {"R", "R", "R", "R", "R", "R", "R", GONE, "running", "R", "R", "R"}},
    {"removing", bring_waiting, release_stop, {"R", "R", "R", "R", "R", "R", "R", SAME, "W", "R", "R", "R"}},
    {"broken", bring_broken, NULL, {"W", "W", "W", "W", "W", "W", "W", GONE, "W", "W", "W", "W"}},
};

static const char *refusal(const char *after)
{
    return g_str_equal(after, "W")   ? "WrongState"
           : g_str_equal(after, "B") ? "Busy"
           : g_str_equal(after, "R") ? "Removing"
                                     : NULL;
}

static GVariant *parameters_of(guint method)
{
    if (method == CONFIGURE)
        return g_variant_new("(@a{sv}@a{sv})", tooled_asv("{'description': <'another'>}"), tooled_asv("{}"));
    if (method == OPEN_LOG)
        return g_variant_new("(s@a{sv})", "serial", tooled_asv("{}"));
    return g_variant_new("(@a{sv})", tooled_asv("{}"));
}

static int compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* All that can be seen of a VM. A removal that is tried again and again counts its tries. */
static char *look_at(Fixture *fixture, const char *path)
{
    static const char *const counted[] = {"RemovalPhase", "RemovalAttempt", "RemovalNextAttemptTimestamp"};
    g_autoptr(GVariant) all = tooled_get_all(fixture, path, BERTH_IFACE_VM);
    g_autofree char *dir = tooled_vm_file(fixture, path, "");
    g_autofree char *files = tooled_files(dir);
    g_autofree char *runtime = tooled_files(fixture->runtime_dir);
    GVariantDict dict;
    g_variant_dict_init(&dict, all);
    for (guint i = 0; i < G_N_ELEMENTS(counted); i++)
        g_variant_dict_remove(&dict, counted[i]);
    g_autoptr(GVariant) kept = g_variant_ref_sink(g_variant_dict_end(&dict));
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    for (gsize i = 0; i < g_variant_n_children(kept); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(kept, i);
        g_ptr_array_add(lines, g_variant_print(entry, TRUE));
    }
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    g_autofree char *properties = g_strjoinv("\n", (char **) lines->pdata);
    return g_strjoin("\n", properties, files, runtime, NULL);
}

static void assert_refused(Fixture *fixture, const char *path, const char *name, const Row *row, guint method)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *words = g_strdup_printf("\"%s\"|%s", name, row->state);
    g_autoptr(GVariant) answer =
        fixture_try(fixture, path, BERTH_IFACE_VM, methods[method], parameters_of(method), &error);
    if (answer)
        g_error("%s succeeded in %s", methods[method], row->state);
    /* A removal beyond its grace time refuses to be taken back in words of its own. */
    if (method == CANCEL_REMOVAL && g_str_equal(row->state, "removing"))
        words[strcspn(words, "|")] = '\0';
    tooled_assert_error(error, refusal(row->after[method]), words);
}

static void end_start(void)
{
    if (!start)
        return;
    AWAIT(start->done);
    g_clear_pointer(&start, fixture_call_free);
}

static void test_refused(Tooled *tooled, gconstpointer data)
{
    const Row *row = data;
    Fixture *fixture = &tooled->fixture;
    g_autofree char *path = NULL;
    row->bring(tooled, "web", &path);
    g_autofree char *before = look_at(fixture, path);
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++) {
        if (!refusal(row->after[i]))
            continue;
        assert_refused(fixture, path, "web", row, i);
        g_autofree char *now = look_at(fixture, path);
        if (!g_str_equal(before, now))
            g_error("%s was refused in %s and changed:\n%s\ninto:\n%s", methods[i], row->state, before, now);
    }
    if (row->release)
        row->release(tooled, "web");
    end_start();
}

/* What allowed methods do */

static guint count_in_log(Tooled *tooled, const char *name, const char *line)
{
    g_autofree char *file = g_strconcat(tooled->tools->dir, "/", name, ".log", NULL);
    g_autofree char *text = NULL;
    guint n = 0;
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++)
        n += g_str_equal(lines[i], line) ? 1 : 0;
    return n;
}

static void assert_readable(GUnixFDList *fds, gboolean is_log)
{
    g_autoptr(GError) error = NULL;
    g_assert_nonnull(fds);
    g_assert_cmpint(g_unix_fd_list_get_length(fds), ==, 1);
    int fd = g_unix_fd_list_get(fds, 0, &error);
    g_assert_no_error(error);
    g_assert_cmpint(fcntl(fd, F_GETFL) & O_ACCMODE, ==, is_log ? O_RDONLY : O_RDWR);
    close(fd);
}

static gboolean opens(guint method)
{
    return method == OPEN_CONSOLE || method == OPEN_DISPLAY || method == OPEN_LOG;
}

static void check_effect(Tooled *tooled, const char *path, const char *name, guint method, GUnixFDList *fds)
{
    if (method == RESET)
        g_assert_cmpuint(count_in_log(tooled, name, "qmp system_reset"), ==, 1);
    if (method == CONFIGURE) {
        g_autoptr(GVariant) config = fixture_get(&tooled->fixture, path, BERTH_IFACE_VM, "Config");
        const char *description = "";
        g_assert_true(g_variant_lookup(config, "description", "&s", &description));
        g_assert_cmpstr(description, ==, "another");
    }
    if (opens(method))
        assert_readable(fds, method == OPEN_LOG);
}

static void await_state_after(Tooled *tooled, const char *path, const Row *row, const char *after)
{
    Fixture *fixture = &tooled->fixture;
    if (g_str_equal(after, GONE))
        fixture_await_gone(fixture, path);
    else
        fixture_await_state(fixture, path, *after ? after : row->state);
}

static void try_allowed(Tooled *tooled, const Row *row, guint method)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autofree char *path = NULL, *name = g_strdup_printf("vm-%u", method);
    row->bring(tooled, name, &path);
    g_autoptr(GVariant) answer = fixture_call_with_fds(&tooled->fixture, path, BERTH_IFACE_VM, methods[method],
                                                       parameters_of(method), NULL, &fds, &error);
    if (error)
        g_error("%s in %s: %s", methods[method], row->state, error->message);
    if (!start || opens(method))
        await_state_after(tooled, path, row, row->after[method]);
    check_effect(tooled, path, name, method, fds);
    if (row->release)
        row->release(tooled, name);
    if (start && (method == POWER_OFF || method == REMOVE)) {
        AWAIT(start->done);
        tooled_assert_error(start->error, "Cancelled", "");
        await_state_after(tooled, path, row, row->after[method]);
    }
    end_start();
}

static void test_allowed(Tooled *tooled, gconstpointer data)
{
    const Row *row = data;
    g_assert_cmpint(chmod(tooled->tools->dir, 0777), ==, 0); /* QEMU's user writes its log there */
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++)
        if (!refusal(row->after[i]))
            try_allowed(tooled, row, i);
}

/* One operation at a time: a Pause that QEMU does not answer yet. */
static void test_busy(Tooled *tooled, gconstpointer unused)
{
    /* PowerOff is for a QEMU that hangs, so it does not wait; nor does Remove. */
    static const guint refused[] = {START, SHUTDOWN, RESET, PAUSE, RESUME, CONFIGURE, CANCEL_REMOVAL};
    Fixture *fixture = &tooled->fixture;
    g_autofree char *path = tooled_vm(tooled, "web", "on stop wait go\n");
    fixture_vm(fixture, path, "Start");
    FixtureCall *pause = tooled_begin(fixture, path, "Pause");
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) answer =
            fixture_try(fixture, path, BERTH_IFACE_VM, methods[refused[i]], parameters_of(refused[i]), &error);
        if (answer)
            g_error("%s succeeded during Pause", methods[refused[i]]);
        gboolean possible = refused[i] != START && refused[i] != RESUME && refused[i] != CANCEL_REMOVAL;
        tooled_assert_error(error, possible ? "Busy" : "WrongState", possible ? "Pause|\"web\"" : "running|\"web\"");
    }
    g_assert_false(pause->done);
    fake_tools_touch(tooled->tools, "go");
    tooled_succeeds(pause);
    fixture_await_state(fixture, path, "paused");
}

/* A VM that is not there, or not any more. */
static void test_no_vm(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *path = tooled_vm(tooled, "web", NULL);
    fixture_vm(fixture, path, "Remove");
    fixture_await_gone(fixture, path);
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) answer = fixture_try(fixture, path, BERTH_IFACE_VM, methods[i], parameters_of(i), &error);
        g_assert_null(answer);
        tooled_assert_error(error, "org.freedesktop.DBus.Error.UnknownObject", "");
    }
}

/* The test's data is its row, not more of berth.conf. */
static void set_up(Tooled *tooled, gconstpointer row)
{
    tooled_set_up(tooled, "[VM]\nPowerOffTimeoutSec=500ms\n");
}

/* A VM that never ran has no logs, and is not broken for that. */
static void test_no_logs(Tooled *tooled, gconstpointer unused)
{
    g_autofree char *path = tooled_vm(tooled, "web", NULL);
    fixture_call_fails(&tooled->fixture, path, BERTH_IFACE_VM, "OpenLog", parameters_of(OPEN_LOG), "NotFound",
                       "serial.log");
    fixture_call_fails(&tooled->fixture, path, BERTH_IFACE_VM, "OpenLog",
                       g_variant_new("(s@a{sv})", "../vm.json", tooled_asv("{}")),
                       "org.freedesktop.DBus.Error.InvalidArgs", "../vm.json");
}

static void add(void)
{
    static const char *const names[] = {"stopped",  "starting-systemd", "starting-qmp",   "running",          "paused",
                                        "stopping", "exited",           "removing-grace", "removing-waiting", "broken"};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *refused = g_strconcat("/states/", names[i], "/refused", NULL);
        g_autofree char *allowed = g_strconcat("/states/", names[i], "/allowed", NULL);
        g_test_add(refused, Tooled, &rows[i], set_up, test_refused, tooled_tear_down);
        g_test_add(allowed, Tooled, &rows[i], set_up, test_allowed, tooled_tear_down);
    }
    TOOLED_ADD("/states/busy", NULL, test_busy);
    TOOLED_ADD("/states/no-logs", NULL, test_no_logs);
    TOOLED_ADD("/states/no-vm", NULL, test_no_vm);
}

int main(int argc, char **argv)
{
    return tooled_main(argc, argv, add);
}
