/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <systemd/sd-bus.h>

#include "client.h"
#include "libvirt.h"
#include "minimal-qemu.h"
#include "process-figures.h"
#include "samples.h"
#include "shell.h"
#include "src/core/names.h"
#include "turns.h"

/* What many VMs cost: the same figures with 10, 100, 1,000 and 10,000 of them, side by side, and libvirt's with
 * 1,000. */

#define RUNNING 200
#define REPEATS 5
#define LAST_CREATIONS 200
#define LIBVIRT_DOMAINS 1000

static const guint sizes[] = {10, 100, 1000, 10000};
#define N_SIZES G_N_ELEMENTS(sizes)

typedef enum {
    CREATE,
    RESTART,
    RESTART_TURN,
    RESIDENT,
    LIST,
    LIST_TURN,
    LIST_BYTES,
    PEAK,
    CTL_LIST,
    RELOAD,
    RELOAD_TURN,
    AUDIT,
    AUDIT_TURN,
    N_ROWS,
} Row;

static const char *const names[] = {
    [CREATE] = "CreateVM, the last 200, ms",
    [RESTART] = "restart until its name is there, ms",
    [RESTART_TURN] = "  longest turn, CPU, ms",
    [RESIDENT] = "resident after it, MB",
    [LIST] = "GetManagedObjects, ms",
    [LIST_TURN] = "  longest turn, CPU, ms",
    [LIST_BYTES] = "  bytes for each VM, as a GVariant",
    [PEAK] = "most ever resident, MB",
    [CTL_LIST] = "berthctl list, ms",
    [RELOAD] = "Reload, ms",
    [RELOAD_TURN] = "  longest turn, CPU, ms",
    [AUDIT] = "Audit, ms",
    [AUDIT_TURN] = "  longest turn, CPU, ms",
};

/* Medians; of turns the longest of all. */
static double figures[N_ROWS][N_SIZES], least[N_ROWS][N_SIZES], most[N_ROWS][N_SIZES];

static double since(gint64 begin)
{
    return (double) (g_get_monotonic_time() - begin) / 1000;
}

static double megabytes(guint64 bytes)
{
    return (double) bytes / 1e6;
}

static void note(Row row, guint column, Samples *samples)
{
    figures[row][column] = samples_median(samples);
    least[row][column] = samples_min(samples);
    most[row][column] = samples_max(samples);
}

static void note_one(Row row, guint column, double value)
{
    figures[row][column] = least[row][column] = most[row][column] = value;
}

/* Repeats @act. @turn: the row of the longest turn meanwhile */
static void measure(Row row, Row turn, guint column, void (*act)(guint column))
{
    g_autoptr(Samples) samples = samples_new();
    turns_reset();
    for (guint i = 0; i < REPEATS; i++) {
        gint64 begin = g_get_monotonic_time();
        act(column);
        samples_add(samples, since(begin));
    }
    note(row, column, samples);
    if (turn != row)
        note_one(turn, column, turns_longest_cpu());
}

static void create(guint first, guint end, guint column)
{
    g_autoptr(Samples) samples = samples_new();
    for (guint i = first; i < end; i++) {
        g_autofree char *name = g_strdup_printf("bench-%u", i);
        gint64 begin = g_get_monotonic_time();
        g_autofree char *vm = client_create(name, NULL);
        if (end - i <= LAST_CREATIONS)
            samples_add(samples, since(begin));
    }
    note(CREATE, column, samples);
}

static void restart(guint column)
{
    shell_run("systemctl restart berthd.service");
}

/* Until the answer is there: what a client makes of it is its own affair, and GDBus takes longer for it than berthd. */
static void list(guint column)
{
    static sd_bus *bus = NULL;
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *answer = NULL;
    if (!bus && sd_bus_open_system(&bus) < 0)
        g_error("there is no system bus");
    if (sd_bus_call_method(bus, BERTH_BUS_NAME, BERTH_PATH_ROOT, "org.freedesktop.DBus.ObjectManager",
                           "GetManagedObjects", &error, &answer, "") < 0)
        g_error("GetManagedObjects: %s", error.message);
    sd_bus_message_unref(answer);
}

static void check_list(guint column)
{
    g_autoptr(GVariant) answer =
        client_call(BERTH_PATH_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
    g_autoptr(GVariant) objects = g_variant_get_child_value(answer, 0);
    if (g_variant_n_children(objects) != sizes[column])
        g_error("%" G_GSIZE_FORMAT " objects, not %u", g_variant_n_children(objects), sizes[column]);
    note_one(LIST_BYTES, column, (double) g_variant_get_size(answer) / sizes[column]);
}

static void ctl_list(guint column)
{
    shell_run("berthctl list");
}

static void reload(guint column)
{
    g_autoptr(GVariant) answer = client_call(BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", client_no_options());
}

static void audit(guint column)
{
    g_autoptr(GVariant) answer = client_call(BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Audit", client_no_options());
    g_autoptr(GVariant) findings = g_variant_get_child_value(answer, 0);
    if (g_variant_n_children(findings) > 0)
        g_error("the audit finds %" G_GSIZE_FORMAT " things", g_variant_n_children(findings));
}

static void measure_size(guint column)
{
    create(column == 0 ? 0 : sizes[column - 1], sizes[column], column);
    measure(RESTART, RESTART_TURN, column, restart);
    note_one(RESIDENT, column, megabytes(process_resident_bytes(client_daemon_pid())));
    measure(LIST, LIST_TURN, column, list);
    check_list(column);
    note_one(PEAK, column, megabytes(process_peak_bytes(client_daemon_pid())));
    measure(CTL_LIST, CTL_LIST, column, ctl_list);
    measure(RELOAD, RELOAD_TURN, column, reload);
    measure(AUDIT, AUDIT_TURN, column, audit);
}

static void print_table(void)
{
    g_print("%-40s", "VMs");
    for (guint i = 0; i < N_SIZES; i++)
        g_print(" %20u", sizes[i]);
    g_print("\n");
    for (guint row = 0; row < N_ROWS; row++) {
        g_print("%-40s", names[row]);
        for (guint i = 0; i < N_SIZES; i++) {
            g_autofree char *cell = least[row][i] == most[row][i] ? g_strdup_printf("%.2f", figures[row][i])
                                                                  : g_strdup_printf("%.2f (%.1f-%.1f)", figures[row][i],
                                                                                    least[row][i], most[row][i]);
            g_print(" %20s", cell);
        }
        g_print("\n");
    }
}

/* Running */

static void measure_running(void)
{
    gint64 begin = g_get_monotonic_time();
    for (guint i = 0; i < RUNNING; i++) {
        g_autofree char *name = g_strdup_printf("bench-%u", i);
        g_autoptr(GVariant) answer =
            client_call(BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", name));
        const char *vm = NULL;
        g_variant_get(answer, "(&o)", &vm);
        client_run(vm, "Start");
    }
    g_print("\n%u of them started one after another: %.1f ms each\n", RUNNING, since(begin) / RUNNING);
    turns_reset();
    begin = g_get_monotonic_time();
    restart(0);
    g_print("restart with %u running: %.0f ms, longest turn %.2f ms\n", RUNNING, since(begin), turns_longest_cpu());
    g_print("resident: %.1f MB\n", megabytes(process_resident_bytes(client_daemon_pid())));
}

/* Beside libvirt */

static const char domain[] = "<domain type='qemu'><name>bench-%u</name><memory unit='MiB'>1024</memory><vcpu>1</vcpu>"
                             "<os><type machine='q35'>hvm</type></os><devices>"
                             "<emulator>/usr/bin/qemu-system-x86_64</emulator><interface type='user'/>"
                             "<serial type='pty'/><memballoon model='none'/></devices></domain>";

static void define_domains(void)
{
    g_autoptr(GString) commands = g_string_new(NULL);
    for (guint i = 0; i < LIBVIRT_DOMAINS; i++) {
        g_autofree char *file = g_strdup_printf("/run/berth-bench-%u.xml", i);
        g_autofree char *xml = g_strdup_printf(domain, i);
        shell_write(file, xml);
        g_string_append_printf(commands, "define %s\n", file);
    }
    shell_write("/run/berth-bench.virsh", commands->str);
    gint64 begin = g_get_monotonic_time();
    shell_run(VIRSH " < /run/berth-bench.virsh");
    g_print("%-40s %20.2f\n", "define, ms", since(begin) / LIBVIRT_DOMAINS);
    shell_run("test $(" VIRSH " list --all --name | grep -c bench-) -eq 1000");
}

static void time_command(const char *what, const char *line)
{
    g_autoptr(Samples) samples = samples_new();
    for (guint i = 0; i < REPEATS; i++) {
        gint64 begin = g_get_monotonic_time();
        shell_run(line);
        samples_add(samples, since(begin));
    }
    g_autofree char *cell =
        g_strdup_printf("%.2f (%.1f-%.1f)", samples_median(samples), samples_min(samples), samples_max(samples));
    g_print("%-40s %20s\n", what, cell);
}

static void measure_libvirt(void)
{
    g_print("\nlibvirt, %u domains\n", LIBVIRT_DOMAINS);
    define_domains();
    time_command("virsh list --all, ms", VIRSH " list --all");
    time_command("restart until virsh lists all, ms",
                 "systemctl restart libvirtd.service && test $(" VIRSH " list --all --name | grep -c bench-) -eq 1000");
    shell_run("ps -o rss= -C libvirtd > /run/berth-bench.rss");
    g_autofree char *rss = NULL;
    if (g_file_get_contents("/run/berth-bench.rss", &rss, NULL, NULL))
        g_print("%-40s %20.2f\n", "resident, MB", megabytes(g_ascii_strtoull(g_strstrip(rss), NULL, 10) * 1024));
}

int main(void)
{
    minimal_qemu_prepare();
    for (guint i = 0; i < N_SIZES; i++)
        measure_size(i);
    print_table();
    measure_running();
    if (libvirt_start())
        measure_libvirt();
    return EXIT_SUCCESS;
}
