/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "private-bus.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "await.h"

struct PrivateBus {
    char *own_dir; /* NULL where the directory is the caller's */
    char *config;
    char *socket;
    char *address;
    GPid pid; /* 0 while stopped */
};

/* No activation, and limits that no test reaches. */
static const char config_text[] = "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
                                  " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                                  "<busconfig>\n"
                                  "  <listen>%s</listen>\n"
                                  "  <auth>EXTERNAL</auth>\n"
                                  "%s"
                                  "  <limit name=\"max_replies_per_connection\">50000</limit>\n"
                                  "  <limit name=\"max_match_rules_per_connection\">50000</limit>\n"
                                  "  <limit name=\"max_connections_per_user\">4096</limit>\n"
                                  "</busconfig>\n";

static const char open_policy[] = "  <policy context=\"default\">\n"
                                  "    <allow user=\"*\"/>\n"
                                  "    <allow own=\"*\"/>\n"
                                  "    <allow send_destination=\"*\"/>\n"
                                  "    <allow receive_sender=\"*\"/>\n"
                                  "  </policy>\n";

/* As in the system.conf that comes with dbus-daemon. */
static const char system_policy[] = "  <policy context=\"default\">\n"
                                    "    <allow user=\"*\"/>\n"
                                    "    <deny own=\"*\"/>\n"
                                    "    <deny send_type=\"method_call\"/>\n"
                                    "    <allow send_type=\"signal\"/>\n"
                                    "    <allow send_requested_reply=\"true\" send_type=\"method_return\"/>\n"
                                    "    <allow send_requested_reply=\"true\" send_type=\"error\"/>\n"
                                    "    <allow receive_type=\"method_call\"/>\n"
                                    "    <allow receive_type=\"method_return\"/>\n"
                                    "    <allow receive_type=\"error\"/>\n"
                                    "    <allow receive_type=\"signal\"/>\n"
                                    "    <allow send_destination=\"org.freedesktop.DBus\"\n"
                                    "           send_interface=\"org.freedesktop.DBus\"/>\n"
                                    "  </policy>\n"
                                    "  <include>%s</include>\n";

static void child_setup(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves no bus behind */
}

/* dbus-daemon writes its address when it listens. */
static void await_address(int fd)
{
    char buffer[1024];
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    if (poll(&poll_fd, 1, AWAIT_SECONDS * 1000) != 1 || read(fd, buffer, sizeof buffer) <= 0)
        g_error("dbus-daemon does not start");
}

void private_bus_start(PrivateBus *bus)
{
    g_assert_cmpint(bus->pid, ==, 0);
    g_autoptr(GError) error = NULL;
    g_autofree char *config = g_strconcat("--config-file=", bus->config, NULL);
    const char *argv[] = {"dbus-daemon", config, "--nofork", "--nopidfile", "--print-address=1", NULL};
    int address_fd;
    g_unlink(bus->socket); /* of a bus that was killed */
    g_spawn_async_with_pipes(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, child_setup,
                             NULL, &bus->pid, NULL, &address_fd, NULL, &error);
    g_assert_no_error(error);
    await_address(address_fd);
    close(address_fd);
}

void private_bus_stop(PrivateBus *bus)
{
    if (bus->pid == 0)
        return;
    kill(bus->pid, SIGKILL);
    g_assert_cmpint(waitpid(bus->pid, NULL, 0), ==, bus->pid);
    bus->pid = 0;
}

static char *make_dir(void)
{
    g_autoptr(GError) error = NULL;
    char *dir = g_dir_make_tmp("berth-bus-XXXXXX", &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_chmod(dir, 0755), ==, 0);
    return dir;
}

static PrivateBus *bus_new(const char *dir, const char *policy)
{
    PrivateBus *bus = g_new0(PrivateBus, 1);
    if (!dir)
        dir = bus->own_dir = make_dir();
    bus->config = g_build_filename(dir, "bus.conf", NULL);
    bus->socket = g_build_filename(dir, "bus", NULL);
    bus->address = g_strconcat("unix:path=", bus->socket, NULL);
    g_autofree char *text = g_strdup_printf(config_text, bus->address, policy);
    g_autoptr(GError) error = NULL;
    g_file_set_contents(bus->config, text, -1, &error);
    g_assert_no_error(error);
    if (bus->own_dir) {
        g_setenv("DBUS_SYSTEM_BUS_ADDRESS", bus->address, TRUE);
        g_setenv("DBUS_SESSION_BUS_ADDRESS", bus->address, TRUE);
    }
    private_bus_start(bus);
    return bus;
}

PrivateBus *private_bus_new(const char *dir)
{
    return bus_new(dir, open_policy);
}

PrivateBus *private_bus_new_with_policy(const char *policy)
{
    g_autofree char *text = g_strdup_printf(system_policy, policy);
    return bus_new(NULL, text);
}

const char *private_bus_address(const PrivateBus *bus)
{
    return bus->address;
}

pid_t private_bus_pid(const PrivateBus *bus)
{
    return bus->pid;
}

GDBusConnection *private_bus_connect(const PrivateBus *bus)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection = g_dbus_connection_new_for_address_sync(
        bus->address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
        NULL, NULL, &error);
    g_assert_no_error(error);
    g_dbus_connection_set_exit_on_close(connection, FALSE);
    return connection;
}

/* By the bare system call, since the C library's function would change the user of all threads, and those of GDBus and
 * of the fakes are none of our business. The bus looks at who connects. */
static void set_thread_euid(uid_t uid)
{
    g_assert_cmpint(syscall(SYS_setresuid, -1, uid, -1), ==, 0);
}

GDBusConnection *private_bus_connect_as(const PrivateBus *bus, uid_t uid)
{
    uid_t own = geteuid();
    set_thread_euid(uid);
    GDBusConnection *connection = private_bus_connect(bus);
    set_thread_euid(own);
    return connection;
}

void private_bus_free(PrivateBus *bus)
{
    private_bus_stop(bus);
    g_unlink(bus->socket);
    g_unlink(bus->config);
    if (bus->own_dir)
        g_assert_cmpint(g_rmdir(bus->own_dir), ==, 0);
    g_free(bus->own_dir);
    g_free(bus->config);
    g_free(bus->socket);
    g_free(bus->address);
    g_free(bus);
}
