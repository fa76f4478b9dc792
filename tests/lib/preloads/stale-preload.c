/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded into berthd: stale.h says what for. Beside the calls that interpose.c has, those by which one looks. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interpose.h"
#include "stale.h"

static const char *control, *directory;

__attribute__((constructor)) static void begin_stale(void)
{
    control = getenv(STALE_VARIABLE);
    directory = getenv(STALE_DIRECTORY);
}

/* 0 while all is well. Raw calls alone: it is asked from within what is interposed. */
static int errno_now(void)
{
    static __typeof__(&open) real;
    char text[16] = "";
    if (!control)
        return 0;
    if (!real)
        real = (__typeof__(&open)) dlsym(RTLD_NEXT, "open");
    int fd = real(control, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    if (fd >= 0)
        close(fd);
    return atoi(text);
}

static bool is_below(const char *path)
{
    return strncmp(path, directory, strlen(directory)) == 0;
}

static bool is_open_below(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = fd < 0 ? -1 : readlink(link, path, sizeof path - 1);
    if (n < 0)
        return false;
    path[n] = '\0';
    return is_below(path);
}

static bool fails(int dir_fd, const char *path)
{
    int saved = errno, errnum = errno_now();
    bool hit = errnum != 0 && (path && *path == '/' ? is_below(path) : is_open_below(dir_fd));
    errno = hit ? errnum : saved;
    return hit;
}

bool interpose_before(InterposedCall *call)
{
    if (call->kind == CALL_SEND)
        return true;
    return !fails(call->path ? call->dir_fd : call->fd, call->path);
}

void interpose_after(const InterposedCall *call, ssize_t result)
{
}

#define LOOK(function, parameters, arguments, dir_fd, path)                                                            \
    int function parameters                                                                                            \
    {                                                                                                                  \
        static __typeof__(&function) real;                                                                             \
        if (!real)                                                                                                     \
            real = (__typeof__(&function)) dlsym(RTLD_NEXT, #function);                                                \
        return fails(dir_fd, path) ? -1 : real arguments;                                                              \
    }

/* The C library's own declarations say of some that they never take NULL. */
#pragma GCC diagnostic ignored "-Wnonnull-compare"
LOOK(stat, (const char *path, struct stat *st), (path, st), AT_FDCWD, path)
LOOK(stat64, (const char *path, struct stat64 *st), (path, st), AT_FDCWD, path)
LOOK(fstat, (int fd, struct stat *st), (fd, st), fd, NULL)
LOOK(fstat64, (int fd, struct stat64 *st), (fd, st), fd, NULL)
LOOK(fstatat, (int fd, const char *path, struct stat *st, int flags), (fd, path, st, flags), fd, path)
LOOK(fstatat64, (int fd, const char *path, struct stat64 *st, int flags), (fd, path, st, flags), fd, path)
LOOK(statx, (int fd, const char *path, int flags, unsigned mask, struct statx *st), (fd, path, flags, mask, st), fd,
     path)
LOOK(faccessat, (int fd, const char *path, int mode, int flags), (fd, path, mode, flags), fd, path)
