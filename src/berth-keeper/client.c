/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static void drop_queue(struct client *client)
{
    free(client->queue);
    client->queue = NULL;
    client->start = client->length = 0;
}

static void become_deaf(struct client *client)
{
    client->deaf = true;
    drop_queue(client);
}

void client_init(struct client *client, struct loop *loop, int fd, void (*ready)(struct source *, uint32_t))
{
    *client = (struct client){.source = {.fd = fd, .ready = ready}, .loop = loop};
    client_update(client, false);
}

/* How many bytes went. */
static size_t send_some(struct client *client, const char *bytes, size_t length)
{
    ssize_t n = send(client->source.fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN && errno != EINTR)
        become_deaf(client);
    return n < 0 ? 0 : (size_t) n;
}

static void enqueue(struct client *client, const char *bytes, size_t length)
{
    if (!client->queue)
        client->queue = malloc(CLIENT_QUEUE_MAX);
    if (!client->queue)
        return;
    const size_t used = client->start + client->length;
    const size_t room = CLIENT_QUEUE_MAX - used;
    const size_t n = length < room ? length : room;
    memcpy(client->queue + used, bytes, n);
    client->length += n;
}

void client_write(struct client *client, const char *bytes, size_t length)
{
    if (client->deaf)
        return;
    size_t sent = client->length > 0 ? 0 : send_some(client, bytes, length);
    if (sent < length && !client->deaf)
        enqueue(client, bytes + sent, length - sent);
}

static void flush(struct client *client)
{
    size_t sent = send_some(client, client->queue + client->start, client->length);

    if (client->deaf)
        return;
    client->length -= sent;
    client->start += sent;
    if (client->length == 0)
        drop_queue(client);
}

void client_on_events(struct client *client, uint32_t events)
{
    if ((events & EPOLLOUT) && client->length > 0)
        flush(client);
    if (events & (EPOLLHUP | EPOLLERR))
        become_deaf(client);
}

size_t client_read(struct client *client, char *bytes, size_t size)
{
    if (client->silent)
        return 0;
    ssize_t n = recv(client->source.fd, bytes, size, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        client->silent = true;
    return n <= 0 ? 0 : (size_t) n;
}

/* A hang-up is always reported: one that can't be acted on now, since input is still to be read and is held, must not
 * be watched for, or the loop would spin. */
void client_update(struct client *client, bool hold)
{
    const bool input = !client->silent && !hold;
    const uint32_t events = (input ? EPOLLIN : 0) | (client->length > 0 ? EPOLLOUT : 0);

    if (client->silent && client->deaf)
        client_close(client);
    else if (events == 0 && !client->silent)
        loop_unwatch(client->loop, &client->source);
    else if (!loop_watch(client->loop, &client->source, events))
        client_close(client);
}

void client_close(struct client *client)
{
    drop_queue(client);
    loop_close(client->loop, &client->source);
}
