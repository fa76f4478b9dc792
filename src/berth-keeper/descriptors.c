/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../core/keeper-protocol.h"

static bool take(int fd)
{
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
        return true;
    fprintf(stderr, "berth-keeper: descriptor %d was not handed over\n", fd);
    return false;
}

static bool take_range(int first, int last)
{
    for (int fd = first; fd <= last; fd++)
        if (!take(fd))
            return false;
    return true;
}

bool descriptors_take(unsigned extra)
{
    const int end = BERTH_QEMU_FD_EXTRA + (int) extra;

    if (!take_range(STDIN_FILENO, BERTH_QEMU_FD_QMP) || !take_range(BERTH_QEMU_FD_AGENT, end - 1))
        return false;
    if (close_range((unsigned) end, UINT_MAX, 0) < 0)
        return false;
    /* The numbers that are filled later are held by /dev/null till then, or the kernel would give them away. */
    for (int fd = BERTH_QEMU_FD_QMP + 1; fd < BERTH_QEMU_FD_AGENT; fd++)
        if (dup3(STDIN_FILENO, fd, O_CLOEXEC) < 0)
            return false;
    return true;
}

bool descriptor_move(int *fd, int target)
{
    if (dup3(*fd, target, O_CLOEXEC) < 0)
        return false;
    close(*fd);
    *fd = target;
    return true;
}
