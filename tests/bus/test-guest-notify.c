/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "scripted.h"
#include "src/core/names.h"
#include "tests/lib/preloads/preload.h"
#include "tests/lib/preloads/vsock.h"

/* What the service manager of a guest notifies of, over what seems to be vsock. */

#define PRIVILEGED 700
#define ANYONES 1024
#define HEARD 50u /* at once, of one guest: src/vm/guest.c */
#define TOO_MANY 80u

static void set_up(Fixture *fixture, gconstpointer unused)
{
    scripted_prepare(fixture, "[Manager]\nNotifyPort=4242\n");
    g_autofree char *dir = g_build_filename(fixture->dir, "vsock", NULL);
    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    preload_into(&fixture->environ, g_getenv("BERTH_VSOCK_PRELOAD"));
    fixture->environ = g_environ_setenv(fixture->environ, VSOCK_DIRECTORY, dir, TRUE);
    fixture_start_daemon(fixture);
}

static struct sockaddr_un address_of(Fixture *fixture, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = g_snprintf(address.sun_path, sizeof address.sun_path, "%s/vsock/%s", fixture->dir, name);
    g_assert_cmpint(n, <, (int) sizeof address.sun_path);
    return address;
}

/* As a process of the guest with @cid, from @port. */
static int connect_as(Fixture *fixture, guint cid, guint port)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_autofree char *name = g_strdup_printf(VSOCK_NAME_FORMAT, cid, port);
    const struct sockaddr_un ours = address_of(fixture, name), theirs = address_of(fixture, "4242");
    g_assert_cmpint(bind(fd, (const struct sockaddr *) &ours, sizeof ours), ==, 0);
    g_assert_cmpint(g_unlink(ours.sun_path), ==, 0);
    g_assert_cmpint(connect(fd, (const struct sockaddr *) &theirs, sizeof theirs), ==, 0);
    return fd;
}

static gboolean has_ended(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);
    g_main_context_wakeup(NULL);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static int begin_notify(Fixture *fixture, guint cid, guint port, const char *text)
{
    int fd = connect_as(fixture, cid, port);
    (void) send(fd, text, strlen(text), MSG_NOSIGNAL); /* who is not heard may have been hung up on by now */
    shutdown(fd, SHUT_WR);
    return fd;
}

/* The daemon has closed its end, too. */
static void end_notify(int fd)
{
    AWAIT(has_ended(fd));
    close(fd);
}

static void notify_from(Fixture *fixture, guint cid, guint port, const char *text)
{
    end_notify(begin_notify(fixture, cid, port, text));
}

static void notify(Fixture *fixture, const char *path, const char *text)
{
    notify_from(fixture, fixture_get_uint(fixture, path, "CID"), PRIVILEGED, text);
}

static void assert_guest(Fixture *fixture, const char *path, gboolean ready, const char *status)
{
    g_autoptr(GVariant) value = fixture_get(fixture, path, BERTH_IFACE_VM, "GuestReady");
    g_assert_cmpint(g_variant_get_boolean(value), ==, ready);
    scripted_assert_string(fixture, path, "GuestStatus", status);
}

static char *running(Fixture *fixture, const char *name)
{
    char *path = scripted_vm_with(fixture, name, "{'vsock': <true>}", NULL);
    scripted_start(fixture, path);
    return path;
}

static void test_life(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, "web");
    g_autofree char *other = running(fixture, "other");
    notify(fixture, path, "X_SYSTEMD_UNIT_ACTIVE=basic.target\n");
    fixture_await_property(fixture, path, "GuestStatus", g_variant_new_string("basic.target is active"));
    assert_guest(fixture, path, FALSE, "basic.target is active");
    notify(fixture, path, "READY=1\nSTATUS=Startup \033 finished in 7.2s.\n");
    fixture_await_property(fixture, path, "GuestReady", g_variant_new_boolean(TRUE));
    assert_guest(fixture, path, TRUE, "Startup ? finished in 7.2s.");
    assert_guest(fixture, other, FALSE, "");
    notify(fixture, path, "STOPPING=1\nSTATUS=Powering off.\nEXIT_STATUS=7\n");
    assert_guest(fixture, path, FALSE, "Powering off.");
    fixture_vm(fixture, path, "PowerOff");
    assert_guest(fixture, path, FALSE, "");
}

/* What is said once is known to the daemon after this one, and not of the boot after this one. */
static void test_restart(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, "web");
    notify(fixture, path, "STATUS=Starting\tup…");
    fixture_restart_daemon(fixture);
    fixture_await_property(fixture, path, "GuestStatus", g_variant_new_string("Starting?up…"));
    assert_guest(fixture, path, FALSE, "Starting?up…");
    notify(fixture, path, "READY=1");
    fixture_restart_daemon(fixture);
    fixture_await_property(fixture, path, "GuestReady", g_variant_new_boolean(TRUE));
    assert_guest(fixture, path, TRUE, "Starting?up…");
    fixture_vm(fixture, path, "Reset");
    fixture_await_property(fixture, path, "GuestReady", g_variant_new_boolean(FALSE));
    fixture_restart_daemon(fixture);
    scripted_await(fixture, "web", "qmp query-chardev", 2);
    assert_guest(fixture, path, FALSE, "");
    notify(fixture, path, "READY=1");
    assert_guest(fixture, path, TRUE, "");
    /* With the run it ends, and that is told. */
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    fixture_vm(fixture, path, "PowerOff");
    AWAIT(recorder_changes(recorder, "GuestReady") == 1);
    assert_guest(fixture, path, FALSE, "");
}

/* Whoever has no VM, whoever is not root in its guest, and what is no notification. */
static void test_strangers(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, "web");
    g_autofree char *stopped = scripted_vm_with(fixture, "db", "{'vsock': <true>}", NULL);
    g_autofree char *text = g_strnfill(5000, 'x');
    g_autofree char *too_long = g_strconcat("READY=1\nSTATUS=", text, "\n", NULL);
    const guint cid = fixture_get_uint(fixture, path, "CID");
    notify_from(fixture, 2, PRIVILEGED, "READY=1");
    notify_from(fixture, 4000000000u, PRIVILEGED, "READY=1");
    notify_from(fixture, cid, ANYONES, "READY=1");
    notify(fixture, stopped, "READY=1");
    notify(fixture, path, too_long);
    notify(fixture, path, "");
    assert_guest(fixture, path, FALSE, "");
    assert_guest(fixture, stopped, FALSE, "");
}

/* It says nothing and holds on: the daemon hangs up. */
static void test_silent(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, "web");
    int fd = connect_as(fixture, fixture_get_uint(fixture, path, "CID"), PRIVILEGED);
    notify(fixture, path, "READY=1"); /* others are served meanwhile */
    assert_guest(fixture, path, TRUE, "");
    AWAIT(has_ended(fd));
    close(fd);
}

static void test_flood(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, "web");
    g_autofree char *other = running(fixture, "other");
    const guint cid = fixture_get_uint(fixture, path, "CID");
    int fds[TOO_MANY];
    kill(fixture->daemon, SIGSTOP); /* to it they come all at once, however long it takes to send them */
    for (guint i = 0; i < TOO_MANY; i++) {
        g_autofree char *text = g_strdup_printf("STATUS=%u", i);
        fds[i] = begin_notify(fixture, cid, PRIVILEGED, text);
    }
    kill(fixture->daemon, SIGCONT);
    for (guint i = 0; i < TOO_MANY; i++)
        end_notify(fds[i]);
    g_autofree char *status = fixture_get_string(fixture, path, "GuestStatus");
    g_assert_cmpuint(g_ascii_strtoull(status, NULL, 10), <, HEARD);
    notify(fixture, other, "READY=1");
    assert_guest(fixture, other, TRUE, "");
}

#define ADD(path, func) g_test_add("/guest-notify/" path, Fixture, NULL, set_up, func, fixture_tear_down)

static void add_all(void)
{
    ADD("life", test_life);
    ADD("restart", test_restart);
    ADD("strangers", test_strangers);
    ADD("silent", test_silent);
    ADD("flood", test_flood);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add_all);
}
