/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "lines.h"

#define WINDOW_SECONDS 10
#define WINDOW_MESSAGES 1000
#define FIELDS_MAX 512 /* name and id are bounded by vm-config.h far below this */

static struct {
    int fd;
    const char *vm, *id;
} journal = {.fd = -1};

void journal_open(const char *vm, const char *id)
{
    journal.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    journal.vm = vm;
    journal.id = id;
}

void journal_send(const char *identifier, int priority, const char *message)
{
    static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
    char text[LINE_MAX_BYTES + FIELDS_MAX];

    int n = snprintf(text, sizeof text, "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nBERTH_VM=%s\nBERTH_VM_ID=%s\nMESSAGE=%s\n",
                     priority, identifier, journal.vm, journal.id, message);
    if (journal.fd < 0 || n < 0 || (size_t) n >= sizeof text)
        return;
    (void) sendto(journal.fd, text, (size_t) n, MSG_NOSIGNAL, (const struct sockaddr *) &address, sizeof address);
}

void journal_send_limited(struct journal_limit *limit, const char *identifier, int priority, const char *message)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec >= limit->window_end) {
        if (limit->count > WINDOW_MESSAGES)
            journal_say(JOURNAL_NOTICE, "%u messages of %s were left out; its log has them",
                        limit->count - WINDOW_MESSAGES, identifier);
        limit->window_end = now.tv_sec + WINDOW_SECONDS;
        limit->count = 0;
    }
    if (++limit->count <= WINDOW_MESSAGES)
        journal_send(identifier, priority, message);
}

void journal_say(int priority, const char *format, ...)
{
    char message[LINE_MAX_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    journal_send("berth-keeper", priority, message);
}
