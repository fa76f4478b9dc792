/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/* Berth's connection to the system (or session) bus, for as long as the daemon lives: where the bus goes away, it
 * is connected to again (at once, then 100 ms doubling to 5 s). */

typedef struct BerthBusLink BerthBusLink;

typedef struct {
    /* A new connection, on the main loop already, no name requested yet. Also the first time. */
    void (*up)(sd_bus *bus, gpointer data);
    /* It is gone; every slot on it is dead, every pending call has been answered with an error. */
    void (*down)(gpointer data);
} BerthBusLinkHandler;

/* @user: the session bus instead of the system bus. */
BerthBusLink *berth_bus_link_new(gboolean user);
/* Several handlers; told in the order they were added; at once where the link is up. @handler must outlive the link. */
void berth_bus_link_add(BerthBusLink *link, const BerthBusLinkHandler *handler, gpointer data);
/* Tells @handler with @data no more, also from within a handler. Whoever was added is removed before its @data is freed. */
void berth_bus_link_remove(BerthBusLink *link, const BerthBusLinkHandler *handler, gpointer data);
/* Connects for the first time; handlers are told before this returns. The bus may still be authenticating us then: what is
 * sent waits in sd-bus until that is done. FALSE with the reason where it can't: then the daemon has no use. */
gboolean berth_bus_link_connect(BerthBusLink *link, GError **error);
/* (nullable): the connection now. */
sd_bus *berth_bus_link_get(BerthBusLink *link);
/* Sends what waits to be sent (and waits for the bus to take it), then closes. No handler is told. */
void berth_bus_link_free(BerthBusLink *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthBusLink, berth_bus_link_free)
