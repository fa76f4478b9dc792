/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "scripted.h"
#include "tests/lib/fakes/fake-service.h"

/* What systemd-machined is told, where the bus goes away meanwhile. With the real one: tests/system/test-machined.c. */

#define NAME "org.freedesktop.machine1"

static const char xml[] = "<node>"
                          " <interface name='org.freedesktop.machine1.Manager'>"
                          "  <method name='GetMachineByPID'>"
                          "   <arg type='u' direction='in'/><arg type='o' direction='out'/>"
                          "  </method>"
                          "  <method name='RegisterMachine'>"
                          "   <arg type='s' direction='in'/><arg type='ay' direction='in'/>"
                          "   <arg type='s' direction='in'/><arg type='s' direction='in'/>"
                          "   <arg type='u' direction='in'/><arg type='s' direction='in'/>"
                          "   <arg type='o' direction='out'/>"
                          "  </method>"
                          " </interface>"
                          "</node>";

/* It knows no machine, and takes any. */
static void on_call(FakeService *service, const char *method, GVariant *parameters, GDBusMethodInvocation *invocation,
                    gpointer data)
{
    if (g_str_equal(method, "GetMachineByPID"))
        g_dbus_method_invocation_return_dbus_error(invocation, NAME ".NoMachineForPID", "It is in no machine");
    else
        g_dbus_method_invocation_return_value(invocation, g_variant_new("(o)", "/org/freedesktop/machine1/machine/x"));
}

static void on_connected(FakeService *service, gpointer data)
{
    GDBusNodeInfo *node = data;
    fake_service_export(service, "/org/freedesktop/machine1", node->interfaces[0], NULL, NULL);
}

static const FakeServiceKind kind = {.bus_name = NAME, .connected = on_connected, .call = on_call};

/* The daemon finds the bus again when machined is there: on a host the bus would start it. */
typedef struct {
    Fixture *fixture;
    FakeService *machined;
} Return;

static gboolean come_back(gpointer data)
{
    const Return *back = data;
    fake_service_come_back(back->machined);
    g_assert_cmpint(kill(back->fixture->daemon, SIGCONT), ==, 0);
    return G_SOURCE_REMOVE;
}

static void restart_bus(Fixture *fixture, FakeService *machined)
{
    Return back = {fixture, machined};
    g_assert_cmpint(kill(fixture->daemon, SIGSTOP), ==, 0);
    fake_service_vanish(machined);
    g_idle_add(come_back, &back); /* while the daemon's name is waited for */
    fixture_restart_bus(fixture);
}

/* Whose registration was not answered is registered once more, and nobody else. */
static void test_bus_restarts(Fixture *fixture, gconstpointer unused)
{
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(xml, NULL);
    FakeService *machined = fake_service_new(&kind, private_bus_address(fixture->bus), node);
    fake_service_come_back(machined);
    g_autofree char *known = scripted_vm(fixture, "known", NULL);
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    fixture_vm(fixture, known, "Start");
    AWAIT(fake_service_count(machined, "RegisterMachine") == 1);

    fake_service_hold(machined, "GetMachineByPID");
    fixture_vm(fixture, path, "Start");
    AWAIT(fake_service_count(machined, "GetMachineByPID") == 2);
    fixture_vm(fixture, known, "Pause"); /* its own registration was answered long before */
    restart_bus(fixture, machined);
    AWAIT(fake_service_count(machined, "GetMachineByPID") == 3);
    fake_service_release(machined, "GetMachineByPID");
    AWAIT(fake_service_count(machined, "RegisterMachine") == 2);
    g_assert_cmpuint(fake_service_count(machined, "GetMachineByPID"), ==, 3);
    fake_service_free(machined);
}

static void add(void)
{
    SCRIPTED_ADD("/machines/bus-restarts", "", test_bus_restarts);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
