/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "responsiveness.h"

#include <gio/gio.h>

#include "samples.h"
#include "src/core/names.h"
#include "turns.h"

struct Responsiveness {
    GThread *thread;
    GDBusConnection *bus;
    char *name;
    int stop; /* atomic */
    gint64 begin;
    Samples *latencies;
};

static GDBusConnection *connect(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
    GDBusConnection *bus =
        address ? g_dbus_connection_new_for_address_sync(address,
                                                         G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                             G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                         NULL, NULL, &error)
                : NULL;
    if (!bus)
        g_error("%s", error->message);
    return bus;
}

static gpointer ask_on_and_on(gpointer data)
{
    Responsiveness *self = data;
    while (!g_atomic_int_get(&self->stop)) {
        g_autoptr(GError) error = NULL;
        gint64 begin = g_get_monotonic_time();
        g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
            self->bus, BERTH_BUS_NAME, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", self->name),
            NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
        if (!answer)
            g_error("GetVM: %s", error->message);
        samples_add(self->latencies, (double) (g_get_monotonic_time() - begin) / 1000);
    }
    return NULL;
}

Responsiveness *responsiveness_begin(const char *name)
{
    Responsiveness *self = g_new0(Responsiveness, 1);
    self->bus = connect();
    self->name = g_strdup(name);
    self->latencies = samples_new();
    turns_reset();
    self->begin = g_get_monotonic_time();
    self->thread = g_thread_new("asks", ask_on_and_on, self);
    return self;
}

void responsiveness_print_head(void)
{
    g_print("%-44s %8s %8s %8s %8s %10s %10s   ms\n", "GetVM while", "calls", "50 %", "99 %", "100 %", "turn, wall",
            "turn, CPU");
}

double responsiveness_end(Responsiveness *self, const char *what)
{
    double seconds = (double) (g_get_monotonic_time() - self->begin) / G_USEC_PER_SEC;
    g_atomic_int_set(&self->stop, 1);
    g_thread_join(self->thread);
    g_print("%-44s %8u %8.2f %8.2f %8.2f %10.2f %10.2f\n", what, self->latencies->len,
            samples_percentile(self->latencies, 50), samples_percentile(self->latencies, 99),
            samples_max(self->latencies), turns_longest(), turns_longest_cpu());
    samples_free(self->latencies);
    g_object_unref(self->bus);
    g_free(self->name);
    g_free(self);
    return seconds;
}
