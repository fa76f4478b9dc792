/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* To be preloaded into berthd: how long the turns of its main loop take, from outside of its code. A turn is what lies
 * between the return of poll(), with which GLib waits, and the next call of it, in the first thread. (sd-bus waits with
 * ppoll(): a wait of its own would be part of the turn, and is one.) */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "loop-turns.h"

static LoopTurns *turns;
static int (*next_poll)(struct pollfd *fds, nfds_t n, int timeout);
static uint64_t begin, begin_cpu;

static uint64_t now(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return (uint64_t) at.tv_sec * 1000000000u + (uint64_t) at.tv_nsec;
}

/* Programs that berthd starts inherit the environment. */
__attribute__((constructor)) static void begin_counting(void)
{
    const char *path = getenv(LOOP_TURNS_ENV);
    next_poll = (int (*)(struct pollfd *, nfds_t, int)) dlsym(RTLD_NEXT, "poll");
    if (!path || strcmp(program_invocation_short_name, "berthd") != 0)
        return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *turns, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (map != MAP_FAILED)
        turns = map;
}

/* One thread writes; the bench sets to 0 between its measurements. */
static void raise_to(_Atomic uint64_t *longest, uint64_t value)
{
    if (value > atomic_load_explicit(longest, memory_order_relaxed))
        atomic_store_explicit(longest, value, memory_order_relaxed);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    const bool counts = turns && gettid() == getpid();
    if (counts && begin) {
        raise_to(&turns->longest, now(CLOCK_MONOTONIC) - begin);
        raise_to(&turns->longest_cpu, now(CLOCK_THREAD_CPUTIME_ID) - begin_cpu);
        atomic_fetch_add_explicit(&turns->turns, 1, memory_order_relaxed);
    }
    int r = next_poll(fds, n, timeout);
    if (counts) {
        const int kept = errno;
        begin = now(CLOCK_MONOTONIC);
        begin_cpu = now(CLOCK_THREAD_CPUTIME_ID);
        errno = kept;
    }
    return r;
}
