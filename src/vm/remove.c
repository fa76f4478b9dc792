/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "remove.h"

#include "../core/error.h"
#include "../core/names.h"
#include "../host/runtime-dir.h"
#include "control.h"
#include "manager.h"
#include "restart.h"
#include "run.h"
#include "start.h"
#include "want.h"

/* Pauses between attempts double from the first to the last. */
#define RETRY_FIRST_SEC 1u
#define RETRY_LAST_SEC 60u
#define UNIT_TIMEOUT_USEC (10 * G_USEC_PER_SEC)

void berth_removal_free(BerthRemoval *removal)
{
    g_clear_handle_id(&removal->timer, g_source_remove);
    berth_systemd_call_free(&removal->call);
    g_clear_pointer(&removal->waiters, g_ptr_array_unref);
    g_free(removal->blocker);
    g_free(removal);
}

static BerthRemoval *removal_new(void)
{
    BerthRemoval *removal = g_new0(BerthRemoval, 1);
    removal->waiters = berth_replies_new();
    removal->blocker = g_strdup("");
    return removal;
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

static void enter(BerthVm *vm, BerthRemovalPhase phase);

/* A phase failed */

static gboolean try_again(gpointer data)
{
    BerthVm *vm = data;
    BerthRemoval *removal = vm->removal;
    g_clear_handle_id(&removal->timer, g_source_remove);
    removal->next_attempt = 0;
    removal->attempt++;
    berth_vm_changed(vm, BERTH_ASPECT_REMOVAL);
    enter(vm, removal->resume_at);
    return G_SOURCE_REMOVE;
}

static void wait_to_try_again(BerthVm *vm, const char *blocker, const GError *error)
{
    BerthRemoval *removal = vm->removal;
    guint shift = MIN(removal->attempts_without_progress, 6);
    removal->attempts_without_progress++;
    guint delay = MIN(RETRY_FIRST_SEC << shift, RETRY_LAST_SEC);
    removal->resume_at = removal->phase;
    removal->next_attempt = g_get_real_time() + (gint64) delay * G_USEC_PER_SEC;
    removal->timer = g_timeout_add_seconds(delay, try_again, vm);
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
     * poke the removal then. */
    if (vm->n_works > 0 || vm->removal->deleting)
        return;
    Deletion *deletion = g_new0(Deletion, 1);
    deletion->store = berth_manager_host(vm->manager)->vms;
    deletion->id = g_strdup(berth_vm_id(vm));
    deletion->incarnation = g_strdup(vm->record->incarnation);
    vm->removal->deleting = TRUE;
    berth_work_start(BERTH_WORK_LONG, delete_everything, deletion, (GDestroyNotify) deletion_free, deleted,
                     berth_vm_ref(vm));
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
    if (!berth_runtime_remove(berth_manager_host(vm->manager)->settings->runtime_dir, berth_vm_id(vm), &failure)) {
        wait_to_try_again(vm, NULL, failure);
        return;
    }
    berth_manager_release_image(vm->manager, vm);
    enter(vm, BERTH_PHASE_DELETING);
}

static void release_resources(BerthVm *vm)
{
    /* Taps went with QEMU's descriptors, forwarded ports with QEMU. A unit without processes is taken away, so that its
     * name is free. */
    g_autofree char *unit = berth_vm_unit(vm);
    if (!vm->removal->call)
        vm->removal->call =
            berth_systemd_stop(berth_manager_host(vm->manager)->systemd, unit, UNIT_TIMEOUT_USEC, unit_released, vm);
}

/* stopping */

static void stop_processes(BerthVm *vm)
{
    if (!vm->run) {
        set_blocker(vm, "");
        enter(vm, BERTH_PHASE_RELEASING);
        return;
    }
    vm->run->stop_asked = TRUE;
    berth_run_end(vm->run, TRUE);
    berth_run_look(vm->run);
}

void berth_vm_end_delayed(BerthVm *vm)
{
    if (!vm->removal || vm->removal->phase != BERTH_PHASE_STOPPING || !vm->run)
        return;
    g_autofree char *blocker = berth_run_blocker(vm->run);
    vm->removal->attempt = vm->run->end_attempt;
    set_blocker(vm, blocker ? blocker : "");
    berth_vm_changed(vm, BERTH_ASPECT_REMOVAL);
}

/* grace */

static gboolean grace_over(gpointer data)
{
    BerthVm *vm = data;
    vm->removal->timer = 0;
    /* A CancelRemoval that is being written decides: it pokes when it failed. */
    if (!vm->removal->unmarking)
        enter(vm, BERTH_PHASE_STOPPING);
    return G_SOURCE_REMOVE;
}

static void begin_grace(BerthVm *vm)
{
    gint64 left = vm->removal->intent.grace_until - g_get_real_time();
    if (left <= 0) {
        enter(vm, BERTH_PHASE_STOPPING);
        return;
    }
    vm->removal->timer = g_timeout_add((guint) (left / 1000 + 1), grace_over, vm);
}

static void enter(BerthVm *vm, BerthRemovalPhase phase)
{
    set_phase(vm, phase);
    switch (phase) {
    case BERTH_PHASE_GRACE:
        begin_grace(vm);
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

/* The marker */

typedef struct {
    BerthVmStore *store;
    char *id;
    char *incarnation;
    BerthRemovalIntent intent;
} Marking;

static void marking_free(Marking *marking)
{
    g_free(marking->id);
    g_free(marking->incarnation);
    g_free(marking);
}

static Marking *marking_new(BerthVm *vm)
{
    Marking *marking = g_new0(Marking, 1);
    marking->store = berth_manager_host(vm->manager)->vms;
    marking->id = g_strdup(berth_vm_id(vm));
    marking->incarnation = g_strdup(vm->record->incarnation);
    marking->intent = vm->removal->intent;
    return marking;
}

/* From here on it is a promise. What was under way is cancelled, and nothing starts it any more. */
static void begin(BerthVm *vm, const char *why)
{
    BerthRemoval *removal = vm->removal;
    removal->marking = FALSE;
    removal->attempt = 1;
    removal->before = vm->state;
    /* Half a start is not worth a grace time. */
    if (vm->start && vm->run) {
        vm->run->stop_asked = TRUE;
        berth_run_end(vm->run, FALSE);
    }
    berth_vm_cancel_start(vm);
    berth_restart_forget(vm);
    g_clear_handle_id(&vm->shutdown_timer, g_source_remove);
    berth_vm_set_error(vm, NULL);
    removal->phase = removal->intent.grace_until > g_get_real_time() ? BERTH_PHASE_GRACE : BERTH_PHASE_STOPPING;
    berth_vm_set_state(vm, BERTH_VM_REMOVING, why);
    berth_vm_changed(vm, BERTH_ASPECT_REMOVAL | BERTH_ASPECT_WANTED);
}

static void marked(BerthVm *vm, gpointer data, const GError *error)
{
    BerthRemoval *removal = vm->removal;
    if (error) {
        vm->removal = NULL;
        berth_vm_set_error(vm, error);
        berth_replies_return(removal->waiters, error);
        berth_removal_free(removal);
        return;
    }
    begin(vm, "Remove");
    berth_replies_return(removal->waiters, NULL);
    enter(vm, removal->phase);
}

static gboolean write_marker(gpointer data, GError **error)
{
    Marking *marking = data;
    return berth_vm_store_mark(marking->store, marking->id, marking->incarnation, &marking->intent, error);
}

static gboolean may_be_removed(BerthVm *vm, GError **error)
{
    if (vm->record->config && vm->record->config->protected_) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_WRONG_STATE,
                    "VM \"%s\" is protected; configure \"protected\" off before removing it", berth_vm_name(vm));
        return FALSE;
    }
    return TRUE;
}

/* Remove again: no harm, and an end to waiting. */
static void remove_again(BerthVm *vm, guint grace_seconds, uid_t uid, BerthReply *reply)
{
    BerthRemoval *removal = vm->removal;
    /* Whether there still is a removal to promise is being written: the answer waits for that. */
    if (removal->marking || removal->unmarking) {
        removal->again_grace = grace_seconds;
        removal->again_uid = uid;
        g_ptr_array_add(removal->waiters, reply);
        return;
    }
    if (removal->phase == BERTH_PHASE_WAITING)
        try_again(vm);
    berth_reply_return(&reply, NULL);
}

void berth_vm_remove(BerthVm *vm, guint grace_seconds, uid_t uid, BerthReply *reply)
{
    g_autoptr(GError) error = NULL;
    if (vm->removal) {
        remove_again(vm, grace_seconds, uid, reply);
        return;
    }
    if (!may_be_removed(vm, &error)) {
        berth_reply_return(&reply, error);
        return;
    }
    BerthRemoval *removal = vm->removal = removal_new();
    removal->marking = TRUE;
    removal->intent.asked = g_get_real_time();
    removal->intent.asked_by = uid;
    if (grace_seconds > 0)
        removal->intent.grace_until = removal->intent.asked + (gint64) grace_seconds * G_USEC_PER_SEC;
    g_ptr_array_add(removal->waiters, reply);
    berth_vm_work(vm, BERTH_WORK_SHORT, write_marker, marking_new(vm), (GDestroyNotify) marking_free, marked);
}

void berth_vm_resume_removal(BerthVm *vm, const BerthRemovalIntent *intent)
{
    if (vm->removal)
        return;
    vm->removal = removal_new();
    vm->removal->intent = *intent;
    begin(vm, "a removal was asked for before");
    enter(vm, vm->removal->phase);
}

/* Taking it back */

void berth_removal_guest_paused(BerthVm *vm, gboolean paused)
{
    BerthRemoval *removal = vm->removal;
    if (vm->state != BERTH_VM_REMOVING || !removal)
        return;
    if (removal->before == BERTH_VM_RUNNING || removal->before == BERTH_VM_PAUSED)
        removal->before = paused ? BERTH_VM_PAUSED : BERTH_VM_RUNNING;
}

static BerthVmState state_to_go_back_to(const BerthVm *vm, BerthVmState before)
{
    if (before == BERTH_VM_BROKEN || before == BERTH_VM_EXITED || before == BERTH_VM_STOPPED)
        return before;
    if (!vm->run)
        return BERTH_VM_STOPPED; /* it ended meanwhile */
    return before == BERTH_VM_PAUSED ? BERTH_VM_PAUSED : BERTH_VM_RUNNING;
}

static void back_to_life(BerthVm *vm)
{
    BerthVmState state = state_to_go_back_to(vm, vm->removal->before);
    g_autoptr(GPtrArray) again = g_steal_pointer(&vm->removal->waiters);
    guint grace_seconds = vm->removal->again_grace;
    uid_t uid = vm->removal->again_uid;
    g_clear_pointer(&vm->removal, berth_removal_free);
    berth_vm_set_state(vm, state, "CancelRemoval");
    berth_vm_changed(vm, BERTH_ASPECT_REMOVAL | BERTH_ASPECT_WANTED);
    /* Who asked for its removal while the earlier one was taken back means it: that is a new one. */
    while (again->len > 0)
        berth_vm_remove(vm, grace_seconds, uid, g_ptr_array_steal_index(again, 0));
}

typedef struct {
    Marking *marking;
    BerthReply *reply;
} Unmarking;

static void unmarking_free(Unmarking *unmarking)
{
    marking_free(unmarking->marking);
    berth_reply_free(unmarking->reply);
    g_free(unmarking);
}

static gboolean take_marker_back(gpointer data, GError **error)
{
    Unmarking *unmarking = data;
    return berth_vm_store_unmark(unmarking->marking->store, unmarking->marking->id, error);
}

static void unmarked(BerthVm *vm, gpointer data, const GError *error)
{
    Unmarking *unmarking = data;
    vm->removal->unmarking = FALSE;
    if (error) {
        berth_vm_set_error(vm, error);
        /* Its grace time may have passed meanwhile. */
        berth_replies_return(vm->removal->waiters, NULL);
        if (!vm->removal->timer)
            enter(vm, BERTH_PHASE_STOPPING);
    } else {
        back_to_life(vm);
    }
    berth_reply_return(&unmarking->reply, error);
}

void berth_vm_cancel_removal(BerthVm *vm, BerthReply *reply)
{
    if (vm->removal->phase != BERTH_PHASE_GRACE || vm->removal->unmarking) {
        g_autoptr(GError) error =
            g_error_new(BERTH_ERROR, BERTH_ERROR_WRONG_STATE, "The removal of VM \"%s\" can't be taken back any more",
                        berth_vm_name(vm));
        berth_reply_return(&reply, error);
        return;
    }
    Unmarking *unmarking = g_new0(Unmarking, 1);
    unmarking->marking = marking_new(vm);
    unmarking->reply = reply;
    vm->removal->unmarking = TRUE;
    berth_vm_work(vm, BERTH_WORK_SHORT, take_marker_back, unmarking, (GDestroyNotify) unmarking_free, unmarked);
}
