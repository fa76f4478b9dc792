/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "../lib/await.h"
#include "bare-qemu.h"
#include "client.h"
#include "process-figures.h"
#include "samples.h"

/* From Start to a running guest, by Berth and by QEMU alone with the very same arguments. Both in one run and in pairs,
 * the order changing from pair to pair: what the machine does meanwhile meets both alike. What counts is the median of
 * the pairs' ratios. */

#define PAIRS 30

/* Between two measurements, so that neither pays for what the one before it left to be done (journal, reaping). */
#define PAUSE_MSEC 50

typedef struct {
    const char *machine;
    char *vm;
    GStrv argv;
    guint64 keeper_bytes;
    Samples *berth, *bare, *ratio;
} Row;

static double to_ms(gint64 usec)
{
    return (double) usec / 1000;
}

static gint64 start_with_berth(const Row *row)
{
    gint64 begin = g_get_monotonic_time();
    client_run(row->vm, "Start");
    gint64 took = g_get_monotonic_time() - begin;
    client_run(row->vm, "PowerOff");
    return took;
}

/* A first start, which also brings QEMU into the page cache, and a look at what it started. */
static void learn(Row *row)
{
    client_run(row->vm, "Start");
    g_autoptr(GVariant) pid = client_get(row->vm, "PID");
    pid_t qemu = (pid_t) g_variant_get_uint32(pid);
    row->argv = process_argv(qemu);
    row->keeper_bytes = process_private_bytes(process_parent(qemu));
    client_run(row->vm, "PowerOff");
}

static Row *row_new(const char *machine)
{
    Row *row = g_new0(Row, 1);
    g_autofree char *name = g_strconcat("bench-", machine, NULL);
    g_autofree char *config = g_strdup_printf("{'machine': <'%s'>, 'memory': <uint64 134217728>}", machine);
    row->machine = machine;
    row->vm = client_create(name, config);
    row->berth = samples_new();
    row->bare = samples_new();
    row->ratio = samples_new();
    learn(row);
    return row;
}

static void row_free(Row *row)
{
    client_run(row->vm, "Remove");
    g_free(row->vm);
    g_strfreev(row->argv);
    samples_free(row->berth);
    samples_free(row->bare);
    samples_free(row->ratio);
    g_free(row);
}

static void measure_pair(Row *row, gboolean berth_first)
{
    gint64 berth = 0, bare = 0;
    for (guint i = 0; i < 2; i++) {
        await_silence(PAUSE_MSEC);
        if ((i == 0) == berth_first)
            berth = start_with_berth(row);
        else
            bare = bare_qemu_start(row->argv);
    }
    samples_add(row->berth, to_ms(berth));
    samples_add(row->bare, to_ms(bare));
    samples_add(row->ratio, (double) berth / (double) bare);
}

static void print_row(const Row *row, const char *what, Samples *samples)
{
    g_autofree char *name = g_strdup_printf("%s, %s", row->machine, what);
    samples_print(name, samples);
}

int main(int argc, char **argv)
{
    static const char *const machines[] = {"q35", "microvm"};
    const guint pairs = argc > 1 ? (guint) atoi(argv[1]) : PAIRS;

    g_print("%u pairs each; VMs without disks, TCG or KVM as berthd chose\n", pairs);
    samples_print_head("start to running", "ms; ratios without unit");
    for (guint m = 0; m < G_N_ELEMENTS(machines); m++) {
        Row *row = row_new(machines[m]);
        for (guint i = 0; i < pairs; i++)
            measure_pair(row, i % 2 == 0);
        print_row(row, "Berth", row->berth);
        print_row(row, "QEMU alone", row->bare);
        print_row(row, "ratio (aim: median at most 1.15)", row->ratio);
        g_print("%s: private memory of the keeper: %" G_GUINT64_FORMAT " bytes\n", row->machine, row->keeper_bytes);
        row_free(row);
    }
    return EXIT_SUCCESS;
}
