/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* How much of the host a VM uses, and how the kernel's files tell it. */

typedef enum {
    BERTH_USAGE_CPU = 1 << 0,
    BERTH_USAGE_MEMORY = 1 << 1,
    BERTH_USAGE_RESIDENT = 1 << 2,
} BerthUsageFigure;

typedef struct {
    guint known;      /* of BerthUsageFigure: what there is of the rest */
    gint64 time;      /* when it was so: µs of CLOCK_MONOTONIC */
    guint64 cpu;      /* CPU time of all of its processes since its scope began, in µs */
    guint64 memory;   /* what the kernel charges its scope with, in bytes; it may hold files that were read, too */
    guint64 resident; /* what QEMU has in memory, in bytes */
} BerthUsage;

/* Each FALSE where the text is not what the kernel writes there, or a figure past 64 bits; then the figure is untouched. */

/* A cgroup's cpu.stat. */
gboolean berth_usage_parse_cpu(const char *text, guint64 *usec);
/* A cgroup's memory.current. */
gboolean berth_usage_parse_memory(const char *text, guint64 *bytes);
/* A process' statm. @page_size: in bytes, not 0 */
gboolean berth_usage_parse_resident(const char *text, guint64 page_size, guint64 *bytes);
