/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "removal.h"

#include "../core/error.h"
#include "../core/names.h"
#include "../host/end-record.h"
#include "../host/runtime-dir.h"
#include "machine.h"
#include "manager.h"
#include "run.h"

/* The task: phase by phase, each safe to repeat. ARCHITECTURE.md says why their order is safe. */

/* Pauses between attempts double from the first to the last. */
#define RETRY_FIRST_SEC 1u
#define RETRY_LAST_SEC 60u
/* Processes that have not ended so long after they were asked to hold the removal up. */
#define STOP_PATIENCE_SEC 1u
#define UNIT_TIMEOUT_USEC (10 * G_USEC_PER_SEC)

BerthRemoval *berth_removal_new(GDestroyNotify free_asked)
{
    BerthRemoval *removal = g_new0(BerthRemoval, 1);
    removal->asked = g_ptr_array_new_with_free_func(free_asked);
    removal->blocker = g_strdup("");
    return removal;
}

void berth_removal_free(BerthRemoval *removal)
{
    g_clear_handle_id(&removal->timer, g_source_remove);
    berth_turn_give_back(&removal->turn);
    berth_machined_call_free(&removal->forgetting);
    berth_systemd_call_free(&removal->call);
    g_clear_pointer(&removal->asked, g_ptr_array_unref);
    g_free(removal->blocker);
    g_free(removal);
}

BerthRemovalPhase berth_vm_removal_phase(const BerthVm *vm)
{
    return vm->state == BERTH_VM_REMOVING && vm->removal ? vm->removal->phase : BERTH_PHASE_NONE;
}

static void set_phase(BerthVm *vm, BerthRemovalPhase phase)
{
    if (vm->removal->phase == phase)
        return;
    vm->removal->phase = phase;
    berth_vm_log(vm, G_LOG_LEVEL_INFO, "removal: %s", berth_removal_phase_to_string(phase));
    berth_vm_changed(vm, BERTH_ASPECT_REMOVAL);
}

static void set_blocker(BerthVm *vm, const char *words)
{
    g_autofree char *blocker = g_utf8_make_valid(words, -1); /* it may quote a name on disk */
    if (g_strcmp0(vm->removal->blocker, blocker) == 0)
        return;
    g_free(vm->removal->blocker);
    vm->removal->blocker = g_steal_pointer(&blocker);
    berth_vm_changed(vm, BERTH_ASPECT_REMOVAL);
}

/* A phase failed */

void berth_removal_try_again(BerthVm *vm)
{
    BerthRemoval *removal = vm->removal;
    g_clear_handle_id(&removal->timer, g_source_remove);
    removal->next_attempt = 0;
    removal->attempt++;
    berth_vm_changed(vm, BERTH_ASPECT_REMOVAL);
    berth_removal_enter(vm, removal->resume_at);
}

static gboolean next_attempt_due(gpointer data)
{
    berth_removal_try_again(data);
    return G_SOURCE_REMOVE;
}

static void wait_to_try_again(BerthVm *vm, const char *blocker, const GError *error)
{
    BerthRemoval *removal = vm->removal;
    if (removal->resume_at != removal->phase)
        removal->attempts_without_progress = 0;
    guint shift = MIN(removal->attempts_without_progress, 6);
    removal->attempts_without_progress++;
    guint delay = MIN(RETRY_FIRST_SEC << shift, RETRY_LAST_SEC);
    removal->resume_at = removal->phase;
    removal->next_attempt = g_get_real_time() + (gint64) delay * G_USEC_PER_SEC;
    removal->timer = g_timeout_add_seconds(delay, next_attempt_due, vm);
    berth_vm_set_error(vm, error);
    set_blocker(vm, blocker ? blocker : error->message);
    set_phase(vm, BERTH_PHASE_WAITING);
}

/* deleting */

typedef struct {
    BerthVmStore *store;
    char *id;
    char *incarnation;
    char *blocker;
} Deletion;

static void deletion_free(Deletion *deletion)
{
    g_free(deletion->id);
    g_free(deletion->incarnation);
    g_free(deletion->blocker);
    g_free(deletion);
}

static gboolean delete_everything(gpointer data, GError **error)
{
    Deletion *deletion = data;
    return berth_vm_store_doom(deletion->store, deletion->id, deletion->incarnation, error) &&
           berth_vm_store_purge(deletion->store, deletion->id, deletion->incarnation, &deletion->blocker, error);
}

static Deletion *deletion_new(BerthManager *manager, const char *id, const char *incarnation)
{
    Deletion *deletion = g_new0(Deletion, 1);
    deletion->store = berth_manager_host(manager)->vms;
    deletion->id = g_strdup(id);
    deletion->incarnation = g_strdup(incarnation);
    return deletion;
}

static void deleted(gpointer data, const GError *error, gpointer user_data)
{
    Deletion *deletion = data;
    BerthVm *vm = user_data;
    vm->removal->deleting = FALSE;
    if (error)
        wait_to_try_again(vm, deletion->blocker, error);
    else
        berth_manager_vm_gone(vm->manager, vm);
    berth_vm_unref(vm);
}

static void delete_directory(BerthVm *vm)
{
    /* Who still writes into the directory would put something into a tree that is being deleted: they end first, and
     * poke the removal then. Who copies is not waited for to its end. */
    if (vm->cloning)
        g_cancellable_cancel(vm->cloning);
    if (vm->n_works > 0 || vm->removal->deleting)
        return;
    Deletion *deletion = deletion_new(vm->manager, berth_vm_id(vm), vm->record->incarnation);
    vm->removal->deleting = TRUE;
    berth_work_start(BERTH_WORK_LONG, delete_everything, deletion, (GDestroyNotify) deletion_free, deleted,
                     berth_vm_ref(vm));
}

static gboolean delete_remains(gpointer data, GError **error)
{
    Deletion *deletion = data;
    return berth_vm_store_purge(deletion->store, deletion->id, deletion->incarnation, NULL, error);
}

static void remains_deleted(gpointer data, const GError *error, gpointer user_data)
{
    if (error)
        g_warning("Some of an earlier VM stays in " BERTH_DIR_REMOVING ": %s", error->message);
}

void berth_remains_delete(BerthManager *manager, const char *id, const char *incarnation)
{
    berth_work_start(BERTH_WORK_LONG, delete_remains, deletion_new(manager, id, incarnation),
                     (GDestroyNotify) deletion_free, remains_deleted, NULL);
}

/* releasing */

static void unit_released(const GError *error, gpointer data)
{
    BerthVm *vm = data;
    g_autoptr(GError) failure = NULL;
    BERTH_AUTO_SYSTEMD_CALL *call = g_steal_pointer(&vm->removal->call);
    if (error) {
        wait_to_try_again(vm, NULL, error);
        return;
    }
    const char *runtime_dir = berth_manager_host(vm->manager)->settings->runtime_dir;
    if (!berth_runtime_remove(runtime_dir, berth_vm_id(vm), &failure) ||
        !berth_end_record_remove(runtime_dir, berth_vm_id(vm), &failure)) {
        wait_to_try_again(vm, NULL, failure);
        return;
    }
    berth_manager_release_image(vm->manager, vm);
    berth_removal_enter(vm, BERTH_PHASE_DELETING);
}

/* A unit without processes is taken away, so that its name is free. */
static void release_unit(BerthVm *vm)
{
    g_autofree char *unit = berth_vm_unit(vm);
    if (!vm->removal->call)
        vm->removal->call =
            berth_systemd_stop(berth_manager_host(vm->manager)->systemd, unit, UNIT_TIMEOUT_USEC, unit_released, vm);
}

static void machine_released(const GError *error, gpointer data)
{
    BerthVm *vm = data;
    BERTH_AUTO_MACHINED_CALL *call = g_steal_pointer(&vm->removal->forgetting);
    /* A machined that hangs holds nothing up: what it has on a unit that is gone, it drops by itself. */
    berth_machine_forgotten(vm, error);
    release_unit(vm);
}

static void release_resources(BerthVm *vm)
{
    /* Taps went with QEMU's descriptors, forwarded ports with QEMU. */
    if (vm->removal->forgetting)
        return;
    vm->removal->forgetting = berth_machine_forget(vm, machine_released, vm);
    if (!vm->removal->forgetting)
        release_unit(vm);
}

/* stopping */

/* QEMU may have long to quit: who it waits for is told before anybody is killed. */
static gboolean has_not_stopped(gpointer data)
{
    BerthVm *vm = data;
    vm->removal->timer = 0;
    berth_turn_give_back(&vm->removal->turn);
    berth_vm_end_delayed(vm);
    return G_SOURCE_REMOVE;
}

static void stop_processes(BerthVm *vm);

static void turn_has_come(gpointer data)
{
    stop_processes(data);
}

static void stop_processes(BerthVm *vm)
{
    if (!vm->run) {
        g_clear_handle_id(&vm->removal->timer, g_source_remove);
        berth_turn_give_back(&vm->removal->turn);
        set_blocker(vm, "");
        berth_removal_enter(vm, BERTH_PHASE_RELEASING);
        return;
    }
    vm->removal->turn.go = turn_has_come;
    vm->removal->turn.data = vm;
    if (!berth_turn_take(&vm->removal->turn))
        return;
    if (!vm->removal->timer)
        vm->removal->timer = g_timeout_add_seconds(STOP_PATIENCE_SEC, has_not_stopped, vm);
    vm->run->stop_asked = TRUE;
    berth_run_end(vm->run, TRUE);
    berth_run_look(vm->run);
}

void berth_vm_end_delayed(BerthVm *vm)
{
    if (!vm->removal || vm->removal->phase != BERTH_PHASE_STOPPING || !vm->run)
        return;
    g_autofree char *blocker = berth_run_blocker(vm->run);
    vm->removal->attempt = MAX(vm->run->end_attempt, 1);
    set_blocker(vm, blocker ? blocker : "");
    berth_vm_changed(vm, BERTH_ASPECT_REMOVAL);
}

/* grace */

static void await_end_of_grace(BerthVm *vm);

static gboolean grace_may_be_over(gpointer data)
{
    BerthVm *vm = data;
    vm->removal->timer = 0;
    /* What is being written decides, and comes back here where it is not the end of the grace time. */
    if (!vm->removal->writing)
        await_end_of_grace(vm);
    return G_SOURCE_REMOVE;
}

/* Whoever sets the clock back has more time; and a marker may name a day that no timer reaches. */
static void await_end_of_grace(BerthVm *vm)
{
    g_clear_handle_id(&vm->removal->timer, g_source_remove);
    const gint64 left = vm->removal->intent.grace_until - g_get_real_time();
    if (left > 0)
        vm->removal->timer = g_timeout_add((guint) MIN(left / 1000 + 1, G_MAXINT), grace_may_be_over, vm);
    else
        berth_removal_enter(vm, BERTH_PHASE_STOPPING);
}

void berth_removal_enter(BerthVm *vm, BerthRemovalPhase phase)
{
    set_phase(vm, phase);
    switch (phase) {
    case BERTH_PHASE_GRACE:
        await_end_of_grace(vm);
        break;
    case BERTH_PHASE_STOPPING:
        stop_processes(vm);
        break;
    case BERTH_PHASE_RELEASING:
        release_resources(vm);
        break;
    case BERTH_PHASE_DELETING:
        delete_directory(vm);
        break;
    case BERTH_PHASE_WAITING:
    case BERTH_PHASE_NONE:
    case BERTH_PHASE_LAST:
        g_assert_not_reached();
    }
}

void berth_removal_poke(BerthVm *vm)
{
    if (vm->state != BERTH_VM_REMOVING || !vm->removal)
        return;
    if (vm->removal->phase == BERTH_PHASE_STOPPING && !vm->run)
        stop_processes(vm);
    else if (vm->removal->phase == BERTH_PHASE_DELETING)
        delete_directory(vm);
}

void berth_removal_guest_paused(BerthVm *vm, gboolean paused)
{
    BerthRemoval *removal = vm->removal;
    if (vm->state != BERTH_VM_REMOVING || !removal)
        return;
    if (removal->before == BERTH_VM_RUNNING || removal->before == BERTH_VM_PAUSED)
        removal->before = paused ? BERTH_VM_PAUSED : BERTH_VM_RUNNING;
}
