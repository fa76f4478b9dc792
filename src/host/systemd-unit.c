/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "systemd-private.h"

#include <fcntl.h>
#include <stdlib.h>

#include "../core/autofd.h"
#include "../core/names.h"
#include "process.h"

/* The verbs: what is asked of systemd for one scope, or for all of Berth's. */

#define DAEMON_UNIT "berthd.service"
/* How long systemd may take to see that a scope is empty. */
#define NAME_PATIENCE_USEC (2 * G_USEC_PER_SEC)
#define USEC_PER_PERCENT 10000u /* CPUQuotaPerSecUSec of 1 % of one processor */

static void answer_plain(BerthSystemdCall *call, const GError *error)
{
    call->done.plain(error, call->data);
}

static BerthSystemdCall *plain_call(BerthSystemd *systemd, const char *unit, const char *verb, BerthError code,
                                    guint64 timeout_usec, BerthSystemdDone done, gpointer data)
{
    BerthSystemdCall *call = systemd_call_new(systemd, unit, verb, code, timeout_usec);
    call->answer = answer_plain;
    call->done.plain = done;
    call->data = data;
    return call;
}

static void send_reset_failed(BerthSystemdCall *call, SystemdOnReply next)
{
    sd_bus_message *message = systemd_call_message(call, SYSTEMD_PATH, SYSTEMD_IFACE_MANAGER, "ResetFailedUnit");
    int r = message ? sd_bus_message_append(message, "s", call->unit) : 0;
    systemd_call_send(call, message, r, next);
}

/* For a verb whose aim is reached where there is no such unit. */
static void succeed_unless_failed(BerthSystemdCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    if (!error || sd_bus_error_has_name(error, SYSTEMD_ERROR_NO_SUCH_UNIT))
        systemd_call_succeed(call);
    else
        systemd_call_fail_with(call, error);
}

/* start */

typedef struct {
    char *description;
    char *slice;
    pid_t pid;
    int pidfd; /* ours, -1 where not to be used */
    BerthLimits limits;
    guint64 stop_timeout_usec;
    gboolean sent_pidfd;    /* in the request under way */
    gboolean pidfd_refused; /* by an earlier one */
    gboolean was_reset;
    gint64 name_deadline; /* monotonic µs: until then its name may become free; 0 where nothing was in its way */
    guint name_timer;
} Start;

static void start_free(gpointer data)
{
    Start *start = data;
    g_clear_handle_id(&start->name_timer, g_source_remove);
    berth_autofd_close(&start->pidfd);
    g_free(start->description);
    g_free(start->slice);
    g_free(start);
}

static int append_limit(sd_bus_message *message, const char *property, guint64 value)
{
    return value > 0 ? sd_bus_message_append(message, "(sv)", property, "t", value) : 0;
}

static int append_limits(sd_bus_message *message, const BerthLimits *limits)
{
    const struct {
        const char *property;
        guint64 value;
    } table[] = {
        {"CPUWeight", limits->cpu_weight}, {"CPUQuotaPerSecUSec", limits->cpu_quota * USEC_PER_PERCENT},
        {"MemoryMax", limits->memory_max}, {"TasksMax", limits->tasks_max},
        {"IOWeight", limits->io_weight},
    };
    int r = 0;
    for (guint i = 0; r >= 0 && i < G_N_ELEMENTS(table); i++)
        r = append_limit(message, table[i].property, table[i].value);
    return r;
}

static int append_process(sd_bus_message *message, const Start *start)
{
    return start->sent_pidfd ? sd_bus_message_append(message, "(sv)", "PIDFDs", "ah", 1, start->pidfd)
                             : sd_bus_message_append(message, "(sv)", "PIDs", "au", 1, (guint32) start->pid);
}

/* KillMode and SendSIGKILL are the defaults, said aloud since removal depends on them: control-group alone reaches
 * every process of the scope with SIGTERM first. OOMPolicy: a helper that is killed must not take the guest along.
 * After: at the host's shutdown units stop in the reverse order, so that the daemon still sees how its VMs end. */
static int append_properties(sd_bus_message *message, const Start *start)
{
    int r = sd_bus_message_open_container(message, 'a', "(sv)");
    if (r >= 0)
        r = append_process(message, start);
    if (r >= 0)
        r = sd_bus_message_append(message, "(sv)(sv)(sv)", "Description", "s", start->description, "Slice", "s",
                                  start->slice, "After", "as", 1, DAEMON_UNIT);
    if (r >= 0)
        r = sd_bus_message_append(message, "(sv)(sv)(sv)", "KillMode", "s", "control-group", "SendSIGKILL", "b", TRUE,
                                  "TimeoutStopUSec", "t", (uint64_t) start->stop_timeout_usec);
    if (r >= 0)
        r = sd_bus_message_append(message, "(sv)(sv)", "CollectMode", "s", "inactive-or-failed", "OOMPolicy", "s",
                                  "continue");
    if (r >= 0)
        r = append_limits(message, &start->limits);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int fill_start(sd_bus_message *message, const BerthSystemdCall *call)
{
    int r = sd_bus_message_append(message, "ss", call->unit, "fail");
    if (r >= 0)
        r = append_properties(message, call->state);
    return r < 0 ? r : sd_bus_message_append(message, "a(sa(sv))", 0); /* no auxiliary units */
}

static void on_start_reply(BerthSystemdCall *call, sd_bus_message *reply, const sd_bus_error *error);

static void send_start(BerthSystemdCall *call)
{
    Start *start = call->state;
    start->sent_pidfd = start->pidfd >= 0 && !start->pidfd_refused && !call->systemd->pids_only;
    sd_bus_message *message = systemd_call_message(call, SYSTEMD_PATH, SYSTEMD_IFACE_MANAGER, "StartTransientUnit");
    int r = message ? fill_start(message, call) : 0;
    systemd_call_send_job(call, message, r, on_start_reply, systemd_call_succeed);
}

/* Whether the unit's name was free or not: the second try tells. */
static void on_reset_before_start(BerthSystemdCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    send_start(call);
}

/* systemd refuses the whole request for a property that it does not know, and does not name it in a way to rely on. */
static gboolean may_be_about_pidfds(const sd_bus_error *error)
{
    return sd_bus_error_has_names(error, SD_BUS_ERROR_PROPERTY_READ_ONLY, SD_BUS_ERROR_UNKNOWN_PROPERTY,
                                  SD_BUS_ERROR_INVALID_ARGS);
}

/* A request that was sent twice meets the scope that the first one made. The kernel tells it from one of somebody
 * else. */
static gboolean is_started(const BerthSystemdCall *call)
{
    const Start *start = call->state;
    g_autofree char *cgroup = call->heard_twice ? berth_cgroup_of(start->pid, NULL) : NULL;
    return cgroup && g_str_has_suffix(cgroup, call->unit);
}

static gboolean on_name_stays_taken(gpointer data)
{
    BerthSystemdCall *call = data;
    Start *start = call->state;
    start->name_timer = 0;
    if (!call->systemd)
        return G_SOURCE_REMOVE; /* answered already */
    if (is_started(call)) {
        systemd_call_succeed(call);
        return G_SOURCE_REMOVE;
    }
    call->code = BERTH_ERROR_BUSY;
    systemd_call_fail(call, "there is a scope of that name already");
    return G_SOURCE_REMOVE;
}

static void on_name_free(BerthSystemdCall *call)
{
    Start *start = call->state;
    g_clear_handle_id(&start->name_timer, g_source_remove);
    send_start(call);
}

/* systemd may see a moment later than we do that the last process of the VM's run before is gone. A daemon-reload
 * sends a false UnitRemoved: then this start finds the name taken as before, and waits for what is left of the time. */
static void await_name(BerthSystemdCall *call)
{
    Start *start = call->state;
    gint64 now = g_get_monotonic_time();
    if (start->name_deadline == 0)
        start->name_deadline = now + NAME_PATIENCE_USEC;
    call->on_unit_removed = on_name_free;
    gint64 left = MAX(start->name_deadline - now, 0);
    start->name_timer = g_timeout_add((guint) (left / 1000), on_name_stays_taken, call);
}

static void on_start_reply(BerthSystemdCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    Start *start = call->state;
    if (!error) {
        /* Only success with PIDs= shows that it was PIDFDs= that was refused before. */
        if (start->pidfd_refused)
            call->systemd->pids_only = TRUE;
        systemd_call_await_job(call, reply);
    } else if (start->sent_pidfd && may_be_about_pidfds(error)) {
        start->pidfd_refused = TRUE;
        send_start(call);
    } else if (!sd_bus_error_has_name(error, SYSTEMD_ERROR_UNIT_EXISTS)) {
        systemd_call_fail_with(call, error);
    } else if (is_started(call)) {
        systemd_call_succeed(call);
    } else if (!start->was_reset) {
        /* A failed scope keeps its name until it is reset; a live one is not touched by that. */
        start->was_reset = TRUE;
        send_reset_failed(call, on_reset_before_start);
    } else {
        await_name(call);
    }
}

BerthSystemdCall *berth_systemd_start_scope(BerthSystemd *systemd, const BerthScopeSpec *spec, guint64 timeout_usec,
                                            BerthSystemdDone done, gpointer data)
{
    BerthSystemdCall *call =
        plain_call(systemd, spec->unit, "start", BERTH_ERROR_START_FAILED, timeout_usec, done, data);
    Start *start = g_new0(Start, 1);
    start->description = g_strdup(spec->description);
    start->slice = g_strdup(spec->slice);
    start->pid = spec->pid;
    start->pidfd = spec->pidfd >= 0 ? fcntl(spec->pidfd, F_DUPFD_CLOEXEC, 3) : -1; /* failed: then by its PID */
    start->limits = *spec->limits;
    start->stop_timeout_usec = spec->stop_timeout_usec;
    call->state = start;
    call->free_state = start_free;
    send_start(call);
    return call;
}

/* kill */

BerthSystemdCall *berth_systemd_kill(BerthSystemd *systemd, const char *unit, int signal, guint64 timeout_usec,
                                     BerthSystemdDone done, gpointer data)
{
    BerthSystemdCall *call = plain_call(systemd, unit, "kill", BERTH_ERROR_CANCELLED, timeout_usec, done, data);
    sd_bus_message *message = systemd_call_message(call, SYSTEMD_PATH, SYSTEMD_IFACE_MANAGER, "KillUnit");
    int r = message ? sd_bus_message_append(message, "ssi", unit, "all", (gint32) signal) : 0;
    systemd_call_send(call, message, r, succeed_unless_failed);
    return call;
}

/* stop */

static void on_stop_job(BerthSystemdCall *call)
{
    send_reset_failed(call, succeed_unless_failed);
}

static void on_stop_reply(BerthSystemdCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    if (error)
        succeed_unless_failed(call, NULL, error);
    else
        systemd_call_await_job(call, reply);
}

BerthSystemdCall *berth_systemd_stop(BerthSystemd *systemd, const char *unit, guint64 timeout_usec,
                                     BerthSystemdDone done, gpointer data)
{
    BerthSystemdCall *call = plain_call(systemd, unit, "stop", BERTH_ERROR_CANCELLED, timeout_usec, done, data);
    sd_bus_message *message = systemd_call_message(call, SYSTEMD_PATH, SYSTEMD_IFACE_MANAGER, "StopUnit");
    int r = message ? sd_bus_message_append(message, "ss", unit, "replace") : 0;
    systemd_call_send_job(call, message, r, on_stop_reply, on_stop_job);
    return call;
}

/* status: is it loaded, what state, which cgroup; GetUnit comes first since a property of a unit that is not loaded
 * would make systemd load it. */

gboolean berth_scope_is_empty(const BerthScopeStatus *status, const char *unit)
{
    gboolean empty = FALSE;
    if (!status->loaded)
        return FALSE;
    if (!*status->control_group)
        return TRUE;
    return g_str_has_suffix(status->control_group, unit) &&
           berth_cgroup_is_empty(status->control_group, &empty, NULL) && empty;
}

void berth_scope_status_free(BerthScopeStatus *status)
{
    if (!status)
        return;
    g_free(status->active_state);
    g_free(status->control_group);
    g_free(status);
}

static void answer_status(BerthSystemdCall *call, const GError *error)
{
    call->done.status(error ? NULL : call->state, error, call->data);
}

static gboolean read_string(BerthSystemdCall *call, sd_bus_message *reply, const sd_bus_error *error, char **value)
{
    const char *text;
    if (error) {
        systemd_call_fail_with(call, error);
        return FALSE;
    }
    if (sd_bus_message_read(reply, "v", "s", &text) < 0) {
        systemd_call_fail(call, "systemd's answer is of the wrong type");
        return FALSE;
    }
    g_free(*value);
    *value = g_strdup(text);
    return TRUE;
}

static void on_control_group(BerthSystemdCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    BerthScopeStatus *status = call->state;
    if (read_string(call, reply, error, &status->control_group))
        systemd_call_succeed(call);
}

static void get_of_unit(BerthSystemdCall *call, const char *interface, const char *property, SystemdOnReply next)
{
    char *path = NULL;
    int r = sd_bus_path_encode(SYSTEMD_PATH_UNIT, call->unit, &path);
    sd_bus_message *message = r < 0 ? NULL : systemd_call_message(call, path, "org.freedesktop.DBus.Properties", "Get");
    if (message)
        r = sd_bus_message_append(message, "ss", interface, property);
    free(path); /* sd-bus's */
    systemd_call_send(call, message, r, next);
}

static void on_active_state(BerthSystemdCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    BerthScopeStatus *status = call->state;
    if (read_string(call, reply, error, &status->active_state))
        get_of_unit(call, SYSTEMD_IFACE_SCOPE, "ControlGroup", on_control_group);
}

static void on_unit(BerthSystemdCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    BerthScopeStatus *status = call->state;
    if (!error) {
        status->loaded = TRUE;
        get_of_unit(call, SYSTEMD_IFACE_UNIT, "ActiveState", on_active_state);
    } else {
        succeed_unless_failed(call, NULL, error);
    }
}

BerthSystemdCall *berth_systemd_status(BerthSystemd *systemd, const char *unit, guint64 timeout_usec,
                                       BerthSystemdStatusDone done, gpointer data)
{
    BerthSystemdCall *call = systemd_call_new(systemd, unit, "look at", BERTH_ERROR_CANCELLED, timeout_usec);
    BerthScopeStatus *status = g_new0(BerthScopeStatus, 1);
    status->active_state = g_strdup("inactive"); /* what systemd says of units that it does not know */
    status->control_group = g_strdup("");
    call->state = status;
    call->free_state = (GDestroyNotify) berth_scope_status_free;
    call->answer = answer_status;
    call->done.status = done;
    call->data = data;
    sd_bus_message *message = systemd_call_message(call, SYSTEMD_PATH, SYSTEMD_IFACE_MANAGER, "GetUnit");
    int r = message ? sd_bus_message_append(message, "s", unit) : 0;
    systemd_call_send(call, message, r, on_unit);
    return call;
}

/* list */

static void answer_list(BerthSystemdCall *call, const GError *error)
{
    call->done.list(error ? NULL : call->state, error, call->data);
}

static int read_units(sd_bus_message *reply, GHashTable *units)
{
    int r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
    while (r >= 0) {
        const char *unit, *active_state;
        r = sd_bus_message_read(reply, "(ssssssouso)", &unit, NULL, NULL, &active_state, NULL, NULL, NULL, NULL, NULL,
                                NULL);
        if (r == 0)
            return sd_bus_message_exit_container(reply);
        if (r > 0 && systemd_is_our_unit(unit))
            g_hash_table_insert(units, g_strdup(unit), g_strdup(active_state));
    }
    return r;
}

static void on_units(BerthSystemdCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    if (error)
        systemd_call_fail_with(call, error);
    else if (read_units(reply, call->state) < 0)
        systemd_call_fail(call, "systemd's answer is of the wrong type");
    else
        systemd_call_succeed(call);
}

BerthSystemdCall *berth_systemd_list(BerthSystemd *systemd, guint64 timeout_usec, BerthSystemdListDone done,
                                     gpointer data)
{
    BerthSystemdCall *call = systemd_call_new(systemd, NULL, "list", BERTH_ERROR_CANCELLED, timeout_usec);
    call->state = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    call->free_state = (GDestroyNotify) g_hash_table_unref;
    call->answer = answer_list;
    call->done.list = done;
    call->data = data;
    sd_bus_message *message = systemd_call_message(call, SYSTEMD_PATH, SYSTEMD_IFACE_MANAGER, "ListUnitsByPatterns");
    int r = message ? sd_bus_message_append(message, "asas", 0, 1, BERTH_UNIT_PREFIX "*" BERTH_UNIT_SUFFIX) : 0;
    systemd_call_send(call, message, r, on_units);
    return call;
}
