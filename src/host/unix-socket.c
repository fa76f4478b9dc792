/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unix-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
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
