/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded into berthd: a host with vhost-vsock, where there is none. vsock.h says how one is its guest. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
/* After <sys/socket.h>, which it needs. */
#include <linux/vm_sockets.h>

#include "vsock.h"

#define DEVICE "/dev/vhost-vsock"

static int listener = -1; /* the one that is not what it seems */

static const char *stand_in(const char *path)
{
    return strcmp(path, DEVICE) == 0 ? "/dev/null" : path;
}

/* Of the real one: with all of its arguments, whether it has taken them or not. */
#define OPEN(function)                                                                                                 \
    int function(const char *path, int flags, ...)                                                                     \
    {                                                                                                                  \
        static int (*real)(const char *, int, ...);                                                                    \
        if (!real)                                                                                                     \
            real = (int (*)(const char *, int, ...)) dlsym(RTLD_NEXT, #function);                                      \
        va_list args;                                                                                                  \
        va_start(args, flags);                                                                                         \
        const mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;                                \
        va_end(args);                                                                                                  \
        return real(stand_in(path), flags, mode);                                                                      \
    }

OPEN(open)
OPEN(open64)

int socket(int domain, int type, int protocol)
{
    int (*real)(int, int, int) = (int (*)(int, int, int)) dlsym(RTLD_NEXT, "socket");
    int fd = real(domain == AF_VSOCK ? AF_UNIX : domain, type, protocol);
    if (domain == AF_VSOCK)
        listener = fd;
    return fd;
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    int (*real)(int, const struct sockaddr *, socklen_t) =
        (int (*)(int, const struct sockaddr *, socklen_t)) dlsym(RTLD_NEXT, "bind");
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    if (fd != listener)
        return real(fd, address, length);
    snprintf(path.sun_path, sizeof path.sun_path, "%s/%u", getenv(VSOCK_DIRECTORY),
             ((const struct sockaddr_vm *) address)->svm_port);
    (void) remove(path.sun_path); /* of the daemon before */
    return real(fd, (const struct sockaddr *) &path, sizeof path);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    int (*real)(int, struct sockaddr *, socklen_t *, int) =
        (int (*)(int, struct sockaddr *, socklen_t *, int)) dlsym(RTLD_NEXT, "accept4");
    struct sockaddr_un path = {0};
    socklen_t path_length = sizeof path;
    if (fd != listener)
        return real(fd, address, length, flags);
    int taken = real(fd, (struct sockaddr *) &path, &path_length, flags);
    struct sockaddr_vm *peer = (struct sockaddr_vm *) address;
    const char *name = strrchr(path.sun_path, '/');
    *peer = (struct sockaddr_vm){.svm_family = AF_VSOCK};
    if (taken >= 0 && (!name || sscanf(name, "/" VSOCK_NAME_FORMAT, &peer->svm_cid, &peer->svm_port) != 2))
        abort();
    return taken;
}
