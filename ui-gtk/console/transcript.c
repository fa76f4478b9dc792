/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transcript.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/core/keeper-protocol.h"

typedef struct {
    int fd;
    guint64 position;
} Reading;

static void reading_free(gpointer data)
{
    Reading *reading = data;
    close(reading->fd);
    g_free(reading);
}

/* Up to @length of them; fewer where it was cut just now. */
static gboolean read_at(int fd, guint64 at, GByteArray *bytes, GError **error)
{
    gsize done = 0;
    while (done < bytes->len) {
        gssize n = pread(fd, bytes->data + done, bytes->len - done, (off_t) (at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            g_set_error_literal(error, G_IO_ERROR, g_io_error_from_errno(errno), g_strerror(errno));
            return FALSE;
        }
        if (n == 0)
            break;
        done += (gsize) n;
    }
    g_byte_array_set_size(bytes, (guint) done);
    return TRUE;
}

/* Who begins in the middle begins with a whole line. */
static void drop_partial_line(GByteArray *bytes)
{
    const guint8 *end = memchr(bytes->data, '\n', bytes->len);
    if (end)
        g_byte_array_remove_range(bytes, 0, (guint) (end - bytes->data) + 1);
}

/* In a worker: it may have to wait for a disk. */
static void read_log(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Reading *reading = data;
    GError *error = NULL;
    struct stat status;
    if (fstat(reading->fd, &status) < 0) {
        g_task_return_new_error(task, G_IO_ERROR, g_io_error_from_errno(errno), "%s", g_strerror(errno));
        return;
    }
    guint64 size = (guint64) status.st_size, from = reading->position <= size ? reading->position : 0;
    gboolean is_long = size - from > BERTH_UI_TRANSCRIPT_MAX;
    if (is_long)
        from = size - BERTH_UI_TRANSCRIPT_MAX;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_byte_array_set_size(bytes, (guint) (size - from));
    if (!read_at(reading->fd, from, bytes, &error)) {
        g_task_return_error(task, error);
        return;
    }
    reading->position = from + bytes->len;
    if (is_long)
        drop_partial_line(bytes);
    g_task_return_pointer(task, g_byte_array_free_to_bytes(g_steal_pointer(&bytes)), (GDestroyNotify) g_bytes_unref);
}

void berth_ui_transcript_read_async(int fd, guint64 position, GCancellable *cancellable, GAsyncReadyCallback callback,
                                    gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    Reading *reading = g_new(Reading, 1);
    *reading = (Reading){fd, position};
    g_task_set_source_tag(task, berth_ui_transcript_read_async);
    g_task_set_task_data(task, reading, reading_free);
    g_task_run_in_thread(task, read_log);
}

GBytes *berth_ui_transcript_read_finish(GAsyncResult *result, guint64 *position, GError **error)
{
    GBytes *bytes = g_task_propagate_pointer(G_TASK(result), error);
    if (bytes)
        *position = ((Reading *) g_task_get_task_data(G_TASK(result)))->position;
    return bytes;
}

guint64 berth_ui_transcript_advance(guint64 position, gsize length)
{
    position += length;
    return position > BERTH_LOG_SIZE_MAX ? (position - 1) % BERTH_LOG_SIZE_MAX + 1 : position;
}

/* How long the longest beginning of @bytes is with which the first @i + 1 of them end, but for themselves: for all @i
 * (Knuth, Morris, Pratt). */
static gsize *borders_of(const char *bytes, gsize length)
{
    gsize *borders = g_new0(gsize, length);
    for (gsize i = 1, matched = 0; i < length; i++) {
        while (matched > 0 && bytes[i] != bytes[matched])
            matched = borders[matched - 1];
        matched += bytes[i] == bytes[matched];
        borders[i] = matched;
    }
    return borders;
}

gsize berth_ui_transcript_overlap(GBytes *log, const char *bytes, gsize length)
{
    gsize size, matched = 0;
    const char *text = g_bytes_get_data(log, &size);
    g_autofree gsize *borders = borders_of(bytes, length);
    for (gsize i = size > length ? size - length : 0; i < size; i++) { /* before its end, they can't all match */
        while (matched > 0 && text[i] != bytes[matched])
            matched = borders[matched - 1];
        matched += text[i] == bytes[matched];
    }
    return matched;
}
