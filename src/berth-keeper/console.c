/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "console.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../core/keeper-protocol.h"
#include "journal.h"

#define CHUNK 4096
#define DRAIN_MAX 1024 /* reads: somebody who inherited QEMU's end could write for ever */

/* There is one, or a handler that needs to know its console would need it in every client. */
static struct console *the_console;

static void update_clients(struct console *console)
{
    for (int i = 0; i < CONSOLE_CLIENTS_MAX; i++)
        if (console->clients[i].source.fd >= 0)
            client_update(&console->clients[i], console->input_length > 0);
}

static void on_serial_closed(struct console *console)
{
    lines_end(&console->lines);
    loop_close(console->loop, &console->serial);
    console->input_length = 0;
    update_clients(console);
}

/* To the guest, as much as it takes; it is asked again when it has room. */
static void flush_input(struct console *console)
{
    ssize_t n = send(console->serial.fd, console->input, console->input_length, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        console->input_length = 0;
        return;
    }
    if (n > 0) {
        console->input_length -= (size_t) n;
        memmove(console->input, console->input + n, console->input_length);
    }
    (void) loop_watch(console->loop, &console->serial, EPOLLIN | (console->input_length > 0 ? EPOLLOUT : 0));
}

static void accept_all(struct console *console);

/* To the log first, and then to all who have connected by then: whoever connects and reads the log afterwards misses
 * nothing between the two. */
static void spread(struct console *console, const char *bytes, size_t length)
{
    bounded_log_write(&console->log, bytes, length);
    accept_all(console);
    for (int i = 0; i < CONSOLE_CLIENTS_MAX; i++)
        if (console->clients[i].source.fd >= 0)
            client_write(&console->clients[i], bytes, length);
    lines_push(&console->lines, bytes, length);
    update_clients(console);
}

/* Whether there may be more. */
static bool read_serial(struct console *console)
{
    char buffer[CHUNK];
    ssize_t n = recv(console->serial.fd, buffer, sizeof buffer, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        on_serial_closed(console);
        return false;
    }
    spread(console, buffer, (size_t) n);
    return true;
}

static void on_serial(struct source *source, uint32_t events)
{
    struct console *console = the_console;

    if (console->input_length > 0 && (events & EPOLLOUT)) {
        flush_input(console);
        update_clients(console);
    }
    if (events & ~(uint32_t) EPOLLOUT)
        read_serial(console);
}

static void on_client(struct source *source, uint32_t events)
{
    struct console *console = the_console;
    struct client *client = (struct client *) ((char *) source - offsetof(struct client, source));

    client_on_events(client, events);
    if ((events & EPOLLIN) && console->input_length == 0) {
        console->input_length = client_read(client, console->input, sizeof console->input);
        if (console->serial.fd < 0)
            console->input_length = 0;
        if (console->input_length > 0)
            flush_input(console);
    }
    update_clients(console);
}

static struct client *find_free(struct console *console)
{
    for (int i = 0; i < CONSOLE_CLIENTS_MAX; i++)
        if (console->clients[i].source.fd < 0)
            return &console->clients[i];
    return NULL;
}

static bool is_passing(int errnum)
{
    return errnum == EAGAIN || errnum == EINTR || errnum == ECONNABORTED;
}

/* Whether there was one. */
static bool accept_one(struct console *console)
{
    int fd = accept4(console->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        /* It would be told again and again: until the next output it takes no more clients. */
        if (!is_passing(errno) && console->listener.watched) {
            journal_say(JOURNAL_WARNING, "The console takes no more clients: %s", strerror(errno));
            loop_unwatch(console->loop, &console->listener);
        }
        return false;
    }
    (void) loop_watch(console->loop, &console->listener, EPOLLIN);
    struct client *client = find_free(console);
    if (!client) {
        journal_say(JOURNAL_NOTICE, "A client of the console was turned away: %d are there", CONSOLE_CLIENTS_MAX);
        close(fd);
        return true;
    }
    client_init(client, console->loop, fd, on_client);
    client_update(client, console->input_length > 0);
    return true;
}

static void accept_all(struct console *console)
{
    for (int i = 0; i < CONSOLE_CLIENTS_MAX && accept_one(console); i++)
        ;
}

static void on_listener(struct source *source, uint32_t events)
{
    accept_all(the_console);
}

static void on_line(const char *text, void *data)
{
    static struct journal_limit limit;

    journal_send_limited(&limit, "berth-console", JOURNAL_INFO, text);
}

bool console_init(struct console *console, struct loop *loop, int serial, int listener)
{
    the_console = console;
    console->loop = loop;
    console->serial = (struct source){.fd = serial, .ready = on_serial};
    console->listener = (struct source){.fd = listener, .ready = on_listener};
    console->lines.line = on_line;
    for (int i = 0; i < CONSOLE_CLIENTS_MAX; i++)
        console->clients[i].source.fd = -1;
    bounded_log_init(&console->log, BERTH_KEEPER_FD_SERIAL, BERTH_KEEPER_FD_SERIAL_OLD);
    return loop_watch(loop, &console->serial, EPOLLIN) && loop_watch(loop, &console->listener, EPOLLIN);
}

void console_drain(struct console *console)
{
    for (int i = 0; i < DRAIN_MAX && console->serial.fd >= 0 && read_serial(console); i++)
        ;
    lines_end(&console->lines);
}
