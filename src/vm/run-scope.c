/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"
#include "run.h"

/* That systemd stops a scope, its keeper is told, and writes down. Of one whose keeper is gone, systemd is asked. */

#define STATUS_TIMEOUT_USEC (5 * G_USEC_PER_SEC)

/* Nothing but a stop makes a scope "deactivating" whose QEMU lives. There is no deadline: systemd has its own, and then kills. */
static void looked_at(const BerthScopeStatus *status, const GError *error, gpointer data)
{
    BerthRun *run = data;
    BerthVm *vm = run->vm;
    BERTH_AUTO_SYSTEMD_CALL *call = g_steal_pointer(&run->scope_call);
    if (error || !g_str_equal(status->active_state, "deactivating") || run->operation != BERTH_RECORD_RUN)
        return;
    (void) berth_run_note(run, BERTH_RECORD_POWERDOWN, 0, NULL); /* a daemon that comes after this one looks itself */
    if (vm->state == BERTH_VM_RUNNING || vm->state == BERTH_VM_PAUSED)
        berth_vm_set_state(vm, BERTH_VM_STOPPING, "systemd stops its scope");
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
