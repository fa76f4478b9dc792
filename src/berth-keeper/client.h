/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "loop.h"

/* One connection to the console. What it is sent and does not read is kept up to a bound, then lost: it blocks nobody.
 */
#define CLIENT_QUEUE_MAX (64 * 1024)

struct client {
    struct source source; /* fd -1: free */
    struct loop *loop;
    char *queue; /* while there is something in it */
    size_t start, length;
    bool silent; /* it will send no more */
    bool deaf;   /* it will read no more */
};

void client_init(struct client *client, struct loop *loop, int fd, void (*ready)(struct source *, uint32_t));
/* To the client, as far as there is room. */
void client_write(struct client *client, const char *bytes, size_t length);
/* Answers an event, but for the input, which is the console's. */
void client_on_events(struct client *client, uint32_t events);
/* At most @size bytes of its input; 0 where there is none now. */
size_t client_read(struct client *client, char *bytes, size_t size);
/* Watches for what now matters (@hold: its input does not), or closes it where nothing does. */
void client_update(struct client *client, bool hold);
void client_close(struct client *client);
