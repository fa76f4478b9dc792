/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "src/core/autofd.h"
#include "src/core/error.h"
#include "src/host/guest-notify.h"
#include "tests/lib/await.h"

#define CID 1017
#define PORT 4242

typedef struct {
    BerthGuestNotify *notify;
    gboolean is_refused;
    GString *log; /* "CID:text|" */
} Fixture;

static gboolean admit(guint32 cid, gpointer data)
{
    const Fixture *f = data;
    return !f->is_refused;
}

static void notified(guint32 cid, const char *text, gsize length, gpointer data)
{
    Fixture *f = data;
    g_string_append_printf(f->log, "%u:", cid);
    g_string_append_len(f->log, text, (gssize) length);
    g_string_append_c(f->log, '|');
}

static const BerthGuestNotifyHandler handler = {.admit = admit, .notified = notified};

static void set_up(Fixture *f, gconstpointer unused)
{
    f->log = g_string_new(NULL);
    f->notify = berth_guest_notify_new(0, NULL);
    berth_guest_notify_begin(f->notify, &handler, f);
}

static void tear_down(Fixture *f, gconstpointer unused)
{
    berth_guest_notify_free(f->notify);
    g_string_free(f->log, TRUE);
}

/* The guest's end. */
static int take(Fixture *f, guint32 cid)
{
    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
    berth_guest_notify_take(f->notify, pair[1], cid);
    return pair[0];
}

static void say(int fd, const char *text, gsize length)
{
    g_assert_cmpint(send(fd, text, length, MSG_NOSIGNAL), ==, (gssize) length);
}

static gboolean has_ended(int fd)
{
    char c;
    g_main_context_wakeup(NULL);
    return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

static void end(int fd)
{
    shutdown(fd, SHUT_WR);
    AWAIT(has_ended(fd));
    close(fd);
}

/* Each is one text, in however many pieces, however they are mixed. */
static void test_pieces(Fixture *f, gconstpointer unused)
{
    int first = take(f, CID), second = take(f, CID + 1);
    say(first, "READ", 4);
    say(second, "STATUS=", 7);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    say(second, "b", 1);
    say(first, "Y=1", 3);
    end(second);
    g_assert_cmpstr(f->log->str, ==, "1018:STATUS=b|");
    end(first);
    g_assert_cmpstr(f->log->str, ==, "1018:STATUS=b|1017:READY=1|");
}

static void test_bound(Fixture *f, gconstpointer unused)
{
    g_autofree char *text = g_strnfill(BERTH_GUEST_NOTIFY_MAX, 'x');
    int longest = take(f, CID), too_long = take(f, CID);
    say(longest, text, BERTH_GUEST_NOTIFY_MAX - 1);
    say(too_long, text, BERTH_GUEST_NOTIFY_MAX);
    AWAIT(has_ended(too_long)); /* without waiting for the rest */
    close(too_long);
    g_assert_cmpstr(f->log->str, ==, "");
    end(longest);
    g_assert_cmpuint(f->log->len, ==, strlen("1017:") + BERTH_GUEST_NOTIFY_MAX - 1 + strlen("|"));
}

static void test_refused(Fixture *f, gconstpointer unused)
{
    f->is_refused = TRUE;
    int fd = take(f, CID);
    AWAIT(has_ended(fd));
    close(fd);
    g_assert_cmpstr(f->log->str, ==, "");
}

/* Connections that are still open go with it. */
static void test_free(Fixture *f, gconstpointer unused)
{
    int fd = take(f, CID);
    berth_guest_notify_free(g_steal_pointer(&f->notify));
    g_assert_true(has_ended(fd));
    close(fd);
}

/* The kernel's own, where it has it: a port is one daemon's. */
static void test_listen(void)
{
    BERTH_AUTOFD any = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthGuestNotify) first = berth_guest_notify_new(PORT, &error);
    if (any < 0) {
        g_assert_null(first);
        g_assert_error(error, BERTH_ERROR, BERTH_ERROR_UNSUPPORTED);
        g_test_skip("this kernel has no vsock; that nothing is listened on was checked");
        return;
    }
    g_assert_no_error(error);
    g_autoptr(BerthGuestNotify) second = berth_guest_notify_new(PORT, &error);
    g_assert_null(second);
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_UNSUPPORTED);
}

#define ADD(path, func) g_test_add("/guest-notify/" path, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("pieces", test_pieces);
    ADD("bound", test_bound);
    ADD("refused", test_refused);
    ADD("free", test_free);
    g_test_add_func("/guest-notify/listen", test_listen);
    return g_test_run();
}
