/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What waits to be sent on a stream socket: text, and descriptors that go with some of it. Never blocks. */

typedef struct BerthSendQueue BerthSendQueue;

BerthSendQueue *berth_send_queue_new(void);
void berth_send_queue_free(BerthSendQueue *queue);

/* @fd: (transfer full): goes with the first byte of @text, which is not empty; -1 for none */
void berth_send_queue_add(BerthSendQueue *queue, const char *text, int fd);

/* Sends what the kernel takes now, but no more than one descriptor. What a broken connection does not take is dropped. Where
 * the kernel lets no more descriptors be under way, the text goes alone. */
void berth_send_queue_flush(BerthSendQueue *queue, int socket_fd);

/* In bytes. */
gsize berth_send_queue_length(const BerthSendQueue *queue);
void berth_send_queue_clear(BerthSendQueue *queue);
