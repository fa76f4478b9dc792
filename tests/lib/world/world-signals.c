/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/core/names.h"
#include "world-private.h"

/* The daemon's signals, held against what a client may expect of them. This table is written down from the design, not
 * from the daemon's: what may be told after what. Changes of one turn of the loop come in one signal, so that a state
 * that passes at once need not be seen. */
static const struct {
    const char *from;
    const char *to; /* each with a blank on both sides */
} legal[] = {
    {"stopped", " starting running exited removing broken "},
    {"starting", " running paused stopping stopped exited removing "},
    {"running", " paused stopping stopped exited starting removing broken "},
    {"paused", " running stopping stopped exited starting removing broken "},
    {"stopping", " stopped running paused exited removing "},
    {"exited", " starting running stopped removing broken "},
    {"removing", " stopped running paused exited broken "},
    {"broken", " stopped running paused exited removing "},
};

struct WorldSignals {
    GDBusConnection *client;
    guint subscriptions[3];
    guint watch;
    guint count;
    GHashTable *states; /* path → state as this daemon has told it, "" where it has told none; those that are there */
    GHashTable *gone;   /* paths that any daemon has said to be gone, a set */
};

static gboolean is_vm(const char *path)
{
    return g_str_has_prefix(path, BERTH_PATH_VM "/");
}

static void must_be_there(WorldSignals *signals, const char *path, const char *what)
{
    if (g_hash_table_contains(signals->gone, path))
        g_error("%s of %s, which was told to be gone", what, path);
}

static gboolean may_follow(const char *from, const char *to)
{
    g_autofree char *word = g_strconcat(" ", to, " ", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(legal); i++)
        if (g_str_equal(legal[i].from, from))
            return strstr(legal[i].to, word) != NULL;
    return FALSE;
}

static void note_state(WorldSignals *signals, const char *path, const char *state)
{
    const char *last = g_hash_table_lookup(signals->states, path);
    if (last && *last && !g_str_equal(last, state) && !may_follow(last, state))
        g_error("%s went from %s to %s", path, last, state);
    g_hash_table_insert(signals->states, g_strdup(path), g_strdup(state));
}

static void on_changed(GDBusConnection *client, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer data)
{
    WorldSignals *signals = data;
    signals->count++;
    if (!is_vm(path))
        return;
    must_be_there(signals, path, signal);
    g_autoptr(GVariant) changed = g_variant_get_child_value(parameters, 1);
    const char *state;
    if (g_variant_lookup(changed, "State", "&s", &state))
        note_state(signals, path, state);
}

static void on_added(WorldSignals *signals, const char *path, GVariant *interfaces)
{
    must_be_there(signals, path, "InterfacesAdded");
    if (g_hash_table_contains(signals->states, path))
        g_error("%s was told to be new, and was there", path);
    g_autoptr(GVariant) vm = g_variant_lookup_value(interfaces, BERTH_IFACE_VM, NULL);
    const char *state = "";
    if (vm)
        g_variant_lookup(vm, "State", "&s", &state);
    g_hash_table_insert(signals->states, g_strdup(path), g_strdup(state));
}

static void on_removed(WorldSignals *signals, const char *path)
{
    must_be_there(signals, path, "A second InterfacesRemoved");
    g_hash_table_remove(signals->states, path);
    g_hash_table_add(signals->gone, g_strdup(path));
}

static void on_object(GDBusConnection *client, const char *sender, const char *root, const char *interface,
                      const char *signal, GVariant *parameters, gpointer data)
{
    WorldSignals *signals = data;
    const char *path;
    g_autoptr(GVariant) interfaces = NULL;
    signals->count++;
    g_variant_get(parameters, "(&o*)", &path, &interfaces);
    if (!is_vm(path))
        return;
    if (g_str_equal(signal, "InterfacesAdded"))
        on_added(signals, path, interfaces);
    else
        on_removed(signals, path);
}

static void on_systemd(GDBusConnection *client, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer data)
{
    WorldSignals *signals = data;
    signals->count++;
}

/* A new daemon, or a new connection of the same: clients read everything anew. */
static void on_owner(GDBusConnection *client, const char *name, gpointer data)
{
    WorldSignals *signals = data;
    signals->count++;
    g_hash_table_remove_all(signals->states);
}

static guint subscribe(WorldSignals *signals, const char *sender, const char *interface, const char *signal,
                       GDBusSignalCallback callback)
{
    return g_dbus_connection_signal_subscribe(signals->client, sender, interface, signal, NULL, NULL,
                                              G_DBUS_SIGNAL_FLAGS_NONE, callback, signals, NULL);
}

WorldSignals *world_signals_new(GDBusConnection *client)
{
    WorldSignals *signals = g_new0(WorldSignals, 1);
    signals->client = g_object_ref(client);
    signals->states = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    signals->gone = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    signals->subscriptions[0] =
        subscribe(signals, BERTH_BUS_NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged", on_changed);
    signals->subscriptions[1] =
        subscribe(signals, BERTH_BUS_NAME, "org.freedesktop.DBus.ObjectManager", NULL, on_object);
    signals->subscriptions[2] =
        subscribe(signals, "org.freedesktop.systemd1", "org.freedesktop.systemd1.Manager", "UnitRemoved", on_systemd);
    signals->watch = g_bus_watch_name_on_connection(client, BERTH_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, NULL,
                                                    on_owner, signals, NULL);
    return signals;
}

void world_signals_free(WorldSignals *signals)
{
    for (guint i = 0; i < G_N_ELEMENTS(signals->subscriptions); i++)
        g_dbus_connection_signal_unsubscribe(signals->client, signals->subscriptions[i]);
    g_bus_unwatch_name(signals->watch);
    g_object_unref(signals->client);
    g_hash_table_unref(signals->states);
    g_hash_table_unref(signals->gone);
    g_free(signals);
}

guint world_signals_count(const WorldSignals *signals)
{
    return signals->count;
}

gboolean world_signals_told_gone(const WorldSignals *signals, const char *path)
{
    return g_hash_table_contains(signals->gone, path);
}

void world_signals_compare(WorldSignals *signals, const GPtrArray *seen)
{
    g_autoptr(GHashTable) there = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < seen->len; i++) {
        const SeenVm *vm = seen->pdata[i];
        must_be_there(signals, vm->path, "GetManagedObjects");
        g_hash_table_add(there, vm->path);
        note_state(signals, vm->path, vm->state);
    }
    GHashTableIter iter;
    gpointer path;
    g_hash_table_iter_init(&iter, signals->states);
    while (g_hash_table_iter_next(&iter, &path, NULL))
        if (!g_hash_table_contains(there, path))
            g_error("%s is not there any more, and no InterfacesRemoved has said so", (const char *) path);
}
