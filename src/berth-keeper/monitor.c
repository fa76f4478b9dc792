/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "journal.h"

#define DRAIN_MAX 1024 /* reads: somebody who inherited QEMU's end could write for ever */

static const struct {
    enum monitor_command command;
    const char *line;
} commands[] = {
    {MONITOR_CONTINUE, "{\"execute\": \"cont\"}\n"},
    {MONITOR_POWERDOWN, "{\"execute\": \"system_powerdown\"}\n"},
    {MONITOR_RESET, "{\"execute\": \"system_reset\"}\n"},
    {MONITOR_QUIT, "{\"execute\": \"quit\"}\n"},
};

/* A stream socket takes such a short line whole or not at all. Not at all: QEMU has not read hundreds of others, and
 * would not see this one either; what must happen then, happens by its deadline. */
static void send_line(struct monitor *monitor, const char *line)
{
    if (monitor->source.fd >= 0 && send(monitor->source.fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        journal_say(JOURNAL_WARNING, "QEMU takes no command: %s", strerror(errno));
}

static void send_wanted(struct monitor *monitor)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (monitor->wanted & commands[i].command)
            send_line(monitor, commands[i].line);
    monitor->wanted = 0;
}

void monitor_ask(struct monitor *monitor, enum monitor_command command)
{
    monitor->wanted |= command;
    if (monitor->ready)
        send_wanted(monitor);
}

static void on_event(struct monitor *monitor, const struct qmp_line *line)
{
    if (strcmp(line->event, "SHUTDOWN") == 0) {
        memcpy(monitor->reason, line->reason, sizeof monitor->reason);
    } else if (strcmp(line->event, "GUEST_PANICKED") == 0) {
        monitor->panicked = true;
    } else if (strcmp(line->event, "STOP") == 0) {
        monitor->paused = true;
    } else if (strcmp(line->event, "RESUME") == 0) {
        monitor->paused = false;
    } else if (strcmp(line->event, "RESET") == 0) {
        /* The guest begins anew: what it came to before is not how it ends. */
        monitor->reason[0] = '\0';
        monitor->panicked = false;
    }
}

static void on_line(struct monitor *monitor)
{
    struct qmp_line line;

    if (!qmp_scan(monitor->line, monitor->length, &line))
        return;
    if (line.event[0] != '\0') {
        on_event(monitor, &line);
    } else if (line.greeting) {
        send_line(monitor, "{\"execute\": \"qmp_capabilities\"}\n");
    } else if (line.success && !monitor->ready) {
        monitor->ready = true;
        send_wanted(monitor);
    } else if (line.failure) {
        journal_say(JOURNAL_WARNING, "QEMU refused a command of the keeper's");
    }
}

static void take(struct monitor *monitor, char byte)
{
    if (byte == '\n') {
        if (!monitor->overlong)
            on_line(monitor);
        monitor->length = 0;
        monitor->overlong = false;
    } else if (monitor->length < sizeof monitor->line) {
        monitor->line[monitor->length++] = byte;
    } else {
        monitor->overlong = true;
    }
}

/* Whether there may be more. */
static bool read_some(struct monitor *monitor)
{
    char buffer[2048];
    ssize_t n = recv(monitor->source.fd, buffer, sizeof buffer, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        loop_close(monitor->loop, &monitor->source);
        return false;
    }
    for (ssize_t i = 0; i < n; i++)
        take(monitor, buffer[i]);
    return true;
}

static void on_ready(struct source *source, uint32_t events)
{
    struct monitor *monitor = (struct monitor *) ((char *) source - offsetof(struct monitor, source));
    read_some(monitor);
}

bool monitor_init(struct monitor *monitor, struct loop *loop, int fd)
{
    monitor->source = (struct source){.fd = fd, .ready = on_ready};
    monitor->loop = loop;
    return loop_watch(loop, &monitor->source, EPOLLIN);
}

void monitor_drain(struct monitor *monitor)
{
    for (int i = 0; i < DRAIN_MAX && monitor->source.fd >= 0 && read_some(monitor); i++)
        ;
}
