/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/* Values between GLib and sd-bus, recursively. What comes from the bus is bounded while it is read: */
#define BERTH_BUS_VALUE_DEPTH 32u             /* containers within each other, variants included */
#define BERTH_BUS_VALUE_BYTES (1024u * 1024u) /* the value in memory, roughly: see VALUE_COST in bus-variant.c */

/* A handle ('h') has the descriptor itself as its number, on both sides: append duplicates it into the message, read
 * gives the message's own, borrowed and open no longer than the message lives. */

/**
 * berth_bus_append_variant:
 * @m: a message that is being built
 * @value: what to append, as what it is: only a GVariant of type "v" becomes a variant
 *
 * Returns: 0, or a negative errno: -EOPNOTSUPP where @value has a type that D-Bus lacks (maybe), -EMSGSIZE where it is
 *   nested deeper than BERTH_BUS_VALUE_DEPTH, else what sd-bus says. @m is then of no more use.
 */
int berth_bus_append_variant(sd_bus_message *m, GVariant *value);

/**
 * berth_bus_read_variant:
 * @m: a sealed message
 * @value: (out) (transfer full): the next complete value in it, not floating
 *
 * Returns: 0, or a negative errno: -ENXIO where no value is left, -EMSGSIZE beyond one of the bounds, -EBADMSG where
 *   the message is malformed. The read position is then undefined, and @value untouched.
 */
int berth_bus_read_variant(sd_bus_message *m, GVariant **value);
