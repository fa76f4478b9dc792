/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/core/autofd.h"
#include "src/host/send-queue.h"

typedef struct {
    BerthSendQueue *queue;
    int ends[2]; /* ours, and who reads */
} Fixture;

static void set_up(Fixture *f, gconstpointer unused)
{
    f->queue = berth_send_queue_new();
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, f->ends), ==, 0);
}

static void tear_down(Fixture *f, gconstpointer unused)
{
    berth_send_queue_free(f->queue);
    berth_autofd_close(&f->ends[0]);
    berth_autofd_close(&f->ends[1]);
}

/* The end of a pipe that is queued; @watched tells when nobody has it any more. */
static int passenger(int *watched)
{
    int ends[2];
    g_assert_cmpint(pipe2(ends, O_CLOEXEC | O_NONBLOCK), ==, 0);
    *watched = ends[0];
    return ends[1];
}

static gboolean is_closed(int watched)
{
    struct pollfd poll_fd = {.fd = watched, .events = POLLIN};
    g_assert_cmpint(poll(&poll_fd, 1, 0), >=, 0);
    return (poll_fd.revents & POLLHUP) != 0;
}

/* One message of the kernel's: its text, and its descriptor, -1 where there is none. */
static char *receive(Fixture *f, int *fd)
{
    char text[65536];
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct iovec bytes = {text, sizeof text};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(f->ends[1], &message, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    *fd = -1;
    if (header != NULL) {
        g_assert_cmpuint(header->cmsg_len, ==, CMSG_LEN(sizeof(int)));
        memcpy(fd, CMSG_DATA(header), sizeof *fd);
    }
    return n > 0 ? g_strndup(text, (gsize) n) : NULL;
}

static void flush_all(Fixture *f)
{
    for (guint turns = 0; berth_send_queue_length(f->queue) > 0; turns++) {
        g_assert_cmpuint(turns, <, 10);
        berth_send_queue_flush(f->queue, f->ends[0]);
    }
}

/* Each descriptor comes with the text that it was given with, and not with what is before it. */
static void test_order(Fixture *f, gconstpointer unused)
{
    static const char *const texts[] = {"one\ntwo\n", "three\n", "four\nfive\n"};
    int watched[2], fd;
    berth_send_queue_add(f->queue, "one\n", -1);
    berth_send_queue_add(f->queue, "two\n", -1);
    berth_send_queue_add(f->queue, "three\n", passenger(&watched[0]));
    berth_send_queue_add(f->queue, "four\n", passenger(&watched[1]));
    berth_send_queue_add(f->queue, "five\n", -1);
    g_assert_cmpuint(berth_send_queue_length(f->queue), ==, 24);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        berth_send_queue_flush(f->queue, f->ends[0]);
        g_autofree char *text = receive(f, &fd);
        g_assert_cmpstr(text, ==, texts[i]);
        g_assert_cmpint(fd >= 0, ==, i > 0);
        if (fd < 0)
            continue;
        /* It is the one, and nobody else has it. */
        g_assert_false(is_closed(watched[i - 1]));
        close(fd);
        g_assert_true(is_closed(watched[i - 1]));
        close(watched[i - 1]);
    }
    g_assert_cmpuint(berth_send_queue_length(f->queue), ==, 0);
}

/* Who does not read: all is kept, in its order, until it does. */
static void test_full(Fixture *f, gconstpointer unused)
{
    g_autofree char *block = g_strnfill(65536, 'x');
    int watched, fd = -1;
    gsize before;
    do {
        berth_send_queue_add(f->queue, block, -1);
        berth_send_queue_flush(f->queue, f->ends[0]);
        before = berth_send_queue_length(f->queue);
    } while (before == 0);
    berth_send_queue_add(f->queue, "with\n", passenger(&watched));
    berth_send_queue_flush(f->queue, f->ends[0]);
    g_assert_cmpuint(berth_send_queue_length(f->queue), ==, before + 5);
    while (fd < 0) {
        g_autofree char *text = receive(f, &fd);
        g_assert_nonnull(text);
        /* The kernel may join it to what came before, never to what comes after. */
        g_assert_cmpint(fd >= 0, ==, g_str_has_suffix(text, "with\n"));
        berth_send_queue_flush(f->queue, f->ends[0]);
    }
    g_assert_cmpuint(berth_send_queue_length(f->queue), ==, 0);
    close(fd);
    close(watched);
}

/* However it ends, no descriptor is left open. */
static void test_closed(Fixture *f, gconstpointer unused)
{
    int cleared, broken, freed;
    berth_send_queue_add(f->queue, "cleared\n", passenger(&cleared));
    berth_send_queue_clear(f->queue);
    g_assert_true(is_closed(cleared));
    close(berth_steal_fd(&f->ends[1]));
    berth_send_queue_add(f->queue, "broken\n", passenger(&broken));
    berth_send_queue_flush(f->queue, f->ends[0]);
    g_assert_cmpuint(berth_send_queue_length(f->queue), ==, 0);
    g_assert_true(is_closed(broken));
    berth_send_queue_add(f->queue, "freed\n", passenger(&freed));
    berth_send_queue_free(f->queue);
    g_assert_true(is_closed(freed));
    f->queue = berth_send_queue_new();
    close(cleared);
    close(broken);
    close(freed);
}

static void test_many(Fixture *f, gconstpointer unused)
{
    int watched[8];
    for (guint i = 0; i < G_N_ELEMENTS(watched); i++)
        berth_send_queue_add(f->queue, "x\n", passenger(&watched[i]));
    flush_all(f);
    for (guint i = 0; i < G_N_ELEMENTS(watched); i++) {
        int fd;
        g_autofree char *text = receive(f, &fd);
        g_assert_cmpstr(text, ==, "x\n");
        close(fd);
        g_assert_true(is_closed(watched[i]));
        close(watched[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/send-queue/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("order", test_order);
    ADD("many", test_many);
    ADD("full", test_full);
    ADD("closed", test_closed);
    return g_test_run();
}
