/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "tests/lib/await.h"
#include "tests/lib/fakes/fake-berth.h"
#include "tests/lib/private-bus.h"

/* berthctl console on a terminal of its own. */

static GDBusConnection *connection;

typedef struct {
    FakeBerth *fake;
    GSubprocess *process;
    int master, slave;
    struct termios before;
    int flags_before;
    GString *shown; /* on the terminal */
    GString *typed; /* what the guest got */
    gboolean has_exited;
    guint sources[2];
} Fixture;

static gboolean collect(int fd, GString *into)
{
    char buffer[4096];
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n > 0)
        g_string_append_len(into, buffer, n);
    return n > 0;
}

static gboolean on_shown(int fd, GIOCondition condition, gpointer data)
{
    Fixture *f = data;
    gboolean more = collect(fd, f->shown);
    if (!more)
        f->sources[0] = 0;
    return more;
}

static gboolean on_typed(int fd, GIOCondition condition, gpointer data)
{
    Fixture *f = data;
    gboolean more = collect(fd, f->typed);
    if (!more)
        f->sources[1] = 0;
    return more;
}

static void on_exited(GObject *source, GAsyncResult *result, gpointer data)
{
    g_subprocess_wait_finish(G_SUBPROCESS(source), result, NULL);
    ((Fixture *) data)->has_exited = TRUE;
}

static void take_terminal(gpointer data)
{
    setsid();
    ioctl(STDIN_FILENO, TIOCSCTTY, 0);
}

/* Through the fake, up to where the guest's first words are on the terminal. */
static void set_up(Fixture *f, gconstpointer data)
{
    f->fake = fake_berth_new(connection);
    fake_berth_add(f->fake, "web", "running");
    f->shown = g_string_new(NULL);
    f->typed = g_string_new(NULL);
    g_assert_no_errno(openpty(&f->master, &f->slave, NULL, NULL, NULL));
    g_assert_no_errno(fcntl(f->master, F_SETFD, FD_CLOEXEC));
    g_assert_no_errno(fcntl(f->slave, F_SETFD, FD_CLOEXEC));
    g_assert_no_errno(tcgetattr(f->slave, &f->before));
    f->flags_before = fcntl(f->slave, F_GETFL);

    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_subprocess_launcher_take_stdin_fd(launcher, dup(f->slave));
    g_subprocess_launcher_take_stdout_fd(launcher, dup(f->slave));
    g_subprocess_launcher_take_stderr_fd(launcher, dup(f->slave));
    g_subprocess_launcher_set_child_setup(launcher, take_terminal, NULL, NULL);
    f->process = g_subprocess_launcher_spawn(launcher, &error, g_getenv("BERTHCTL"), "--user", "console", "web", NULL);
    g_assert_no_error(error);
    g_subprocess_wait_async(f->process, NULL, on_exited, f);
    f->sources[0] = g_unix_fd_add(f->master, G_IO_IN | G_IO_HUP, on_shown, f);
    AWAIT(f->fake->console >= 0);
    f->sources[1] = g_unix_fd_add(f->fake->console, G_IO_IN | G_IO_HUP, on_typed, f);
    g_assert_cmpint(write(f->fake->console, "login: ", 7), ==, 7);
    AWAIT(strstr(f->shown->str, "login: ") != NULL);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    if (!f->has_exited)
        g_subprocess_force_exit(f->process);
    AWAIT(f->has_exited);
    for (gsize i = 0; i < G_N_ELEMENTS(f->sources); i++)
        if (f->sources[i] != 0)
            g_source_remove(f->sources[i]);
    if (f->master >= 0)
        close(f->master);
    if (f->slave >= 0)
        close(f->slave);
    g_object_unref(f->process);
    g_string_free(f->shown, TRUE);
    g_string_free(f->typed, TRUE);
    fake_berth_free(f->fake);
}

static void assert_restored(Fixture *f)
{
    struct termios after;
    AWAIT(f->has_exited);
    g_assert_no_errno(tcgetattr(f->slave, &after));
    g_assert_cmpuint(after.c_lflag, ==, f->before.c_lflag);
    g_assert_cmpuint(after.c_iflag, ==, f->before.c_iflag);
    g_assert_cmpuint(after.c_oflag, ==, f->before.c_oflag);
    g_assert_cmpint(fcntl(f->slave, F_GETFL), ==, f->flags_before);
}

static void type(Fixture *f, const char *keys)
{
    g_assert_cmpint(write(f->master, keys, strlen(keys)), ==, (gssize) strlen(keys));
}

/* Each key goes to the guest as it is, ^C among them; nothing is echoed here. Only ^] is ours. */
static void test_raw(Fixture *f, gconstpointer data)
{
    struct termios raw;
    g_assert_no_errno(tcgetattr(f->slave, &raw));
    g_assert_cmpuint(raw.c_lflag & (ICANON | ECHO | ISIG), ==, 0);
    g_assert_nonnull(strstr(f->shown->str, "Press ^] to leave"));
    type(f, "ls\r\003\004");
    AWAIT(f->typed->len == 5);
    g_assert_cmpmem(f->typed->str, f->typed->len, "ls\r\003\004", 5);
    g_assert_null(strstr(f->shown->str, "ls"));
    g_assert_false(f->has_exited);

    type(f, "bye\035not this");
    assert_restored(f);
    g_assert_cmpint(g_subprocess_get_exit_status(f->process), ==, 0);
    AWAIT(f->sources[1] == 0);
    g_assert_cmpstr(f->typed->str, ==, "ls\r\003\004bye");
}

static void test_guest_ends(Fixture *f, gconstpointer data)
{
    g_assert_cmpint(write(f->fake->console, "halted", 6), ==, 6);
    g_source_remove(f->sources[1]);
    f->sources[1] = 0;
    close(f->fake->console);
    f->fake->console = -1;
    assert_restored(f);
    g_assert_cmpint(g_subprocess_get_exit_status(f->process), ==, 0);
    AWAIT(strstr(f->shown->str, "halted") != NULL);
}

/* It ends as if it had not caught the signal, but for the terminal. */
static void test_signal(Fixture *f, gconstpointer data)
{
    int signal_number = GPOINTER_TO_INT(data);
    g_subprocess_send_signal(f->process, signal_number);
    assert_restored(f);
    g_assert_true(g_subprocess_get_if_signaled(f->process));
    g_assert_cmpint(g_subprocess_get_term_sig(f->process), ==, signal_number);
}

/* The terminal takes no more (as after ^S), and the guest goes on writing: ^] is heard all the same. */
static void test_stuck(Fixture *f, gconstpointer data)
{
    g_source_remove(f->sources[0]);
    f->sources[0] = 0;
    g_assert_true(g_unix_set_fd_nonblocking(f->fake->console, TRUE, NULL));
    char block[4096] = {0};
    /* Full to the brim: what berthctl took, and what the socket holds. */
    for (int stuck = 0; stuck < 2; stuck++) {
        struct pollfd poll_fd = {.fd = f->fake->console, .events = POLLOUT};
        while (poll(&poll_fd, 1, 200) > 0)
            if (write(f->fake->console, block, sizeof block) < 0)
                break;
    }
    type(f, "\035");
    AWAIT(f->sources[1] == 0);
    /* It has a last word to say; that needs the room. */
    f->sources[0] = g_unix_fd_add(f->master, G_IO_IN | G_IO_HUP, on_shown, f);
    assert_restored(f);
}

static void test_window_closes(Fixture *f, gconstpointer data)
{
    g_source_remove(f->sources[0]);
    f->sources[0] = 0;
    close(f->slave);
    close(f->master);
    f->slave = f->master = -1;
    AWAIT(f->has_exited);
    AWAIT(f->sources[1] == 0);
}

static void add(const char *path, void (*test)(Fixture *, gconstpointer), int data)
{
    g_test_add(path, Fixture, GINT_TO_POINTER(data), set_up, test, tear_down);
}

int main(int argc, char **argv)
{
    g_autofree char *dir = g_dir_make_tmp("berthctl-XXXXXX", NULL);
    g_setenv("LC_ALL", "C.UTF-8", TRUE);
    PrivateBus *bus = private_bus_new(dir);
    g_setenv("DBUS_SESSION_BUS_ADDRESS", private_bus_address(bus), TRUE);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", private_bus_address(bus), TRUE);
    g_test_init(&argc, &argv, NULL);
    connection = private_bus_connect(bus);
    add("/berthctl/console/raw", test_raw, 0);
    add("/berthctl/console/guest-ends", test_guest_ends, 0);
    add("/berthctl/console/sigterm", test_signal, SIGTERM);
    add("/berthctl/console/sigint", test_signal, SIGINT);
    add("/berthctl/console/sighup", test_signal, SIGHUP);
    add("/berthctl/console/stuck", test_stuck, 0);
    add("/berthctl/console/window-closes", test_window_closes, 0);
    int status = g_test_run();
    g_object_unref(connection);
    private_bus_free(bus);
    g_rmdir(dir);
    return status;
}
