/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

bool loop_init(struct loop *loop)
{
    *loop = (struct loop){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    return loop->epoll_fd >= 0;
}

bool loop_watch(struct loop *loop, struct source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    if (source->watched && source->events == events)
        return true;
    if (epoll_ctl(loop->epoll_fd, source->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, source->fd, &event) < 0)
        return false;
    source->watched = true;
    source->events = events;
    return true;
}

void loop_unwatch(struct loop *loop, struct source *source)
{
    if (source->watched)
        (void) epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    source->watched = false;
}

void loop_close(struct loop *loop, struct source *source)
{
    loop_unwatch(loop, source);
    if (source->fd >= 0)
        close(source->fd);
    source->fd = -1;
}

int64_t loop_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void loop_set_deadline(struct loop *loop, int64_t ms, void (*expired)(struct loop *loop))
{
    loop->deadline = loop_now() + ms;
    loop->expired = expired;
}

static int timeout_of(const struct loop *loop)
{
    if (loop->deadline == 0)
        return -1;
    int64_t left = loop->deadline - loop_now();
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int) left;
}

bool loop_turn(struct loop *loop)
{
    struct epoll_event event;
    int n = epoll_wait(loop->epoll_fd, &event, 1, timeout_of(loop));

    if (n < 0)
        return errno == EINTR;
    /* Whether anything happened or not: a guest that never stops writing must not hold a deadline up. */
    if (loop->deadline != 0 && loop_now() >= loop->deadline) {
        loop->deadline = 0;
        loop->expired(loop);
    }
    if (n == 1) {
        struct source *source = event.data.ptr;
        if (source->watched) /* the deadline's handler may have closed it */
            source->ready(source, event.events);
    }
    return true;
}
