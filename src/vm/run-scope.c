/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent-shutdown.h"
#include "control.h"
#include "manager.h"
#include "powerdown.h"
#include "run.h"

/* That systemd stops a scope, its keeper is told, which asks the guest, and writes it down. Of one whose keeper is gone systemd is
 * asked, and then the daemon does all that. */

#define STATUS_TIMEOUT_USEC (5 * G_USEC_PER_SEC)

static void went_on(JsonNode *result, const GError *error, gpointer data)
{
    /* Where it did not, systemd kills it at the end. */
}

/* There is no deadline: systemd has its own, and then kills. */
static void stand_in_for_keeper(BerthRun *run)
{
    BerthVm *vm = run->vm;
    run->scope_stops = TRUE;
    if (run->operation == BERTH_RECORD_RUN)
        berth_vm_note(vm, BERTH_RECORD_POWERDOWN, 0);
    /* Who is paused hears no power button. */
    if (vm->state == BERTH_VM_PAUSED && run->qmp)
        berth_qmp_execute(run->qmp, "cont", NULL, BERTH_COMMAND_TIMEOUT_USEC, went_on, NULL);
    if (vm->state == BERTH_VM_RUNNING || vm->state == BERTH_VM_PAUSED)
        berth_vm_set_state(vm, BERTH_VM_STOPPING, "systemd stops its scope");
    berth_powerdown_press_button(vm);
    berth_agent_shutdown_too(vm);
}

/* Of a guest that does not run yet, or is being powered off, nothing is asked. */
static gboolean may_be_asked(const BerthRun *run)
{
    return !run->ending && run->operation != BERTH_RECORD_START && run->operation != BERTH_RECORD_POWER_OFF;
}

/* Nothing but a stop makes a scope "deactivating" whose QEMU lives. */
static void looked_at(const BerthScopeStatus *status, const GError *error, gpointer data)
{
    BerthRun *run = data;
    BERTH_AUTO_SYSTEMD_CALL *call = g_steal_pointer(&run->scope_call);
    if (!error && g_str_equal(status->active_state, "deactivating") && !run->scope_stops && may_be_asked(run))
        stand_in_for_keeper(run);
}

void berth_run_scope_changed(BerthRun *run)
{
    const gboolean keeper_lives = run->keeper_pidfd >= 0 && !berth_pidfd_is_dead(run->keeper_pidfd);
    if (keeper_lives || run->qemu_pidfd < 0 || berth_pidfd_is_dead(run->qemu_pidfd))
        return;
    /* What an earlier look sees may be from before this change. */
    berth_systemd_call_free(&run->scope_call);
    run->scope_call = berth_systemd_status(berth_manager_host(run->vm->manager)->systemd, run->unit,
                                           STATUS_TIMEOUT_USEC, looked_at, run);
}
