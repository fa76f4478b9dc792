/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "remove.h"

#include "../core/error.h"
#include "manager.h"
#include "powerdown.h"
#include "removal.h"
#include "restart.h"
#include "run.h"
#include "settle.h"
#include "start.h"
#include "want.h"

/* The promise: a marker that is durable before anybody is answered, and taken back as durably. */

/* A Remove or a CancelRemoval, from its call to its answer. */
typedef struct {
    BerthVmStore *store;
    char *id;
    char *incarnation;
    BerthRemovalIntent intent; /* of a Remove */
    BerthReply *reply;
} Request;

static void request_free(Request *request)
{
    g_free(request->id);
    g_free(request->incarnation);
    berth_reply_free(request->reply);
    g_free(request);
}

static Request *request_new(BerthVm *vm, BerthReply *reply)
{
    Request *request = g_new0(Request, 1);
    request->store = berth_manager_host(vm->manager)->vms;
    request->id = g_strdup(berth_vm_id(vm));
    request->incarnation = g_strdup(vm->record->incarnation);
    request->reply = reply;
    return request;
}

/* From here on it is a promise. What was under way is cancelled, and nothing starts it any more. */
static void begin(BerthVm *vm, const char *why)
{
    BerthRemoval *removal = vm->removal;
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

static void ask(BerthVm *vm, Request *request);

/* (transfer full): who asked while the outcome was open. */
static GPtrArray *end_writing(BerthRemoval *removal)
{
    GPtrArray *asked = removal->asked;
    removal->asked = g_ptr_array_new_with_free_func((GDestroyNotify) request_free);
    removal->writing = NULL;
    return asked;
}

static void ask_again(BerthVm *vm, GPtrArray *asked)
{
    while (asked->len > 0)
        ask(vm, g_ptr_array_steal_index(asked, 0));
}

static void marked(BerthVm *vm, gpointer data, const GError *error)
{
    Request *request = data;
    BerthRemoval *removal = vm->removal;
    g_autoptr(GPtrArray) asked = end_writing(removal);
    if (error)
        berth_vm_set_error(vm, error);
    else
        removal->intent = request->intent;
    if (vm->state != BERTH_VM_REMOVING && error)
        g_clear_pointer(&vm->removal, berth_removal_free);
    else if (vm->state != BERTH_VM_REMOVING)
        begin(vm, "Remove");
    berth_reply_return(&request->reply, error);
    if (vm->removal)
        berth_removal_enter(vm, removal->phase);
    ask_again(vm, asked);
}

static gboolean write_marker(gpointer data, GError **error)
{
    Request *request = data;
    return berth_vm_store_mark(request->store, request->id, request->incarnation, &request->intent, error);
}

static void mark(BerthVm *vm, Request *request)
{
    BerthRemoval *removal = vm->removal;
    if (vm->state == BERTH_VM_REMOVING)
        request->intent.grace_until = MIN(request->intent.grace_until, removal->intent.grace_until);
    removal->writing = "Remove";
    berth_vm_work(vm, BERTH_WORK_SHORT, write_marker, request, (GDestroyNotify) request_free, marked);
}

/* The first Remove; one within the grace time, of which the earliest end counts that anybody asked for; or one more,
 * which does no harm, and is an end to waiting. Takes @request. */
static void ask(BerthVm *vm, Request *request)
{
    if (!vm->removal)
        vm->removal = berth_removal_new((GDestroyNotify) request_free);
    BerthRemoval *removal = vm->removal;
    if (removal->writing) {
        /* Whether there still is a removal to promise is open: the answer waits for that. */
        g_ptr_array_add(removal->asked, request);
        return;
    }
    if (removal->phase == BERTH_PHASE_NONE || removal->phase == BERTH_PHASE_GRACE) {
        mark(vm, request);
        return;
    }
    if (removal->phase == BERTH_PHASE_WAITING)
        berth_removal_try_again(vm);
    berth_reply_return(&request->reply, NULL);
    request_free(request);
}

static gboolean may_be_removed(BerthVm *vm, GError **error)
{
    if (vm->record->config && vm->record->config->protected_ && !vm->removal) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_WRONG_STATE,
                    "VM \"%s\" is protected; configure \"protected\" off before removing it", berth_vm_name(vm));
        return FALSE;
    }
    return TRUE;
}

void berth_vm_remove(BerthVm *vm, guint grace_seconds, uid_t uid, BerthReply *reply)
{
    g_autoptr(GError) error = NULL;
    if (!may_be_removed(vm, &error)) {
        berth_reply_return(&reply, error);
        return;
    }
    Request *request = request_new(vm, reply);
    request->intent.asked = g_get_real_time();
    request->intent.asked_by = uid;
    if (grace_seconds > 0)
        request->intent.grace_until = request->intent.asked + (gint64) grace_seconds * G_USEC_PER_SEC;
    ask(vm, request);
}

void berth_vm_resume_removal(BerthVm *vm, const BerthRemovalIntent *intent)
{
    if (vm->removal)
        return;
    vm->removal = berth_removal_new((GDestroyNotify) request_free);
    vm->removal->intent = *intent;
    begin(vm, "a removal was asked for before");
    berth_removal_enter(vm, vm->removal->phase);
}

/* Taking it back */

static BerthVmState state_to_go_back_to(const BerthVm *vm, BerthVmState before)
{
    if (before == BERTH_VM_BROKEN || before == BERTH_VM_EXITED || before == BERTH_VM_STOPPED)
        return before;
    if (!vm->run)
        return BERTH_VM_STOPPED;
    if (vm->run->ending)
        return BERTH_VM_STOPPING;
    return before == BERTH_VM_PAUSED ? BERTH_VM_PAUSED : BERTH_VM_RUNNING;
}

static void back_to_life(BerthVm *vm)
{
    BerthVmState before = vm->removal->before;
    const gboolean half_started = before == BERTH_VM_STARTING;
    g_clear_pointer(&vm->removal, berth_removal_free);
    if (!vm->run && half_started)
        berth_vm_forget_run(vm);
    else if (!vm->run)
        berth_vm_retire_runtime(vm);
    else if (!vm->run->ending)
        berth_powerdown_end(vm); /* with the removal */
    if (!vm->run && vm->record->wanted && before != BERTH_VM_BROKEN && !half_started)
        berth_vm_settle_taken_back(vm);
    else
        berth_vm_set_state(vm, state_to_go_back_to(vm, before), "CancelRemoval");
    /* Its start was cancelled, and whoever asked for it told so. */
    if (half_started)
        berth_vm_want(vm, FALSE, NULL);
    berth_vm_changed(vm, BERTH_ASPECT_REMOVAL | BERTH_ASPECT_WANTED);
}

static gboolean take_marker_back(gpointer data, GError **error)
{
    Request *request = data;
    return berth_vm_store_unmark(request->store, request->id, error);
}

static void unmarked(BerthVm *vm, gpointer data, const GError *error)
{
    Request *request = data;
    g_autoptr(GPtrArray) asked = end_writing(vm->removal);
    if (error) {
        berth_vm_set_error(vm, error);
        berth_removal_enter(vm, BERTH_PHASE_GRACE); /* which may be over by now */
    } else {
        back_to_life(vm);
    }
    berth_reply_return(&request->reply, error);
    /* Who asked for its removal while the earlier one was taken back means it: that is a new one. */
    ask_again(vm, asked);
}

void berth_vm_cancel_removal(BerthVm *vm, BerthReply *reply)
{
    BerthRemoval *removal = vm->removal;
    g_autoptr(GError) error = NULL;
    if (removal->phase != BERTH_PHASE_GRACE)
        error = g_error_new(BERTH_ERROR, BERTH_ERROR_WRONG_STATE,
                            "The removal of VM \"%s\" can't be taken back any more", berth_vm_name(vm));
    else if (removal->writing)
        error = g_error_new(BERTH_ERROR, BERTH_ERROR_BUSY, "%s of VM \"%s\" is under way; try again when it has ended",
                            removal->writing, berth_vm_name(vm));
    if (error) {
        berth_reply_return(&reply, error);
        return;
    }
    removal->writing = "CancelRemoval";
    berth_vm_work(vm, BERTH_WORK_SHORT, take_marker_back, request_new(vm, reply), (GDestroyNotify) request_free,
                  unmarked);
}
