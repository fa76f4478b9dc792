/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "restart.h"

#include "manager.h"
#include "start.h"

#define BACK_OFF_FIRST_SEC 1u
#define BACK_OFF_LAST_SEC 300u
#define TRIES_MAX 8u
/* Who ran this long is healthy: earlier failures are forgotten. */
#define HEALTHY_USEC (600 * G_USEC_PER_SEC)

gboolean berth_restart_applies(const BerthVm *vm, BerthExitReason reason)
{
    const char *policy = vm->record->config->restart;
    if (g_str_equal(policy, "always"))
        return TRUE;
    return g_str_equal(policy, "on-failure") && reason != BERTH_EXIT_GUEST_SHUTDOWN && reason != BERTH_EXIT_HOST_STOP;
}

static gboolean restart_due(gpointer data)
{
    BerthVm *vm = data;
    /* Whether it goes is being written: it is not started before that is known. */
    if (vm->removal)
        return G_SOURCE_CONTINUE;
    vm->restart_timer = 0;
    if (vm->state != BERTH_VM_EXITED || !vm->record->wanted)
        return G_SOURCE_REMOVE;
    vm->n_restarts++;
    berth_vm_changed(vm, BERTH_ASPECT_RESTARTS);
    berth_vm_start(vm, NULL, "its restart policy");
    return G_SOURCE_REMOVE;
}

void berth_restart_schedule(BerthVm *vm, BerthExitReason reason, gint64 ran_usec)
{
    if (ran_usec >= HEALTHY_USEC)
        berth_restart_forget(vm);
    if (!vm->record->wanted || !berth_restart_applies(vm, reason))
        return;
    if (vm->n_restarts >= TRIES_MAX) {
        berth_vm_log(vm, G_LOG_LEVEL_WARNING, "restarted %u times without success; start it by hand", vm->n_restarts);
        return;
    }
    guint delay = MIN(BACK_OFF_FIRST_SEC << vm->n_restarts, BACK_OFF_LAST_SEC);
    g_clear_handle_id(&vm->restart_timer, g_source_remove);
    vm->restart_timer = g_timeout_add_seconds(delay, restart_due, vm);
}

void berth_restart_forget(BerthVm *vm)
{
    g_clear_handle_id(&vm->restart_timer, g_source_remove);
    if (vm->n_restarts == 0)
        return;
    vm->n_restarts = 0;
    berth_vm_changed(vm, BERTH_ASPECT_RESTARTS);
}
