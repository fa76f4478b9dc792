/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "client.h"
#include "herd.h"
#include "libvirt.h"
#include "shell.h"

/* Removals per second, of the same VMs by Berth and by libvirt, in one run and one bed: one client, one VM after
 * another, each with a disk of its own that goes with it. libvirt: virsh's destroy and undefine
 * --remove-all-storage, in one connection. Berth: Remove, until InterfacesRemoved says that nothing is left. */

#define STOPPED 100
#define RUNNING 20
#define DIR "/var/lib/libvirt/berth-bench"

static const char config[] = "{'memory': <uint64 134217728>, 'networks': <@aa{sv} []>, 'vsock': <false>, "
                             "'disks': <[{'size': <uint64 67108864>}]>}";

static const char domain[] =
    "<domain type='qemu'><name>%s</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>"
    "<os><type machine='q35'>hvm</type></os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='" DIR "/%s'/>"
    "<target dev='vda' bus='virtio'/></disk><serial type='pty'/><memballoon model='none'/></devices></domain>";

static void print_row(const char *what, guint n, gint64 begin)
{
    g_print("%-44s %10.1f removals/s\n", what, n * (double) G_USEC_PER_SEC / (double) (g_get_monotonic_time() - begin));
}

static void measure_berth(guint n, gboolean running)
{
    Herd *herd = herd_new(n, config);
    if (running)
        herd_start(herd);
    gint64 begin = g_get_monotonic_time();
    herd_remove_in_turn(herd);
    print_row(running ? "Berth, running" : "Berth, stopped", n, begin);
    herd_free(herd);
}

static void make_domain(guint i, gboolean running)
{
    g_autofree char *name = g_strdup_printf("bench-%u", i);
    g_autofree char *xml = g_strdup_printf(domain, name, name);
    g_autofree char *line = g_strdup_printf(VIRSH " vol-create-as berth-bench %s 64M --format qcow2 && " VIRSH
                                                  " define /run/berth-bench.xml && %s %s",
                                            name, running ? VIRSH " start" : ": ", name);
    shell_write("/run/berth-bench.xml", xml);
    shell_run(line);
}

static void measure_libvirt(guint n, gboolean running)
{
    g_autoptr(GString) commands = g_string_new(NULL);
    for (guint i = 0; i < n; i++) {
        make_domain(i, running);
        if (running)
            g_string_append_printf(commands, "destroy bench-%u\n", i);
        g_string_append_printf(commands, "undefine bench-%u --remove-all-storage\n", i);
    }
    shell_write("/run/berth-bench.virsh", commands->str);
    gint64 begin = g_get_monotonic_time();
    shell_run(VIRSH " < /run/berth-bench.virsh");
    print_row(running ? "libvirt, running" : "libvirt, stopped", n, begin);
    /* virsh goes on where a command fails. */
    shell_run("test -z \"$(" VIRSH " list --all --name)\" && test -z \"$(ls " DIR ")\"");
}

static void prepare_pool(void)
{
    shell_run("mkdir -p " DIR " && " VIRSH " pool-define-as berth-bench dir --target " DIR " && " VIRSH
              " pool-start berth-bench");
    make_domain(0, FALSE);
    shell_run(VIRSH " undefine bench-0 --remove-all-storage"); /* QEMU is known now */
}

int main(void)
{
    measure_berth(STOPPED, FALSE);
    measure_berth(RUNNING, TRUE);
    if (libvirt_start()) {
        prepare_pool();
        measure_libvirt(STOPPED, FALSE);
        measure_libvirt(RUNNING, TRUE);
    }
    return EXIT_SUCCESS;
}
