/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <unistd.h>
static inline void berth_autofd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
#define BERTH_AUTOFD __attribute__((cleanup(berth_autofd_close))) int
static inline int berth_steal_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}
