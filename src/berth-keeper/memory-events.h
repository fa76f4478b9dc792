/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Whether the kernel, for want of memory, has killed a process of our scope: its cgroup tells that, as long as it is there. */

/* To be called when we are in the scope. -1 where the kernel does not count memory there. */
int memory_events_open(void);
/* @fd: what memory_events_open() has given */
bool memory_events_tell_oom(int fd);
