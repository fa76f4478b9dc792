/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usage-bus.h"

#include "../core/names.h"
#include "call.h"

#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"

/* A client that has subscribed: the bus is asked to tell when it leaves. sd_bus_track would do the same, but waits for the
 * bus to say that it is there. */
typedef struct {
    BerthBus *bus;
    char *name; /* unique */
    sd_bus_slot *departure;
    sd_bus_slot *presence;
} Subscriber;

static void subscriber_free(gpointer data)
{
    Subscriber *subscriber = data;
    sd_bus_slot_unref(subscriber->departure);
    sd_bus_slot_unref(subscriber->presence);
    g_free(subscriber->name);
    g_free(subscriber);
}

static BerthUsageSubscriptions *subscriptions_of(BerthBus *bus)
{
    return berth_manager_usage_subscriptions(bus->manager);
}

static void has_left(Subscriber *subscriber)
{
    berth_usage_forget_subscriber(subscriptions_of(subscriber->bus), subscriber->name);
    g_hash_table_remove(subscriber->bus->subscribers, subscriber->name);
}

static int on_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *bus_error)
{
    const char *owner = NULL;
    if (sd_bus_message_read(message, "sss", NULL, NULL, &owner) >= 0 && !*owner)
        has_left(userdata);
    return 0;
}

/* Without the match nobody would tell that it leaves, and it would be told for ever. */
static int on_match_answered(sd_bus_message *answer, void *userdata, sd_bus_error *bus_error)
{
    if (sd_bus_message_is_method_error(answer, NULL)) {
        g_warning("Can't watch a client, which is told no usage any more: %s",
                  sd_bus_message_get_error(answer)->message);
        has_left(userdata);
    }
    return 1;
}

/* It may have left before the match was there. */
static int on_presence_answered(sd_bus_message *answer, void *userdata, sd_bus_error *bus_error)
{
    int is_there = FALSE;
    if (sd_bus_message_is_method_error(answer, NULL) || sd_bus_message_read(answer, "b", &is_there) < 0 || !is_there)
        has_left(userdata);
    return 1;
}

/* In this order: who is there when the bus is asked, is seen to leave. */
static int watch(Subscriber *subscriber)
{
    g_autofree char *match = g_strdup_printf("type='signal',sender='" BUS_NAME "',path='" BUS_PATH
                                             "',interface='" BUS_NAME "',member='NameOwnerChanged',arg0='%s'",
                                             subscriber->name);
    int r = sd_bus_add_match_async(subscriber->bus->connection, &subscriber->departure, match, on_owner_changed,
                                   on_match_answered, subscriber);
    if (r >= 0)
        r = sd_bus_call_method_async(subscriber->bus->connection, &subscriber->presence, BUS_NAME, BUS_PATH, BUS_NAME,
                                     "NameHasOwner", on_presence_answered, subscriber, "s", subscriber->name);
    return r;
}

/* FALSE where it can't be watched. */
static gboolean keep(BerthBus *bus, const char *name)
{
    if (g_hash_table_contains(bus->subscribers, name))
        return TRUE;
    Subscriber *subscriber = g_new0(Subscriber, 1);
    subscriber->bus = bus;
    subscriber->name = g_strdup(name);
    g_hash_table_insert(bus->subscribers, subscriber->name, subscriber);
    if (watch(subscriber) >= 0)
        return TRUE;
    has_left(subscriber);
    return FALSE;
}

static gboolean read_interval(GVariant *args, guint64 *interval, GError **error)
{
    g_autoptr(GVariant) asv = g_variant_get_child_value(args, 0);
    BerthOptions options;
    berth_options_init(&options, asv);
    *interval = berth_options_take_uint64(&options, "interval-usec", BERTH_USAGE_INTERVAL_DEFAULT_USEC);
    return berth_options_end(&options, error);
}

void berth_usage_subscribe(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    g_autoptr(GError) error = NULL;
    const char *name = sd_bus_message_get_sender(message);
    guint64 interval;
    if (!read_interval(args, &interval, &error) || !berth_vm_subscribe_usage(vm, name, bus->caller, interval, &error))
        berth_call_fail(message, error);
    else if (!keep(bus, name))
        berth_call_fail_with(message, BERTH_ERROR_CANCELLED, "The bus does not take a message; try again");
    else
        berth_call_succeed(message);
}

void berth_usage_unsubscribe(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    berth_vm_unsubscribe_usage(vm, sd_bus_message_get_sender(message));
    berth_usage_prune(bus);
    berth_call_succeed(message);
}

static gboolean has_unsubscribed(gpointer name, gpointer subscriber, gpointer data)
{
    return !berth_usage_has_subscriber(subscriptions_of(data), name);
}

void berth_usage_prune(BerthBus *bus)
{
    g_hash_table_foreach_remove(bus->subscribers, has_unsubscribed, bus);
}

void berth_usage_forget_all(BerthBus *bus)
{
    berth_usage_forget_subscriber(subscriptions_of(bus), NULL);
    g_hash_table_remove_all(bus->subscribers);
}

GHashTable *berth_usage_subscribers_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, subscriber_free);
}

/* The signal */

static int append_figures(sd_bus_message *signal, const BerthUsage *usage)
{
    const struct {
        BerthUsageFigure figure;
        const char *key;
        guint64 value;
    } figures[] = {
        {BERTH_USAGE_CPU, "cpu-usec", usage->cpu},
        {BERTH_USAGE_MEMORY, "memory-bytes", usage->memory},
        {BERTH_USAGE_RESIDENT, "resident-bytes", usage->resident},
    };
    int r = sd_bus_message_open_container(signal, SD_BUS_TYPE_ARRAY, "{sv}");
    for (guint i = 0; r >= 0 && i < G_N_ELEMENTS(figures); i++)
        if (usage->known & figures[i].figure)
            r = sd_bus_message_append(signal, "{sv}", figures[i].key, "t", figures[i].value);
    return r < 0 ? r : sd_bus_message_close_container(signal);
}

void berth_usage_send(BerthBus *bus, const BerthVm *vm, const char *subscriber, const BerthUsage *usage)
{
    g_autofree char *path = berth_vm_path(vm);
    sd_bus_message *signal = NULL;
    int r = sd_bus_message_new_signal(bus->connection, &signal, path, BERTH_IFACE_VM, "Usage");
    if (r >= 0)
        r = sd_bus_message_append(signal, "t", (guint64) usage->time);
    if (r >= 0)
        r = append_figures(signal, usage);
    if (r >= 0)
        r = sd_bus_send_to(bus->connection, signal, subscriber, NULL);
    /* What comes later makes up for one that is lost: that is nothing to give the connection up for. */
    if (r < 0)
        g_debug("Can't tell %s what VM \"%s\" uses: %s", subscriber, berth_vm_name(vm), g_strerror(-r));
    sd_bus_message_unref(signal);
}
