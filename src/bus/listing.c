/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "listing.h"

#include <errno.h>
#include <string.h>

#include "../core/error.h"
#include "../core/names.h"
#include "../host/bus-keys.h"
#include "../host/bus-source.h"
#include "call.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)

#define IFACE_OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

/* How long a turn of the loop may go on with an answer, and how many VMs it shows whatever the clock says: of so few the
 * answer is made at once, and there are no news. */
#define TURN_USEC 2000
#define TURN_VMS 64u

/* Calls are answered in their order, one after the other. */
struct BerthListing {
    BerthBus *bus;
    GSource *source;
    GQueue calls;          /* (element-type sd_bus_message): who waits; the first one's answer is being made */
    sd_bus_message *reply; /* (nullable): that answer */
    GPtrArray *vms;        /* (element-type BerthVm): what is in it */
    guint next;
    gsize size; /* of the answer, in bytes, nearly */
    gsize bare_vm;
    GHashTable *news; /* object path → GUINT of BerthListingNews: what is still to be told behind it */
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
        r = berth_bus_append_name(shown->m, row->x.property.member);
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

/* @but: flags of those that are left out */
static int append_properties(const Shown *shown, const sd_bus_vtable *vtable, guint64 but)
{
    int r = sd_bus_message_append_basic(shown->m, SD_BUS_TYPE_STRING, shown->interface);
    if (r >= 0)
        r = sd_bus_message_open_container(shown->m, SD_BUS_TYPE_ARRAY, "{sv}");
    for (const sd_bus_vtable *row = vtable; r >= 0 && row->type != _SD_BUS_VTABLE_END; row++)
        if (row->type == _SD_BUS_VTABLE_PROPERTY && !(row->flags & but))
            r = append_property(shown, row);
    return r < 0 ? r : sd_bus_message_close_container(shown->m);
}

static int append_interfaces(const Shown *shown, const sd_bus_vtable *vtable)
{
    int r = sd_bus_message_append_basic(shown->m, SD_BUS_TYPE_OBJECT_PATH, shown->path);
    if (r >= 0)
        r = sd_bus_message_open_container(shown->m, SD_BUS_TYPE_ARRAY, "{sa{sv}}");
    if (r >= 0)
        r = sd_bus_message_open_container(shown->m, SD_BUS_TYPE_DICT_ENTRY, "sa{sv}");
    if (r >= 0)
        r = append_properties(shown, vtable, 0);
    if (r >= 0)
        r = sd_bus_message_close_container(shown->m);
    return r < 0 ? r : sd_bus_message_close_container(shown->m);
}

static int append_object(const Shown *shown, const sd_bus_vtable *vtable)
{
    int r = sd_bus_message_open_container(shown->m, SD_BUS_TYPE_DICT_ENTRY, "oa{sa{sv}}");
    if (r >= 0)
        r = append_interfaces(shown, vtable);
    return r < 0 ? r : sd_bus_message_close_container(shown->m);
}

/* Size: sd-bus has no public way to ask for it, and what the bus does not take must never be sent. So it is counted by D-Bus'
 * rules. Left out are, of what is variable, padding and a few words, which are made up for by a reserve. */

#define RESERVE_FRACTION 64u

static gsize aligned(gsize at, gsize to)
{
    return (at + to - 1) & ~(to - 1);
}

/* Bytes of an object without its path, and with nothing in what is variable. */
static gsize bare_size(const char *interface, const sd_bus_vtable *vtable)
{
    gsize at = 5 + 8 + 5 + strlen(interface) + 8;
    for (const sd_bus_vtable *row = vtable; row->type != _SD_BUS_VTABLE_END; row++) {
        if (row->type != _SD_BUS_VTABLE_PROPERTY)
            continue;
        const char *type = row->x.property.signature;
        at = aligned(at, 8) + 5 + strlen(row->x.property.member) + 2 + strlen(type);
        at = *type == SD_BUS_TYPE_UINT64 || *type == SD_BUS_TYPE_DOUBLE ? aligned(at, 8) + 8 : aligned(at, 4) + 5;
    }
    return at;
}

static int count(BerthListing *self, gsize size)
{
    self->size += size;
    return self->size + self->size / RESERVE_FRACTION > self->bus->message_max ? -E2BIG : 0;
}

static int append_vm(BerthListing *self, BerthVm *vm)
{
    g_autofree char *path = berth_vm_path(vm);
    const Shown shown = {self->reply, path, BERTH_IFACE_VM, vm};
    int r = append_object(&shown, berth_vm_vtable);
    return r < 0 ? r : count(self, self->bare_vm + strlen(path) + berth_vm_variable_size(vm));
}

static int append_images(BerthListing *self)
{
    GHashTableIter iter;
    gpointer image;
    int r = 0;
    g_hash_table_iter_init(&iter, berth_manager_images(self->bus->manager));
    while (r >= 0 && g_hash_table_iter_next(&iter, NULL, &image)) {
        g_autofree char *path = berth_image_path(image);
        const Shown shown = {self->reply, path, BERTH_IFACE_IMAGE, image};
        r = append_object(&shown, berth_image_vtable);
        if (r >= 0)
            r = count(self, bare_size(BERTH_IFACE_IMAGE, berth_image_vtable) + strlen(path) +
                                berth_image_variable_size(image));
    }
    return r;
}

static int append_jobs(BerthListing *self)
{
    GHashTableIter iter;
    gpointer job;
    int r = 0;
    g_hash_table_iter_init(&iter, berth_manager_jobs(self->bus->manager));
    while (r >= 0 && g_hash_table_iter_next(&iter, NULL, &job)) {
        g_autofree char *path = berth_job_path(job);
        const Shown shown = {self->reply, path, BERTH_IFACE_JOB, job};
        r = append_object(&shown, berth_job_vtable);
        if (r >= 0)
            r = count(self, bare_size(BERTH_IFACE_JOB, berth_job_vtable) + strlen(path));
    }
    return r;
}

/* The answer */

static void drop_answer(BerthListing *self)
{
    self->reply = sd_bus_message_unref(self->reply);
    g_clear_pointer(&self->vms, g_ptr_array_unref);
}

static void end_first(BerthListing *self)
{
    drop_answer(self);
    g_hash_table_remove_all(self->news);
    sd_bus_message_unref(g_queue_pop_head(&self->calls));
}

static void fail_first(BerthListing *self, int r)
{
    sd_bus_message *call = g_queue_peek_head(&self->calls);
    if (r == -E2BIG)
        berth_call_fail_with(
            call, BERTH_ERROR_LIMIT_REACHED,
            "The list of all %u VMs is larger than the %u MiB that a message on this bus may have; GetVM "
            "finds each of them by its name or id, and what it says of itself can be read one by one",
            self->vms->len, (guint) (self->bus->message_max >> 20));
    else
        berth_call_fail_with(call, BERTH_ERROR_LIMIT_REACHED, "The objects can't be told: %s", g_strerror(-r));
    end_first(self);
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
    self->size = 0;
    self->bare_vm = bare_size(BERTH_IFACE_VM, berth_vm_vtable);
    self->vms = g_ptr_array_new_full(g_hash_table_size(berth_manager_vms(manager)), (GDestroyNotify) berth_vm_unref);
    GHashTableIter iter;
    gpointer vm;
    g_hash_table_iter_init(&iter, berth_manager_vms(manager));
    while (g_hash_table_iter_next(&iter, NULL, &vm))
        g_ptr_array_add(self->vms, berth_vm_ref(vm));
    /* Thousands of VMs fit into no cache: who walks through memory in one direction waits less for it. */
    g_ptr_array_sort(self->vms, by_address);
    int r = sd_bus_message_new_method_return(g_queue_peek_head(&self->calls), &self->reply);
    return r < 0 ? r : sd_bus_message_open_container(self->reply, SD_BUS_TYPE_ARRAY, "{oa{sa{sv}}}");
}

/* Images and jobs, which are few, are as they are now. */
static int send_first(BerthListing *self)
{
    int r = append_images(self);
    if (r >= 0)
        r = append_jobs(self);
    if (r >= 0)
        r = sd_bus_message_close_container(self->reply);
    return r < 0 ? r : sd_bus_send(NULL, self->reply, NULL);
}

static gboolean is_there(const BerthListing *self, const BerthVm *vm)
{
    return berth_manager_find_by_id(self->bus->manager, berth_vm_id(vm)) == vm;
}

/* @until: on the monotonic clock, µs. */
static void go_on(BerthListing *self, gint64 until)
{
    int r = self->reply ? 0 : begin_first(self);
    for (guint n = 0; r >= 0 && self->next < self->vms->len && (n < TURN_VMS || g_get_monotonic_time() < until); n++) {
        BerthVm *vm = self->vms->pdata[self->next++];
        if (is_there(self, vm))
            r = append_vm(self, vm);
    }
    if (r >= 0 && self->next < self->vms->len)
        return;
    if (r >= 0)
        r = send_first(self);
    if (r < 0)
        fail_first(self, r);
    else if (g_hash_table_size(self->news) > 0)
        drop_answer(self); /* the call stays the first until they are told */
    else
        end_first(self);
}

/* What has happened meanwhile, to who asked alone: all others have heard it. */

static int new_signal(BerthListing *self, const char *path, const char *interface, const char *member,
                      sd_bus_message **m)
{
    int r = sd_bus_message_new_signal(self->bus->connection, m, path, interface, member);
    return r < 0 ? r : sd_bus_message_set_destination(*m, sd_bus_message_get_sender(g_queue_peek_head(&self->calls)));
}

static int tell_removed(BerthListing *self, const char *path)
{
    g_autoptr(sd_bus_message) m = NULL;
    int r = new_signal(self, BERTH_PATH_ROOT, IFACE_OBJECT_MANAGER, "InterfacesRemoved", &m);
    if (r >= 0)
        r = sd_bus_message_append(m, "oas", path, 1, BERTH_IFACE_VM);
    return r < 0 ? r : sd_bus_send(NULL, m, NULL);
}

static int tell_added(BerthListing *self, const char *path, BerthVm *vm)
{
    g_autoptr(sd_bus_message) m = NULL;
    int r = new_signal(self, BERTH_PATH_ROOT, IFACE_OBJECT_MANAGER, "InterfacesAdded", &m);
    const Shown shown = {m, path, BERTH_IFACE_VM, vm};
    if (r >= 0)
        r = append_interfaces(&shown, berth_vm_vtable);
    return r < 0 ? r : sd_bus_send(NULL, m, NULL);
}

static int tell_changed(BerthListing *self, const char *path, BerthVm *vm)
{
    g_autoptr(sd_bus_message) m = NULL;
    int r = new_signal(self, path, "org.freedesktop.DBus.Properties", "PropertiesChanged", &m);
    const Shown shown = {m, path, BERTH_IFACE_VM, vm};
    if (r >= 0)
        r = append_properties(&shown, berth_vm_vtable, SD_BUS_VTABLE_PROPERTY_CONST);
    if (r >= 0)
        r = sd_bus_message_append(m, "as", 0);
    return r < 0 ? r : sd_bus_send(NULL, m, NULL);
}

static int tell_news(BerthListing *self, const char *path, BerthListingNews news)
{
    BerthVm *vm = berth_bus_find_vm(self->bus, path);
    int r = news & BERTH_LISTING_WENT || !vm ? tell_removed(self, path) : 0;
    if (r >= 0 && vm)
        r = news & BERTH_LISTING_CAME ? tell_added(self, path, vm) : tell_changed(self, path, vm);
    return r;
}

static void go_on_with_news(BerthListing *self, gint64 until)
{
    GHashTableIter iter;
    gpointer path, news;
    g_hash_table_iter_init(&iter, self->news);
    while (g_get_monotonic_time() < until && g_hash_table_iter_next(&iter, &path, &news)) {
        berth_bus_check_sent(self->bus->connection, tell_news(self, path, GPOINTER_TO_UINT(news)));
        g_hash_table_iter_remove(&iter);
    }
    if (g_hash_table_size(self->news) == 0)
        end_first(self);
}

void berth_listing_note(BerthBus *bus, const char *path, BerthListingNews news)
{
    BerthListing *self = bus->listing;
    if (!self || !self->reply)
        return;
    const guint before = GPOINTER_TO_UINT(g_hash_table_lookup(self->news, path));
    g_hash_table_replace(self->news, g_strdup(path), GUINT_TO_POINTER(before | news));
}

static gboolean has_only_news(const BerthListing *self)
{
    return !self->reply && g_hash_table_size(self->news) > 0;
}

/* Not begun before the one before is out: an answer is some megabytes. */
static gboolean is_due(GSource *source)
{
    const BerthListing *self = *(BerthListing **) (source + 1);
    guint64 n_unsent = 0;
    if (self->calls.length == 0)
        return FALSE;
    return self->reply || has_only_news(self) || sd_bus_get_n_queued_write(self->bus->connection, &n_unsent) < 0 ||
           n_unsent == 0;
}

static gboolean prepare(GSource *source, int *timeout)
{
    *timeout = -1;
    return is_due(source);
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    BerthListing *self = *(BerthListing **) (source + 1);
    (has_only_news(self) ? go_on_with_news : go_on)(self, g_get_monotonic_time() + TURN_USEC);
    return G_SOURCE_CONTINUE;
}

static BerthListing *listing_new(BerthBus *bus)
{
    static GSourceFuncs funcs = {.prepare = prepare, .check = is_due, .dispatch = dispatch};
    BerthListing *self = g_new0(BerthListing, 1);
    self->bus = bus;
    g_queue_init(&self->calls);
    self->news = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    self->source = g_source_new(&funcs, sizeof(GSource) + sizeof(BerthListing *));
    *(BerthListing **) (self->source + 1) = self;
    g_source_set_static_name(self->source, "berth-listing");
    g_source_attach(self->source, NULL);
    return self;
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
    drop_answer(self);
    g_hash_table_unref(self->news);
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
