/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "await.h"

#include <glib-unix.h>
#include <sys/socket.h>

static gboolean on_expired(gpointer data)
{
    AwaitDeadline *deadline = data;
    deadline->expired = TRUE;
    deadline->timer = 0;
    return G_SOURCE_REMOVE;
}

/* Behind all that is ready: what has come while the machine stood still counts. */
void await_begin(AwaitDeadline *deadline, guint msec)
{
    deadline->expired = FALSE;
    deadline->timer = g_timeout_add_full(G_PRIORITY_LOW, msec, on_expired, deadline, NULL);
}

gboolean await_step(AwaitDeadline *deadline)
{
    g_main_context_iteration(NULL, TRUE);
    return !deadline->expired;
}

void await_end(AwaitDeadline *deadline)
{
    g_clear_handle_id(&deadline->timer, g_source_remove);
}

void await_silence(guint msec)
{
    AwaitDeadline deadline;
    await_begin(&deadline, msec);
    while (await_step(&deadline))
        ;
    await_end(&deadline);
}

/* That it was woken is all. */
static gboolean on_readable(int fd, GIOCondition condition, gpointer data)
{
    return G_SOURCE_CONTINUE;
}

char *await_line(int fd)
{
    GString *line = g_string_new(NULL);
    guint watch = g_unix_fd_add(fd, G_IO_IN, on_readable, NULL);
    for (char c = 0; c != '\n'; g_string_append_c(line, c))
        AWAIT(recv(fd, &c, 1, MSG_DONTWAIT) == 1);
    g_source_remove(watch);
    return g_string_free(line, FALSE);
}
