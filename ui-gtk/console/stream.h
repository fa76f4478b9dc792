/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A stream socket on the main loop, without ever holding it up. What comes is handed on a little at a time, after
 * drawing and typing, and no faster than a terminal can show it: who floods us waits. What is to go waits in a queue
 * with a bound. */

typedef struct BerthUiStream BerthUiStream;

#define BERTH_UI_STREAM_QUEUE_MAX (1024 * 1024) /* bytes: more than anybody pastes, days for a person who types */

typedef struct {
    void (*received)(const char *bytes, gsize length, gpointer data);
    /* The other end is gone. The last call: the stream may be freed in it. */
    void (*ended)(gpointer data);
} BerthUiStreamEvents;

/* @fd: taken over; @events: lives as long as the program */
BerthUiStream *berth_ui_stream_new(int fd, const BerthUiStreamEvents *events, gpointer data);
/* All or nothing. Returns FALSE where there is no room for it. */
gboolean berth_ui_stream_write(BerthUiStream *stream, const char *bytes, gsize length);
void berth_ui_stream_free(BerthUiStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthUiStream, berth_ui_stream_free)
