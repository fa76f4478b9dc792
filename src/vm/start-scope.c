/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Step 3 of a start: the scope. Its name is the mutual exclusion. */
#include "../core/error.h"
#include "../core/names.h"
#include "machine.h"
#include "manager.h"
#include "run.h"
#include "start-private.h"

/* A fresh scope can be dead though its process lives (systemd issue 36781): it is started again, so often. */
#define SCOPE_TRIES 3u

static void start_scope(BerthVm *vm);

static void scope_looked_at(const BerthScopeStatus *status, const GError *error, gpointer data)
{
    BerthVm *vm = data;
    BERTH_AUTO_SYSTEMD_CALL *call = g_steal_pointer(&vm->start->call);
    g_autofree char *cgroup = berth_cgroup_of(vm->run->keeper_pid, NULL);
    gboolean in_it = cgroup && g_str_has_suffix(cgroup, vm->run->unit) && !berth_pidfd_is_dead(vm->run->keeper_pidfd);
    if (!error && in_it && status->loaded && g_str_equal(status->active_state, "active")) {
        berth_run_watch_cgroup(vm->run, cgroup);
        berth_machine_register(vm->run);
        berth_start_release_keeper(vm);
        return;
    }
    if (++vm->start->scope_tries < SCOPE_TRIES && !berth_pidfd_is_dead(vm->run->keeper_pidfd)) {
        start_scope(vm);
        return;
    }
    berth_start_fail_with(vm, BERTH_ERROR_START_FAILED, "systemd did not keep the keeper of VM \"%s\" in %s (%s)",
                          berth_vm_name(vm), vm->run->unit, error ? error->message : status->active_state);
}

static void scope_failed(BerthVm *vm, const char *why)
{
    berth_start_fail_with(vm, BERTH_ERROR_START_FAILED, "systemd did not start %s: %s", vm->run->unit, why);
}

static void ghost_stopped(const GError *error, gpointer data)
{
    BerthVm *vm = data;
    BERTH_AUTO_SYSTEMD_CALL *call = g_steal_pointer(&vm->start->call);
    if (error)
        scope_failed(vm, error->message);
    else
        start_scope(vm);
}

/* A start that systemd carries out when the daemon that asked for it was killed, and its keeper has gone with it, leaves a
 * scope with nobody in it. Somebody else's has somebody in it: undoing our start must not stop that one. */
static void namesake_looked_at(const BerthScopeStatus *status, const GError *error, gpointer data)
{
    BerthVm *vm = data;
    BERTH_AUTO_SYSTEMD_CALL *call = g_steal_pointer(&vm->start->call);
    const gboolean has_gone = !error && !status->loaded; /* on a busy host systemd sees an end that late */
    if (vm->start->name_freed || !(has_gone || (!error && berth_scope_is_empty(status, vm->run->unit)))) {
        vm->run->scope_asked = FALSE;
        scope_failed(vm, "there is a scope of that name already, and somebody in it");
        return;
    }
    vm->start->name_freed = TRUE;
    if (has_gone) {
        start_scope(vm);
        return;
    }
    const BerthHost *host = berth_manager_host(vm->manager);
    berth_vm_log(vm, G_LOG_LEVEL_WARNING, "%s was left of an earlier start, with nobody in it: stopping it",
                 vm->run->unit);
    vm->start->call =
        berth_systemd_stop(host->systemd, vm->run->unit, host->settings->start_timeout_usec, ghost_stopped, vm);
}

static void scope_started(const GError *error, gpointer data)
{
    BerthVm *vm = data;
    BERTH_AUTO_SYSTEMD_CALL *call = g_steal_pointer(&vm->start->call);
    if (g_error_matches(error, BERTH_ERROR, BERTH_ERROR_BUSY) && vm->start->scope_tries == 0) {
        const BerthHost *host = berth_manager_host(vm->manager);
        vm->start->call = berth_systemd_status(host->systemd, vm->run->unit, host->settings->start_timeout_usec,
                                               namesake_looked_at, vm);
        return;
    }
    if (error) {
        scope_failed(vm, error->message);
        return;
    }
    const BerthHost *host = berth_manager_host(vm->manager);
    vm->start->call =
        berth_systemd_status(host->systemd, vm->run->unit, host->settings->start_timeout_usec, scope_looked_at, vm);
}

static void start_scope(BerthVm *vm)
{
    const BerthHost *host = berth_manager_host(vm->manager);
    g_autofree char *description = g_strdup_printf("Virtual machine %s", berth_vm_name(vm));
    const BerthScopeSpec spec = {
        .unit = vm->run->unit,
        .description = description,
        .slice = BERTH_SLICE,
        .pid = vm->run->keeper_pid,
        .pidfd = vm->run->keeper_pidfd,
        .limits = &vm->record->config->limits,
        /* systemd's own patience, for a guest that is slow to power down, is longer than its keeper's. */
        .stop_timeout_usec = berth_keeper_stop_usec(host->settings->shutdown_timeout_usec),
    };
    vm->run->scope_asked = TRUE;
    vm->start->call =
        berth_systemd_start_scope(host->systemd, &spec, host->settings->start_timeout_usec, scope_started, vm);
}

static void machine_forgotten(const GError *error, gpointer data)
{
    BerthVm *vm = data;
    BERTH_AUTO_MACHINED_CALL *call = g_steal_pointer(&vm->start->forgetting);
    berth_machine_forgotten(vm, error);
    start_scope(vm);
}

void berth_start_scope(BerthVm *vm)
{
    vm->start->forgetting = berth_machine_forget(vm, machine_forgotten, vm);
    if (!vm->start->forgetting)
        start_scope(vm);
}
