/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both names of the functions with large offsets are defined here, so neither may stand for the other. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include "interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static pid_t owner;
static __thread bool is_within;

__attribute__((constructor)) static void begin(void)
{
    owner = getpid();
    unsetenv("LD_PRELOAD");
}

static bool is_hooked(void)
{
    return !is_within && getpid() == owner;
}

static bool begin_call(InterposedCall *call)
{
    is_within = true;
    bool made = interpose_before(call);
    if (!made)
        is_within = false;
    return made;
}

static void end_call(const InterposedCall *call, ssize_t result)
{
    int errnum = errno;
    interpose_after(call, result);
    is_within = false;
    errno = errnum;
}

/* The defaults first, and over them what the call has. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define NOTHING .fd = -1, .dir_fd = -1, .to_dir_fd = -1, .offset = -1

/* A function's body: @arguments is how the C library's own is called. */
#define AROUND(type, function, call_kind, arguments, ...)                                                              \
    {                                                                                                                  \
        static __typeof__(&function) real;                                                                             \
        InterposedCall call = {.name = #function, .kind = call_kind, NOTHING, __VA_ARGS__};                            \
        if (!real)                                                                                                     \
            real = (__typeof__(&function)) dlsym(RTLD_NEXT, #function);                                                \
        if (!is_hooked())                                                                                              \
            return real arguments;                                                                                     \
        if (!begin_call(&call))                                                                                        \
            return -1;                                                                                                 \
        type result = real arguments;                                                                                  \
        end_call(&call, (ssize_t) result);                                                                             \
        return result;                                                                                                 \
    }

#define INTERPOSE(type, function, parameters, call_kind, arguments, ...)                                               \
    type function parameters AROUND(type, function, call_kind, arguments, __VA_ARGS__)

/* Opening */

static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#define INTERPOSE_OPEN(function)                                                                                       \
    static int hooked_##function(const char *path, int flags, mode_t mode)                                             \
        AROUND(int, function, CALL_OPEN, (path, flags, mode), .dir_fd = AT_FDCWD, .path = path, .flags = flags,        \
               .mode = mode) int                                                                                       \
        function(const char *path, int flags, ...)                                                                     \
    {                                                                                                                  \
        va_list args;                                                                                                  \
        va_start(args, flags);                                                                                         \
        mode_t mode = mode_of(flags, args);                                                                            \
        va_end(args);                                                                                                  \
        return hooked_##function(path, flags, mode);                                                                   \
    }

#define INTERPOSE_OPENAT(function)                                                                                     \
    static int hooked_##function(int dir_fd, const char *path, int flags, mode_t mode)                                 \
        AROUND(int, function, CALL_OPEN, (dir_fd, path, flags, mode), .dir_fd = dir_fd, .path = path, .flags = flags,  \
               .mode = mode) int                                                                                       \
        function(int dir_fd, const char *path, int flags, ...)                                                         \
    {                                                                                                                  \
        va_list args;                                                                                                  \
        va_start(args, flags);                                                                                         \
        mode_t mode = mode_of(flags, args);                                                                            \
        va_end(args);                                                                                                  \
        return hooked_##function(dir_fd, path, flags, mode);                                                           \
    }

INTERPOSE_OPEN(open)
INTERPOSE_OPEN(open64)
INTERPOSE_OPENAT(openat)
INTERPOSE_OPENAT(openat64)

/* Contents */

INTERPOSE(ssize_t, write, (int fd, const void *data, size_t length), CALL_WRITE, (fd, data, call.length), .fd = fd,
          .data = data, .length = length)
INTERPOSE(ssize_t, pwrite, (int fd, const void *data, size_t length, off_t at), CALL_WRITE, (fd, data, call.length, at),
          .fd = fd, .data = data, .length = length, .offset = at)
INTERPOSE(ssize_t, pwrite64, (int fd, const void *data, size_t length, off64_t at), CALL_WRITE,
          (fd, data, call.length, at), .fd = fd, .data = data, .length = length, .offset = at)
INTERPOSE(ssize_t, writev, (int fd, const struct iovec *data, int length), CALL_WRITE, (fd, data, length), .fd = fd,
          .data = data, .length = (size_t) length)
INTERPOSE(int, ftruncate, (int fd, off_t length), CALL_TRUNCATE, (fd, length), .fd = fd, .offset = length)
INTERPOSE(int, ftruncate64, (int fd, off64_t length), CALL_TRUNCATE, (fd, length), .fd = fd, .offset = length)
INTERPOSE(int, fsync, (int fd), CALL_SYNC, (fd), .fd = fd)
INTERPOSE(int, fdatasync, (int fd), CALL_SYNC, (fd), .fd = fd)
INTERPOSE(ssize_t, sendfile, (int to, int from, off_t *at, size_t length), CALL_COPY, (to, from, at, length), .fd = to,
          .length = length)
INTERPOSE(ssize_t, sendfile64, (int to, int from, off64_t *at, size_t length), CALL_COPY, (to, from, at, length),
          .fd = to, .length = length)
INTERPOSE(ssize_t, copy_file_range, (int from, off64_t *at, int to, off64_t *to_at, size_t length, unsigned flags),
          CALL_COPY, (from, at, to, to_at, length, flags), .fd = to, .length = length)

/* Names */

INTERPOSE(int, rename, (const char *path, const char *to), CALL_RENAME, (path, to), .dir_fd = AT_FDCWD, .path = path,
          .to_dir_fd = AT_FDCWD, .to_path = to)
INTERPOSE(int, renameat, (int dir_fd, const char *path, int to_dir, const char *to), CALL_RENAME,
          (dir_fd, path, to_dir, to), .dir_fd = dir_fd, .path = path, .to_dir_fd = to_dir, .to_path = to)
INTERPOSE(int, renameat2, (int dir_fd, const char *path, int to_dir, const char *to, unsigned flags), CALL_RENAME,
          (dir_fd, path, to_dir, to, flags), .dir_fd = dir_fd, .path = path, .to_dir_fd = to_dir, .to_path = to,
          .flags = (int) flags)
INTERPOSE(int, link, (const char *path, const char *to), CALL_LINK, (path, to), .dir_fd = AT_FDCWD, .path = path,
          .to_dir_fd = AT_FDCWD, .to_path = to)
INTERPOSE(int, linkat, (int dir_fd, const char *path, int to_dir, const char *to, int flags), CALL_LINK,
          (dir_fd, path, to_dir, to, flags), .dir_fd = dir_fd, .path = path, .to_dir_fd = to_dir, .to_path = to,
          .flags = flags)
INTERPOSE(int, symlink, (const char *text, const char *path), CALL_SYMLINK, (text, path), .dir_fd = AT_FDCWD,
          .path = path, .data = text)
INTERPOSE(int, symlinkat, (const char *text, int dir_fd, const char *path), CALL_SYMLINK, (text, dir_fd, path),
          .dir_fd = dir_fd, .path = path, .data = text)
INTERPOSE(int, unlink, (const char *path), CALL_UNLINK, (path), .dir_fd = AT_FDCWD, .path = path)
INTERPOSE(int, unlinkat, (int dir_fd, const char *path, int flags), CALL_UNLINK, (dir_fd, path, flags),
          .dir_fd = dir_fd, .path = path, .flags = flags)
INTERPOSE(int, rmdir, (const char *path), CALL_UNLINK, (path), .dir_fd = AT_FDCWD, .path = path, .flags = AT_REMOVEDIR)
INTERPOSE(int, remove, (const char *path), CALL_UNLINK, (path), .dir_fd = AT_FDCWD, .path = path)
INTERPOSE(int, mkdir, (const char *path, mode_t mode), CALL_MKDIR, (path, mode), .dir_fd = AT_FDCWD, .path = path,
          .mode = mode)
INTERPOSE(int, mkdirat, (int dir_fd, const char *path, mode_t mode), CALL_MKDIR, (dir_fd, path, mode), .dir_fd = dir_fd,
          .path = path, .mode = mode)

/* Modes and owners */

INTERPOSE(int, chmod, (const char *path, mode_t mode), CALL_MODE, (path, mode), .dir_fd = AT_FDCWD, .path = path,
          .mode = mode)
INTERPOSE(int, fchmod, (int fd, mode_t mode), CALL_MODE, (fd, mode), .fd = fd, .mode = mode)
INTERPOSE(int, fchmodat, (int dir_fd, const char *path, mode_t mode, int flags), CALL_MODE, (dir_fd, path, mode, flags),
          .dir_fd = dir_fd, .path = path, .mode = mode, .flags = flags)
INTERPOSE(int, chown, (const char *path, uid_t uid, gid_t gid), CALL_OWNER, (path, uid, gid), .dir_fd = AT_FDCWD,
          .path = path, .uid = uid, .gid = gid)
INTERPOSE(int, lchown, (const char *path, uid_t uid, gid_t gid), CALL_OWNER, (path, uid, gid), .dir_fd = AT_FDCWD,
          .path = path, .flags = AT_SYMLINK_NOFOLLOW, .uid = uid, .gid = gid)
INTERPOSE(int, fchown, (int fd, uid_t uid, gid_t gid), CALL_OWNER, (fd, uid, gid), .fd = fd, .uid = uid, .gid = gid)
INTERPOSE(int, fchownat, (int dir_fd, const char *path, uid_t uid, gid_t gid, int flags), CALL_OWNER,
          (dir_fd, path, uid, gid, flags), .dir_fd = dir_fd, .path = path, .flags = flags, .uid = uid, .gid = gid)

/* Sockets */

INTERPOSE(ssize_t, send, (int fd, const void *data, size_t length, int flags), CALL_SEND,
          (fd, data, call.length, flags), .fd = fd, .data = data, .length = length, .flags = flags)
INTERPOSE(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), CALL_SEND, (fd, message, flags),
          .fd = fd, .data = message, .flags = flags)
