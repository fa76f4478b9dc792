/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "../lib/await.h"
#include "client.h"
#include "herd.h"
#include "minimal-qemu.h"
#include "responsiveness.h"
#include "shell.h"
#include "src/core/names.h"

/* How well the daemon answers while it removes, and how fast that goes. */

#define MANY 200
#define HELD_SECONDS 5
#define IDLE_SECONDS 5
#define PROBE "bench-probe"

static void remove_herd(Herd *herd, guint n, const char *what)
{
    Responsiveness *asked = responsiveness_begin(PROBE);
    herd_remove(herd);
    double seconds = responsiveness_end(asked, what);
    g_print("%-44s %8.1f removals/s, all at once\n", "", n / seconds);
}

static void measure_stopped(void)
{
    Herd *herd = herd_new(MANY, "{'memory': <uint64 67108864>, 'disks': <[{'size': <uint64 67108864>}]>}");
    remove_herd(herd, MANY, "200 stopped VMs with a disk are removed");
    herd_free(herd);
}

static void measure_running(void)
{
    Herd *herd = herd_new(MANY, "{'memory': <uint64 67108864>, 'networks': <@aa{sv} []>, 'vsock': <false>}");
    herd_start(herd);
    remove_herd(herd, MANY, "200 running VMs are removed");
    herd_free(herd);
}

/* One VM */

static char *id_of(const char *vm)
{
    g_autoptr(GVariant) value = client_get(vm, "Id");
    return g_variant_dup_string(value, NULL);
}

/* Ends a step of waiting. */
static void on_change(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                      const char *signal, GVariant *arguments, gpointer data)
{
}

static void await_phase(const char *vm, const char *phase)
{
    AwaitDeadline deadline;
    g_autoptr(GVariant) value = client_get(vm, "RemovalPhase");
    await_begin(&deadline, 60 * 1000);
    while (!g_str_equal(g_variant_get_string(value, NULL), phase)) {
        if (!await_step(&deadline)) /* every change of it comes as a signal */
            g_error("it is not in phase %s, but “%s”", phase, g_variant_get_string(value, NULL));
        g_variant_unref(value);
        value = client_get(vm, "RemovalPhase");
    }
    await_end(&deadline);
}

static void measure_tree(void)
{
    Herd *herd = herd_new(1, NULL);
    g_autofree char *id = id_of(herd_path(herd, 0));
    g_autofree char *make = g_strdup_printf("cd /var/lib/berth/vms/%s; for d in $(seq 100); do mkdir -p tree/$d; "
                                            "(cd tree/$d; seq 1000 | xargs touch); done",
                                            id);
    shell_run(make);
    remove_herd(herd, 1, "a tree of 100,000 files is deleted");
    herd_free(herd);
}

static void measure_held(void)
{
    Herd *herd = herd_new(1, NULL);
    const char *vm = herd_path(herd, 0);
    g_autofree char *id = id_of(vm);
    g_autofree char *mount = g_strdup_printf("mount -t tmpfs held /var/lib/berth/vms/%s/disks", id);
    guint changes = g_dbus_connection_signal_subscribe(client_bus(), BERTH_BUS_NAME, "org.freedesktop.DBus.Properties",
                                                       "PropertiesChanged", vm, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                                       on_change, NULL, NULL);
    shell_run(mount);
    client_run(vm, "Remove");
    await_phase(vm, "waiting");
    Responsiveness *asked = responsiveness_begin(PROBE);
    await_silence(HELD_SECONDS * 1000);
    responsiveness_end(asked, "a removal is held up by a mount");
    shell_run("umount $(sed -n 's/^held \\([^ ]*\\) .*/\\1/p' /proc/mounts)");
    g_dbus_connection_signal_unsubscribe(client_bus(), changes);
    herd_remove(herd); /* again, which tries at once */
    herd_free(herd);
}

static void measure_idle(void)
{
    Responsiveness *asked = responsiveness_begin(PROBE);
    await_silence(IDLE_SECONDS * 1000);
    responsiveness_end(asked, "nothing else is done");
}

int main(void)
{
    minimal_qemu_prepare();
    g_autofree char *probe = client_create(PROBE, NULL);
    responsiveness_print_head();
    measure_idle();
    measure_stopped();
    measure_running();
    measure_tree();
    measure_held();
    client_run(probe, "Remove");
    return EXIT_SUCCESS;
}
