/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static gint n_lost; /* atomic */

static int journal_socket(void)
{
    static gsize made = 0;
    static int fd;
    if (g_once_init_enter(&made)) {
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        g_once_init_leave(&made, 1);
    }
    return fd;
}

/* systemd.io/JOURNAL_NATIVE_PROTOCOL: a value with a new line in it is told by its length. */
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

static gboolean send_fields(const GLogField *fields, gsize n_fields)
{
    static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
    g_autoptr(GString) datagram = g_string_new(NULL);
    for (gsize i = 0; i < n_fields; i++)
        append_field(datagram, &fields[i]);
    return sendto(journal_socket(), datagram->str, datagram->len, MSG_NOSIGNAL, (const struct sockaddr *) &address,
                  sizeof address) >= 0;
}

static gboolean say_what_was_lost(gint lost)
{
    g_autofree char *text = g_strdup_printf("%d messages were lost: the journal did not take them", lost);
    const GLogField fields[] = {{"PRIORITY", "4", -1}, {"MESSAGE", text, -1}};
    return send_fields(fields, G_N_ELEMENTS(fields));
}

GLogWriterOutput berth_journal_write(GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
    gint lost = g_atomic_int_get(&n_lost);
    if (lost > 0 && say_what_was_lost(lost))
        g_atomic_int_add(&n_lost, -lost);
    if (!send_fields(fields, n_fields))
        g_atomic_int_inc(&n_lost);
    return G_LOG_WRITER_HANDLED;
}
