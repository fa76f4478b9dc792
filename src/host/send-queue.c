/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "send-queue.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "../core/autofd.h"

typedef struct {
    gsize at; /* goes with the byte at this place */
    int fd;
} Passenger;

struct BerthSendQueue {
    GByteArray *bytes;
    GArray *passengers; /* (element-type Passenger), by place */
};

static void passenger_clear(gpointer passenger)
{
    berth_autofd_close(&((Passenger *) passenger)->fd);
}

BerthSendQueue *berth_send_queue_new(void)
{
    BerthSendQueue *queue = g_new0(BerthSendQueue, 1);
    queue->bytes = g_byte_array_new();
    queue->passengers = g_array_new(FALSE, FALSE, sizeof(Passenger));
    g_array_set_clear_func(queue->passengers, passenger_clear);
    return queue;
}

void berth_send_queue_free(BerthSendQueue *queue)
{
    g_byte_array_unref(queue->bytes);
    g_array_unref(queue->passengers);
    g_free(queue);
}

void berth_send_queue_add(BerthSendQueue *queue, const char *text, int fd)
{
    const Passenger passenger = {queue->bytes->len, fd};
    if (fd >= 0)
        g_array_append_val(queue->passengers, passenger);
    g_byte_array_append(queue->bytes, (const guint8 *) text, (guint) strlen(text));
}

/* (nullable) */
static Passenger *passenger_at(const BerthSendQueue *queue, guint index)
{
    return index < queue->passengers->len ? &g_array_index(queue->passengers, Passenger, index) : NULL;
}

static gboolean is_due(const Passenger *passenger)
{
    return passenger != NULL && passenger->at == 0;
}

/* A descriptor goes with the first byte of what is sent together: what comes before the next one goes now. */
static ssize_t send_some(const BerthSendQueue *queue, int socket_fd)
{
    const Passenger *first = passenger_at(queue, 0);
    const Passenger *next = is_due(first) ? passenger_at(queue, 1) : first;
    struct iovec bytes = {queue->bytes->data, next != NULL ? next->at : queue->bytes->len};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    if (is_due(first)) {
        memcpy(CMSG_DATA(&control.header), &first->fd, sizeof first->fd);
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
    }
    return sendmsg(socket_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void forget_passenger(BerthSendQueue *queue)
{
    if (is_due(passenger_at(queue, 0)))
        g_array_remove_index(queue->passengers, 0);
}

static void forget_sent(BerthSendQueue *queue, gsize length)
{
    forget_passenger(queue);
    g_byte_array_remove_range(queue->bytes, 0, (guint) length);
    for (guint i = 0; i < queue->passengers->len; i++)
        passenger_at(queue, i)->at -= length;
}

void berth_send_queue_flush(BerthSendQueue *queue, int socket_fd)
{
    if (queue->bytes->len == 0)
        return;
    ssize_t sent = send_some(queue, socket_fd);
    if (sent < 0 && errno == ETOOMANYREFS) {
        forget_passenger(queue);
        sent = send_some(queue, socket_fd);
    }
    if (sent > 0)
        forget_sent(queue, (gsize) sent);
    else if (sent < 0 && errno != EAGAIN && errno != EINTR)
        berth_send_queue_clear(queue);
}

gsize berth_send_queue_length(const BerthSendQueue *queue)
{
    return queue->bytes->len;
}

void berth_send_queue_clear(BerthSendQueue *queue)
{
    g_byte_array_set_size(queue->bytes, 0);
    g_array_set_size(queue->passengers, 0);
}
