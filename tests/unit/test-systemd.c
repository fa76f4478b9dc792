/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/host/systemd.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/core/error.h"
#include "tests/lib/await.h"
#include "tests/lib/fakes/fake-systemd.h"
#include "tests/lib/private-bus.h"
#include "tests/lib/test-cgroup.h"

#define UNIT "berth-3b0c7ab8-8f5b-4be1-8c11-1d0fa0a9a3d5.scope"
#define LONG_USEC (60 * G_USEC_PER_SEC)
#define SHORT_USEC (G_USEC_PER_SEC / 2)
#define STOP_USEC (2 * G_USEC_PER_SEC) /* to SIGKILL, and from there until systemd gives up */

static PrivateBus *private_bus;

typedef struct {
    char *cgroup;
    FakeSystemd *fake;
    BerthBusLink *link;
    BerthSystemd *systemd;
    BerthSystemdCall *call;
    GPid child; /* sleeps until it is killed */
    int pidfd;
    guint n_done;
    GError *error;
    BerthScopeStatus status;
    GHashTable *units;
    GPtrArray *hints; /* (element-type utf8) */
} Bed;

static void on_hint(const char *unit, gpointer data)
{
    Bed *bed = data;
    g_ptr_array_add(bed->hints, g_strdup(unit));
}

/* Also that a callback may free its call. */
static void on_done(const GError *error, gpointer data)
{
    Bed *bed = data;
    bed->n_done++;
    g_clear_error(&bed->error);
    bed->error = error ? g_error_copy(error) : NULL;
    berth_systemd_call_free(&bed->call);
}

static void on_status(const BerthScopeStatus *status, const GError *error, gpointer data)
{
    Bed *bed = data;
    if (status) {
        bed->status.loaded = status->loaded;
        g_free(bed->status.active_state);
        bed->status.active_state = g_strdup(status->active_state);
        g_free(bed->status.control_group);
        bed->status.control_group = g_strdup(status->control_group);
    }
    on_done(error, data);
}

static void on_list(GHashTable *units, const GError *error, gpointer data)
{
    Bed *bed = data;
    g_clear_pointer(&bed->units, g_hash_table_unref);
    bed->units = units ? g_hash_table_ref(units) : NULL;
    on_done(error, data);
}

static void die_with_the_test(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static GPid spawn_sleeper(void)
{
    g_autoptr(GError) error = NULL;
    const char *argv[] = {"sleep", "1000", NULL};
    GPid pid;
    g_spawn_async(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, die_with_the_test, NULL,
                  &pid, &error);
    g_assert_no_error(error);
    return pid;
}

static void set_up(Bed *bed, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    bed->cgroup = test_cgroup_new();
    bed->fake = fake_systemd_new(private_bus_address(private_bus), bed->cgroup);
    bed->link = berth_bus_link_new(FALSE);
    bed->systemd = berth_systemd_new(bed->link);
    bed->hints = g_ptr_array_new_with_free_func(g_free);
    berth_systemd_set_hint(bed->systemd, on_hint, bed);
    g_assert_true(berth_bus_link_connect(bed->link, &error));
    bed->child = spawn_sleeper();
    bed->pidfd = (int) syscall(SYS_pidfd_open, bed->child, 0);
}

static void tear_down(Bed *bed, gconstpointer unused)
{
    berth_systemd_call_free(&bed->call);
    berth_systemd_free(bed->systemd);
    berth_bus_link_free(bed->link);
    fake_systemd_free(bed->fake);
    kill(bed->child, SIGKILL);
    waitpid(bed->child, NULL, 0);
    close(bed->pidfd);
    test_cgroup_destroy(bed->cgroup);
    g_clear_error(&bed->error);
    g_clear_pointer(&bed->units, g_hash_table_unref);
    g_ptr_array_unref(bed->hints);
    g_free(bed->status.active_state);
    g_free(bed->status.control_group);
    g_free(bed->cgroup);
}

static void begin_start(Bed *bed, int pidfd, guint64 timeout_usec)
{
    const BerthLimits limits = {.cpu_quota = 150, .memory_max = 1 << 30, .tasks_max = 64};
    const BerthScopeSpec spec = {
        .unit = UNIT,
        .description = "Virtual machine web",
        .slice = "machine.slice",
        .pid = bed->child,
        .pidfd = pidfd,
        .limits = &limits,
        .stop_timeout_usec = STOP_USEC,
    };
    bed->n_done = 0;
    bed->call = berth_systemd_start_scope(bed->systemd, &spec, timeout_usec, on_done, bed);
    g_assert_cmpuint(bed->n_done, ==, 0);
}

static void start(Bed *bed)
{
    begin_start(bed, bed->pidfd, LONG_USEC);
    AWAIT(bed->n_done == 1);
    g_assert_no_error(bed->error);
}

static GVariant *property(Bed *bed, const char *name)
{
    g_autoptr(GVariant) all = fake_systemd_properties(bed->fake, UNIT);
    GVariantIter iter;
    const char *key;
    GVariant *value;
    g_variant_iter_init(&iter, all);
    while (g_variant_iter_next(&iter, "(&sv)", &key, &value)) {
        if (g_str_equal(key, name))
            return value;
        g_variant_unref(value);
    }
    return NULL;
}

static void assert_property(Bed *bed, const char *name, const char *text)
{
    g_autoptr(GVariant) value = property(bed, name);
    if (!text) {
        g_assert_null(value);
        return;
    }
    g_assert_nonnull(value);
    g_autofree char *got = g_variant_print(value, TRUE);
    g_assert_cmpstr(got, ==, text);
}

/* The process is really in the cgroup that systemd names. */
static void assert_in_scope(Bed *bed)
{
    g_autofree char *file = g_strdup_printf("/proc/%d/cgroup", bed->child);
    g_autofree char *text = NULL;
    g_autofree char *cgroup = fake_systemd_cgroup(bed->fake, UNIT);
    g_autofree char *line = g_strdup_printf("0::%s\n", cgroup);
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, line));
}

/* PIDFDs first, then PIDs, once and for all. */
static void test_start(Bed *bed, gconstpointer unused)
{
    start(bed);
    assert_in_scope(bed);
    g_assert_cmpuint(fake_service_count(fake_systemd_service(bed->fake), "StartTransientUnit"), ==, 2);
    assert_property(bed, "Description", "'Virtual machine web'");
    assert_property(bed, "Slice", "'machine.slice'");
    assert_property(bed, "After", "['berthd.service']");
    assert_property(bed, "KillMode", "'control-group'");
    assert_property(bed, "SendSIGKILL", "true");
    assert_property(bed, "TimeoutStopUSec", "uint64 2000000");
    assert_property(bed, "CollectMode", "'inactive-or-failed'");
    assert_property(bed, "OOMPolicy", "'continue'");
    assert_property(bed, "CPUQuotaPerSecUSec", "uint64 1500000");
    assert_property(bed, "MemoryMax", "uint64 1073741824");
    assert_property(bed, "TasksMax", "uint64 64");
    assert_property(bed, "CPUWeight", NULL);
    assert_property(bed, "IOWeight", NULL);
    g_autofree char *pids = g_strdup_printf("[uint32 %d]", bed->child);
    assert_property(bed, "PIDs", pids);
    /* The second time it is known. */
    begin_start(bed, bed->pidfd, LONG_USEC);
    AWAIT(bed->n_done == 1);
    g_assert_error(bed->error, BERTH_ERROR, BERTH_ERROR_BUSY);
    assert_property(bed, "PIDFDs", NULL);
    g_assert_cmpuint(fake_service_count(fake_systemd_service(bed->fake), "StartTransientUnit"), ==, 4);
}

static void test_pidfd(Bed *bed, gconstpointer unused)
{
    fake_systemd_set_flags(bed->fake, FAKE_SYSTEMD_PIDFDS);
    start(bed);
    assert_in_scope(bed);
    assert_property(bed, "PIDs", NULL);
    g_assert_cmpuint(fake_service_count(fake_systemd_service(bed->fake), "StartTransientUnit"), ==, 1);
}

/* JobRemoved may be there before the reply that says which job. */
static void test_early_job(Bed *bed, gconstpointer unused)
{
    fake_systemd_set_flags(bed->fake, FAKE_SYSTEMD_EARLY_JOBS);
    start(bed);
    assert_in_scope(bed);
}

static void test_waits_for_job(Bed *bed, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(bed->fake);
    fake_service_hold(service, "JobRemoved");
    begin_start(bed, -1, LONG_USEC);
    AWAIT(fake_service_count(service, "JobRemoved") == 1);
    /* Others' jobs end meanwhile, one of them of the same unit. */
    fake_systemd_send(bed->fake, "JobRemoved",
                      g_variant_new("(uoss)", 77, "/org/freedesktop/systemd1/job/77", UNIT, "done"));
    AWAIT(bed->hints->len > 0);
    g_assert_cmpuint(bed->n_done, ==, 0);
    fake_service_release(service, "JobRemoved");
    AWAIT(bed->n_done == 1);
    g_assert_no_error(bed->error);
}

static void test_job_fails(Bed *bed, gconstpointer unused)
{
    fake_systemd_set_job_result(bed->fake, "failed");
    begin_start(bed, -1, LONG_USEC);
    AWAIT(bed->n_done == 1);
    g_assert_error(bed->error, BERTH_ERROR, BERTH_ERROR_START_FAILED);
    g_assert_nonnull(strstr(bed->error->message, "failed"));
    g_assert_nonnull(strstr(bed->error->message, UNIT));
}

/* A failed scope keeps its name; it is reset, and the start tried again. */
static void test_start_resets(Bed *bed, gconstpointer unused)
{
    fake_systemd_add_failed(bed->fake, UNIT);
    begin_start(bed, -1, LONG_USEC);
    AWAIT(bed->n_done == 1);
    g_assert_no_error(bed->error);
    g_assert_cmpuint(fake_service_count(fake_systemd_service(bed->fake), "ResetFailedUnit"), ==, 1);
    assert_in_scope(bed);
}

static void test_refused(Bed *bed, gconstpointer unused)
{
    fake_service_fail(fake_systemd_service(bed->fake), "StartTransientUnit", "org.freedesktop.DBus.Error.AccessDenied",
                      1);
    begin_start(bed, bed->pidfd, LONG_USEC);
    AWAIT(bed->n_done == 1);
    g_assert_error(bed->error, BERTH_ERROR, BERTH_ERROR_START_FAILED);
    g_assert_nonnull(strstr(bed->error->message, "AccessDenied"));
}

/* The deadline spans request and job. */
static void test_deadline(Bed *bed, gconstpointer member)
{
    fake_service_hold(fake_systemd_service(bed->fake), member);
    begin_start(bed, -1, 150 * 1000);
    AWAIT(bed->n_done == 1);
    g_assert_error(bed->error, BERTH_ERROR, BERTH_ERROR_START_FAILED);
    g_assert_nonnull(strstr(bed->error->message, "in time"));
    fake_service_release(fake_systemd_service(bed->fake), member);
    /* What comes late finds nobody. */
    bed->call = berth_systemd_list(bed->systemd, LONG_USEC, on_list, bed);
    AWAIT(bed->n_done == 2);
    g_assert_no_error(bed->error);
}

/* Answered is answered: its deadline passes unheard, though the call is not freed yet. */
static void test_deadline_after(Bed *bed, gconstpointer unused)
{
    begin_start(bed, -1, 5 * G_USEC_PER_SEC);
    BerthSystemdCall *call = g_steal_pointer(&bed->call);
    AWAIT(bed->n_done == 1);
    await_silence(5100);
    g_assert_cmpuint(bed->n_done, ==, 1);
    g_assert_no_error(bed->error);
    berth_systemd_call_free(&call);
}

static void test_kill(Bed *bed, gconstpointer unused)
{
    bed->call = berth_systemd_kill(bed->systemd, UNIT, SIGKILL, LONG_USEC, on_done, bed);
    AWAIT(bed->n_done == 1);
    g_assert_no_error(bed->error); /* not loaded */
    start(bed);
    bed->call = berth_systemd_kill(bed->systemd, UNIT, SIGKILL, LONG_USEC, on_done, bed);
    AWAIT(bed->n_done == 2);
    g_assert_no_error(bed->error);
    int status;
    g_assert_cmpint(waitpid(bed->child, &status, 0), ==, bed->child);
    g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    AWAIT(fake_systemd_n_units(bed->fake) == 0 || bed->hints->len > 10);
    bed->child = spawn_sleeper();
}

static void test_stop(Bed *bed, gconstpointer unused)
{
    bed->call = berth_systemd_stop(bed->systemd, UNIT, LONG_USEC, on_done, bed);
    AWAIT(bed->n_done == 1);
    g_assert_no_error(bed->error); /* not loaded */
    start(bed);
    kill(bed->child, SIGSTOP); /* SIGTERM does nothing: SIGKILL after STOP_USEC */
    bed->call = berth_systemd_stop(bed->systemd, UNIT, LONG_USEC, on_done, bed);
    AWAIT(bed->n_done == 2);
    g_assert_no_error(bed->error);
    g_assert_cmpuint(fake_systemd_n_units(bed->fake), ==, 0);
    g_assert_cmpuint(fake_service_count(fake_systemd_service(bed->fake), "ResetFailedUnit"), ==, 1);
    int status;
    g_assert_cmpint(waitpid(bed->child, &status, 0), ==, bed->child);
    bed->child = spawn_sleeper();
}

static void test_status(Bed *bed, gconstpointer unused)
{
    bed->call = berth_systemd_status(bed->systemd, UNIT, LONG_USEC, on_status, bed);
    AWAIT(bed->n_done == 1);
    g_assert_no_error(bed->error);
    g_assert_false(bed->status.loaded);
    g_assert_cmpstr(bed->status.active_state, ==, "inactive");
    g_assert_cmpstr(bed->status.control_group, ==, "");
    start(bed);
    bed->call = berth_systemd_status(bed->systemd, UNIT, LONG_USEC, on_status, bed);
    AWAIT(bed->n_done == 2);
    g_assert_no_error(bed->error);
    g_autofree char *cgroup = fake_systemd_cgroup(bed->fake, UNIT);
    g_assert_true(bed->status.loaded);
    g_assert_cmpstr(bed->status.active_state, ==, "active");
    g_assert_cmpstr(bed->status.control_group, ==, cgroup);
}

static void test_list(Bed *bed, gconstpointer unused)
{
    start(bed);
    fake_systemd_add_failed(bed->fake, "berth-left.scope");
    fake_systemd_add_failed(bed->fake, "other.scope");
    bed->call = berth_systemd_list(bed->systemd, LONG_USEC, on_list, bed);
    AWAIT(bed->n_done == 2);
    g_assert_no_error(bed->error);
    g_assert_cmpuint(g_hash_table_size(bed->units), ==, 2);
    g_assert_cmpstr(g_hash_table_lookup(bed->units, UNIT), ==, "active");
    g_assert_cmpstr(g_hash_table_lookup(bed->units, "berth-left.scope"), ==, "failed");
}

/* UnitRemoved is a hint, true or false, and so is a change of the scope's properties. */
static void test_hints(Bed *bed, gconstpointer unused)
{
    start(bed);
    g_ptr_array_set_size(bed->hints, 0);
    fake_systemd_send_unit_removed(bed->fake, "ssh.service", FALSE);
    fake_systemd_send_unit_removed(bed->fake, UNIT, TRUE);
    AWAIT(bed->hints->len == 1);
    g_assert_cmpstr(bed->hints->pdata[0], ==, UNIT);
    g_ptr_array_set_size(bed->hints, 0);
    kill(bed->child, SIGKILL);
    waitpid(bed->child, NULL, 0);
    AWAIT(bed->hints->len >= 2); /* the state's change and UnitRemoved */
    bed->child = spawn_sleeper();
}

static void send_forged(Bed *bed, GDBusConnection *stranger, const char *interface, const char *signal,
                        GVariant *parameters)
{
    const char *name;
    g_autoptr(GVariant) owned = g_variant_ref_sink(parameters);
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_strdelimit(g_strconcat("/", interface, NULL), ".", '/');
    if (g_str_has_suffix(path, "/Manager"))
        path[strlen(path) - strlen("/Manager")] = '\0';
    g_assert_cmpint(sd_bus_get_unique_name(berth_bus_link_get(bed->link), &name), >=, 0);
    g_dbus_connection_emit_signal(stranger, name, path, interface, signal, owned, &error);
    g_assert_no_error(error);
    g_assert_true(g_dbus_connection_flush_sync(stranger, NULL, &error));
}

/* A signal that somebody sends to us alone passes every match rule. */
static void test_forged(Bed *bed, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(bed->fake);
    g_autoptr(GDBusConnection) stranger = private_bus_connect(private_bus);
    fake_service_hold(service, "JobRemoved");
    begin_start(bed, -1, LONG_USEC);
    AWAIT(fake_service_count(service, "JobRemoved") == 1 && bed->hints->len == 1);
    send_forged(bed, stranger, "org.freedesktop.DBus", "NameOwnerChanged",
                g_variant_new("(sss)", "org.freedesktop.systemd1", "", g_dbus_connection_get_unique_name(stranger)));
    send_forged(bed, stranger, "org.freedesktop.systemd1.Manager", "UnitRemoved",
                g_variant_new("(so)", UNIT, "/org/freedesktop/systemd1/unit/x"));
    send_forged(bed, stranger, "org.freedesktop.systemd1.Manager", "JobRemoved",
                g_variant_new("(uoss)", 1, "/org/freedesktop/systemd1/job/1", UNIT, "done"));
    BerthSystemdCall *start_call = g_steal_pointer(&bed->call);
    /* Its answer comes after the forged signals, and from the real systemd. */
    bed->call = berth_systemd_list(bed->systemd, LONG_USEC, on_list, bed);
    AWAIT(bed->units);
    g_assert_cmpuint(bed->n_done, ==, 1);
    g_assert_cmpuint(bed->hints->len, ==, 1);
    fake_service_release(service, "JobRemoved");
    AWAIT(bed->n_done == 2);
    g_assert_no_error(bed->error);
    berth_systemd_call_free(&start_call);
}

/* As with daemon-reexec: another connection owns the name, and the job goes on. */
static void test_comes_back(Bed *bed, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(bed->fake);
    fake_service_hold(service, "JobRemoved");
    begin_start(bed, -1, LONG_USEC);
    AWAIT(fake_service_count(service, "JobRemoved") == 1);
    guint n_subscribed = fake_service_count(service, "Subscribe");
    fake_service_vanish(service);
    fake_service_come_back(service);
    AWAIT(fake_service_count(service, "Subscribe") == n_subscribed + 1);
    fake_service_release(service, "JobRemoved");
    AWAIT(bed->n_done == 1);
    g_assert_no_error(bed->error);
}

/* What systemd has not answered when it leaves the bus is asked again, and may have been heard before. */
static void test_asked_again(Bed *bed, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(bed->fake);
    fake_service_hold(service, "StartTransientUnit");
    begin_start(bed, -1, LONG_USEC);
    AWAIT(fake_service_count(service, "StartTransientUnit") == 1);
    fake_service_vanish(service);
    fake_service_come_back(service);
    AWAIT(fake_service_count(service, "StartTransientUnit") == 2);
    g_assert_cmpuint(bed->n_done, ==, 0);
    fake_service_release(service, "StartTransientUnit");
    AWAIT(bed->n_done == 1);
    g_assert_no_error(bed->error);
    g_assert_cmpuint(fake_systemd_n_units(bed->fake), ==, 1);
}

static void test_absent(Bed *bed, gconstpointer unused)
{
    fake_service_vanish(fake_systemd_service(bed->fake));
    begin_start(bed, -1, LONG_USEC);
    AWAIT(bed->n_done == 1);
    g_assert_error(bed->error, BERTH_ERROR, BERTH_ERROR_START_FAILED);
    g_assert_nonnull(strstr(bed->error->message, "not on the bus"));
}

/* While it waits for the reply, and while it waits for the job; and calls made while the bus is away. */
static void test_bus_lost(Bed *bed, gconstpointer member)
{
    FakeService *service = fake_systemd_service(bed->fake);
    fake_service_hold(service, member);
    begin_start(bed, -1, LONG_USEC);
    AWAIT(fake_service_count(service, member) == 1);
    guint n_subscribed = fake_service_count(service, "Subscribe");
    private_bus_stop(private_bus);
    AWAIT(!berth_bus_link_get(bed->link));
    BerthSystemdCall *start_call = g_steal_pointer(&bed->call);
    BerthSystemdCall *list_call = berth_systemd_list(bed->systemd, LONG_USEC, on_list, bed);
    private_bus_start(private_bus);
    fake_service_vanish(service);
    fake_service_come_back(service);
    AWAIT(fake_service_count(service, "Subscribe") > n_subscribed);
    AWAIT(bed->units); /* in whatever order they are answered */
    fake_service_release(service, member);
    AWAIT(bed->n_done == 2);
    g_assert_no_error(bed->error);
    g_assert_cmpuint(fake_systemd_n_units(bed->fake), ==, 1);
    berth_systemd_call_free(&start_call);
    berth_systemd_call_free(&list_call);
}

/* The deadline is what ends the wait for a bus. */
static void test_bus_stays_away(Bed *bed, gconstpointer unused)
{
    fake_service_hold(fake_systemd_service(bed->fake), "StartTransientUnit");
    private_bus_stop(private_bus);
    begin_start(bed, -1, SHORT_USEC);
    AWAIT(bed->n_done == 1);
    g_assert_error(bed->error, BERTH_ERROR, BERTH_ERROR_START_FAILED);
    AWAIT(!berth_bus_link_get(bed->link));
    begin_start(bed, -1, SHORT_USEC);
    AWAIT(bed->n_done == 1);
    g_assert_error(bed->error, BERTH_ERROR, BERTH_ERROR_START_FAILED);
    g_assert_nonnull(strstr(bed->error->message, "in time"));
    private_bus_start(private_bus);
    fake_service_vanish(fake_systemd_service(bed->fake));
    fake_service_come_back(fake_systemd_service(bed->fake));
    AWAIT(berth_bus_link_get(bed->link));
}

static void test_freed(Bed *bed, gconstpointer member)
{
    FakeService *service = fake_systemd_service(bed->fake);
    fake_service_hold(service, member);
    begin_start(bed, -1, LONG_USEC);
    AWAIT(fake_service_count(service, member) == 1);
    berth_systemd_call_free(&bed->call);
    g_assert_null(bed->call);
    fake_service_release(service, member);
    bed->call = berth_systemd_list(bed->systemd, LONG_USEC, on_list, bed);
    AWAIT(bed->n_done == 1);
    g_assert_nonnull(bed->units); /* the list's answer, not the start's */
}

#define ADD(path, data, func) g_test_add("/systemd/" path, Bed, data, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* warnings are due where bus or systemd go away */
    g_autofree char *missing = test_cgroup_missing();
    if (missing) {
        g_print("1..0 # SKIP %s\n", missing);
        return 0;
    }
    private_bus = private_bus_new(NULL);
    ADD("start", NULL, test_start);
    ADD("pidfd", NULL, test_pidfd);
    ADD("early-job", NULL, test_early_job);
    ADD("waits-for-job", NULL, test_waits_for_job);
    ADD("job-fails", NULL, test_job_fails);
    ADD("start-resets", NULL, test_start_resets);
    ADD("refused", NULL, test_refused);
    ADD("deadline/reply", "StartTransientUnit", test_deadline);
    ADD("deadline/job", "JobRemoved", test_deadline);
    ADD("deadline/after", NULL, test_deadline_after);
    ADD("kill", NULL, test_kill);
    ADD("stop", NULL, test_stop);
    ADD("status", NULL, test_status);
    ADD("list", NULL, test_list);
    ADD("hints", NULL, test_hints);
    ADD("forged", NULL, test_forged);
    ADD("comes-back", NULL, test_comes_back);
    ADD("asked-again", NULL, test_asked_again);
    ADD("absent", NULL, test_absent);
    ADD("bus-lost/reply", "StartTransientUnit", test_bus_lost);
    ADD("bus-lost/job", "JobRemoved", test_bus_lost);
    ADD("bus-stays-away", NULL, test_bus_stays_away);
    ADD("freed/reply", "StartTransientUnit", test_freed);
    ADD("freed/job", "JobRemoved", test_freed);
    int r = g_test_run();
    private_bus_free(private_bus);
    return r;
}
