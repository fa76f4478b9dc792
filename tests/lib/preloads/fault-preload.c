/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Preloaded into berthd by a test: numbers its calls that change files, make or signal processes, and send, and lets
 * one go wrong. Which one, and how, stands in a file that the test maps too (fault-control.h); so it can be armed
 * when the daemon has long been running. Only berthd itself counts: its children inherit neither the library nor,
 * between fork and exec, the right to count.
 *
 * fault-preload-calls.c has the calls. */

#include "fault-preload.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static FaultControl *control; /* NULL: nobody has said what to do */
static pid_t own_pid;

/* Which errors the kernel gives for a call of this sort. */
static const int errors[][7] = {
    [FAULT_OPEN] = {EIO, ENOSPC, EROFS, EACCES, EMFILE, ENOMEM},
    [FAULT_WRITE] = {EIO, ENOSPC},
    [FAULT_SYNC] = {EIO, ENOSPC},
    [FAULT_NAME] = {EIO, ENOSPC, EROFS, EACCES, ENOMEM},
    [FAULT_UNNAME] = {EIO, EROFS, EACCES, ENOMEM},
    [FAULT_ATTRIBUTE] = {EIO, EROFS, EACCES, ENOMEM},
    [FAULT_SIZE] = {EIO, ENOSPC, EROFS},
    [FAULT_SPAWN] = {ENOMEM},
    [FAULT_SIGNAL] = {0},
    [FAULT_SEND] = {EIO, ENOMEM},
    [FAULT_OBTAIN] = {EMFILE},
};

typedef long SystemCall(long number, long a, long b, long c, long d, long e, long f);

static SystemCall *system_call(void)
{
    static SystemCall *real;
    if (!real)
        real = (SystemCall *) dlsym(RTLD_NEXT, "syscall");
    return real;
}

long fault_real(long number, long a, long b, long c, long d, long e, long f)
{
    return system_call()(number, a, b, c, d, e, f);
}

__attribute__((constructor)) static void set_up(void)
{
    const char *file = getenv(FAULT_CONTROL_ENV);
    own_pid = getpid();
    if (file) {
        int fd = (int) fault_real(SYS_openat, AT_FDCWD, (long) file, O_RDWR | O_CLOEXEC, 0, 0, 0);
        void *map = fd >= 0 ? mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
        if (map == MAP_FAILED)
            _exit(99);
        close(fd);
        control = map;
    }
    unsetenv(FAULT_CONTROL_ENV);
    unsetenv("LD_PRELOAD");
}

static int can_yield(FaultSort sort, int error)
{
    for (const int *at = errors[sort]; *at; at++)
        if (*at == error)
            return 1;
    return 0;
}

static int is_eligible(FaultSort sort, size_t length)
{
    switch (control->kind) {
    case FAULT_SHORT:
        return length > 1;
    case FAULT_ERROR:
        return can_yield(sort, control->error);
    default:
        return sort != FAULT_OBTAIN;
    }
}

/* For whoever reads the report: the path as it was given, and where it is relative to. */
static void remember(unsigned n, const char *name, int fd, const char *path)
{
    if (n > FAULT_CALLS_MAX)
        return;
    FaultCall *call = &control->calls[n - 1];
    char link[32], directory[sizeof call->path] = "";
    if (fd >= 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        long length = fault_real(SYS_readlinkat, AT_FDCWD, (long) link, (long) directory, sizeof directory - 1, 0, 0);
        directory[length > 0 ? length : 0] = '\0';
    }
    snprintf(call->name, sizeof call->name, "%s", name);
    snprintf(call->path, sizeof call->path, "%s%s%s", path && *path == '/' ? "" : directory,
             path && *path != '/' && fd >= 0 ? "/" : "", path ? path : "");
}

static void die(void)
{
    fault_real(SYS_kill, own_pid, SIGKILL, 0, 0, 0, 0);
}

FaultPoint fault_enter(FaultSort sort, const char *name, int fd, const char *path, size_t length)
{
    FaultPoint point = {0};
    const int saved = errno;
    if (!control || !atomic_load(&control->armed) || fault_real(SYS_getpid, 0, 0, 0, 0, 0, 0) != own_pid ||
        !is_eligible(sort, length))
        return point;
    const unsigned n = atomic_fetch_add(&control->count, 1) + 1;
    remember(n, name, fd, path);
    errno = saved;
    if (n != control->at)
        return point;
    atomic_store(&control->fired, 1);
    if (control->kind == FAULT_KILL_BEFORE)
        die();
    point.error = control->kind == FAULT_ERROR ? control->error : 0;
    point.is_short = control->kind == FAULT_SHORT;
    point.is_last = control->kind == FAULT_KILL_AFTER;
    return point;
}

long fault_leave(const FaultPoint *point, long result)
{
    if (point->is_last)
        die();
    if (point->error) {
        errno = point->error;
        return -1;
    }
    return result;
}

/* What a descriptor leads to decides whether writing to it counts, and as what. -1: it does not. */
int fault_sort_of_write(int fd)
{
    struct stat st;
    if (!control || fd == STDERR_FILENO || fd == STDOUT_FILENO || fstat(fd, &st) < 0)
        return -1;
    return S_ISREG(st.st_mode) ? FAULT_WRITE : S_ISSOCK(st.st_mode) ? FAULT_SEND : -1;
}
