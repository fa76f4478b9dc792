/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "../core/names.h"
#include "process.h"
#include "systemd-private.h"

/* The verbs but start: what is asked of systemd for one scope, or for all of Berth's. */

void systemd_call_send_reset_failed(BerthSystemdCall *call, SystemdOnReply next)
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

/* kill */

BerthSystemdCall *berth_systemd_kill(BerthSystemd *systemd, const char *unit, int signal, guint64 timeout_usec,
                                     BerthSystemdDone done, gpointer data)
{
    BerthSystemdCall *call =
        systemd_call_new_plain(systemd, unit, "kill", BERTH_ERROR_CANCELLED, timeout_usec, done, data);
    sd_bus_message *message = systemd_call_message(call, SYSTEMD_PATH, SYSTEMD_IFACE_MANAGER, "KillUnit");
    int r = message ? sd_bus_message_append(message, "ssi", unit, "all", (gint32) signal) : 0;
    systemd_call_send(call, message, r, succeed_unless_failed);
    return call;
}

/* stop */

static void on_stop_job(BerthSystemdCall *call)
{
    systemd_call_send_reset_failed(call, succeed_unless_failed);
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
    BerthSystemdCall *call =
        systemd_call_new_plain(systemd, unit, "stop", BERTH_ERROR_CANCELLED, timeout_usec, done, data);
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
