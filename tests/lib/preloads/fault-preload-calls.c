/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* With it the headers would give open() the name of open64(), and both are wanted here. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "fault-preload.h"

/* The calls in place of the C library's: each is numbered, and made by its bare system call. */

#define REAL6(number, a, b, c, d, e, f, ...)                                                                           \
    fault_real(number, (long) (a), (long) (b), (long) (c), (long) (d), (long) (e), (long) (f))
#define REAL(...) REAL6(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* One numbered call: @call is made unless it is to fail. */
#define NUMBERED(sort, fd, path, call)                                                                                 \
    ({                                                                                                                 \
        FaultPoint point = fault_enter(sort, __func__, fd, path, 0);                                                   \
        fault_leave(&point, point.error ? -1 : (call));                                                                \
    })

/* Opening */

static int open_at(const char *name, int dir_fd, const char *path, int flags, mode_t mode)
{
    const int creates = flags & O_CREAT;
    FaultPoint point = fault_enter(creates ? FAULT_OPEN : FAULT_OBTAIN, creates ? name : "look", dir_fd, path, 0);
    return (int) fault_leave(&point, point.error ? -1 : REAL(SYS_openat, dir_fd, path, flags, mode));
}

static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        va_list args;                                                                                                  \
        va_start(args, flags);                                                                                         \
        mode_t mode = mode_of(flags, args);                                                                            \
        va_end(args);                                                                                                  \
        return open_at("open", AT_FDCWD, path, flags, mode);                                                           \
    }
#define OPENAT(name)                                                                                                   \
    int name(int dir_fd, const char *path, int flags, ...)                                                             \
    {                                                                                                                  \
        va_list args;                                                                                                  \
        va_start(args, flags);                                                                                         \
        mode_t mode = mode_of(flags, args);                                                                            \
        va_end(args);                                                                                                  \
        return open_at("openat", dir_fd, path, flags, mode);                                                           \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int creat64(const char *path, mode_t mode)
{
    return open_at("creat", AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int socket(int domain, int type, int protocol)
{
    return (int) NUMBERED(FAULT_OBTAIN, -1, NULL, REAL(SYS_socket, domain, type, protocol));
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
    return (int) NUMBERED(FAULT_OBTAIN, -1, NULL, REAL(SYS_socketpair, domain, type, protocol, fds));
}

int pidfd_open(pid_t pid, unsigned flags)
{
    return (int) NUMBERED(FAULT_OBTAIN, -1, NULL, REAL(SYS_pidfd_open, pid, flags));
}

/* Writing and sending */

static ssize_t write_at(const char *name, int fd, const void *data, size_t length, off_t offset, int sort)
{
    FaultPoint point = fault_enter((FaultSort) sort, name, fd, NULL, length);
    if (point.is_short)
        length /= 2;
    return fault_leave(&point, point.error   ? -1
                               : offset >= 0 ? REAL(SYS_pwrite64, fd, data, length, offset)
                                             : REAL(SYS_write, fd, data, length));
}

ssize_t write(int fd, const void *data, size_t length)
{
    int sort = fault_sort_of_write(fd);
    return sort < 0 ? REAL(SYS_write, fd, data, length) : write_at("write", fd, data, length, -1, sort);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    return write_at("pwrite", fd, data, length, offset, FAULT_WRITE);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off_t offset)
{
    return write_at("pwrite", fd, data, length, offset, FAULT_WRITE);
}

static size_t length_of(const struct iovec *parts, size_t n)
{
    size_t length = 0;
    for (size_t i = 0; i < n; i++)
        length += parts[i].iov_len;
    return length;
}

/* The first half of @parts; returns how many they are then. */
static size_t halve(const struct iovec *parts, size_t n, struct iovec *half)
{
    size_t left = length_of(parts, n) / 2, i = 0;
    for (; i < n && i < IOV_MAX && left > 0; i++) {
        half[i] = parts[i];
        half[i].iov_len = parts[i].iov_len < left ? parts[i].iov_len : left;
        left -= half[i].iov_len;
    }
    return i;
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    struct iovec half[IOV_MAX];
    int sort = fault_sort_of_write(fd);
    if (sort < 0)
        return REAL(SYS_writev, fd, parts, n);
    FaultPoint point = fault_enter((FaultSort) sort, "writev", fd, NULL, length_of(parts, (size_t) n));
    if (point.is_short) {
        n = (int) halve(parts, (size_t) n, half);
        parts = half;
    }
    return fault_leave(&point, point.error ? -1 : REAL(SYS_writev, fd, parts, n));
}

/* What a short send can be shorter than: a packet goes whole or not at all. */
static size_t divisible(int fd, size_t length)
{
    int type = 0;
    socklen_t size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM ? length : 0;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct iovec half[IOV_MAX];
    struct msghdr copy = *message;
    FaultPoint point =
        fault_enter(FAULT_SEND, "sendmsg", fd, NULL, divisible(fd, length_of(message->msg_iov, message->msg_iovlen)));
    if (point.is_short) {
        copy.msg_iovlen = halve(message->msg_iov, message->msg_iovlen, half);
        copy.msg_iov = half;
    }
    return fault_leave(&point, point.error ? -1 : REAL(SYS_sendmsg, fd, &copy, flags));
}

ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *address, socklen_t size)
{
    FaultPoint point = fault_enter(FAULT_SEND, "send", fd, NULL, divisible(fd, length));
    if (point.is_short)
        length /= 2;
    return fault_leave(&point, point.error ? -1 : REAL(SYS_sendto, fd, data, length, flags, address, size));
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
    return sendto(fd, data, length, flags, NULL, 0);
}

/* Stable storage */

int fsync(int fd)
{
    return (int) NUMBERED(FAULT_SYNC, fd, NULL, REAL(SYS_fsync, fd));
}

int fdatasync(int fd)
{
    return (int) NUMBERED(FAULT_SYNC, fd, NULL, REAL(SYS_fdatasync, fd));
}

/* Names. Of two paths the new one is reported. */

int rename(const char *from, const char *to)
{
    return (int) NUMBERED(FAULT_NAME, -1, to, REAL(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to));
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return (int) NUMBERED(FAULT_NAME, to_fd, to, REAL(SYS_renameat2, from_fd, from, to_fd, to));
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    return (int) NUMBERED(FAULT_NAME, to_fd, to, REAL(SYS_renameat2, from_fd, from, to_fd, to, flags));
}

int link(const char *from, const char *to)
{
    return (int) NUMBERED(FAULT_NAME, -1, to, REAL(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to));
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    return (int) NUMBERED(FAULT_NAME, to_fd, to, REAL(SYS_linkat, from_fd, from, to_fd, to, flags));
}

int symlink(const char *target, const char *path)
{
    return (int) NUMBERED(FAULT_NAME, -1, path, REAL(SYS_symlinkat, target, AT_FDCWD, path));
}

int symlinkat(const char *target, int dir_fd, const char *path)
{
    return (int) NUMBERED(FAULT_NAME, dir_fd, path, REAL(SYS_symlinkat, target, dir_fd, path));
}

int mkdir(const char *path, mode_t mode)
{
    return (int) NUMBERED(FAULT_NAME, -1, path, REAL(SYS_mkdirat, AT_FDCWD, path, mode));
}

int mkdirat(int dir_fd, const char *path, mode_t mode)
{
    return (int) NUMBERED(FAULT_NAME, dir_fd, path, REAL(SYS_mkdirat, dir_fd, path, mode));
}

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
    if (address->sa_family != AF_UNIX)
        return (int) REAL(SYS_bind, fd, address, size);
    const char *path = ((const struct sockaddr_un *) (const void *) address)->sun_path;
    return (int) NUMBERED(FAULT_NAME, -1, path, REAL(SYS_bind, fd, address, size));
}

int unlink(const char *path)
{
    return (int) NUMBERED(FAULT_UNNAME, -1, path, REAL(SYS_unlinkat, AT_FDCWD, path));
}

int unlinkat(int dir_fd, const char *path, int flags)
{
    return (int) NUMBERED(FAULT_UNNAME, dir_fd, path, REAL(SYS_unlinkat, dir_fd, path, flags));
}

int rmdir(const char *path)
{
    return (int) NUMBERED(FAULT_UNNAME, -1, path, REAL(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
}

/* Attributes and sizes */

int chmod(const char *path, mode_t mode)
{
    return (int) NUMBERED(FAULT_ATTRIBUTE, -1, path, REAL(SYS_fchmodat, AT_FDCWD, path, mode));
}

int fchmod(int fd, mode_t mode)
{
    return (int) NUMBERED(FAULT_ATTRIBUTE, fd, NULL, REAL(SYS_fchmod, fd, mode));
}

int chown(const char *path, uid_t owner, gid_t group)
{
    return (int) NUMBERED(FAULT_ATTRIBUTE, -1, path, REAL(SYS_fchownat, AT_FDCWD, path, owner, group));
}

int lchown(const char *path, uid_t owner, gid_t group)
{
    return (int) NUMBERED(FAULT_ATTRIBUTE, -1, path,
                          REAL(SYS_fchownat, AT_FDCWD, path, owner, group, AT_SYMLINK_NOFOLLOW));
}

int fchown(int fd, uid_t owner, gid_t group)
{
    return (int) NUMBERED(FAULT_ATTRIBUTE, fd, NULL, REAL(SYS_fchown, fd, owner, group));
}

int fchownat(int dir_fd, const char *path, uid_t owner, gid_t group, int flags)
{
    return (int) NUMBERED(FAULT_ATTRIBUTE, dir_fd, path, REAL(SYS_fchownat, dir_fd, path, owner, group, flags));
}

int ftruncate(int fd, off_t size)
{
    return (int) NUMBERED(FAULT_SIZE, fd, NULL, REAL(SYS_ftruncate, fd, size));
}

int ftruncate64(int fd, off_t size)
{
    return (int) NUMBERED(FAULT_SIZE, fd, NULL, REAL(SYS_ftruncate, fd, size));
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    long argument = va_arg(args, long);
    va_end(args);
    if (request != FICLONE)
        return (int) REAL(SYS_ioctl, fd, request, argument);
    return (int) NUMBERED(FAULT_WRITE, fd, NULL, REAL(SYS_ioctl, fd, request, argument));
}

/* Processes */

pid_t fork(void)
{
    pid_t (*real)(void) = (pid_t(*)(void)) dlsym(RTLD_NEXT, "fork");
    return (pid_t) NUMBERED(FAULT_SPAWN, -1, NULL, real());
}

typedef int Spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                  const posix_spawnattr_t *attr, char *const *argv, char *const *env);

/* Returns the error instead of setting it. */
static int spawn(const char *name, pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attr, char *const *argv, char *const *env)
{
    Spawn *real = (Spawn *) dlsym(RTLD_NEXT, name);
    FaultPoint point = fault_enter(FAULT_SPAWN, name, -1, path, 0);
    int error = point.error ? point.error : real(pid, path, actions, attr, argv, env);
    (void) fault_leave(&point, 0);
    return error;
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
                char *const *argv, char *const *env)
{
    return spawn("posix_spawn", pid, path, actions, attr, argv, env);
}

int posix_spawnp(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
                 char *const *argv, char *const *env)
{
    return spawn("posix_spawnp", pid, path, actions, attr, argv, env);
}

int kill(pid_t pid, int number)
{
    return (int) NUMBERED(FAULT_SIGNAL, -1, NULL, REAL(SYS_kill, pid, number));
}

long syscall(long number, ...)
{
    long a[6];
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number != SYS_pidfd_send_signal)
        return fault_real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    FaultPoint point = fault_enter(FAULT_SIGNAL, "pidfd_send_signal", -1, NULL, 0);
    return fault_leave(&point, fault_real(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}
