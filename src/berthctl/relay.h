/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-event.h>

/* One direction of a stream: what can be read from one descriptor is written to another, with one buffer in between.
 * Nothing is read while the other side does not take what there is. */

#define CTL_RELAY_SIZE 4096u

typedef struct CtlRelay CtlRelay;

typedef struct {
    /* (nullable): looks at what was read before it goes on; how many bytes of it shall go on. */
    gsize (*filter)(const char *bytes, gsize length, gpointer data);
    /* Once: the source ended (0), or one side failed (negative errno). */
    void (*ended)(int error, gpointer data);
} CtlRelayHandler;

/* @in: any descriptor, also a file or /dev/null; @out: non-blocking, or a file. Both are borrowed. */
int ctl_relay_new(sd_event *event, int in, int out, const CtlRelayHandler *handler, gpointer data, CtlRelay **relay);
void ctl_relay_free(CtlRelay *relay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlRelay, ctl_relay_free)
