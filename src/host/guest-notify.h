/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What the service managers of guests notify us of over vsock (systemd's credential vmm.notify_socket): a connection for each
 * notification, and its end is the end of the text. Who speaks is what the kernel says: the context id of the other side.
 * In the guest only root has the low ports that systemd speaks from: others are not heard. */

#define BERTH_GUEST_NOTIFY_MAX 4096u /* bytes; longer ones are dropped */

typedef struct {
    /* Whether the guest with this context id is to be heard now. */
    gboolean (*admit)(guint32 cid, gpointer data);
    /* @text: hostile, and not NUL-terminated. */
    void (*notified)(guint32 cid, const char *text, gsize length, gpointer data);
} BerthGuestNotifyHandler;

typedef struct BerthGuestNotify BerthGuestNotify;

/**
 * berth_guest_notify_new:
 * @port: to listen on; 0: on none
 *
 * Returns: (nullable): %NULL with Unsupported where the host has no vsock, or another has the port
 */
BerthGuestNotify *berth_guest_notify_new(guint port, GError **error);
void berth_guest_notify_free(BerthGuestNotify *notify);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthGuestNotify, berth_guest_notify_free)

/* Takes connections from now on. @handler must outlive it. */
void berth_guest_notify_begin(BerthGuestNotify *notify, const BerthGuestNotifyHandler *handler, gpointer data);

/* A connection (a non-blocking stream, taken over) of the guest with @cid. */
void berth_guest_notify_take(BerthGuestNotify *notify, int fd, guint32 cid);
