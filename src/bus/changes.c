/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "changes.h"

#include "../core/error.h"
#include "../core/names.h"
#include "../host/bus-source.h"
#include "listing.h"
#include "usage-bus.h"

/* Which properties go with each aspect. */
static const struct {
    BerthAspect aspect;
    const char *property;
} announcements[] = {
    {BERTH_ASPECT_NAME, "Name"},
    {BERTH_ASPECT_STATE, "State"},
    {BERTH_ASPECT_STATE, "StateChangeTimestamp"},
    {BERTH_ASPECT_REMOVAL | BERTH_ASPECT_STATE, "RemovalPhase"},
    {BERTH_ASPECT_REMOVAL, "RemovalAttempt"},
    {BERTH_ASPECT_REMOVAL, "RemovalNextAttemptTimestamp"},
    {BERTH_ASPECT_REMOVAL, "RemovalBlocker"},
    {BERTH_ASPECT_LAST_ERROR, "LastError"},
    {BERTH_ASPECT_WANTED, "WantRunning"},
    {BERTH_ASPECT_CONFIG, "Config"},
    {BERTH_ASPECT_CONFIG, "VCPUs"},
    {BERTH_ASPECT_CONFIG, "MemoryBytes"},
    {BERTH_ASPECT_CONFIG, "Image"},
    {BERTH_ASPECT_PROCESS, "CID"},
    {BERTH_ASPECT_PROCESS, "Unit"},
    {BERTH_ASPECT_PROCESS, "PID"},
    {BERTH_ASPECT_PROCESS, "StartedTimestamp"},
    {BERTH_ASPECT_RESPONSIVE, "Responsive"},
    {BERTH_ASPECT_RESTARTS, "NRestarts"},
    {BERTH_ASPECT_RESTARTS, "NextStart"},
    {BERTH_ASPECT_EXIT, "ExitReason"},
    {BERTH_ASPECT_EXIT, "ExitStatus"},
    {BERTH_ASPECT_GUEST, "GuestReady"},
    {BERTH_ASPECT_GUEST, "GuestStatus"},
    {BERTH_ASPECT_GUEST, "GuestAddresses"},
    {BERTH_ASPECT_GUEST, "GuestOS"},
};

static void emit(BerthBus *bus, const char *path, guint aspects)
{
    if (!bus->connection)
        return;
    char *properties[G_N_ELEMENTS(announcements) + 1] = {NULL};
    guint n = 0;
    for (guint i = 0; i < G_N_ELEMENTS(announcements); i++)
        if (aspects & announcements[i].aspect)
            properties[n++] = (char *) announcements[i].property;
    berth_bus_check_sent(bus->connection,
                         sd_bus_emit_properties_changed_strv(bus->connection, path, BERTH_IFACE_VM, properties));
    berth_listing_note(bus, path, BERTH_LISTING_CHANGED);
}

void berth_bus_announce(BerthBus *bus)
{
    GHashTableIter iter;
    gpointer path, aspects;
    g_hash_table_iter_init(&iter, bus->dirty);
    while (g_hash_table_iter_next(&iter, &path, &aspects)) {
        emit(bus, path, GPOINTER_TO_UINT(aspects));
        g_hash_table_iter_remove(&iter);
    }
}

static gboolean flush(gpointer data)
{
    BerthBus *bus = data;
    bus->flush_source = 0;
    berth_bus_announce(bus);
    return G_SOURCE_REMOVE;
}

/* What is still to be announced of one object goes out now, before it does. */
static void flush_object(BerthBus *bus, const char *path)
{
    guint aspects = GPOINTER_TO_UINT(g_hash_table_lookup(bus->dirty, path));
    if (aspects != 0)
        emit(bus, path, aspects);
    g_hash_table_remove(bus->dirty, path);
}

static void vm_changed(BerthVm *vm, guint aspects, gpointer data)
{
    BerthBus *bus = data;
    if (!bus->connection)
        return;
    char *path = berth_vm_path(vm);
    guint before = GPOINTER_TO_UINT(g_hash_table_lookup(bus->dirty, path));
    g_hash_table_replace(bus->dirty, path, GUINT_TO_POINTER(before | aspects));
    /* After everything of this turn of the loop, and before anything of the next: a busy loop must not make two states of two
     * turns into one. */
    if (!bus->flush_source)
        bus->flush_source = g_idle_add_full(G_PRIORITY_HIGH, flush, bus, NULL);
    berth_bus_source_end_turn();
}

/* Of its own interface alone, as GetManagedObjects tells it. */
static void object_added(BerthBus *bus, const char *path, const char *interface)
{
    if (bus->connection)
        berth_bus_check_sent(bus->connection, sd_bus_emit_interfaces_added(bus->connection, path, interface, NULL));
}

static void object_removed(BerthBus *bus, const char *path, const char *interface)
{
    if (bus->connection)
        berth_bus_check_sent(bus->connection, sd_bus_emit_interfaces_removed(bus->connection, path, interface, NULL));
}

static void vm_added(BerthVm *vm, gpointer data)
{
    BerthBus *bus = data;
    g_autofree char *path = berth_vm_path(vm);
    /* All of its properties are in this signal: there is nothing left to announce. */
    g_hash_table_remove(bus->dirty, path);
    object_added(bus, path, BERTH_IFACE_VM);
    berth_listing_note(bus, path, BERTH_LISTING_CAME);
}

static void vm_removed(BerthVm *vm, gpointer data)
{
    BerthBus *bus = data;
    g_autofree char *path = berth_vm_path(vm);
    flush_object(bus, path);
    object_removed(bus, path, BERTH_IFACE_VM);
    berth_listing_note(bus, path, BERTH_LISTING_WENT);
    berth_usage_prune(bus);
}

static void vm_usage(BerthVm *vm, const char *subscriber, const BerthUsage *usage, gpointer data)
{
    berth_usage_send(data, vm, subscriber, usage);
}

static void image_added(BerthImage *image, gpointer data)
{
    BerthBus *bus = data;
    g_autofree char *path = berth_image_path(image);
    object_added(bus, path, BERTH_IFACE_IMAGE);
}

static void image_changed(BerthImage *image, gpointer data)
{
    BerthBus *bus = data;
    g_autofree char *path = berth_image_path(image);
    if (bus->connection)
        berth_bus_check_sent(bus->connection,
                             sd_bus_emit_properties_changed(bus->connection, path, BERTH_IFACE_IMAGE, "UsedBy", NULL));
}

static void image_removed(BerthImage *image, gpointer data)
{
    BerthBus *bus = data;
    g_autofree char *path = berth_image_path(image);
    object_removed(bus, path, BERTH_IFACE_IMAGE);
}

static void job_added(BerthJob *job, gpointer data)
{
    BerthBus *bus = data;
    g_autofree char *path = berth_job_path(job);
    object_added(bus, path, BERTH_IFACE_JOB);
}

static void job_changed(BerthJob *job, gpointer data)
{
    BerthBus *bus = data;
    g_autofree char *path = berth_job_path(job);
    if (bus->connection)
        berth_bus_check_sent(bus->connection,
                             sd_bus_emit_properties_changed(bus->connection, path, BERTH_IFACE_JOB, "Progress",
                                                            "BytesDone", "BytesTotal", NULL));
}

static void job_completed(BerthJob *job, gpointer data)
{
    BerthBus *bus = data;
    if (!bus->connection)
        return;
    g_autofree char *path = berth_job_path(job);
    const BerthImage *image = job->image ? berth_manager_find_image(bus->manager, job->image) : NULL;
    const BerthVm *vm = job->vm ? berth_manager_find_by_id(bus->manager, job->vm) : NULL;
    g_autofree char *result = image ? berth_image_path(image) : vm ? berth_vm_path(vm) : g_strdup("/");
    berth_bus_check_sent(bus->connection,
                         sd_bus_emit_signal(bus->connection, path, BERTH_IFACE_JOB, "Completed", "o(ss)", result,
                                            job->error ? berth_error_dbus_name(job->error) : "",
                                            job->error ? job->error->message : ""));
    object_removed(bus, path, BERTH_IFACE_JOB);
}

const BerthObserver *berth_bus_observer(void)
{
    static const BerthObserver observer = {
        .vm_added = vm_added,
        .vm_changed = vm_changed,
        .vm_removed = vm_removed,
        .vm_usage = vm_usage,
        .image_added = image_added,
        .image_changed = image_changed,
        .image_removed = image_removed,
        .job_added = job_added,
        .job_changed = job_changed,
        .job_completed = job_completed,
    };
    return &observer;
}
