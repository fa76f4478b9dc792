/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/vm/machine.h"

#include <unistd.h>

#include "src/vm/manager.h"
#include "tests/lib/await.h"
#include "tests/lib/fakes/fake-service.h"
#include "tests/lib/private-bus.h"

/* A registration that comes while there is no bus. What machined makes of them: tests/bus/test-machines.c. */

#define NAME "org.freedesktop.machine1"

static const char xml[] = "<node>"
                          " <interface name='org.freedesktop.machine1.Manager'>"
                          "  <method name='GetMachineByPID'>"
                          "   <arg type='u' direction='in'/><arg type='o' direction='out'/>"
                          "  </method>"
                          " </interface>"
                          "</node>";

static PrivateBus *private_bus;

static void on_call(FakeService *service, const char *method, GVariant *parameters, GDBusMethodInvocation *invocation,
                    gpointer data)
{
    g_dbus_method_invocation_return_dbus_error(invocation, "org.example.No", "It is not for me");
}

static void on_connected(FakeService *service, gpointer data)
{
    GDBusNodeInfo *node = data;
    fake_service_export(service, "/org/freedesktop/machine1", node->interfaces[0], NULL, NULL);
}

static const FakeServiceKind kind = {.bus_name = NAME, .connected = on_connected, .call = on_call};

static void vm_added(BerthVm *vm, gpointer data)
{
}

static void vm_changed(BerthVm *vm, guint aspects, gpointer data)
{
}

static const BerthObserver observer = {.vm_added = vm_added, .vm_changed = vm_changed};

/* Its failure is not told before the bus is back, and then it is no news to wait the next time for. */
static void test_bus_comes_in_the_same_turn(void)
{
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(xml, NULL);
    FakeService *machined = fake_service_new(&kind, private_bus_address(private_bus), node);
    fake_service_come_back(machined);
    g_autoptr(BerthBusLink) link = berth_bus_link_new(FALSE);
    g_autoptr(BerthSettings) settings = berth_settings_new("/nowhere", "/nowhere");
    g_autoptr(BerthBusLink) deaf = berth_bus_link_new(FALSE);
    g_autoptr(BerthSystemd) systemd = berth_systemd_new(deaf);
    const BerthHost host = {.settings = settings, .link = link, .systemd = systemd};
    {
        g_autoptr(BerthManager) manager = berth_manager_new(&host, &observer, NULL);
        BerthVmRecord *record = berth_vm_record_new(g_uuid_string_random(), "web", 0, berth_vm_config_new());
        BerthVm *vm = berth_vm_new(manager, record, BERTH_VM_RUNNING);
        berth_manager_add(manager, vm);
        vm->run = berth_run_new(vm);
        vm->run->keeper_pid = getpid();
        berth_machine_register(vm->run);
        g_assert_true(berth_bus_link_connect(link, NULL));
        AWAIT(fake_service_count(machined, "GetMachineByPID") == 1);
        AWAIT(vm->run->is_no_machine);
        g_assert_cmpuint(fake_service_count(machined, "GetMachineByPID"), ==, 1);
    }
    fake_service_free(machined);
}

int main(int argc, char **argv)
{
    private_bus = private_bus_new(NULL);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/machine/bus-comes-in-the-same-turn", test_bus_comes_in_the_same_turn);
    const int result = g_test_run();
    private_bus_free(private_bus);
    return result;
}
