/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "observer.h"

#include <glib/gi18n.h>

#include "../core/names.h"
#include "../host/bus-variant.h"
#include "text.h"

#define N_MATCHES 5

struct CtlObserver {
    Ctl *ctl;
    sd_bus_slot *slots[N_MATCHES];
    sd_event *event;
    CtlObserverChanged changed;
    gpointer data;
    GHashTable *vms;  /* path → CtlObject */
    char *owner;      /* unique name of the daemon, "" while there is none */
    guint64 snapshot; /* serial of the message that @vms was read from */
};

static void replace(CtlObserver *observer, const char *path, CtlObject *now)
{
    g_autoptr(CtlObject) before = NULL;
    g_autofree char *key = NULL;
    g_hash_table_steal_extended(observer->vms, path, (gpointer *) &key, (gpointer *) &before);
    if (now != NULL)
        g_hash_table_insert(observer->vms, g_strdup(path), now);
    if (before != NULL || now != NULL)
        observer->changed(before, now, observer->data);
}

/* Anybody may send us a signal that looks like the daemon's. And what the daemon sent before the snapshot is in the
 * snapshot already: taking it in would step back in time. */
static gboolean is_news(const CtlObserver *observer, sd_bus_message *m)
{
    guint64 serial = 0;
    return g_strcmp0(sd_bus_message_get_sender(m), observer->owner) == 0 &&
           sd_bus_message_get_cookie(m, &serial) >= 0 && serial > observer->snapshot;
}

static int on_added(sd_bus_message *m, void *data, sd_bus_error *error)
{
    CtlObserver *observer = data;
    const char *path;
    g_autoptr(GVariant) properties = NULL;
    if (!is_news(observer, m) || sd_bus_message_read(m, "o", &path) <= 0 ||
        ctl_read_interfaces(m, BERTH_IFACE_VM, &properties) < 0 || properties == NULL)
        return 0;
    replace(observer, path, ctl_object_new(path, BERTH_IFACE_VM, properties));
    return 0;
}

static int on_removed(sd_bus_message *m, void *data, sd_bus_error *error)
{
    CtlObserver *observer = data;
    const char *path;
    g_auto(GStrv) interfaces = NULL;
    if (!is_news(observer, m) || sd_bus_message_read(m, "o", &path) <= 0 ||
        sd_bus_message_read_strv(m, &interfaces) < 0 || interfaces == NULL)
        return 0;
    if (g_strv_contains((const char *const *) interfaces, BERTH_IFACE_VM))
        replace(observer, path, NULL);
    return 0;
}

static int on_properties(sd_bus_message *m, void *data, sd_bus_error *error)
{
    CtlObserver *observer = data;
    const char *path = sd_bus_message_get_path(m), *interface;
    const CtlObject *vm = g_hash_table_lookup(observer->vms, path);
    g_autoptr(GVariant) values = NULL, names = NULL;
    if (vm == NULL || !is_news(observer, m) || sd_bus_message_read(m, "s", &interface) <= 0 ||
        !g_str_equal(interface, BERTH_IFACE_VM) || berth_bus_read_variant(m, &values) < 0 ||
        berth_bus_read_variant(m, &names) < 0)
        return 0;
    if (g_variant_is_of_type(values, G_VARIANT_TYPE_VARDICT) &&
        g_variant_is_of_type(names, G_VARIANT_TYPE_STRING_ARRAY))
        replace(observer, path, ctl_object_merge(vm, values, names));
    return 0;
}

/* Takes over what is there now; @tell: with the differences to what was known. */
static int read_all(CtlObserver *observer, gboolean tell, sd_bus_error *error)
{
    g_autoptr(GPtrArray) found = NULL;
    guint64 serial = 0;
    g_autofree char *owner = NULL;
    int r = ctl_read_objects(observer->ctl, BERTH_IFACE_VM, NULL, &found, &owner, &serial, error);
    if (r < 0)
        return r;
    g_free(observer->owner);
    observer->owner = g_steal_pointer(&owner);
    observer->snapshot = serial;

    g_autoptr(GHashTable) gone = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    const char *path;
    g_hash_table_iter_init(&iter, observer->vms);
    while (g_hash_table_iter_next(&iter, (gpointer *) &path, NULL))
        g_hash_table_add(gone, g_strdup(path));

    g_ptr_array_set_free_func(found, NULL);
    for (guint i = 0; i < found->len; i++) {
        CtlObject *vm = found->pdata[i];
        g_hash_table_remove(gone, vm->path);
        if (tell)
            replace(observer, vm->path, vm);
        else
            g_hash_table_insert(observer->vms, g_strdup(vm->path), vm);
    }
    g_hash_table_iter_init(&iter, gone);
    while (g_hash_table_iter_next(&iter, (gpointer *) &path, NULL))
        replace(observer, path, NULL);
    return 0;
}

static int on_owner(sd_bus_message *m, void *data, sd_bus_error *unused)
{
    CtlObserver *observer = data;
    const char *name, *old, *new;
    if (sd_bus_message_read(m, "sss", &name, &old, &new) <= 0)
        return 0;
    if (new[0] == '\0') {
        ctl_say_error(_("The daemon went away; waiting for it to come back"));
        g_free(observer->owner);
        observer->owner = g_strdup("");
        return 0;
    }
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    int r = g_str_equal(new, observer->owner) ? 0 : read_all(observer, TRUE, &error);
    /* It may be gone again already; then its next coming is told too. */
    if (r < 0 && !sd_bus_error_has_names(&error, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_SERVICE_UNKNOWN))
        sd_event_exit(observer->event, ctl_fail(observer->ctl, r, &error, "%s", _("Can't watch the VMs")));
    return 0;
}

static int on_disconnected(sd_bus_message *m, void *data, sd_bus_error *error)
{
    CtlObserver *observer = data;
    ctl_say_error(_("The connection to the bus was lost"));
    return sd_event_exit(observer->event, CTL_FAILED);
}

static int subscribe(CtlObserver *observer)
{
    static const char manager[] = "type='signal',sender='" BERTH_BUS_NAME "',path='" BERTH_PATH_ROOT
                                  "',interface='org.freedesktop.DBus.ObjectManager',member='%s'";
    g_autofree char *added = g_strdup_printf(manager, "InterfacesAdded");
    g_autofree char *removed = g_strdup_printf(manager, "InterfacesRemoved");
    const struct {
        const char *match;
        sd_bus_message_handler_t handler;
    } matches[] = {
        {added, on_added},
        {removed, on_removed},
        {"type='signal',sender='" BERTH_BUS_NAME "',path_namespace='" BERTH_PATH_VM
         "',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='" BERTH_IFACE_VM "'",
         on_properties},
        {"type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
         "member='NameOwnerChanged',arg0='" BERTH_BUS_NAME "'",
         on_owner},
        {"type='signal',sender='org.freedesktop.DBus.Local',path='/org/freedesktop/DBus/Local',"
         "interface='org.freedesktop.DBus.Local',member='Disconnected'",
         on_disconnected},
    };
    G_STATIC_ASSERT(G_N_ELEMENTS(matches) == N_MATCHES);
    for (guint i = 0; i < N_MATCHES; i++) {
        int r =
            sd_bus_add_match(observer->ctl->bus, &observer->slots[i], matches[i].match, matches[i].handler, observer);
        if (r < 0)
            return r;
    }
    return 0;
}

void ctl_observer_free(CtlObserver *observer)
{
    if (observer == NULL)
        return;
    for (guint i = 0; i < N_MATCHES; i++)
        sd_bus_slot_unref(observer->slots[i]);
    g_hash_table_unref(observer->vms);
    sd_bus_detach_event(observer->ctl->bus);
    sd_event_unref(observer->event);
    g_free(observer->owner);
    g_free(observer);
}

int ctl_observer_new(Ctl *ctl, sd_event *event, CtlObserverChanged changed, gpointer data, CtlObserver **observer,
                     sd_bus_error *error)
{
    g_autoptr(CtlObserver) made = g_new0(CtlObserver, 1);
    made->ctl = ctl;
    made->event = sd_event_ref(event);
    made->changed = changed;
    made->data = data;
    made->owner = g_strdup("");
    made->vms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) ctl_object_free);
    int r = sd_bus_attach_event(ctl->bus, event, SD_EVENT_PRIORITY_NORMAL);
    if (r >= 0)
        r = subscribe(made);
    if (r >= 0)
        r = read_all(made, FALSE, error);
    if (r < 0)
        return r;
    *observer = g_steal_pointer(&made);
    return 0;
}

const CtlObject *ctl_observer_find(const CtlObserver *observer, const char *name)
{
    GHashTableIter iter;
    CtlObject *vm;
    g_hash_table_iter_init(&iter, observer->vms);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *) &vm))
        if (g_str_equal(vm->name, name) || g_str_equal(ctl_get_string(vm, "Id"), name))
            return vm;
    return NULL;
}
