/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include "manager.h"

#define FORGET_TIMEOUT_USEC G_USEC_PER_SEC

static BerthMachine describe(const BerthVm *vm, const char *unit)
{
    return (BerthMachine){.name = berth_vm_name(vm), .id = berth_vm_id(vm), .unit = unit};
}

static void registered(const GError *error, gpointer data)
{
    BerthRun *run = data;
    BERTH_AUTO_MACHINED_CALL *call = g_steal_pointer(&run->registration);
    run->is_no_machine = error != NULL;
    if (error)
        berth_vm_log(run->vm, G_LOG_LEVEL_INFO, "machinectl does not know it: %s", error->message);
}

void berth_machine_register(BerthRun *run)
{
    const BerthHost *host = berth_manager_host(run->vm->manager);
    if (host->user || run->keeper_pid <= 0)
        return;
    const BerthMachine machine = describe(run->vm, run->unit);
    run->vm->may_be_machine = TRUE;
    run->is_no_machine = FALSE;
    berth_machined_call_free(&run->registration);
    run->registration = berth_machined_register(host->link, &machine, run->keeper_pid, registered, run);
}

/* The bus went away before machined could answer; it may have done what it was asked for, and is asked that first. What is under
 * way just now could not even be sent: on this connection nobody has asked yet. */
static void bus_up(sd_bus *bus, gpointer data)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, berth_manager_vms(data));
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const BerthVm *vm = value;
        if (vm->run && (vm->run->is_no_machine || vm->run->registration))
            berth_machine_register(vm->run);
    }
}

static void bus_down(gpointer data)
{
}

static const BerthBusLinkHandler link_handler = {.up = bus_up, .down = bus_down};

void berth_machine_follow_bus(BerthManager *manager)
{
    berth_bus_link_add(berth_manager_host(manager)->link, &link_handler, manager);
}

void berth_machine_unfollow_bus(BerthManager *manager)
{
    berth_bus_link_remove(berth_manager_host(manager)->link, &link_handler, manager);
}

BerthMachinedCall *berth_machine_forget(BerthVm *vm, BerthMachinedDone done, gpointer data)
{
    const BerthHost *host = berth_manager_host(vm->manager);
    if (host->user || !vm->may_be_machine)
        return NULL;
    g_autofree char *unit = berth_vm_unit(vm);
    const BerthMachine machine = describe(vm, unit);
    return berth_machined_forget(host->link, &machine, FORGET_TIMEOUT_USEC, done, data);
}

void berth_machine_forgotten(BerthVm *vm, const GError *error)
{
    if (error)
        berth_vm_log(vm, G_LOG_LEVEL_INFO, "machinectl may show its earlier run for a while: %s", error->message);
    else
        vm->may_be_machine = FALSE;
}
