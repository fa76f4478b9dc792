/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service-usage.h"

#include "src/core/names.h"

struct BerthUiUsageWatches {
    GDBusConnection *connection; /* (nullable): while there is a daemon */
    char *owner;                 /* its unique name */
    guint subscription;
    GHashTable *usages; /* path → BerthUiUsage, which is not held here */
};

BerthUiUsageWatches *berth_ui_usage_watches_new(void)
{
    BerthUiUsageWatches *watches = g_new0(BerthUiUsageWatches, 1);
    watches->usages = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return watches;
}

/* Nobody waits for the answer: where it is an error, no figures come, and that is all that there is to show of it. */
static void call(BerthUiUsageWatches *watches, const char *path, const char *method)
{
    if (watches->connection)
        g_dbus_connection_call(watches->connection, watches->owner, path, BERTH_IFACE_VM, method,
                               g_variant_new("(a{sv})", NULL), NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, NULL,
                               NULL);
}

/* It was the last reference. */
static void on_dropped(gpointer data, GObject *usage)
{
    BerthUiUsageWatches *watches = data;
    GHashTableIter iter;
    gpointer path, value;
    g_hash_table_iter_init(&iter, watches->usages);
    while (g_hash_table_iter_next(&iter, &path, &value)) {
        if (value != usage)
            continue;
        call(watches, path, "UnsubscribeUsage");
        g_hash_table_iter_remove(&iter);
        return;
    }
}

static void on_usage(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                     const char *signal, GVariant *parameters, gpointer data)
{
    const BerthUiUsageWatches *watches = data;
    BerthUiUsage *known = g_hash_table_lookup(watches->usages, path);
    if (!known)
        return; /* it was on its way when the last one let go */
    g_autoptr(BerthUiUsage) usage = g_object_ref(known);
    berth_ui_usage_take(usage, parameters);
}

static void leave(BerthUiUsageWatches *watches)
{
    if (watches->connection)
        g_dbus_connection_signal_unsubscribe(watches->connection, watches->subscription);
    g_clear_object(&watches->connection);
    g_clear_pointer(&watches->owner, g_free);
}

void berth_ui_usage_watches_follow(BerthUiUsageWatches *watches, GDBusConnection *connection, const char *owner)
{
    GHashTableIter iter;
    gpointer path;
    leave(watches);
    if (!connection)
        return;
    watches->connection = g_object_ref(connection);
    watches->owner = g_strdup(owner);
    watches->subscription = g_dbus_connection_signal_subscribe(connection, owner, BERTH_IFACE_VM, "Usage", NULL, NULL,
                                                               G_DBUS_SIGNAL_FLAGS_NONE, on_usage, watches, NULL);
    g_hash_table_iter_init(&iter, watches->usages);
    while (g_hash_table_iter_next(&iter, &path, NULL))
        call(watches, path, "SubscribeUsage");
}

BerthUiUsage *berth_ui_usage_watches_get(BerthUiUsageWatches *watches, const char *path)
{
    BerthUiUsage *usage = g_hash_table_lookup(watches->usages, path);
    if (usage)
        return g_object_ref(usage);
    usage = berth_ui_usage_new();
    g_object_weak_ref(G_OBJECT(usage), on_dropped, watches);
    g_hash_table_insert(watches->usages, g_strdup(path), usage);
    call(watches, path, "SubscribeUsage");
    return usage;
}

void berth_ui_usage_watches_free(BerthUiUsageWatches *watches)
{
    GHashTableIter iter;
    gpointer usage;
    g_hash_table_iter_init(&iter, watches->usages);
    while (g_hash_table_iter_next(&iter, NULL, &usage))
        g_object_weak_unref(usage, on_dropped, watches);
    leave(watches);
    g_hash_table_unref(watches->usages);
    g_free(watches);
}
