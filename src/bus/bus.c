/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-private.h"

#include "../core/names.h"
#include "call.h"
#include "listing.h"
#include "usage-bus.h"

BerthBus *berth_bus_current(sd_bus_message *message)
{
    return sd_bus_slot_get_userdata(sd_bus_get_current_slot(sd_bus_message_get_bus(message)));
}

/* Finding objects for sd-bus */

static int find_vm(sd_bus *connection, const char *path, const char *interface, void *userdata, void **found,
                   sd_bus_error *error)
{
    *found = berth_bus_find_vm(userdata, path);
    return *found != NULL;
}

static int find_image(sd_bus *connection, const char *path, const char *interface, void *userdata, void **found,
                      sd_bus_error *error)
{
    *found = berth_bus_find_image(userdata, path);
    return *found != NULL;
}

static int find_job(sd_bus *connection, const char *path, const char *interface, void *userdata, void **found,
                    sd_bus_error *error)
{
    *found = berth_bus_find_job(userdata, path);
    return *found != NULL;
}

/* sd-bus frees what it is given with free(); GLib's allocator is the same one. */
static int list(GHashTable *objects, char *(*path_of)(gconstpointer object), char ***nodes)
{
    char **paths = g_new0(char *, g_hash_table_size(objects) + 1);
    GHashTableIter iter;
    gpointer object;
    guint n = 0;
    g_hash_table_iter_init(&iter, objects);
    while (g_hash_table_iter_next(&iter, NULL, &object))
        paths[n++] = path_of(object);
    *nodes = paths;
    return 0;
}

static int list_vms(sd_bus *connection, const char *prefix, void *userdata, char ***nodes, sd_bus_error *error)
{
    BerthBus *bus = userdata;
    return list(berth_manager_vms(bus->manager), (char *(*) (gconstpointer)) berth_vm_path, nodes);
}

static int list_images(sd_bus *connection, const char *prefix, void *userdata, char ***nodes, sd_bus_error *error)
{
    BerthBus *bus = userdata;
    return list(berth_manager_images(bus->manager), (char *(*) (gconstpointer)) berth_image_path, nodes);
}

static int list_jobs(sd_bus *connection, const char *prefix, void *userdata, char ***nodes, sd_bus_error *error)
{
    BerthBus *bus = userdata;
    return list(berth_manager_jobs(bus->manager), (char *(*) (gconstpointer)) berth_job_path, nodes);
}

/* The connection */

static const struct {
    const char *prefix, *interface;
    const sd_bus_vtable *vtable;
    sd_bus_object_find_t find;
    sd_bus_node_enumerator_t list;
} kinds[] = {
    {BERTH_PATH_VM, BERTH_IFACE_VM, berth_vm_vtable, find_vm, list_vms},
    {BERTH_PATH_IMAGE, BERTH_IFACE_IMAGE, berth_image_vtable, find_image, list_images},
    {BERTH_PATH_JOB, BERTH_IFACE_JOB, berth_job_vtable, find_job, list_jobs},
};

/* By its address: in keep(…, make(&slot), slot) it is for the compiler to say which argument comes first. */
static int keep(BerthBus *bus, int r, sd_bus_slot **slot)
{
    if (r >= 0)
        g_ptr_array_add(bus->slots, g_steal_pointer(slot));
    return r;
}

static int put_objects(BerthBus *bus, sd_bus *connection)
{
    sd_bus_slot *slot = NULL;
    int r = keep(bus, sd_bus_add_object_manager(connection, &slot, BERTH_PATH_ROOT), &slot);
    if (r >= 0)
        r = sd_bus_add_object_vtable(connection, &slot, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, berth_manager_vtable,
                                     bus);
    r = keep(bus, r, &slot);
    if (r >= 0)
        r = keep(bus, berth_listing_add(bus, connection, &slot), &slot);
    for (guint i = 0; r >= 0 && i < G_N_ELEMENTS(kinds); i++) {
        r = sd_bus_add_fallback_vtable(connection, &slot, kinds[i].prefix, kinds[i].interface, kinds[i].vtable,
                                       kinds[i].find, bus);
        r = keep(bus, r, &slot);
        if (r >= 0)
            r = keep(bus, sd_bus_add_node_enumerator(connection, &slot, kinds[i].prefix, kinds[i].list, bus), &slot);
    }
    return r;
}

static int name_answered(sd_bus_message *message, void *userdata, sd_bus_error *bus_error)
{
    BerthBus *bus = userdata;
    guint32 answer = 0;
    if (sd_bus_message_is_method_error(message, SD_BUS_ERROR_ACCESS_DENIED))
        bus->name_refused(sd_bus_message_get_error(message)->message, bus->data);
    else if (sd_bus_message_is_method_error(message, NULL))
        /* The bus went away meanwhile; with the next one the name is asked for again. */
        g_warning("Can't ask for the bus name: %s", sd_bus_message_get_error(message)->message);
    else if (sd_bus_message_read(message, "u", &answer) < 0 || (answer != 1 && answer != 4))
        bus->name_refused("another berthd has it", bus->data);
    else
        bus->name_taken(bus->data);
    return 1;
}

static void went_up(sd_bus *connection, gpointer data)
{
    BerthBus *bus = data;
    sd_bus_slot *slot = NULL;
    bus->connection = connection;
    int r = put_objects(bus, connection);
    if (r >= 0)
        r = keep(bus, sd_bus_request_name_async(connection, &slot, BERTH_BUS_NAME, 0, name_answered, bus), &slot);
    if (r < 0)
        bus->name_refused(g_strerror(-r), bus->data);
}

static void went_down(gpointer data)
{
    BerthBus *bus = data;
    if (bus->calls)
        berth_calls_forget(bus);
    g_clear_handle_id(&bus->flush_source, g_source_remove);
    berth_listing_forget(bus);
    g_hash_table_remove_all(bus->dirty);
    g_ptr_array_set_size(bus->slots, 0);
    bus->connection = NULL;
}

static void lost(gpointer data)
{
    berth_usage_forget_all(data);
    went_down(data);
}

static const BerthBusLinkHandler link_handler = {.up = went_up, .down = lost};

static void drop_slot(gpointer slot)
{
    sd_bus_slot_unref(slot);
}

/* Who sends a larger message is thrown off the bus. dbus-daemon's own default for max_message_size, which the system bus keeps
 * and the session bus raises, and what D-Bus itself allows. The bus has no way to ask for its limit. */
#define SYSTEM_MESSAGE_MAX ((gsize) 32 << 20)
#define USER_MESSAGE_MAX ((gsize) 128 << 20)

BerthBus *berth_bus_new(BerthBusLink *link, gboolean user, const char *const *capabilities)
{
    BerthBus *bus = g_new0(BerthBus, 1);
    bus->link = link;
    bus->polkit = berth_polkit_new(link, user);
    bus->capabilities = capabilities;
    bus->message_max = user ? USER_MESSAGE_MAX : SYSTEM_MESSAGE_MAX;
    bus->slots = g_ptr_array_new_with_free_func(drop_slot);
    bus->dirty = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    bus->subscribers = berth_usage_subscribers_new();
    return bus;
}

void berth_bus_free(BerthBus *bus)
{
    berth_bus_link_remove(bus->link, &link_handler, bus);
    went_down(bus); /* the manager, and what it knew of clients, is gone already */
    g_hash_table_unref(bus->subscribers);
    g_clear_pointer(&bus->calls, g_hash_table_unref);
    g_ptr_array_unref(bus->slots);
    g_hash_table_unref(bus->dirty);
    berth_polkit_free(bus->polkit);
    g_free(bus);
}

void berth_bus_serve(BerthBus *bus, BerthManager *manager, void (*name_taken)(gpointer data),
                     void (*name_refused)(const char *why, gpointer data), gpointer data)
{
    bus->manager = manager;
    bus->name_taken = name_taken;
    bus->name_refused = name_refused;
    bus->data = data;
    berth_bus_link_add(bus->link, &link_handler, bus);
}
