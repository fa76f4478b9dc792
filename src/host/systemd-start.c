/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>

#include "../core/autofd.h"
#include "../core/names.h"
#include "process.h"
#include "systemd-private.h"

/* The verb start: a scope around a process that waits for it. */

#define DAEMON_UNIT "berthd.service"
/* How long systemd may take to see that a scope is empty. */
#define NAME_PATIENCE_USEC (2 * G_USEC_PER_SEC)
#define USEC_PER_PERCENT 10000u /* CPUQuotaPerSecUSec of 1 % of one processor */

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
        systemd_call_send_reset_failed(call, on_reset_before_start);
    } else {
        await_name(call);
    }
}

BerthSystemdCall *berth_systemd_start_scope(BerthSystemd *systemd, const BerthScopeSpec *spec, guint64 timeout_usec,
                                            BerthSystemdDone done, gpointer data)
{
    BerthSystemdCall *call =
        systemd_call_new_plain(systemd, spec->unit, "start", BERTH_ERROR_START_FAILED, timeout_usec, done, data);
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
