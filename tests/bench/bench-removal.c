/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "../lib/await.h"
#include "client.h"
#include "responsiveness.h"
#include "shell.h"
#include "src/core/names.h"

/* How well the daemon answers while it removes, and how fast that goes. */

#define MANY 200
#define HELD_SECONDS 5
#define IDLE_SECONDS 5
#define PROBE "bench-probe"

/* A QEMU that has a monitor and no machine: 200 of them are started and removed in a moment. */
#define MINIMAL_QEMU "/run/berth-bench-qemu"
static const char minimal_qemu[] = "#!/bin/sh\n"
                                   "kept=\n"
                                   "while [ $# -gt 0 ]; do\n"
                                   "  case $1 in\n"
                                   "  -no-user-config | -nodefaults) kept=\"$kept $1\"; shift ;;\n"
                                   "  -name | -uuid | -display | -sandbox | -accel | -chardev | -mon)\n"
                                   "    kept=\"$kept $1 $2\"; shift 2 ;;\n"
                                   "  *) shift 2 ;;\n"
                                   "  esac\n"
                                   "done\n"
                                   "exec /usr/bin/qemu-system-x86_64 $kept -machine none\n";

/* VMs, all at once */

/* The system bus lets nobody wait for more than 128 answers at once. */
#define IN_FLIGHT 100

typedef struct {
    GPtrArray *paths;
    const char *method;
    guint called, answered, gone;
    guint subscription;
} Herd;

static void on_answer(GObject *source, GAsyncResult *result, gpointer data);

static void call_next(Herd *herd)
{
    if (herd->called < herd->paths->len)
        g_dbus_connection_call(client_bus(), BERTH_BUS_NAME, herd->paths->pdata[herd->called++], BERTH_IFACE_VM,
                               herd->method, client_no_options(), NULL, G_DBUS_CALL_FLAGS_NONE, 300 * 1000, NULL,
                               on_answer, herd);
}

static void on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    Herd *herd = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (!answer)
        g_error("%s", error->message);
    herd->answered++;
    call_next(herd);
}

static void on_gone(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                    const char *signal, GVariant *arguments, gpointer data)
{
    ((Herd *) data)->gone++;
}

static Herd *herd_new(guint n, const char *config)
{
    Herd *herd = g_new0(Herd, 1);
    herd->paths = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("bench-%u", i);
        g_ptr_array_add(herd->paths, client_create(name, config));
    }
    herd->subscription = g_dbus_connection_signal_subscribe(
        client_bus(), BERTH_BUS_NAME, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", BERTH_PATH_ROOT, NULL,
        G_DBUS_SIGNAL_FLAGS_NONE, on_gone, herd, NULL);
    return herd;
}

static void herd_free(Herd *herd)
{
    g_dbus_connection_signal_unsubscribe(client_bus(), herd->subscription);
    g_ptr_array_unref(herd->paths);
    g_free(herd);
}

static void await_herd(const guint *counter, guint n)
{
    AwaitDeadline deadline;
    await_begin(&deadline, 300 * 1000);
    while (*counter < n)
        if (!await_step(&deadline))
            g_error("only %u of %u", *counter, n);
    await_end(&deadline);
}

static void herd_call(Herd *herd, const char *method)
{
    herd->method = method;
    herd->called = herd->answered = 0;
    for (guint i = 0; i < IN_FLIGHT; i++)
        call_next(herd);
    await_herd(&herd->answered, herd->paths->len);
}

/* A few at a time: systemd has its own limits. */
static void herd_start(Herd *herd)
{
    for (guint i = 0; i < herd->paths->len; i++)
        client_run(herd->paths->pdata[i], "Start");
}

static void herd_remove(Herd *herd, const char *what)
{
    guint n = herd->paths->len;
    Responsiveness *asked = responsiveness_begin(PROBE);
    herd_call(herd, "Remove");
    await_herd(&herd->gone, n);
    double seconds = responsiveness_end(asked, what);
    g_print("%-44s %8.1f removals/s, all at once\n", "", n / seconds);
}

static void measure_stopped(void)
{
    Herd *herd = herd_new(MANY, "{'memory': <uint64 67108864>, 'disks': <[{'size': <uint64 67108864>}]>}");
    herd_remove(herd, "200 stopped VMs with a disk are removed");
    herd_free(herd);
}

static void measure_running(void)
{
    Herd *herd = herd_new(MANY, "{'memory': <uint64 67108864>, 'networks': <@aa{sv} []>, 'vsock': <false>}");
    herd_start(herd);
    herd_remove(herd, "200 running VMs are removed");
    herd_free(herd);
}

/* One VM */

static char *id_of(const char *vm)
{
    g_autoptr(GVariant) value = client_get(vm, "Id");
    return g_variant_dup_string(value, NULL);
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
    g_autofree char *id = id_of(herd->paths->pdata[0]);
    g_autofree char *make = g_strdup_printf("cd /var/lib/berth/vms/%s; for d in $(seq 100); do mkdir -p tree/$d; "
                                            "(cd tree/$d; seq 1000 | xargs touch); done",
                                            id);
    shell_run(make);
    herd_remove(herd, "a tree of 100,000 files is deleted");
    herd_free(herd);
}

static void measure_held(void)
{
    Herd *herd = herd_new(1, NULL);
    const char *vm = herd->paths->pdata[0];
    g_autofree char *id = id_of(vm);
    g_autofree char *mount = g_strdup_printf("mount -t tmpfs held /var/lib/berth/vms/%s/disks", id);
    guint changes = g_dbus_connection_signal_subscribe(client_bus(), BERTH_BUS_NAME, "org.freedesktop.DBus.Properties",
                                                       "PropertiesChanged", vm, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_gone,
                                                       &(Herd){0}, NULL);
    shell_run(mount);
    client_run(vm, "Remove");
    await_phase(vm, "waiting");
    Responsiveness *asked = responsiveness_begin(PROBE);
    await_silence(HELD_SECONDS * 1000);
    responsiveness_end(asked, "a removal is held up by a mount");
    shell_run("umount $(sed -n 's/^held \\([^ ]*\\) .*/\\1/p' /proc/mounts)");
    g_dbus_connection_signal_unsubscribe(client_bus(), changes);
    client_run(vm, "Remove");
    await_herd(&herd->gone, 1);
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
    shell_write(MINIMAL_QEMU, minimal_qemu);
    shell_run("chmod 755 " MINIMAL_QEMU);
    responsiveness_prepare("[QEMU]\nAccelerator=tcg\nQEMUPath=" MINIMAL_QEMU "\n");
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
