/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usage-look.h"

#include <fcntl.h>
#include <unistd.h>

#include "../core/autofd.h"
#include "cgroup.h"

static void look_at_scope(const char *control_group, BerthUsage *usage)
{
    int errnum;
    g_autofree char *directory = berth_cgroup_directory(control_group, NULL);
    BERTH_AUTOFD fd = directory ? open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    g_autofree char *cpu = berth_kernel_file_read(fd, "cpu.stat", &errnum);
    if (cpu && berth_usage_parse_cpu(cpu, &usage->cpu))
        usage->known |= BERTH_USAGE_CPU;
    /* Only there where the host accounts for memory. */
    g_autofree char *memory = berth_kernel_file_read(fd, "memory.current", &errnum);
    if (memory && berth_usage_parse_memory(memory, &usage->memory))
        usage->known |= BERTH_USAGE_MEMORY;
}

static void look_at_process(pid_t pid, BerthUsage *usage)
{
    int errnum;
    g_autofree char *path = g_strdup_printf("/proc/%d/statm", (int) pid);
    g_autofree char *text = berth_kernel_file_read(AT_FDCWD, path, &errnum);
    if (text && berth_usage_parse_resident(text, (guint64) sysconf(_SC_PAGESIZE), &usage->resident))
        usage->known |= BERTH_USAGE_RESIDENT;
}

gboolean berth_usage_look(const char *control_group, pid_t qemu, BerthUsage *usage)
{
    *usage = (BerthUsage){.time = g_get_monotonic_time()};
    if (control_group)
        look_at_scope(control_group, usage);
    look_at_process(qemu, usage);
    return usage->known != 0;
}
