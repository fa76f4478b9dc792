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
    case EAGAIN:
        return BERTH_ERROR_BUSY;
    default:
        return BERTH_ERROR_STORAGE_FAILED;
    }
}

/* @flag: SOCK_NONBLOCK, or 0 to wait for room in the queue */
static int connect_to(const char *path, int flag, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    struct sockaddr_un address;

    BERTH_AUTOFD dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd >= 0 && !make_address(dir_fd, name, &address, error))
        return -1;
    BERTH_AUTOFD fd = dir_fd < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flag, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *) &address, sizeof address) < 0) {
        berth_error_set_errno(error, connect_error(errno), errno, "connect to %s", path);
        return -1;
    }
    return berth_steal_fd(&fd);
}

int berth_unix_connect(const char *path, GError **error)
{
    return connect_to(path, SOCK_NONBLOCK, error);
}

/* The thread's, and then the main loop's; of its owner is nothing but who is to be told. */
struct BerthUnixWait {
    char *path;
    BerthUnixConnected connected; /* NULL: cancelled */
    gpointer data;
    int fd;
    GError *error;
};

static void wait_free(BerthUnixWait *wait)
{
    berth_autofd_close(&wait->fd);
    g_clear_error(&wait->error);
    g_free(wait->path);
    g_free(wait);
}

static gboolean wait_is_over(gpointer data)
{
    BerthUnixWait *wait = data;
    if (wait->connected)
        wait->connected(berth_steal_fd(&wait->fd), wait->error, wait->data);
    wait_free(wait);
    return G_SOURCE_REMOVE;
}

static gpointer wait_for_room(gpointer data)
{
    BerthUnixWait *wait = data;
    wait->fd = connect_to(wait->path, 0, &wait->error);
    if (wait->fd >= 0)
        (void) fcntl(wait->fd, F_SETFL, O_NONBLOCK);
    g_idle_add_full(G_PRIORITY_DEFAULT, wait_is_over, wait, NULL);
    return NULL;
}

BerthUnixWait *berth_unix_wait_new(const char *path, BerthUnixConnected connected, gpointer data, GError **error)
{
    BerthUnixWait *wait = g_new0(BerthUnixWait, 1);
    wait->path = g_strdup(path);
    wait->connected = connected;
    wait->data = data;
    wait->fd = -1;
    g_autoptr(GError) refused = NULL;
    GThread *thread = g_thread_try_new("connect", wait_for_room, wait, &refused);
    if (!thread) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_LIMIT_REACHED, "Can't wait to connect to %s: %s", path,
                    refused->message);
        wait_free(wait);
        return NULL;
    }
    g_thread_unref(thread);
    return wait;
}

void berth_unix_wait_cancel(BerthUnixWait *wait)
{
    wait->connected = NULL;
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
