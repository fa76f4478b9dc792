/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/**
 * berth_bus_source_new:
 * @bus: a started connection
 * @failed: called once, with a negative errno, when the connection is lost; the source is removed by then
 *
 * The connection as one GSource: one descriptor, events and timeout taken anew in every prepare (so that messages
 * queued by a synchronous call, and method timeouts, are seen), some messages a dispatch. Idle, it never wakes.
 *
 * Returns: (transfer full): attach it with g_source_attach(), end it with g_source_destroy()
 */
GSource *berth_bus_source_new(sd_bus *bus, void (*failed)(int error, gpointer data), gpointer data);

/* No further message is handled in this turn of the loop: what has just changed is to be told before anything else
 * changes. */
void berth_bus_source_end_turn(void);

/* What sending a message on @bus has returned. Where it could not be sent (the kernel has no memory, say) it is
 * lost, and nobody would ever know: a caller would wait in vain, a client would go on with what is no more. So the
 * connection is given up; the bus answers the callers, and clients read anew when it is back. */
void berth_bus_check_sent(sd_bus *bus, int r);
