/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "../lib/await.h"
#include "client.h"
#include "process-figures.h"
#include "samples.h"
#include "src/core/names.h"

/* What the daemon's own work costs: making and removing VMs that never ran, keeping many of them, and doing nothing. */

#define ROUNDS 50
#define FEW 100
#define MANY 1000
#define LISTINGS 20
#define IDLE_SECONDS 10

/* GLib's idle worker threads end after 15 s; until then the daemon is not at rest. */
#define REST_SECONDS 20

static double since(gint64 begin)
{
    return (double) (g_get_monotonic_time() - begin) / 1000;
}

/* Making and removing */

typedef struct {
    const char *vm;
    gint64 begin;
    double answered, gone; /* ms, 0 until then */
} Removal;

static void on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    Removal *removal = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (!answer)
        g_error("Remove: %s", error->message);
    removal->answered = since(removal->begin);
}

static void on_interfaces_removed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                                  const char *signal, GVariant *arguments, gpointer data)
{
    Removal *removal = data;
    const char *object = NULL;
    g_variant_get_child(arguments, 0, "&o", &object);
    if (g_str_equal(object, removal->vm))
        removal->gone = since(removal->begin);
}

static void remove_vm(const char *vm, Samples *answered, Samples *gone)
{
    Removal removal = {.vm = vm};
    guint subscription = g_dbus_connection_signal_subscribe(
        client_bus(), BERTH_BUS_NAME, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", BERTH_PATH_ROOT, NULL,
        G_DBUS_SIGNAL_FLAGS_NONE, on_interfaces_removed, &removal, NULL);
    removal.begin = g_get_monotonic_time();
    g_dbus_connection_call(client_bus(), BERTH_BUS_NAME, vm, BERTH_IFACE_VM, "Remove", client_no_options(), NULL,
                           G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_answer, &removal);
    AWAIT(removal.answered > 0 && removal.gone > 0);
    g_dbus_connection_signal_unsubscribe(client_bus(), subscription);
    samples_add(answered, removal.answered);
    samples_add(gone, removal.gone);
}

static void print_row(const char *what, const char *kind, Samples *samples)
{
    g_autofree char *name = g_strdup_printf("%s, %s", what, kind);
    samples_print(name, samples);
}

static void measure_making(const char *kind, const char *config)
{
    g_autoptr(Samples) created = samples_new();
    g_autoptr(Samples) answered = samples_new();
    g_autoptr(Samples) gone = samples_new();
    for (guint i = 0; i < ROUNDS; i++) {
        gint64 begin = g_get_monotonic_time();
        g_autofree char *vm = client_create("bench", config);
        samples_add(created, since(begin));
        remove_vm(vm, answered, gone);
    }
    print_row("CreateVM", kind, created);
    print_row("Remove, to the answer", kind, answered);
    print_row("Remove, to InterfacesRemoved", kind, gone);
}

/* Keeping many */

static void make_vms(guint first, guint end)
{
    for (guint i = first; i < end; i++) {
        g_autofree char *name = g_strdup_printf("bench-%u", i);
        g_autofree char *vm = client_create(name, NULL);
    }
}

static void list_all(void)
{
    g_autoptr(GVariant) answer =
        client_call(BERTH_PATH_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
    g_autoptr(GVariant) objects = g_variant_get_child_value(answer, 0);
    if (g_variant_n_children(objects) < MANY)
        g_error("%" G_GSIZE_FORMAT " objects, not %u and the manager", g_variant_n_children(objects), MANY);
}

static void measure_listing(void)
{
    g_autoptr(Samples) samples = samples_new();
    for (guint i = 0; i < LISTINGS; i++) {
        gint64 begin = g_get_monotonic_time();
        list_all();
        samples_add(samples, since(begin));
    }
    samples_print("GetManagedObjects with 1,000 VMs", samples);
}

static void measure_idling(pid_t daemon)
{
    await_silence(REST_SECONDS * 1000);
    guint64 before = process_wakeups(daemon);
    await_silence(IDLE_SECONDS * 1000);
    g_print("wake-ups in %u idle s with %u VMs: %" G_GUINT64_FORMAT " (aim: 0)\n", IDLE_SECONDS, MANY,
            process_wakeups(daemon) - before);
}

int main(void)
{
    samples_print_head("of a VM that never ran", "ms");
    measure_making("no disk", NULL);
    measure_making("one qcow2 disk", "{'disks': <[{'size': <uint64 1073741824>}]>}");

    pid_t daemon = client_daemon_pid();
    make_vms(0, FEW);
    guint64 with_few = process_private_bytes(daemon);
    make_vms(FEW, MANY);
    guint64 with_many = process_private_bytes(daemon);
    measure_listing();
    g_print("private memory of berthd: %" G_GUINT64_FORMAT " KiB with %u VMs, %" G_GUINT64_FORMAT " KiB with %u: "
            "%.0f bytes a VM\n",
            with_few / 1024, FEW, with_many / 1024, MANY, ((double) with_many - (double) with_few) / (MANY - FEW));
    measure_idling(daemon);
    return EXIT_SUCCESS;
}
