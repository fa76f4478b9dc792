/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "remove.h"

#include "../core/error.h"
#include "../core/names.h"
#include "../host/runtime-dir.h"
#include "control.h"
#include "manager.h"
#include "restart.h"
#include "run.h"
#include "settle.h"
#include "start.h"
#include "want.h"

/* Pauses between attempts double from the first to the last. */
#define RETRY_FIRST_SEC 1u
#define RETRY_LAST_SEC 60u
/* Processes that have not ended so long after they were asked to hold the removal up. */
#define STOP_PATIENCE_SEC 1u
#define UNIT_TIMEOUT_USEC (10 * G_USEC_PER_SEC)

void berth_removal_free(BerthRemoval *removal)
{
    g_clear_handle_id(&removal->timer, g_source_remove);
    berth_turn_give_back(&removal->turn);
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
     * poke the removal then. */
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
        enter(vm, BERTH_PHASE_RELEASING);
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

static gboolean grace_over(gpointer data)
{
    BerthVm *vm = data;
    vm->removal->timer = 0;
    /* What is being written decides, and comes back here where it is not the end of the grace time. */
    if (!vm->removal->writing)
        enter(vm, BERTH_PHASE_STOPPING);
    return G_SOURCE_REMOVE;
}

static void begin_grace(BerthVm *vm)
{
    g_clear_handle_id(&vm->removal->timer, g_source_remove);
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

static BerthRemoval *removal_new(void)
{
    BerthRemoval *removal = g_new0(BerthRemoval, 1);
    removal->asked = g_ptr_array_new_with_free_func((GDestroyNotify) request_free);
    removal->blocker = g_strdup("");
    return removal;
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
        enter(vm, removal->phase);
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
        vm->removal = removal_new();
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
        try_again(vm);
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
        enter(vm, BERTH_PHASE_GRACE); /* which may be over by now */
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
