/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "soak.h"
#include "src/core/vm-state.h"

#define GONE (-1)

struct Witness {
    GDBusConnection *bus;
    guint changes, additions, removals, completions; /* subscriptions */
    char *sender;                                    /* (nullable): whom the rest is of */
    GHashTable *states;                              /* path → BerthVmState or GONE; not those never told of */
    guint n_edges, n_clones;
};

/* Another daemon: what it tells first is where its story begins. */
static void listen_to(Witness *witness, const char *sender)
{
    if (g_strcmp0(witness->sender, sender) == 0)
        return;
    g_free(witness->sender);
    witness->sender = g_strdup(sender);
    g_hash_table_remove_all(witness->states);
}

static void set_state(Witness *witness, const char *path, int state)
{
    g_hash_table_insert(witness->states, g_strdup(path), GINT_TO_POINTER(state));
}

static int read_state(GVariant *properties, const char *path)
{
    const char *word = NULL;
    if (!g_variant_lookup(properties, "State", "&s", &word))
        return GONE;
    int state = berth_vm_state_from_string(word);
    if (state < 0)
        g_error("%s has the state “%s”", path, word);
    return state;
}

/* The two go together in one signal. */
static void check_phase(const char *path, GVariant *changed, int state)
{
    const char *phase = NULL;
    if (g_variant_lookup(changed, "RemovalPhase", "&s", &phase) && (state == BERTH_VM_REMOVING) != (*phase != '\0'))
        g_error("%s is %s and has the removal phase “%s”", path, berth_vm_state_to_string(state), phase);
}

static void on_changed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer data)
{
    Witness *witness = data;
    gpointer value;
    listen_to(witness, sender);
    g_autoptr(GVariant) changed = g_variant_get_child_value(parameters, 1);
    const gboolean is_known = g_hash_table_lookup_extended(witness->states, path, NULL, &value);
    const int before = is_known ? GPOINTER_TO_INT(value) : GONE, state = read_state(changed, path);
    if (is_known && before == GONE)
        g_error("%s tells of itself after it has gone", path);
    if (state == GONE)
        return;
    check_phase(path, changed, state);
    if (is_known && before != state && !berth_vm_state_may_follow(before, state))
        g_error("%s was %s and is %s", path, berth_vm_state_to_string(before), berth_vm_state_to_string(state));
    set_state(witness, path, state);
    witness->n_edges++;
}

static void on_added(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                     const char *signal, GVariant *parameters, gpointer data)
{
    Witness *witness = data;
    const char *object;
    gpointer value;
    g_autoptr(GVariant) interfaces = NULL;
    listen_to(witness, sender);
    g_variant_get(parameters, "(&o@a{sa{sv}})", &object, &interfaces);
    g_autoptr(GVariant) properties = g_variant_lookup_value(interfaces, BERTH_IFACE_VM, G_VARIANT_TYPE_VARDICT);
    if (!properties)
        return;
    if (g_hash_table_lookup_extended(witness->states, object, NULL, &value) && GPOINTER_TO_INT(value) != GONE)
        g_error("%s is added, and was there", object);
    set_state(witness, object, read_state(properties, object));
}

static void on_removed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer data)
{
    Witness *witness = data;
    const char *object;
    gpointer value;
    g_autofree const char **interfaces = NULL;
    listen_to(witness, sender);
    g_variant_get(parameters, "(&o^a&s)", &object, &interfaces);
    if (!g_strv_contains(interfaces, BERTH_IFACE_VM))
        return;
    if (g_hash_table_lookup_extended(witness->states, object, NULL, &value) &&
        GPOINTER_TO_INT(value) != BERTH_VM_REMOVING)
        g_error("%s goes, and was not being removed", object);
    set_state(witness, object, GONE);
}

/* A job has made something, or was cancelled: by a client, the removal of what it copies, or the end of the daemon. */
static gboolean is_good_end(const char *result, const char *error)
{
    const gboolean is_nothing = g_str_equal(result, "/");
    return *error ? is_nothing && g_str_equal(error, BERTH_ERROR_PREFIX "Cancelled") : !is_nothing;
}

static void on_completed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                         const char *signal, GVariant *parameters, gpointer data)
{
    Witness *witness = data;
    const char *result, *error, *text;
    listen_to(witness, sender);
    g_variant_get(parameters, "(&o(&s&s))", &result, &error, &text);
    if (!is_good_end(result, error))
        g_error("%s has ended with %s and “%s” (%s)", path, result, error, text);
    if (!g_str_has_prefix(result, BERTH_PATH_VM "/"))
        return;
    gpointer state = GINT_TO_POINTER(GONE);
    if (!g_hash_table_lookup_extended(witness->states, result, NULL, &state) || GPOINTER_TO_INT(state) == GONE)
        g_error("%s has made %s, which is not there", path, result);
    witness->n_clones++;
}

Witness *witness_new(GDBusConnection *bus)
{
    static const char manager[] = "org.freedesktop.DBus.ObjectManager";
    Witness *witness = g_new0(Witness, 1);
    witness->bus = g_object_ref(bus);
    witness->states = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    witness->changes =
        g_dbus_connection_signal_subscribe(bus, BERTH_BUS_NAME, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                           NULL, BERTH_IFACE_VM, G_DBUS_SIGNAL_FLAGS_NONE, on_changed, witness, NULL);
    witness->additions = g_dbus_connection_signal_subscribe(bus, BERTH_BUS_NAME, manager, "InterfacesAdded", NULL, NULL,
                                                            G_DBUS_SIGNAL_FLAGS_NONE, on_added, witness, NULL);
    witness->removals = g_dbus_connection_signal_subscribe(bus, BERTH_BUS_NAME, manager, "InterfacesRemoved", NULL,
                                                           NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_removed, witness, NULL);
    witness->completions =
        g_dbus_connection_signal_subscribe(bus, BERTH_BUS_NAME, BERTH_IFACE_JOB, "Completed", NULL, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_completed, witness, NULL);
    return witness;
}

guint witness_n_edges(const Witness *witness)
{
    return witness->n_edges;
}

guint witness_n_clones(const Witness *witness)
{
    return witness->n_clones;
}

void witness_free(Witness *witness)
{
    g_dbus_connection_signal_unsubscribe(witness->bus, witness->changes);
    g_dbus_connection_signal_unsubscribe(witness->bus, witness->additions);
    g_dbus_connection_signal_unsubscribe(witness->bus, witness->removals);
    g_dbus_connection_signal_unsubscribe(witness->bus, witness->completions);
    g_object_unref(witness->bus);
    g_hash_table_unref(witness->states);
    g_free(witness->sender);
    g_free(witness);
}
