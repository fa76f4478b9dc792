/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gunixfdlist.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "fake-systemd-private.h"
#include "tests/lib/test-cgroup.h"

#define STOP_USEC_DEFAULT (90 * G_USEC_PER_SEC)

typedef struct {
    FakeSystemd *fake;
    guint32 id;
    char *unit;
    char *result;
} Job;

char *fake_job_path(guint32 id)
{
    return g_strdup_printf(PATH "/job/%u", id);
}

/* Every byte but letters and digits (and a leading digit) becomes _xx. */
char *fake_unit_path(const char *name)
{
    GString *path = g_string_new(PATH "/unit/");
    for (const char *c = name; *c; c++) {
        if (g_ascii_isalpha(*c) || (c > name && g_ascii_isdigit(*c)))
            g_string_append_c(path, *c);
        else
            g_string_append_printf(path, "_%02x", (guint8) *c);
    }
    return g_string_free(path, FALSE);
}

static void clear_source(GSource **source)
{
    if (*source)
        g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

void fake_unit_free(gpointer data)
{
    FakeUnit *unit = data;
    clear_source(&unit->watch);
    clear_source(&unit->timer);
    fake_service_unexport(unit->fake->service, unit->unit_id);
    fake_service_unexport(unit->fake->service, unit->scope_id);
    g_free(unit->name);
    g_free(unit->path);
    g_free(unit->description);
    g_free(unit->cgroup);
    g_free(unit);
}

/* signals */

void fake_systemd_emit(FakeSystemd *fake, const char *signal, GVariant *parameters)
{
    fake_service_emit(fake->service, PATH, MANAGER, signal, parameters);
}

static gboolean emit_job_removed(gpointer data)
{
    Job *job = data;
    g_autofree char *path = fake_job_path(job->id);
    fake_systemd_emit(job->fake, "JobRemoved", g_variant_new("(uoss)", job->id, path, job->unit, job->result));
    return G_SOURCE_REMOVE;
}

static void job_free(gpointer data)
{
    Job *job = data;
    g_free(job->unit);
    g_free(job->result);
    g_free(job);
}

void fake_job_end(FakeSystemd *fake, guint32 id, const char *unit)
{
    Job *job = g_new(Job, 1);
    *job = (Job){fake, id, g_strdup(unit), g_strdup(fake->job_result)};
    if (fake_service_holds(fake->service, "JobRemoved", emit_job_removed, job, job_free))
        return;
    emit_job_removed(job);
    job_free(job);
}

/* As systemd does: the properties of its own type first, then those of all units, for whatever has changed. */
void fake_unit_set_state(FakeUnit *unit, const char *state)
{
    unit->active_state = state;
    const char *result = g_str_equal(state, "failed") ? "timeout" : "success";
    GVariantBuilder scope, general;
    g_variant_builder_init(&scope, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&scope, "{sv}", "Result", g_variant_new_string(result));
    g_variant_builder_init(&general, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&general, "{sv}", "ActiveState", g_variant_new_string(state));
    fake_service_emit(unit->fake->service, unit->path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                      g_variant_new("(sa{sv}as)", NAME ".Scope", &scope, NULL));
    fake_service_emit(unit->fake->service, unit->path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                      g_variant_new("(sa{sv}as)", NAME ".Unit", &general, NULL));
}

/* units */

static GVariant *get_property(const char *property, gpointer data)
{
    const FakeUnit *unit = data;
    const struct {
        const char *name, *value;
    } table[] = {
        {"Id", unit->name},
        {"Description", unit->description},
        {"LoadState", "loaded"},
        {"ActiveState", unit->active_state},
        {"SubState", g_str_equal(unit->active_state, "active") ? "running" : "dead"},
        {"ControlGroup", g_str_equal(unit->active_state, "inactive") ? "" : unit->cgroup},
        {"Result", "success"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        if (g_str_equal(table[i].name, property))
            return g_variant_new_string(table[i].value);
    g_assert_not_reached();
}

void fake_unit_export(FakeUnit *unit)
{
    FakeSystemd *fake = unit->fake;
    unit->unit_id = fake_service_export(
        fake->service, unit->path, g_dbus_node_info_lookup_interface(fake->node, NAME ".Unit"), get_property, unit);
    unit->scope_id = fake_service_export(
        fake->service, unit->path, g_dbus_node_info_lookup_interface(fake->node, NAME ".Scope"), get_property, unit);
}

FakeUnit *fake_unit_new(FakeSystemd *fake, const char *name, const char *slice, const char *description)
{
    FakeUnit *unit = g_new0(FakeUnit, 1);
    unit->fake = fake;
    unit->name = g_strdup(name);
    unit->path = fake_unit_path(name);
    unit->description = g_strdup(description);
    unit->cgroup = g_build_filename(fake->cgroup, slice, name, NULL);
    unit->active_state = "inactive";
    unit->stop_usec = STOP_USEC_DEFAULT;
    g_hash_table_insert(fake->units, unit->name, unit);
    fake_unit_export(unit);
    fake_systemd_emit(fake, "UnitNew", g_variant_new("(so)", unit->name, unit->path));
    return unit;
}

void fake_unit_unload(FakeUnit *unit)
{
    FakeSystemd *fake = unit->fake;
    g_autofree char *name = g_strdup(unit->name);
    g_autofree char *path = g_strdup(unit->path);
    (void) test_cgroup_remove(unit->cgroup);
    g_hash_table_remove(fake->units, name);
    fake_systemd_emit(fake, "UnitRemoved", g_variant_new("(so)", name, path));
    g_main_context_wakeup(NULL); /* for a test that awaits it */
}

static void unit_ended(FakeUnit *unit, const char *state)
{
    FakeSystemd *fake = unit->fake;
    guint32 job = unit->stop_job;
    g_autofree char *name = g_strdup(unit->name);
    fake_unit_set_state(unit, state);
    /* CollectMode=inactive-or-failed; but a scope whose process can't be killed stays, as failed. */
    if (test_cgroup_is_empty(unit->cgroup))
        fake_unit_unload(unit);
    else
        unit->stop_job = 0;
    if (job > 0)
        fake_job_end(fake, job, name);
}

static void on_cgroup_changed(gpointer data)
{
    FakeUnit *unit = data;
    if (test_cgroup_is_empty(unit->cgroup))
        unit_ended(unit, "inactive");
}

/* start */

static pid_t pid_of_pidfd(int pidfd)
{
    g_autofree char *file = g_strdup_printf("/proc/self/fdinfo/%d", pidfd);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(file, &text, NULL, NULL))
        return -1;
    const char *line = strstr(text, "Pid:");
    return line ? (pid_t) g_ascii_strtoll(line + strlen("Pid:"), NULL, 10) : -1;
}

/* A process that has died is no error to systemd: the scope is active then, with nobody in it. */
static void add_processes(FakeUnit *unit, GVariant *properties, GDBusMessage *message)
{
    g_autoptr(GVariant) pids = g_variant_lookup_value(properties, "PIDs", G_VARIANT_TYPE("au"));
    for (gsize i = 0; pids && i < g_variant_n_children(pids); i++) {
        guint32 pid;
        g_variant_get_child(pids, i, "u", &pid);
        (void) test_cgroup_add(unit->cgroup, (pid_t) pid);
    }
    g_autoptr(GVariant) pidfds = g_variant_lookup_value(properties, "PIDFDs", G_VARIANT_TYPE("ah"));
    for (gsize i = 0; pidfds && i < g_variant_n_children(pidfds); i++) {
        gint32 handle;
        g_variant_get_child(pidfds, i, "h", &handle);
        int fd = g_unix_fd_list_get(g_dbus_message_get_unix_fd_list(message), handle, NULL);
        (void) test_cgroup_add(unit->cgroup, pid_of_pidfd(fd));
        close(fd);
    }
}

/* The a(sv) of the bus as an a{sv}, which GVariant can look things up in. */
static GVariant *to_dictionary(GVariant *properties)
{
    GVariantBuilder builder;
    GVariantIter iter;
    const char *property;
    GVariant *value;
    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    g_variant_iter_init(&iter, properties);
    while (g_variant_iter_loop(&iter, "(&sv)", &property, &value))
        g_variant_builder_add(&builder, "{sv}", property, value);
    return g_variant_ref_sink(g_variant_builder_end(&builder));
}

FakeUnit *fake_unit_start(FakeSystemd *fake, const char *name, GVariant *properties, GDBusMessage *message)
{
    g_autoptr(GVariant) dictionary = to_dictionary(properties);
    const char *slice = "system.slice", *description = name;
    g_variant_lookup(dictionary, "Slice", "&s", &slice);
    g_variant_lookup(dictionary, "Description", "&s", &description);
    FakeUnit *unit = fake_unit_new(fake, name, slice, description);
    g_variant_lookup(dictionary, "TimeoutStopUSec", "t", &unit->stop_usec);
    test_cgroup_make(unit->cgroup);
    /* Watched first: who is in and dies at once is seen to. */
    unit->watch = test_cgroup_watch(unit->cgroup, fake_service_context(fake->service), on_cgroup_changed, unit);
    add_processes(unit, dictionary, message);
    fake_unit_set_state(unit, "active");
    return unit;
}

void fake_unit_lose(FakeUnit *unit)
{
    clear_source(&unit->watch);
    fake_unit_set_state(unit, "inactive");
    fake_unit_unload(unit);
}

/* stop */

static gboolean on_stop_timeout(gpointer data);

static void arm_stop_timer(FakeUnit *unit)
{
    clear_source(&unit->timer);
    unit->timer = g_timeout_source_new((guint) MIN(unit->stop_usec / 1000, (guint64) G_MAXINT));
    g_source_set_callback(unit->timer, on_stop_timeout, unit, NULL);
    g_source_attach(unit->timer, fake_service_context(unit->fake->service));
}

/* SIGTERM, a while, SIGKILL, a while; then systemd gives up, and calls that job done. */
static gboolean on_stop_timeout(gpointer data)
{
    FakeUnit *unit = data;
    if (unit->killed) {
        clear_source(&unit->timer);
        unit_ended(unit, "failed");
        return G_SOURCE_REMOVE;
    }
    unit->killed = TRUE;
    test_cgroup_signal(unit->cgroup, SIGKILL);
    arm_stop_timer(unit);
    return G_SOURCE_REMOVE;
}

void fake_unit_stop(FakeUnit *unit, guint32 job)
{
    unit->stop_job = job;
    unit->killed = FALSE;
    fake_unit_set_state(unit, "deactivating");
    if (test_cgroup_is_empty(unit->cgroup)) {
        unit_ended(unit, "inactive");
        return;
    }
    arm_stop_timer(unit);
    test_cgroup_signal(unit->cgroup, SIGTERM);
    test_cgroup_signal(unit->cgroup, SIGCONT);
}
