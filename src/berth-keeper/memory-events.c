/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory-events.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CGROUP_ROOT "/sys/fs/cgroup"
#define EVENTS_MAX 1023 /* it is half a dozen of short lines */

/* The line of the unified hierarchy: "0::PATH". */
static bool read_own_cgroup(char *path, size_t size)
{
    char line[PATH_MAX];
    bool found = false;
    FILE *file = fopen("/proc/self/cgroup", "re");

    while (file && !found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        found = strncmp(line, "0::/", 4) == 0 && (size_t) snprintf(path, size, "%s", line + 3) < size;
    }
    if (file)
        fclose(file);
    return found;
}

int memory_events_open(void)
{
    char cgroup[PATH_MAX], path[PATH_MAX + 64];

    if (!read_own_cgroup(cgroup, sizeof cgroup))
        return -1;
    snprintf(path, sizeof path, CGROUP_ROOT "%s/memory.events", cgroup);
    return open(path, O_RDONLY | O_CLOEXEC);
}

bool memory_events_tell_oom(int fd)
{
    static const char key[] = "\noom_kill ";
    char text[EVENTS_MAX + 2] = "\n";
    ssize_t n = fd < 0 ? -1 : pread(fd, text + 1, EVENTS_MAX, 0);

    text[n > 0 ? n + 1 : 1] = '\0';
    const char *line = strstr(text, key);
    return line && strtoul(line + strlen(key), NULL, 10) > 0;
}
