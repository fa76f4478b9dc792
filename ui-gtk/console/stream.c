/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

/* 1.6 MB a second: ten times what a serial port of QEMU gives away, a tenth of what VTE takes. */
#define PERIOD_MSEC 10
#define PERIOD_BYTES 16384

struct BerthUiStream {
    int fd;
    const BerthUiStreamEvents *events;
    gpointer data;
    guint reader; /* waits for input or, where it has had its share, for the next period */
    guint writer; /* while there is something in the queue */
    GByteArray *queue;
    gint64 period; /* when it ends, in µs of the monotonic clock */
    gsize taken;   /* in it */
};

static gboolean is_passing(int error)
{
    return error == EAGAIN || error == EINTR;
}

/* Reading. */

static gboolean on_readable(int fd, GIOCondition condition, gpointer data);

static void watch(BerthUiStream *stream)
{
    stream->reader = g_unix_fd_add_full(G_PRIORITY_DEFAULT_IDLE, stream->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable,
                                        stream, NULL);
}

static gboolean on_next_period(gpointer data)
{
    watch(data);
    return G_SOURCE_REMOVE;
}

/* Whether it may go on reading at once. */
static gboolean account(BerthUiStream *stream, gsize length)
{
    gint64 now = g_get_monotonic_time();
    if (now >= stream->period) {
        stream->period = now + PERIOD_MSEC * G_TIME_SPAN_MILLISECOND;
        stream->taken = 0;
    }
    stream->taken += length;
    if (stream->taken < PERIOD_BYTES)
        return TRUE;
    stream->reader = g_timeout_add_full(G_PRIORITY_DEFAULT_IDLE, PERIOD_MSEC, on_next_period, stream, NULL);
    return FALSE;
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer data)
{
    BerthUiStream *stream = data;
    char bytes[PERIOD_BYTES];
    gssize n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && is_passing(errno))
        return G_SOURCE_CONTINUE;
    if (n <= 0) {
        stream->reader = 0;
        stream->events->ended(stream->data);
        return G_SOURCE_REMOVE;
    }
    stream->events->received(bytes, (gsize) n, stream->data);
    return account(stream, (gsize) n) ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* Writing. */

/* As much as it takes. Where it takes nothing any more, reading tells. */
static void flush(BerthUiStream *stream)
{
    gssize n = send(stream->fd, stream->queue->data, stream->queue->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
        g_byte_array_remove_range(stream->queue, 0, (guint) n);
    else if (n < 0 && !is_passing(errno))
        g_byte_array_set_size(stream->queue, 0);
}

static gboolean on_writable(int fd, GIOCondition condition, gpointer data)
{
    BerthUiStream *stream = data;
    flush(stream);
    if (stream->queue->len > 0)
        return G_SOURCE_CONTINUE;
    stream->writer = 0;
    return G_SOURCE_REMOVE;
}

gboolean berth_ui_stream_write(BerthUiStream *stream, const char *bytes, gsize length)
{
    if (length > BERTH_UI_STREAM_QUEUE_MAX - stream->queue->len)
        return FALSE;
    g_byte_array_append(stream->queue, (const guint8 *) bytes, (guint) length);
    if (!stream->writer)
        flush(stream);
    if (stream->queue->len > 0 && !stream->writer)
        stream->writer = g_unix_fd_add(stream->fd, G_IO_OUT, on_writable, stream);
    return TRUE;
}

BerthUiStream *berth_ui_stream_new(int fd, const BerthUiStreamEvents *events, gpointer data)
{
    BerthUiStream *stream = g_new0(BerthUiStream, 1);
    stream->fd = fd;
    stream->events = events;
    stream->data = data;
    stream->queue = g_byte_array_new();
    watch(stream);
    return stream;
}

void berth_ui_stream_free(BerthUiStream *stream)
{
    g_clear_handle_id(&stream->reader, g_source_remove);
    g_clear_handle_id(&stream->writer, g_source_remove);
    g_byte_array_unref(stream->queue);
    close(stream->fd);
    g_free(stream);
}
