/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib-unix.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scripted.h"
#include "src/core/autofd.h"
#include "src/core/names.h"
#include "tests/lib/fakes/fake-display.h"

/* OpenDisplay: a client's socket goes to QEMU by getfd and add_client, and nothing of it is left with the daemon. */

#define CALLER 65534
#define WITH_DISPLAY "{'display': <'vga'>}"

static int open_display(Fixture *fixture, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) answer = fixture_call_with_fds(fixture, path, BERTH_IFACE_VM, "OpenDisplay",
                                                       g_variant_new("(a{sv})", NULL), NULL, &fds, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_unix_fd_list_get_length(fds), ==, 1);
    int fd = g_unix_fd_list_get(fds, 0, &error);
    g_assert_no_error(error);
    return fd;
}

static gboolean readable(gint fd, GIOCondition condition, gpointer data)
{
    *(gboolean *) data = TRUE;
    return G_SOURCE_REMOVE;
}

/* What QEMU says on it; "" at its end. */
static void assert_says(int fd, const char *words)
{
    gboolean ready = FALSE;
    char text[64] = "";
    g_unix_fd_add(fd, G_IO_IN, readable, &ready);
    AWAIT(ready);
    g_assert_cmpint(recv(fd, text, sizeof text - 1, 0), >=, 0);
    g_assert_cmpstr(text, ==, words);
}

/* The daemon's sockets: files come and go with its work. */
static guint count_sockets(const Fixture *fixture)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int) fixture->daemon);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *link = g_build_filename(path, name, NULL);
        g_autofree char *target = g_file_read_link(link, NULL);
        n += target && g_str_has_prefix(target, "socket:") ? 1 : 0;
    }
    return n;
}

/* Nothing of it is left in the daemon, once it has heard of what the test has done. */
static void assert_sockets(Fixture *fixture, const char *path, guint before)
{
    g_autofree char *state = fixture_get_string(fixture, path, "State");
    g_assert_cmpuint(count_sockets(fixture), ==, before);
}

static void display_fails(Fixture *fixture, const char *path, const char *name, const char *words)
{
    fixture_vm_fails(fixture, path, "OpenDisplay", name, words);
}

/* The caller has the other end of what QEMU has, and each call is another client. QEMU lets the earlier one go. */
static void test_open(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, WITH_DISPLAY, "");
    const guint before = count_sockets(fixture);
    BERTH_AUTOFD first = open_display(fixture, path);
    assert_says(first, FAKE_DISPLAY_GREETING);
    BERTH_AUTOFD second = open_display(fixture, path);
    assert_says(second, FAKE_DISPLAY_GREETING);
    assert_says(first, "");
    fixture_vm(fixture, path, "Pause");
    BERTH_AUTOFD third = open_display(fixture, path);
    assert_says(third, FAKE_DISPLAY_GREETING);
    g_assert_cmpuint(scripted_count(fixture, "web", "display client 0"), ==, 3);
    assert_sockets(fixture, path, before);
    fixture_vm(fixture, path, "PowerOff");
    assert_says(third, "");
}

/* After the daemon was away, too. */
static void test_adopted(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, WITH_DISPLAY, "");
    BERTH_AUTOFD first = open_display(fixture, path);
    assert_says(first, FAKE_DISPLAY_GREETING);
    fixture_restart_daemon(fixture);
    BERTH_AUTOFD second = open_display(fixture, path);
    assert_says(second, FAKE_DISPLAY_GREETING);
}

static void test_none(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "");
    display_fails(fixture, path, "Unsupported", "\"display\"");
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp getfd"), ==, 0);
    /* What was added while it runs is there at the next start: till then it is QEMU who knows of none. */
    g_autoptr(GVariant) changed =
        fixture_call(fixture, path, BERTH_IFACE_VM, "Configure",
                     g_variant_new("(@a{sv}a{sv})", g_variant_new_parsed("{'display': <'vga'>}"), NULL));
    display_fails(fixture, path, "Unsupported", "start");
    fixture_vm(fixture, path, "PowerOff");
    display_fails(fixture, path, "WrongState", "stopped");
    fixture_vm(fixture, path, "Start");
    BERTH_AUTOFD fd = open_display(fixture, path);
    assert_says(fd, FAKE_DISPLAY_GREETING);
}

static void test_refused(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, WITH_DISPLAY,
                                             "once getfd refuse no more\n"
                                             "once add_client refuse what is that\n"
                                             "once add_client refuse not today");
    const guint before = count_sockets(fixture);
    display_fails(fixture, path, "Unsupported", "no more");
    display_fails(fixture, path, "Unsupported", "not today");
    BERTH_AUTOFD fd = open_display(fixture, path);
    assert_says(fd, FAKE_DISPLAY_GREETING);
    assert_sockets(fixture, path, before);
}

/* It was stopped by a signal, and goes on: it hangs as before. */
static void assert_stays_silent(Fixture *fixture, const char *path)
{
    const pid_t qemu = scripted_qemu(fixture, path);
    g_assert_cmpint(kill(qemu, SIGSTOP), ==, 0);
    scripted_await_last_error(fixture, path, "was stopped by a signal");
    g_assert_cmpint(kill(qemu, SIGCONT), ==, 0);
    scripted_await_last_error(fixture, path, "");
    g_autoptr(GVariant) responsive = fixture_get(fixture, path, BERTH_IFACE_VM, "Responsive");
    g_assert_false(g_variant_get_boolean(responsive));
}

/* QEMU hangs, and comes back: who waited was told, those who come meanwhile are told at once, and later all is well. */
static void test_deadline(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, WITH_DISPLAY, "on getfd wait go");
    const guint before = count_sockets(fixture);
    display_fails(fixture, path, "Cancelled", "did not answer");
    fixture_await_property(fixture, path, "Responsive", g_variant_new_boolean(FALSE));
    display_fails(fixture, path, "Busy", "does not answer");
    assert_sockets(fixture, path, before);
    assert_stays_silent(fixture, path);
    scripted_touch(fixture, "go");
    fixture_await_property(fixture, path, "Responsive", g_variant_new_boolean(TRUE));
    scripted_await(fixture, "web", "display client 0", 1);
    BERTH_AUTOFD fd = open_display(fixture, path);
    assert_says(fd, FAKE_DISPLAY_GREETING);
    assert_sockets(fixture, path, before);
}

/* QEMU goes, with a client on its way to it. */
static void test_gone(Fixture *fixture, gconstpointer unused)
{
    static const char *const rules[] = {"on getfd crash", "on add_client crash", "on add_client close"};
    g_autofree char *path = scripted_vm_with(fixture, "web", WITH_DISPLAY, NULL);
    const guint before = count_sockets(fixture);
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++) {
        scripted_write(fixture, "web", rules[i]);
        scripted_start(fixture, path);
        display_fails(fixture, path, "Cancelled", "QMP");
        fixture_vm(fixture, path, "PowerOff");
        assert_sockets(fixture, path, before);
    }
}

/* The VM is removed, or powered off, with a client on its way: it is answered, and holds up nothing. */
static void end_meanwhile(Fixture *fixture, const char *method)
{
    g_autofree char *path = scripted_running(fixture, WITH_DISPLAY, "on add_client wait never");
    FixtureCall *open = scripted_begin(fixture, path, "OpenDisplay");
    scripted_await(fixture, "web", "qmp add_client", 1);
    FixtureCall *end = scripted_begin(fixture, path, method);
    scripted_fails(open, "Cancelled", "");
    scripted_succeeds(end);
}

static void test_powered_off(Fixture *fixture, gconstpointer unused)
{
    end_meanwhile(fixture, "PowerOff");
}

static void test_removed(Fixture *fixture, gconstpointer unused)
{
    end_meanwhile(fixture, "Remove");
}

/* The caller goes without waiting for the answer. */
static void test_caller_gone(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, WITH_DISPLAY, "on add_client wait go");
    const guint before = count_sockets(fixture);
    g_autoptr(GDBusConnection) caller = private_bus_connect(fixture->bus);
    g_dbus_connection_call(caller, BERTH_BUS_NAME, path, BERTH_IFACE_VM, "OpenDisplay", g_variant_new("(a{sv})", NULL),
                           NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
    scripted_await(fixture, "web", "qmp add_client", 1);
    g_assert_true(g_dbus_connection_close_sync(caller, NULL, NULL));
    scripted_touch(fixture, "go");
    scripted_await(fixture, "web", "display client 0", 1);
    BERTH_AUTOFD fd = open_display(fixture, path);
    assert_says(fd, FAKE_DISPLAY_GREETING);
    assert_sockets(fixture, path, before);
}

/* To QEMU, which lets in whom the kernel names, the client is who called, and not the daemon. */
static void test_caller(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, WITH_DISPLAY, "");
    g_autoptr(GDBusConnection) caller = private_bus_connect_as(fixture->bus, CALLER);
    g_dbus_connection_call(caller, BERTH_BUS_NAME, path, BERTH_IFACE_VM, "OpenDisplay", g_variant_new("(a{sv})", NULL),
                           NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
    scripted_await(fixture, "web", "display client " G_STRINGIFY(CALLER), 1);
    BERTH_AUTOFD fd = open_display(fixture, path);
    g_assert_cmpuint(scripted_count(fixture, "web", "display client 0"), ==, 1);
}

/* A display needs nobody's leave but QEMU's: other operations go on beside it. */
static void test_beside(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, WITH_DISPLAY, "on stop wait go");
    FixtureCall *pause = scripted_begin(fixture, path, "Pause");
    scripted_await(fixture, "web", "qmp stop", 1);
    FixtureCall *open = scripted_begin(fixture, path, "OpenDisplay");
    fixture_vm_fails(fixture, path, "CancelRemoval", "WrongState", ""); /* it has arrived */
    scripted_touch(fixture, "go");
    scripted_succeeds(pause);
    scripted_succeeds(open);
}

static void add(void)
{
    SCRIPTED_ADD("/display/open", "", test_open);
    SCRIPTED_ADD("/display/adopted", "", test_adopted);
    SCRIPTED_ADD("/display/none", "", test_none);
    SCRIPTED_ADD("/display/refused", "", test_refused);
    SCRIPTED_ADD("/display/deadline", "", test_deadline);
    SCRIPTED_ADD("/display/gone", "", test_gone);
    SCRIPTED_ADD("/display/powered-off", "", test_powered_off);
    SCRIPTED_ADD("/display/removed", "", test_removed);
    SCRIPTED_ADD("/display/caller-gone", "", test_caller_gone);
    SCRIPTED_ADD("/display/caller", "", test_caller);
    SCRIPTED_ADD("/display/beside", "", test_beside);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
