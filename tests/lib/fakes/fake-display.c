/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-display.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake-qemu-script.h"

static struct {
    bool on;
    int received; /* what came last, and has no name yet */
    int named;
    char name[64];
    int client;
} display = {.received = -1, .named = -1, .client = -1};

void display_set_on(bool on)
{
    display.on = on;
}

static void replace(int *place, int fd)
{
    if (*place >= 0)
        close(*place);
    *place = fd;
}

ssize_t display_receive(int fd, void *buffer, size_t size)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec bytes = {buffer, size};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        int received;
        memcpy(&received, CMSG_DATA(header), sizeof received);
        replace(&display.received, received);
    }
    return n;
}

const char *display_getfd(const char *name)
{
    if (display.received < 0)
        return "No file descriptor supplied via SCM_RIGHTS";
    replace(&display.named, display.received);
    display.received = -1;
    snprintf(display.name, sizeof display.name, "%s", name);
    return NULL;
}

const char *display_add_client(const char *protocol, const char *name)
{
    if (display.named < 0 || strcmp(display.name, name) != 0)
        return "File descriptor named 'display' has not been found";
    int fd = display.named;
    display.named = -1;
    if (!display.on || strcmp(protocol, "@dbus-display") != 0) {
        close(fd);
        return "protocol '@dbus-display' is invalid";
    }
    replace(&display.client, fd);
    send(fd, FAKE_DISPLAY_GREETING, strlen(FAKE_DISPLAY_GREETING), MSG_NOSIGNAL);
    struct ucred peer = {0};
    socklen_t length = sizeof peer;
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
    script_log("display client %u", peer.uid);
    return NULL;
}
