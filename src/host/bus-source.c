/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-source.h"

#include <errno.h>
#include <sys/socket.h>

#include "../core/names.h"

/* A turn of the loop costs as much as there are sources, a message little: so a turn handles several. Bounded both
 * ways, since the others wait. */
#define MESSAGES_MAX 32u
#define TURN_USEC 1000

static gboolean turn_is_over = FALSE;

typedef struct {
    GSource source;
    GPollFD poll;
    sd_bus *bus;
    void (*failed)(int error, gpointer data);
    gpointer data;
    int error; /* negative errno of the first failure, 0 while all is well */
} BusSource;

/* Milliseconds until sd-bus wants to be processed without anything to read: -1 for never, 0 for now. */
static int remaining_msec(sd_bus *bus, int *msec)
{
    uint64_t due;
    int r = sd_bus_get_timeout(bus, &due);
    if (r < 0)
        return r;
    if (due == UINT64_MAX) {
        *msec = -1;
        return 0;
    }
    guint64 now = (guint64) g_get_monotonic_time(); /* both are CLOCK_MONOTONIC */
    if (due <= now)
        *msec = 0;
    else
        /* Rounded up: to wake a moment early would be to spin until the µs has come. */
        *msec = (int) MIN((due - now + 999) / 1000, (guint64) G_MAXINT);
    return 0;
}

/* GLib keeps its descriptors in order, so that one can't just be changed in place. It seldom is. */
static void watch_fd(BusSource *self, int fd)
{
    if (self->poll.fd == fd)
        return;
    if (self->poll.fd >= 0)
        g_source_remove_poll(&self->source, &self->poll);
    self->poll.fd = fd;
    g_source_add_poll(&self->source, &self->poll);
}

/* Everything is asked anew each time: a synchronous call elsewhere may have queued messages (then the timeout is now),
 * an unsent message may want POLLOUT, and the descriptor changes while the addresses of a bus are tried in turn. */
static int refresh(BusSource *self, int *msec)
{
    int fd = sd_bus_get_fd(self->bus);
    if (fd < 0)
        return fd;
    int events = sd_bus_get_events(self->bus);
    if (events < 0)
        return events;
    self->poll.events = (gushort) events;
    watch_fd(self, fd);
    return remaining_msec(self->bus, msec);
}

static gboolean bus_source_prepare(GSource *source, int *timeout)
{
    BusSource *self = (BusSource *) source;
    int msec;
    int r = refresh(self, &msec);
    if (r < 0) {
        self->error = self->error < 0 ? self->error : r;
        *timeout = 0;
        return TRUE; /* dispatch reports it */
    }
    *timeout = msec;
    return msec == 0;
}

static gboolean bus_source_check(GSource *source)
{
    BusSource *self = (BusSource *) source;
    int msec;
    return self->poll.revents != 0 || remaining_msec(self->bus, &msec) < 0 || msec == 0;
}

/* sd-bus leaves a connection open on errors other than a disconnect (a message that makes no sense, a refused Hello),
 * and then nobody answers the calls that are pending. Closed for writing, the next send fails as a disconnect does,
 * upon which sd_bus_process() answers every pending call with an error before it says that the connection is gone. */
static void provoke_disconnect(sd_bus *bus)
{
    int fd = sd_bus_get_fd(bus);
    if (fd < 0 || shutdown(fd, SHUT_RDWR) < 0)
        return;
    (void) sd_bus_emit_signal(bus, "/", BERTH_BUS_NAME, "Closing", NULL); /* goes nowhere, and notices that */
}

void berth_bus_source_end_turn(void)
{
    turn_is_over = TRUE;
}

/* What sd_bus_process() said last: 0 where nothing is left to do, a negative errno where it failed. */
static int process_some(GSource *source, sd_bus *bus)
{
    const gint64 end = g_get_monotonic_time() + TURN_USEC;
    int r;
    turn_is_over = FALSE;
    for (guint n = 1; (r = sd_bus_process(bus, NULL)) > 0; n++)
        if (turn_is_over || n == MESSAGES_MAX || g_source_is_destroyed(source) || g_get_monotonic_time() >= end)
            break;
    return r;
}

void berth_bus_check_sent(sd_bus *bus, int r)
{
    if (r >= 0 || sd_bus_is_open(bus) <= 0)
        return;
    g_warning("A message to the bus is lost: %s", g_strerror(-r));
    provoke_disconnect(bus);
}

static gboolean bus_source_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    BusSource *self = (BusSource *) source;
    int r = process_some(source, self->bus);
    if (r >= 0)
        return G_SOURCE_CONTINUE;
    if (sd_bus_is_open(self->bus) > 0 && self->error == 0) {
        self->error = r;
        provoke_disconnect(self->bus);
        return G_SOURCE_CONTINUE;
    }
    int error = self->error < 0 ? self->error : r;
    /* Removed first: whoever is told may connect anew, or free what is behind @data. */
    g_source_destroy(source);
    self->failed(error, self->data);
    return G_SOURCE_REMOVE;
}

static void bus_source_finalize(GSource *source)
{
    BusSource *self = (BusSource *) source;
    sd_bus_unref(self->bus);
}

GSource *berth_bus_source_new(sd_bus *bus, void (*failed)(int error, gpointer data), gpointer data)
{
    static GSourceFuncs funcs = {
        .prepare = bus_source_prepare,
        .check = bus_source_check,
        .dispatch = bus_source_dispatch,
        .finalize = bus_source_finalize,
    };
    GSource *source = g_source_new(&funcs, sizeof(BusSource));
    BusSource *self = (BusSource *) source;
    self->bus = sd_bus_ref(bus);
    self->failed = failed;
    self->data = data;
    self->poll.fd = -1;
    g_source_set_static_name(source, "berth-bus");
    return source;
}
