/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-link.h"

#include <errno.h>

#include "../core/error.h"
#include "bus-source.h"

#define RETRY_FIRST_MSEC 100u
#define RETRY_LAST_MSEC 5000u

typedef struct {
    const BerthBusLinkHandler *handler; /* NULL: removed */
    gpointer data;
} Listener;

struct BerthBusLink {
    gboolean user;
    GArray *listeners; /* (element-type Listener) */
    sd_bus *bus;       /* NULL while down */
    GSource *source;
    sd_bus_slot *probe; /* the call whose answer proves that the bus talks to us */
    guint retry_msec;   /* before the next try; 0: at once */
    guint retry;        /* GLib source id */
};

static void schedule_retry(BerthBusLink *link);

static void tell_up(BerthBusLink *link)
{
    /* By index, and the length anew each time: a listener may add or remove others. */
    for (guint i = 0; link->bus && i < link->listeners->len; i++) {
        Listener listener = g_array_index(link->listeners, Listener, i);
        if (listener.handler)
            listener.handler->up(link->bus, listener.data);
    }
}

static void tell_down(BerthBusLink *link)
{
    for (guint i = 0; i < link->listeners->len; i++) {
        Listener listener = g_array_index(link->listeners, Listener, i);
        if (listener.handler)
            listener.handler->down(listener.data);
    }
}

/* The source has processed the connection to its end, so every pending call was answered before this. The connection
 * itself is kept until all have been told: what they still own on it must stay valid memory until they drop it. */
static void on_failed(int error, gpointer data)
{
    BerthBusLink *link = data;
    sd_bus *lost = g_steal_pointer(&link->bus);
    g_clear_pointer(&link->source, g_source_unref);
    g_clear_pointer(&link->probe, sd_bus_slot_unref);
    g_warning("The connection to the bus is lost: %s", g_strerror(-error));
    tell_down(link);
    sd_bus_close_unref(lost);
    schedule_retry(link);
}

/* Only a bus that answers ends the back-off: one that accepts and then hangs up is not called in a tight loop. */
static int on_probe(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    BerthBusLink *link = data;
    if (!sd_bus_message_is_method_error(reply, NULL))
        link->retry_msec = 0;
    return 0;
}

static int open_bus(BerthBusLink *link, sd_bus **ret)
{
    return link->user ? sd_bus_open_user_with_description(ret, "berth")
                      : sd_bus_open_system_with_description(ret, "berth");
}

/* Connecting to a unix socket succeeds or fails at once; authentication and Hello are done on the loop, and messages
 * sent before that wait in sd-bus. Hello has sd-bus's own time; of what is sent later the bus says where it won't be answered. Who
 * takes long, as systemd does while it reloads many units, answers late, and must not have been given up for good by then. */
static int try_connect(BerthBusLink *link)
{
    sd_bus *bus = NULL;
    int r = open_bus(link, &bus);
    if (r < 0)
        return r;
    (void) sd_bus_set_method_call_timeout(bus, UINT64_MAX);
    r = sd_bus_call_method_async(bus, &link->probe, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                 "org.freedesktop.DBus", "GetId", on_probe, link, NULL);
    if (r < 0) {
        sd_bus_close_unref(bus);
        return r;
    }
    link->bus = bus;
    link->source = berth_bus_source_new(bus, on_failed, link);
    g_source_attach(link->source, NULL);
    return 0;
}

static gboolean on_retry(gpointer data)
{
    BerthBusLink *link = data;
    link->retry = 0;
    if (try_connect(link) < 0)
        schedule_retry(link);
    else
        tell_up(link);
    return G_SOURCE_REMOVE;
}

static void schedule_retry(BerthBusLink *link)
{
    link->retry = g_timeout_add(link->retry_msec, on_retry, link);
    link->retry_msec = link->retry_msec == 0 ? RETRY_FIRST_MSEC : MIN(2 * link->retry_msec, RETRY_LAST_MSEC);
}

BerthBusLink *berth_bus_link_new(gboolean user)
{
    BerthBusLink *link = g_new0(BerthBusLink, 1);
    link->user = user;
    link->listeners = g_array_new(FALSE, FALSE, sizeof(Listener));
    return link;
}

void berth_bus_link_add(BerthBusLink *link, const BerthBusLinkHandler *handler, gpointer data)
{
    Listener listener = {handler, data};
    g_array_append_val(link->listeners, listener);
    if (link->bus)
        handler->up(link->bus, data);
}

void berth_bus_link_remove(BerthBusLink *link, const BerthBusLinkHandler *handler, gpointer data)
{
    for (guint i = 0; i < link->listeners->len; i++) {
        Listener *listener = &g_array_index(link->listeners, Listener, i);
        if (listener->handler == handler && listener->data == data)
            listener->handler = NULL; /* its place stays: somebody may be walking the array */
    }
}

gboolean berth_bus_link_connect(BerthBusLink *link, GError **error)
{
    g_return_val_if_fail(!link->bus && link->retry == 0, FALSE);
    int r = try_connect(link);
    if (r < 0) {
        berth_error_set_errno(error, BERTH_ERROR_UNSUPPORTED, -r, "connect to the %s bus",
                              link->user ? "session" : "system");
        return FALSE;
    }
    tell_up(link);
    return TRUE;
}

sd_bus *berth_bus_link_get(BerthBusLink *link)
{
    return link->bus;
}

void berth_bus_link_free(BerthBusLink *link)
{
    if (!link)
        return;
    g_clear_handle_id(&link->retry, g_source_remove);
    if (link->source)
        g_source_destroy(link->source);
    g_clear_pointer(&link->source, g_source_unref);
    g_clear_pointer(&link->probe, sd_bus_slot_unref);
    sd_bus_flush_close_unref(link->bus);
    g_array_unref(link->listeners);
    g_free(link);
}
