/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "systemd-private.h"

#include <errno.h>

/* The life of one call to systemd: on the books, sent step by step, answered once, freed by its caller. */

static void stop_expecting(BerthSystemdCall *call)
{
    if (!call->expects_job)
        return;
    call->expects_job = FALSE;
    if (--call->systemd->n_expecting == 0)
        g_hash_table_remove_all(call->systemd->early);
}

void systemd_call_detach(BerthSystemdCall *call)
{
    g_clear_handle_id(&call->timer, g_source_remove);
    g_clear_handle_id(&call->unsent, g_source_remove);
    g_clear_handle_id(&call->away_timer, g_source_remove);
    g_clear_pointer(&call->slot, sd_bus_slot_unref);
    g_clear_pointer(&call->message, sd_bus_message_unref);
    if (!call->systemd)
        return;
    stop_expecting(call);
    if (call->job)
        g_hash_table_remove(call->systemd->jobs, call->job);
    g_hash_table_remove(call->systemd->calls, call);
    call->systemd = NULL;
}

void systemd_call_succeed(BerthSystemdCall *call)
{
    systemd_call_detach(call);
    call->answer(call, NULL);
}

void systemd_call_fail(BerthSystemdCall *call, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *why = g_strdup_vprintf(format, args);
    va_end(args);
    g_autoptr(GError) error = g_error_new(BERTH_ERROR, call->code, "Can't %s %s: %s", call->verb,
                                          call->unit ? call->unit : "Berth's scopes", why);
    systemd_call_detach(call);
    call->answer(call, error);
}

void systemd_call_fail_with(BerthSystemdCall *call, const sd_bus_error *error)
{
    if (sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
        systemd_call_fail(call, "systemd is not on the bus");
    else
        systemd_call_fail(call, "systemd says: %s (%s)", error->message ? error->message : "", error->name);
}

static gboolean on_deadline(gpointer data)
{
    BerthSystemdCall *call = data;
    call->timer = 0;
    systemd_call_fail(call, call->job ? "its job has not ended in time" : "systemd has not answered in time");
    return G_SOURCE_REMOVE;
}

static gboolean on_unsent(gpointer data)
{
    BerthSystemdCall *call = data;
    call->unsent = 0;
    systemd_call_fail(call, "the bus does not take it");
    return G_SOURCE_REMOVE;
}

/* The answer must not come before the caller has its handle, so it is left to the loop. */
static void fail_later(BerthSystemdCall *call)
{
    if (call->unsent == 0)
        call->unsent = g_idle_add_full(G_PRIORITY_DEFAULT, on_unsent, call, NULL);
}

BerthSystemdCall *systemd_call_new(BerthSystemd *systemd, const char *unit, const char *verb, BerthError code,
                                   guint64 timeout_usec)
{
    BerthSystemdCall *call = g_new0(BerthSystemdCall, 1);
    call->systemd = systemd;
    call->unit = g_strdup(unit);
    call->verb = verb;
    call->code = code;
    guint64 msec = timeout_usec / 1000 + (timeout_usec % 1000 > 0);
    call->timer = g_timeout_add((guint) MIN(msec, (guint64) G_MAXUINT), on_deadline, call);
    g_hash_table_add(systemd->calls, call);
    return call;
}

static void answer_plain(BerthSystemdCall *call, const GError *error)
{
    call->done.plain(error, call->data);
}

BerthSystemdCall *systemd_call_new_plain(BerthSystemd *systemd, const char *unit, const char *verb, BerthError code,
                                         guint64 timeout_usec, BerthSystemdDone done, gpointer data)
{
    BerthSystemdCall *call = systemd_call_new(systemd, unit, verb, code, timeout_usec);
    call->answer = answer_plain;
    call->done.plain = done;
    call->data = data;
    return call;
}

sd_bus_message *systemd_call_message(BerthSystemdCall *call, const char *path, const char *interface,
                                     const char *member)
{
    sd_bus_message *message = NULL;
    if (call->systemd->last_bus)
        (void) sd_bus_message_new_method_call(call->systemd->last_bus, &message, SYSTEMD_NAME, path, interface, member);
    return message;
}

static int on_reply(sd_bus_message *reply, void *data, sd_bus_error *ret_error);

/* A message is made for one connection, whose place another may have taken. */
static int bring_to(sd_bus *bus, sd_bus_message **message)
{
    sd_bus_message *old = *message, *copy = NULL;
    if (sd_bus_message_get_bus(old) == bus)
        return 0;
    (void) sd_bus_message_seal(old, 1, UINT64_MAX); /* so that it can be read; it is already, where it was sent */
    int r =
        sd_bus_message_new_method_call(bus, &copy, sd_bus_message_get_destination(old), sd_bus_message_get_path(old),
                                       sd_bus_message_get_interface(old), sd_bus_message_get_member(old));
    if (r >= 0)
        r = sd_bus_message_rewind(old, TRUE);
    if (r >= 0)
        r = sd_bus_message_copy(copy, old, TRUE);
    if (r < 0) {
        sd_bus_message_unref(copy);
        return r;
    }
    sd_bus_message_unref(old);
    *message = copy;
    return 0;
}

static void send_message(BerthSystemdCall *call)
{
    sd_bus *bus = call->systemd->bus;
    int r = !call->message ? -ENOMEM : !bus ? -ENOTCONN : bring_to(bus, &call->message);
    /* No timeout of sd-bus's own: the call's deadline spans all its steps. */
    if (r >= 0)
        r = sd_bus_call_async(bus, &call->slot, call->message, on_reply, call, UINT64_MAX);
    if (r == -ENOTCONN || r == -ECONNRESET)
        call->is_away = TRUE; /* the link is down, or about to find that out */
    else if (r < 0)
        fail_later(call);
}

static gboolean on_stays_away(gpointer data)
{
    static const sd_bus_error absent = SD_BUS_ERROR_MAKE_CONST(SD_BUS_ERROR_NAME_HAS_NO_OWNER, "");
    BerthSystemdCall *call = data;
    call->away_timer = 0;
    call->is_away = FALSE;
    call->on_reply(call, NULL, &absent);
    return G_SOURCE_REMOVE;
}

/* It leaves the bus for a daemon-reexec, and comes back a moment later. */
static gboolean tells_absence(const sd_bus_error *error)
{
    return sd_bus_error_has_names(error, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_SERVICE_UNKNOWN,
                                  SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

static int on_reply(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    BerthSystemdCall *call = data;
    g_clear_pointer(&call->slot, sd_bus_slot_unref);
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    guint patience_msec = error && tells_absence(error) ? systemd_patience_msec(call->systemd) : 0;
    call->is_away = patience_msec > 0;
    if (call->is_away)
        call->away_timer = g_timeout_add(patience_msec, on_stays_away, call);
    else
        call->on_reply(call, error ? NULL : reply, error);
    return 0;
}

void systemd_call_send(BerthSystemdCall *call, sd_bus_message *message, int built, SystemdOnReply next)
{
    g_clear_pointer(&call->message, sd_bus_message_unref);
    call->on_reply = next;
    call->message = message;
    if (built < 0)
        g_clear_pointer(&call->message, sd_bus_message_unref);
    send_message(call);
}

void systemd_call_send_job(BerthSystemdCall *call, sd_bus_message *message, int built, SystemdOnReply next,
                           SystemdOnJob on_job)
{
    call->on_job = on_job;
    if (!call->expects_job) {
        call->expects_job = TRUE;
        call->systemd->n_expecting++;
    }
    systemd_call_send(call, message, built, next);
}

void systemd_call_await_job(BerthSystemdCall *call, sd_bus_message *reply)
{
    const char *path;
    if (sd_bus_message_read(reply, "o", &path) < 0) {
        systemd_call_fail(call, "systemd's answer names no job");
        return;
    }
    g_autofree char *result = g_strdup(g_hash_table_lookup(call->systemd->early, path));
    stop_expecting(call);
    if (result) {
        systemd_call_job_ended(call, result);
        return;
    }
    call->job = g_strdup(path);
    g_hash_table_insert(call->systemd->jobs, call->job, call);
}

void systemd_call_job_ended(BerthSystemdCall *call, const char *result)
{
    if (call->job)
        g_hash_table_remove(call->systemd->jobs, call->job);
    g_clear_pointer(&call->job, g_free);
    g_clear_pointer(&call->slot, sd_bus_slot_unref); /* of a look at it */
    if (g_str_equal(result, "done"))
        call->on_job(call);
    else
        systemd_call_fail(call, "its job ended with “%s”", result);
}

/* Its JobRemoved may have been sent while systemd was off the bus, and then to nobody. How it ended is not known, and no
 * matter: callers take no job's end for a proof. */
static int on_job_looked_at(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    BerthSystemdCall *call = data;
    g_clear_pointer(&call->slot, sd_bus_slot_unref);
    if (sd_bus_error_has_name(sd_bus_message_get_error(reply), SD_BUS_ERROR_UNKNOWN_OBJECT))
        systemd_call_job_ended(call, "done");
    return 0;
}

static void look_at_job(BerthSystemdCall *call)
{
    g_clear_pointer(&call->slot, sd_bus_slot_unref);
    /* Where that can't be sent, the link is about to go down. */
    (void) sd_bus_call_method_async(call->systemd->bus, &call->slot, SYSTEMD_NAME, call->job,
                                    "org.freedesktop.DBus.Properties", "Get", on_job_looked_at, call, "ss",
                                    SYSTEMD_IFACE_JOB, "State");
}

void systemd_call_bus_lost(BerthSystemdCall *call)
{
    g_clear_handle_id(&call->away_timer, g_source_remove);
    g_clear_pointer(&call->slot, sd_bus_slot_unref); /* of a look at its job */
}

void systemd_call_go_on(BerthSystemdCall *call)
{
    SystemdOnJob on_unit_removed = g_steal_pointer(&call->on_unit_removed);
    if (call->job) {
        look_at_job(call);
    } else if (call->is_away) {
        g_clear_handle_id(&call->away_timer, g_source_remove);
        call->is_away = FALSE;
        call->heard_twice = TRUE;
        send_message(call);
    } else if (on_unit_removed) {
        on_unit_removed(call); /* that may have been told meanwhile */
    }
}

void berth_systemd_call_free(BerthSystemdCall **call)
{
    BerthSystemdCall *self = g_steal_pointer(call);
    if (!self)
        return;
    systemd_call_detach(self);
    if (self->free_state)
        self->free_state(self->state);
    g_free(self->job);
    g_free(self->unit);
    g_free(self);
}
