/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "listing.h"

#include <errno.h>

#include "../core/error.h"
#include "../core/names.h"
#include "call.h"

#define IFACE_OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

/* How long a turn of the loop may go on with an answer. */
#define TURN_USEC 2000

/* Calls are answered in their order, one after the other. */
struct BerthListing {
    BerthBus *bus;
    GSource *source;
    GQueue calls;          /* (element-type sd_bus_message): who waits; the first one's answer is being made */
    sd_bus_message *reply; /* (nullable): that answer */
    GPtrArray *vms;        /* (element-type BerthVm): what is in it */
    guint next;
};

/* One object: its interface, and its properties by the vtable. The interfaces that every object has (Peer, Introspectable,
 * Properties) are not told of each: they would be a tenth of the answer, and a client would make proxies for them. */

typedef struct {
    sd_bus_message *m;
    const char *path, *interface;
    void *object;
} Shown;

static int append_property(const Shown *shown, const sd_bus_vtable *row)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = sd_bus_message_open_container(shown->m, SD_BUS_TYPE_DICT_ENTRY, "sv");
    if (r >= 0)
        r = sd_bus_message_append_basic(shown->m, SD_BUS_TYPE_STRING, row->x.property.member);
    if (r >= 0)
        r = sd_bus_message_open_container(shown->m, SD_BUS_TYPE_VARIANT, row->x.property.signature);
    if (r >= 0)
        r = row->x.property.get(sd_bus_message_get_bus(shown->m), shown->path, shown->interface, row->x.property.member,
                                shown->m, shown->object, &error);
    sd_bus_error_free(&error);
    if (r >= 0)
        r = sd_bus_message_close_container(shown->m);
    return r < 0 ? r : sd_bus_message_close_container(shown->m);
}

static int append_interface(const Shown *shown, const sd_bus_vtable *vtable)
{
    int r = sd_bus_message_open_container(shown->m, SD_BUS_TYPE_DICT_ENTRY, "sa{sv}");
    if (r >= 0)
        r = sd_bus_message_append_basic(shown->m, SD_BUS_TYPE_STRING, shown->interface);
    if (r >= 0)
        r = sd_bus_message_open_container(shown->m, SD_BUS_TYPE_ARRAY, "{sv}");
    for (const sd_bus_vtable *row = vtable; r >= 0 && row->type != _SD_BUS_VTABLE_END; row++)
        if (row->type == _SD_BUS_VTABLE_PROPERTY)
            r = append_property(shown, row);
    if (r >= 0)
        r = sd_bus_message_close_container(shown->m);
    return r < 0 ? r : sd_bus_message_close_container(shown->m);
}

static int append_object(const Shown *shown, const sd_bus_vtable *vtable)
{
    int r = sd_bus_message_open_container(shown->m, SD_BUS_TYPE_DICT_ENTRY, "oa{sa{sv}}");
    if (r >= 0)
        r = sd_bus_message_append_basic(shown->m, SD_BUS_TYPE_OBJECT_PATH, shown->path);
    if (r >= 0)
        r = sd_bus_message_open_container(shown->m, SD_BUS_TYPE_ARRAY, "{sa{sv}}");
    if (r >= 0)
        r = append_interface(shown, vtable);
    if (r >= 0)
        r = sd_bus_message_close_container(shown->m);
    return r < 0 ? r : sd_bus_message_close_container(shown->m);
}

static int append_vm(sd_bus_message *m, BerthVm *vm)
{
    g_autofree char *path = berth_vm_path(vm);
    const Shown shown = {m, path, BERTH_IFACE_VM, vm};
    return append_object(&shown, berth_vm_vtable);
}

static int append_images(sd_bus_message *m, BerthManager *manager)
{
    GHashTableIter iter;
    gpointer image;
    int r = 0;
    g_hash_table_iter_init(&iter, berth_manager_images(manager));
    while (r >= 0 && g_hash_table_iter_next(&iter, NULL, &image)) {
        g_autofree char *path = berth_image_path(image);
        const Shown shown = {m, path, BERTH_IFACE_IMAGE, image};
        r = append_object(&shown, berth_image_vtable);
    }
    return r;
}

static int append_jobs(sd_bus_message *m, BerthManager *manager)
{
    GHashTableIter iter;
    gpointer job;
    int r = 0;
    g_hash_table_iter_init(&iter, berth_manager_jobs(manager));
    while (r >= 0 && g_hash_table_iter_next(&iter, NULL, &job)) {
        g_autofree char *path = berth_job_path(job);
        const Shown shown = {m, path, BERTH_IFACE_JOB, job};
        r = append_object(&shown, berth_job_vtable);
    }
    return r;
}

/* The answer */

static void end_first(BerthListing *self, int r)
{
    sd_bus_message *call = g_queue_pop_head(&self->calls);
    if (r < 0)
        berth_call_fail_with(call, BERTH_ERROR_LIMIT_REACHED, "The objects can't be told: %s", g_strerror(-r));
    sd_bus_message_unref(call);
    self->reply = sd_bus_message_unref(self->reply);
    g_clear_pointer(&self->vms, g_ptr_array_unref);
}

static int by_address(gconstpointer a, gconstpointer b)
{
    guintptr one = *(const guintptr *) a, other = *(const guintptr *) b;
    return one < other ? -1 : one > other;
}

static int begin_first(BerthListing *self)
{
    BerthManager *manager = self->bus->manager;
    self->next = 0;
    self->vms = g_ptr_array_new_full(g_hash_table_size(berth_manager_vms(manager)), (GDestroyNotify) berth_vm_unref);
    GHashTableIter iter;
    gpointer vm;
    g_hash_table_iter_init(&iter, berth_manager_vms(manager));
    while (g_hash_table_iter_next(&iter, NULL, &vm))
        g_ptr_array_add(self->vms, berth_vm_ref(vm));
    /* Thousands of VMs fit into no cache: who walks through memory in one direction waits less for it. */
    g_ptr_array_sort(self->vms, by_address);
    int r = sd_bus_message_new_method_return(g_queue_peek_head(&self->calls), &self->reply);
    if (r >= 0)
        r = sd_bus_message_open_container(self->reply, SD_BUS_TYPE_ARRAY, "{oa{sa{sv}}}");
    if (r >= 0)
        r = append_images(self->reply, manager);
    return r < 0 ? r : append_jobs(self->reply, manager);
}

static int send_first(BerthListing *self)
{
    int r = sd_bus_message_close_container(self->reply);
    return r < 0 ? r : sd_bus_send(NULL, self->reply, NULL);
}

/* @until: on the monotonic clock, µs; G_MAXINT64 for the end of the answer. */
static void go_on(BerthListing *self, gint64 until)
{
    int r = self->reply ? 0 : begin_first(self);
    while (r >= 0 && self->next < self->vms->len && g_get_monotonic_time() < until)
        r = append_vm(self->reply, self->vms->pdata[self->next++]);
    if (r >= 0 && self->next < self->vms->len)
        return;
    if (r >= 0)
        r = send_first(self);
    end_first(self, r);
}

/* Not begun before the one before is out: an answer is some megabytes. */
static gboolean is_due(GSource *source)
{
    const BerthListing *self = *(BerthListing **) (source + 1);
    guint64 n_unsent = 0;
    if (self->calls.length == 0)
        return FALSE;
    return self->reply || sd_bus_get_n_queued_write(self->bus->connection, &n_unsent) < 0 || n_unsent == 0;
}

static gboolean prepare(GSource *source, int *timeout)
{
    *timeout = -1;
    return is_due(source);
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    go_on(*(BerthListing **) (source + 1), g_get_monotonic_time() + TURN_USEC);
    return G_SOURCE_CONTINUE;
}

static BerthListing *listing_new(BerthBus *bus)
{
    static GSourceFuncs funcs = {.prepare = prepare, .check = is_due, .dispatch = dispatch};
    BerthListing *self = g_new0(BerthListing, 1);
    self->bus = bus;
    g_queue_init(&self->calls);
    self->source = g_source_new(&funcs, sizeof(GSource) + sizeof(BerthListing *));
    *(BerthListing **) (self->source + 1) = self;
    g_source_set_static_name(self->source, "berth-listing");
    g_source_attach(self->source, NULL);
    return self;
}

void berth_listing_finish(BerthBus *bus)
{
    if (bus->listing && bus->listing->reply)
        go_on(bus->listing, G_MAXINT64);
}

static void drop_call(gpointer call)
{
    g_autoptr(GError) error = berth_error_new_for_end();
    berth_call_fail(call, error);
    sd_bus_message_unref(call);
}

void berth_listing_forget(BerthBus *bus)
{
    BerthListing *self = g_steal_pointer(&bus->listing);
    if (!self)
        return;
    g_source_destroy(self->source);
    g_source_unref(self->source);
    g_queue_clear_full(&self->calls, drop_call);
    sd_bus_message_unref(self->reply);
    g_clear_pointer(&self->vms, g_ptr_array_unref);
    g_free(self);
}

static int on_root(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
    BerthBus *bus = userdata;
    /* What is malformed sd-bus refuses as it refuses all of that kind. */
    if (!sd_bus_message_is_method_call(message, IFACE_OBJECT_MANAGER, "GetManagedObjects") ||
        sd_bus_message_is_empty(message) <= 0)
        return 0;
    if (!bus->listing)
        bus->listing = listing_new(bus);
    if (sd_bus_message_get_expect_reply(message))
        g_queue_push_tail(&bus->listing->calls, sd_bus_message_ref(message));
    return 1;
}

int berth_listing_add(BerthBus *bus, sd_bus *connection, sd_bus_slot **slot)
{
    return sd_bus_add_object(connection, slot, BERTH_PATH_ROOT, on_root, bus);
}
