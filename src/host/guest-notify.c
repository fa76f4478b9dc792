/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-notify.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
/* After <sys/socket.h>, which it needs. */
#include <linux/vm_sockets.h>

#include "../core/autofd.h"
#include "../core/error.h"

#define LAST_PRIVILEGED_PORT 1023u
#define TAKEN_AT_ONCE 16u
#define CONNECTIONS_MAX 1024u
#define PATIENCE_SECONDS 5u
/* What is wrong when a connection can't be taken (no descriptors are left) is so for a while. */
#define PAUSE_SECONDS 1u

struct BerthGuestNotify {
    int listener; /* -1: none */
    guint source; /* of the listener, or of the pause */
    const BerthGuestNotifyHandler *handler;
    gpointer data;
    GHashTable *connections; /* a set of Connection, owned */
};

typedef struct {
    BerthGuestNotify *notify;
    guint32 cid;
    int fd;
    guint source, timer;
    gsize length;
    char text[BERTH_GUEST_NOTIFY_MAX];
} Connection;

static void connection_free(gpointer data)
{
    Connection *connection = data;
    g_source_remove(connection->source);
    g_source_remove(connection->timer);
    close(connection->fd);
    g_free(connection);
}

static void drop(Connection *connection)
{
    g_hash_table_remove(connection->notify->connections, connection);
}

static gboolean on_deadline(gpointer data)
{
    drop(data);
    return G_SOURCE_CONTINUE; /* it was removed */
}

static gboolean on_text(int fd, GIOCondition condition, gpointer data)
{
    Connection *connection = data;
    ssize_t n =
        recv(fd, connection->text + connection->length, sizeof connection->text - connection->length, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    connection->length += n > 0 ? (gsize) n : 0;
    if (n > 0 && connection->length < sizeof connection->text)
        return G_SOURCE_CONTINUE;
    if (n == 0)
        connection->notify->handler->notified(connection->cid, connection->text, connection->length,
                                              connection->notify->data);
    drop(connection);
    return G_SOURCE_CONTINUE; /* it was removed */
}

void berth_guest_notify_take(BerthGuestNotify *notify, int fd, guint32 cid)
{
    if (g_hash_table_size(notify->connections) >= CONNECTIONS_MAX || !notify->handler->admit(cid, notify->data)) {
        close(fd);
        return;
    }
    Connection *connection = g_new0(Connection, 1);
    connection->notify = notify;
    connection->cid = cid;
    connection->fd = fd;
    connection->source = g_unix_fd_add(fd, G_IO_IN, on_text, connection);
    connection->timer = g_timeout_add_seconds(PATIENCE_SECONDS, on_deadline, connection);
    g_hash_table_add(notify->connections, connection);
}

static void listen_on(BerthGuestNotify *notify);

static gboolean on_pause_over(gpointer data)
{
    listen_on(data);
    return G_SOURCE_REMOVE;
}

/* FALSE where there is none to take now. */
static gboolean take_one(BerthGuestNotify *notify, int *errnum)
{
    struct sockaddr_vm peer = {0};
    socklen_t length = sizeof peer;
    BERTH_AUTOFD fd = accept4(notify->listener, (struct sockaddr *) &peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    *errnum = fd < 0 ? errno : 0;
    if (fd >= 0 && peer.svm_family == AF_VSOCK && peer.svm_port <= LAST_PRIVILEGED_PORT)
        berth_guest_notify_take(notify, berth_steal_fd(&fd), peer.svm_cid);
    return *errnum == 0;
}

static gboolean on_connections(int fd, GIOCondition condition, gpointer data)
{
    BerthGuestNotify *notify = data;
    int errnum = 0;
    for (guint i = 0; i < TAKEN_AT_ONCE && take_one(notify, &errnum); i++)
        continue;
    if (errnum == 0 || errnum == EAGAIN || errnum == EINTR || errnum == ECONNABORTED)
        return G_SOURCE_CONTINUE;
    g_warning("Can't take the notification of a guest: %s", g_strerror(errnum));
    notify->source = g_timeout_add_seconds(PAUSE_SECONDS, on_pause_over, notify);
    return G_SOURCE_REMOVE;
}

static void listen_on(BerthGuestNotify *notify)
{
    notify->source = g_unix_fd_add(notify->listener, G_IO_IN, on_connections, notify);
}

void berth_guest_notify_begin(BerthGuestNotify *notify, const BerthGuestNotifyHandler *handler, gpointer data)
{
    notify->handler = handler;
    notify->data = data;
    if (notify->listener >= 0)
        listen_on(notify);
}

static int open_listener(guint port)
{
    const struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port};
    BERTH_AUTOFD fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof address) < 0 || listen(fd, SOMAXCONN) < 0)
        return -1;
    return berth_steal_fd(&fd);
}

BerthGuestNotify *berth_guest_notify_new(guint port, GError **error)
{
    int listener = port != 0 ? open_listener(port) : -1;
    if (port != 0 && listener < 0) {
        berth_error_set_errno(error, BERTH_ERROR_UNSUPPORTED, errno, "listen on vsock port %u", port);
        return NULL;
    }
    BerthGuestNotify *notify = g_new0(BerthGuestNotify, 1);
    notify->listener = listener;
    notify->connections = g_hash_table_new_full(NULL, NULL, connection_free, NULL);
    return notify;
}

void berth_guest_notify_free(BerthGuestNotify *notify)
{
    if (!notify)
        return;
    g_clear_handle_id(&notify->source, g_source_remove);
    g_hash_table_unref(notify->connections);
    if (notify->listener >= 0)
        close(notify->listener);
    g_free(notify);
}
