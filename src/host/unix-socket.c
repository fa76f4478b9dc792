/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unix-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "../core/autofd.h"
#include "../core/error.h"

static gboolean make_address(int dir_fd, const char *name, struct sockaddr_un *address, GError **error)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = g_snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", dir_fd, name);
    if (n > 0 && (gsize) n < sizeof address->sun_path)
        return TRUE;
    berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, ENAMETOOLONG, "use the socket \"%s\"", name);
    return FALSE;
}

int berth_unix_listen(int dir_fd, const char *name, int backlog, GError **error)
{
    struct sockaddr_un address;
    if (!make_address(dir_fd, name, &address, error))
        return -1;

    BERTH_AUTOFD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof address) < 0 || listen(fd, backlog) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "make the socket \"%s\"", name);
        return -1;
    }
    return berth_steal_fd(&fd);
}

static BerthError connect_error(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        return BERTH_ERROR_NOT_FOUND;
    case ECONNREFUSED:
        return BERTH_ERROR_WRONG_STATE;
    default:
        return BERTH_ERROR_STORAGE_FAILED;
    }
}

int berth_unix_connect(const char *path, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    struct sockaddr_un address;

    BERTH_AUTOFD dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd >= 0 && !make_address(dir_fd, name, &address, error))
        return -1;
    BERTH_AUTOFD fd = dir_fd < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *) &address, sizeof address) < 0) {
        berth_error_set_errno(error, connect_error(errno), errno, "connect to %s", path);
        return -1;
    }
    return berth_steal_fd(&fd);
}

/* Of this thread alone: by the system call, since the C library's function changes all. Real and saved uid stay, so that
 * nobody else may send this process a signal or look into it, and the way back is open. */
static gboolean set_effective_uid(uid_t uid)
{
    return syscall(SYS_setresuid, (uid_t) -1, uid, (uid_t) -1) == 0;
}

static int pair_as(uid_t uid, int ends[2])
{
    const uid_t own = geteuid();
    const int dumpable = prctl(PR_GET_DUMPABLE);
    if (uid != own && !set_effective_uid(uid))
        return errno;
    const int errnum = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ? errno : 0;
    if (uid != own && !set_effective_uid(own))
        g_error("Can't be uid %u again: %s", own, g_strerror(errno));
    /* The kernel has taken it away: else the daemon would leave no core. */
    if (uid != own && dumpable == 1)
        (void) prctl(PR_SET_DUMPABLE, 1);
    return errnum;
}

gboolean berth_unix_pair(uid_t uid, int ends[2], GError **error)
{
    const int errnum = pair_as(uid, ends);
    if (errnum != 0)
        berth_error_set_errno(error, BERTH_ERROR_LIMIT_REACHED, errnum, "make a pair of sockets for uid %u", uid);
    return errnum == 0;
}
