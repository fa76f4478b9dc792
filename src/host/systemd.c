/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "systemd-private.h"

#include <stdlib.h>

#include "../core/names.h"

/* The connection to systemd: who it is, its signals, and the jobs that calls wait for. */

#define EARLY_MAX 1024u /* jobs; more than could end while a reply is under way */

/* How long systemd may be off the bus, for a daemon-reexec or to find a new bus: on a busy machine, more than two seconds. */
#define AWAY_PATIENCE_USEC (8 * G_USEC_PER_SEC)

static const char match_owner[] = "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                                  "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" SYSTEMD_NAME "'";
static const char match_job[] = "type='signal',sender='" SYSTEMD_NAME "',path='" SYSTEMD_PATH "',"
                                "interface='" SYSTEMD_IFACE_MANAGER "',member='JobRemoved'";
static const char match_unit[] = "type='signal',sender='" SYSTEMD_NAME "',path='" SYSTEMD_PATH "',"
                                 "interface='" SYSTEMD_IFACE_MANAGER "',member='UnitRemoved'";
/* systemd sends the properties of a unit's own type with every change of it, so that those of services do not wake us.
 */
static const char match_properties[] =
    "type='signal',sender='" SYSTEMD_NAME "',path_namespace='" SYSTEMD_PATH_UNIT "',"
    "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='" SYSTEMD_IFACE_SCOPE "'";

gboolean systemd_is_our_unit(const char *unit)
{
    return g_str_has_prefix(unit, BERTH_UNIT_PREFIX) && g_str_has_suffix(unit, BERTH_UNIT_SUFFIX);
}

static void free_slot(gpointer slot)
{
    sd_bus_slot_unref(slot);
}

static void give_hint(BerthSystemd *systemd, const char *unit)
{
    if (systemd->hint && systemd_is_our_unit(unit))
        systemd->hint(unit, systemd->hint_data);
}

/* A match rule keeps out the broadcasts of others, but not a signal that somebody sends to us alone, and neither does
 * sd-bus: it takes any unique name for the well-known one. */
static gboolean is_from_systemd(const BerthSystemd *systemd, sd_bus_message *message)
{
    return systemd->owner && g_strcmp0(sd_bus_message_get_sender(message), systemd->owner) == 0;
}

static void job_ended(BerthSystemd *systemd, const char *job, const char *unit, const char *result)
{
    BerthSystemdCall *call = g_hash_table_lookup(systemd->jobs, job);
    if (call)
        systemd_call_job_ended(call, result);
    else if (systemd->n_expecting > 0 && systemd_is_our_unit(unit) && g_hash_table_size(systemd->early) < EARLY_MAX)
        g_hash_table_insert(systemd->early, g_strdup(job), g_strdup(result));
}

static int on_job_removed(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    BerthSystemd *systemd = data;
    const char *job, *unit, *result;
    if (!is_from_systemd(systemd, message) || sd_bus_message_read(message, "uoss", NULL, &job, &unit, &result) < 0)
        return 0;
    job_ended(systemd, job, unit, result);
    give_hint(systemd, unit);
    return 0;
}

/* Those that wait for the name go on. What they do is sent, and answered later: nothing is freed here. */
static void unit_removed(BerthSystemd *systemd, const char *unit)
{
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, systemd->calls);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        BerthSystemdCall *call = key;
        SystemdOnJob go_on = g_strcmp0(call->unit, unit) == 0 ? g_steal_pointer(&call->on_unit_removed) : NULL;
        if (go_on)
            go_on(call);
    }
}

static int on_unit_removed(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    BerthSystemd *systemd = data;
    const char *unit;
    if (!is_from_systemd(systemd, message) || sd_bus_message_read(message, "so", &unit, NULL) < 0)
        return 0;
    unit_removed(systemd, unit);
    give_hint(systemd, unit);
    return 0;
}

static int on_properties_changed(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    BerthSystemd *systemd = data;
    char *unit = NULL;
    if (is_from_systemd(systemd, message) &&
        sd_bus_path_decode(sd_bus_message_get_path(message), SYSTEMD_PATH_UNIT, &unit) > 0)
        give_hint(systemd, unit);
    free(unit); /* sd-bus's */
    return 0;
}

static void set_owner(BerthSystemd *systemd, const char *owner)
{
    if (g_strcmp0(systemd->owner, owner) == 0)
        return;
    if (!owner)
        systemd->away_until = g_get_monotonic_time() + AWAY_PATIENCE_USEC;
    g_free(systemd->owner);
    systemd->owner = g_strdup(owner);
    systemd->pids_only = FALSE; /* it may have been upgraded */
}

/* What they send is answered later: nothing is freed here. */
static void calls_go_on(BerthSystemd *systemd)
{
    GHashTableIter iter;
    gpointer call;
    g_hash_table_iter_init(&iter, systemd->calls);
    while (g_hash_table_iter_next(&iter, &call, NULL))
        systemd_call_go_on(call);
}

guint systemd_patience_msec(const BerthSystemd *systemd)
{
    /* The word that it has left may come after the word that it won't answer. */
    gint64 left = systemd->owner ? AWAY_PATIENCE_USEC : systemd->away_until - g_get_monotonic_time();
    return left > 0 ? (guint) (left / 1000 + 1) : 0;
}

/* Whoever answers Subscribe is systemd: the bus delivers the call to the name's owner and lets nobody else answer. */
static int on_subscribed(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    BerthSystemd *systemd = data;
    const char *sender = sd_bus_message_get_sender(reply);
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    if (sender && sender[0] == ':')
        set_owner(systemd, sender);
    /* NoReply: systemd or the bus has just gone, which is told elsewhere. */
    if (error && !sd_bus_error_has_names(error, SYSTEMD_NAME ".AlreadySubscribed", SD_BUS_ERROR_NO_REPLY))
        g_warning("Can't subscribe to systemd's signals: %s", error->message);
    /* Subscribed first, so that no job's end is missed between a look at it and its signal. */
    if (!sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY))
        calls_go_on(systemd);
    return 0;
}

static void subscribe(BerthSystemd *systemd)
{
    g_clear_pointer(&systemd->subscribe, sd_bus_slot_unref);
    (void) sd_bus_call_method_async(systemd->bus, &systemd->subscribe, SYSTEMD_NAME, SYSTEMD_PATH,
                                    SYSTEMD_IFACE_MANAGER, "Subscribe", on_subscribed, systemd, NULL);
}

/* Comes with daemon-reexec too. Jobs outlive that, under their names: whoever waits for one goes on to wait. */
static int on_owner_changed(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    BerthSystemd *systemd = data;
    const char *owner;
    if (g_strcmp0(sd_bus_message_get_sender(message), "org.freedesktop.DBus") != 0 ||
        sd_bus_message_read(message, "sss", NULL, NULL, &owner) < 0)
        return 0;
    set_owner(systemd, owner[0] ? owner : NULL);
    if (systemd->owner)
        subscribe(systemd);
    return 0;
}

static void add_match(BerthSystemd *systemd, const char *match, sd_bus_message_handler_t handler)
{
    sd_bus_slot *slot = NULL;
    /* Where the bus refuses a match, sd-bus gives up the connection, and the link makes a new one. */
    if (sd_bus_add_match_async(systemd->bus, &slot, match, handler, NULL, systemd) >= 0)
        g_ptr_array_add(systemd->slots, slot);
}

/* The bus handles our messages in the order in which they are sent: whatever is started later is started with matches
 * and subscription in place, and its JobRemoved can't be missed. */
static void on_up(sd_bus *bus, gpointer data)
{
    BerthSystemd *systemd = data;
    systemd->bus = bus;
    sd_bus_unref(systemd->last_bus);
    systemd->last_bus = sd_bus_ref(bus);
    systemd->away_until = g_get_monotonic_time() + AWAY_PATIENCE_USEC;
    add_match(systemd, match_owner, on_owner_changed);
    add_match(systemd, match_job, on_job_removed);
    add_match(systemd, match_unit, on_unit_removed);
    add_match(systemd, match_properties, on_properties_changed);
    subscribe(systemd);
}

static void on_down(gpointer data)
{
    BerthSystemd *systemd = data;
    systemd->bus = NULL;
    g_ptr_array_set_size(systemd->slots, 0);
    g_clear_pointer(&systemd->subscribe, sd_bus_slot_unref);
    set_owner(systemd, NULL);
    /* What was sent and not answered, sd-bus has answered itself, as absence. Nothing is lost: systemd goes on with its
     * jobs, and with a new bus it is asked again. */
    GHashTableIter iter;
    gpointer call;
    g_hash_table_iter_init(&iter, systemd->calls);
    while (g_hash_table_iter_next(&iter, &call, NULL))
        systemd_call_bus_lost(call);
}

static const BerthBusLinkHandler link_handler = {.up = on_up, .down = on_down};

BerthSystemd *berth_systemd_new(BerthBusLink *link)
{
    BerthSystemd *systemd = g_new0(BerthSystemd, 1);
    systemd->link = link;
    systemd->slots = g_ptr_array_new_with_free_func(free_slot);
    systemd->calls = g_hash_table_new(NULL, NULL);
    systemd->jobs = g_hash_table_new(g_str_hash, g_str_equal);
    systemd->early = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    berth_bus_link_add(link, &link_handler, systemd);
    return systemd;
}

void berth_systemd_free(BerthSystemd *systemd)
{
    if (!systemd)
        return;
    berth_bus_link_remove(systemd->link, &link_handler, systemd);
    g_autofree gpointer *calls = g_hash_table_get_keys_as_array(systemd->calls, NULL);
    for (guint i = 0; calls[i]; i++)
        systemd_call_detach(calls[i]);
    g_ptr_array_unref(systemd->slots);
    sd_bus_slot_unref(systemd->subscribe);
    sd_bus_unref(systemd->last_bus);
    g_hash_table_unref(systemd->calls);
    g_hash_table_unref(systemd->jobs);
    g_hash_table_unref(systemd->early);
    g_free(systemd->owner);
    g_free(systemd);
}

void berth_systemd_set_hint(BerthSystemd *systemd, BerthSystemdHint hint, gpointer data)
{
    systemd->hint = hint;
    systemd->hint_data = data;
}
