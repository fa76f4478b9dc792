/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "turns.h"

#include <fcntl.h>
#include <glib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loop-turns.h"
#include "shell.h"

#define TURNS_FILE "/run/berth-bench-turns"
#define NSEC_PER_MSEC 1e6

static LoopTurns *turns;

static void map_turns(void)
{
    int fd = open(TURNS_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *turns) < 0)
        g_error("can't make " TURNS_FILE);
    turns = mmap(NULL, sizeof *turns, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert(turns != MAP_FAILED);
    close(fd);
}

void turns_prepare(const char *settings)
{
    const char *library = g_getenv("BERTH_LOOP_TURNS");
    if (!library)
        g_error("BERTH_LOOP_TURNS does not say where the library is");
    map_turns();
    g_autofree char *drop_in = g_strdup_printf(
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nEnvironment=LD_PRELOAD=%s " LOOP_TURNS_ENV "=" TURNS_FILE "\n",
        library);
    shell_write("/run/systemd/system/berthd.service.d/50-bench.conf", drop_in);
    shell_write("/etc/berth/berth.conf.d/50-bench.conf", settings);
    shell_run("systemctl daemon-reload && systemctl restart berthd.service");
    if (atomic_load(&turns->turns) == 0)
        g_error("berthd's loop can't be watched: the library is not in it");
}

void turns_reset(void)
{
    atomic_store(&turns->longest, 0);
    atomic_store(&turns->longest_cpu, 0);
}

double turns_longest(void)
{
    return (double) atomic_load(&turns->longest) / NSEC_PER_MSEC;
}

double turns_longest_cpu(void)
{
    return (double) atomic_load(&turns->longest_cpu) / NSEC_PER_MSEC;
}
