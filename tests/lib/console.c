/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "await.h"
#include "client.h"

struct Console {
    int fd;
    guint source; /* 0 after the end */
    GString *text;
    gsize read; /* how much of it console_await() is through with */
};

static gboolean on_readable(int fd, GIOCondition condition, gpointer data)
{
    Console *console = data;
    char buffer[4096];
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (n <= 0) {
        console->source = 0;
        return G_SOURCE_REMOVE;
    }
    g_string_append_len(console->text, buffer, n);
    return G_SOURCE_CONTINUE;
}

Console *console_open(GDBusConnection *bus, const char *path)
{
    Console *console = g_new0(Console, 1);
    console->fd = client_open(bus, path, "OpenConsole", g_variant_new("(a{sv})", NULL));
    console->text = g_string_new(NULL);
    g_unix_set_fd_nonblocking(console->fd, TRUE, NULL);
    console->source = g_unix_fd_add(console->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, console);
    return console;
}

void console_free(Console *console)
{
    g_clear_handle_id(&console->source, g_source_remove);
    close(console->fd);
    g_string_free(console->text, TRUE);
    g_free(console);
}

static const char *unread(const Console *console)
{
    return console->text->str + console->read;
}

gboolean console_has(const Console *console, const char *text)
{
    return strstr(unread(console), text) != NULL;
}

void console_await(Console *console, const char *text)
{
    CLIENT_AWAIT(console_has(console, text) || !console->source, "The guest has not written “%s”, but:\n%s", text,
                 unread(console));
    if (!console_has(console, text))
        g_error("The console has ended before “%s”, after:\n%s", text, unread(console));
    console->read += (gsize) (strstr(unread(console), text) - unread(console)) + strlen(text);
}

void console_await_end(Console *console)
{
    CLIENT_AWAIT(!console->source, "The console has not ended, but says:\n%s", unread(console));
}

void console_say(Console *console, const char *line)
{
    g_autofree char *typed = g_strconcat(line, "\n", NULL);
    g_assert_cmpint(write(console->fd, typed, strlen(typed)), ==, (gssize) strlen(typed));
}

char *console_ask(Console *console, const char *line, const char *answer)
{
    g_autofree char *prefix = g_strdup_printf("berth-guest: %s", answer);
    console_say(console, line);
    console_await(console, prefix);
    gsize begin = console->read;
    console_await(console, "\n");
    return g_strstrip(g_strndup(console->text->str + begin, console->read - begin));
}
