/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relay.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

struct CtlRelay {
    int in, out;
    const CtlRelayHandler *handler;
    gpointer data;
    sd_event_source *source; /* on while there is room to read */
    sd_event_source *sink;   /* (nullable: a file takes all at once): on while something waits to be written */
    char buffer[CTL_RELAY_SIZE];
    gsize begin, end; /* what waits to be written */
};

static void end(CtlRelay *relay, int error)
{
    sd_event_source_set_enabled(relay->source, SD_EVENT_OFF);
    if (relay->sink != NULL)
        sd_event_source_set_enabled(relay->sink, SD_EVENT_OFF);
    relay->handler->ended(error, relay->data);
}

static gboolean may_wait(int error)
{
    return error == EAGAIN || error == EINTR;
}

/* The source is off while something is left in the buffer, and the sink while nothing is. */
static void write_out(CtlRelay *relay)
{
    while (relay->begin < relay->end) {
        ssize_t n = write(relay->out, relay->buffer + relay->begin, relay->end - relay->begin);
        if (n < 0 && errno == EAGAIN && relay->sink != NULL)
            break;
        if (n < 0 && !may_wait(errno)) {
            end(relay, -errno);
            return;
        }
        if (n > 0)
            relay->begin += (gsize) n;
    }
    gboolean is_empty = relay->begin == relay->end;
    sd_event_source_set_enabled(relay->source, is_empty ? SD_EVENT_ON : SD_EVENT_OFF);
    if (relay->sink != NULL)
        sd_event_source_set_enabled(relay->sink, is_empty ? SD_EVENT_OFF : SD_EVENT_ON);
}

static void read_in(CtlRelay *relay)
{
    ssize_t n = read(relay->in, relay->buffer, sizeof relay->buffer);
    if (n < 0 && may_wait(errno))
        return;
    if (n <= 0) {
        end(relay, n < 0 ? -errno : 0);
        return;
    }
    relay->begin = 0;
    relay->end = (gsize) n;
    if (relay->handler->filter != NULL)
        relay->end = relay->handler->filter(relay->buffer, (gsize) n, relay->data);
    write_out(relay);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *data)
{
    read_in(data);
    return 0;
}

/* Files and /dev/null can't be polled, and need not be. */
static int on_defer(sd_event_source *source, void *data)
{
    read_in(data);
    return 0;
}

static int on_writable(sd_event_source *source, int fd, uint32_t events, void *data)
{
    write_out(data);
    return 0;
}

static int add_source(CtlRelay *relay, sd_event *event)
{
    int r = sd_event_add_io(event, &relay->source, relay->in, EPOLLIN, on_readable, relay);
    if (r != -EPERM)
        return r;
    r = sd_event_add_defer(event, &relay->source, on_defer, relay);
    return r < 0 ? r : sd_event_source_set_enabled(relay->source, SD_EVENT_ON);
}

static int add_sink(CtlRelay *relay, sd_event *event)
{
    int r = sd_event_add_io(event, &relay->sink, relay->out, EPOLLOUT, on_writable, relay);
    if (r == -EPERM)
        return 0;
    return r < 0 ? r : sd_event_source_set_enabled(relay->sink, SD_EVENT_OFF);
}

int ctl_relay_new(sd_event *event, int in, int out, const CtlRelayHandler *handler, gpointer data, CtlRelay **relay)
{
    g_autoptr(CtlRelay) made = g_new0(CtlRelay, 1);
    made->in = in;
    made->out = out;
    made->handler = handler;
    made->data = data;
    int r = add_source(made, event);
    if (r >= 0)
        r = add_sink(made, event);
    if (r < 0)
        return r;
    *relay = g_steal_pointer(&made);
    return 0;
}

void ctl_relay_free(CtlRelay *relay)
{
    if (relay == NULL)
        return;
    sd_event_source_disable_unref(relay->source);
    sd_event_source_disable_unref(relay->sink);
    g_free(relay);
}
