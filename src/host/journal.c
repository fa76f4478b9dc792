/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Some thousand messages: more than what removing all VMs of a host logs while journald restarts. */
#define QUEUE_BYTES_MAX (4u * 1024u * 1024u)

static struct {
    GMutex lock;
    struct sockaddr_un address;
    int fd;
    GQueue queue; /* (element-type GBytes): datagrams, oldest first */
    gsize bytes;  /* in the queue */
    guint n_lost; /* since the last that was queued or sent */
    guint source; /* waits until the socket takes more, 0 */
} journal = {.fd = -1, .queue = G_QUEUE_INIT};

/* Connected, so that poll() tells when journald's own queue has room again. */
static gboolean connect_socket(void)
{
    return connect(journal.fd, (struct sockaddr *) &journal.address, sizeof journal.address) == 0;
}

gboolean berth_journal_open(const char *path)
{
    journal.address.sun_family = AF_UNIX;
    g_strlcpy(journal.address.sun_path, path, sizeof journal.address.sun_path);
    journal.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (journal.fd >= 0 && connect_socket())
        return TRUE;
    berth_journal_close(0);
    return FALSE;
}

/* "NAME=value\n"; of a value with newlines its length goes before it, as 64 bits in little endian. */
static void append_field(GString *datagram, const GLogField *field)
{
    gsize length = field->length < 0 ? strlen(field->value) : (gsize) field->length;
    g_string_append(datagram, field->key);
    if (memchr(field->value, '\n', length)) {
        guint64 size = GUINT64_TO_LE((guint64) length);
        g_string_append_c(datagram, '\n');
        g_string_append_len(datagram, (const char *) &size, sizeof size);
    } else {
        g_string_append_c(datagram, '=');
    }
    g_string_append_len(datagram, field->value, (gssize) length);
    g_string_append_c(datagram, '\n');
}

/* FALSE where the journal takes no more just now. What it never takes (too large, nobody there) is lost. */
static gboolean try_to_send(const void *data, gsize length)
{
    ssize_t n = TEMP_FAILURE_RETRY(send(journal.fd, data, length, MSG_NOSIGNAL));
    /* Its socket was made anew. */
    if (n < 0 && (errno == ECONNREFUSED || errno == ENOTCONN) && connect_socket())
        n = TEMP_FAILURE_RETRY(send(journal.fd, data, length, MSG_NOSIGNAL));
    if (n < 0 && errno != EAGAIN && errno != ENOBUFS)
        journal.n_lost++;
    return n >= 0 || (errno != EAGAIN && errno != ENOBUFS);
}

static void say_what_was_lost(void)
{
    if (journal.n_lost == 0)
        return;
    g_autofree char *text = g_strdup_printf(
        "PRIORITY=4\nSYSLOG_IDENTIFIER=%s\nMESSAGE=%u messages were lost: the journal did not take them\n",
        g_get_prgname(), journal.n_lost);
    if (send(journal.fd, text, strlen(text), MSG_NOSIGNAL) >= 0)
        journal.n_lost = 0;
}

/* As much as goes. TRUE where nothing is left. */
static gboolean send_queue(void)
{
    GBytes *next;
    while ((next = g_queue_peek_head(&journal.queue))) {
        gsize length;
        gconstpointer data = g_bytes_get_data(next, &length);
        if (!try_to_send(data, length))
            return FALSE;
        journal.bytes -= length;
        g_bytes_unref(g_queue_pop_head(&journal.queue));
    }
    say_what_was_lost();
    return TRUE;
}

static gboolean has_room(int fd, GIOCondition condition, gpointer data)
{
    g_mutex_lock(&journal.lock);
    const gboolean is_empty = send_queue();
    if (is_empty)
        journal.source = 0;
    g_mutex_unlock(&journal.lock);
    return is_empty ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static void enqueue(const GString *datagram)
{
    if (journal.bytes + datagram->len > QUEUE_BYTES_MAX) {
        journal.n_lost++;
        return;
    }
    g_queue_push_tail(&journal.queue, g_bytes_new(datagram->str, datagram->len));
    journal.bytes += datagram->len;
    if (journal.source == 0)
        journal.source = g_unix_fd_add(journal.fd, G_IO_OUT, has_room, NULL);
}

GLogWriterOutput berth_journal_write(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer unused)
{
    g_autoptr(GString) datagram = g_string_sized_new(512);
    g_string_append_printf(datagram, "SYSLOG_IDENTIFIER=%s\n", g_get_prgname());
    for (gsize i = 0; i < n_fields; i++)
        append_field(datagram, &fields[i]);
    g_mutex_lock(&journal.lock);
    if (!g_queue_is_empty(&journal.queue) || !try_to_send(datagram->str, datagram->len))
        enqueue(datagram);
    g_mutex_unlock(&journal.lock);
    return G_LOG_WRITER_HANDLED;
}

void berth_journal_close(guint msec)
{
    const gint64 end = g_get_monotonic_time() + (gint64) msec * 1000;
    gint64 left;
    while (!send_queue() && (left = end - g_get_monotonic_time()) > 0) {
        struct pollfd fd = {.fd = journal.fd, .events = POLLOUT};
        (void) poll(&fd, 1, (int) (left / 1000) + 1);
    }
    g_clear_handle_id(&journal.source, g_source_remove);
    g_queue_clear_full(&journal.queue, (GDestroyNotify) g_bytes_unref);
    journal.bytes = 0;
    if (journal.fd >= 0)
        close(journal.fd);
    journal.fd = -1;
}
