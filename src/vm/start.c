/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start.h"

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/json-member.h"
#include "../host/runtime-dir.h"
#include "manager.h"
#include "restart.h"
#include "run.h"
#include "settle.h"
#include "start-private.h"
#include "want.h"

static void close_fds(BerthStart *start)
{
    berth_runtime_fds_close(&start->runtime);
    for (guint i = 0; i < N_LOGS; i++)
        berth_autofd_close(&start->logs[i]);
    for (guint i = 0; i < start->n_extra; i++)
        berth_autofd_close(&start->extra[i]);
    for (guint i = 0; i < N_LOGS; i++)
        start->logs[i] = -1;
    start->n_extra = 0;
}

void berth_start_free(BerthStart *start)
{
    g_clear_handle_id(&start->timer, g_source_remove);
    berth_machined_call_free(&start->forgetting);
    berth_systemd_call_free(&start->call);
    close_fds(start);
    g_clear_error(&start->failure);
    berth_reply_free(start->reply);
    g_free(start);
}

/* Why it failed, for the caller: told when it is durable, too, that the VM is not wanted. Else a daemon that comes after
 * this one would take it for a VM that should run. */
typedef struct {
    BerthReply *reply;
    GError *failure;
} Refusal;

static void refusal_free(gpointer data)
{
    Refusal *refusal = data;
    berth_reply_free(refusal->reply);
    g_error_free(refusal->failure);
    g_free(refusal);
}

static void refuse(const GError *error, gpointer data)
{
    Refusal *refusal = data;
    berth_reply_return(&refusal->reply, refusal->failure);
}

static void refuse_unwanted(BerthVm *vm, BerthReply *reply, const GError *failure)
{
    Refusal *refusal = g_new0(Refusal, 1);
    refusal->reply = reply;
    refusal->failure = g_error_copy(failure);
    berth_vm_want(vm, FALSE, berth_reply_new(refuse, refusal, refusal_free));
}

/* The end of a failed start, when nothing of it is left. */
static void finish_failed(BerthVm *vm, gboolean stop_asked)
{
    BerthStart *start = g_steal_pointer(&vm->start);
    berth_vm_retire_runtime(vm);
    berth_vm_set_error(vm, start->failure);
    berth_vm_set_state(vm, BERTH_VM_EXITED, start->failure->message);
    berth_vm_set_exit(vm, BERTH_EXIT_START_FAILED, vm->exit_reason == BERTH_EXIT_START_FAILED ? vm->exit_status : -1);
    if (start->reply)
        refuse_unwanted(vm, g_steal_pointer(&start->reply), start->failure);
    else if (!stop_asked)
        berth_restart_schedule(vm, BERTH_EXIT_START_FAILED, 0);
    berth_restart_remember(vm, NULL);
    berth_start_free(start);
}

void berth_start_fail(BerthVm *vm, const GError *reason)
{
    BerthStart *start = vm->start;
    if (start->failure)
        return;
    start->failure = g_error_copy(reason);
    g_clear_handle_id(&start->timer, g_source_remove);
    berth_machined_call_free(&start->forgetting);
    berth_systemd_call_free(&start->call);
    close_fds(start);
    /* The caller was told that it does not run, so that it is not wanted either; a failed restart stays wanted. */
    if (start->reply)
        berth_vm_want(vm, FALSE, NULL);
    if (!vm->run) {
        finish_failed(vm, FALSE);
        return;
    }
    vm->run->stop_asked = TRUE;
    if (start->reply)
        berth_vm_note(vm, BERTH_RECORD_POWER_OFF, 0); /* else the next daemon goes on with it */
    berth_run_end(vm->run, FALSE);
    berth_run_look(vm->run);
}

void berth_start_fail_with(BerthVm *vm, BerthError code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autoptr(GError) error = g_error_new_valist(BERTH_ERROR, code, format, args);
    va_end(args);
    berth_start_fail(vm, error);
}

gboolean berth_start_is_failing(const BerthVm *vm)
{
    return vm->start && vm->start->failure;
}

/* (transfer full) */
static GError *did_not_start(const BerthVm *vm, const char *words)
{
    return g_error_new(BERTH_ERROR, BERTH_ERROR_START_FAILED, "VM \"%s\" did not start: %s", berth_vm_name(vm), words);
}

void berth_start_process_gone(BerthVm *vm, const char *words, gboolean stop_asked)
{
    if (!vm->start->failure)
        vm->start->failure = did_not_start(vm, words);
    finish_failed(vm, stop_asked);
}

void berth_start_stopped(BerthVm *vm, const char *words)
{
    BerthStart *start = g_steal_pointer(&vm->start);
    g_autoptr(GError) error = did_not_start(vm, words);
    berth_vm_set_error(vm, NULL);
    berth_vm_set_state(vm, BERTH_VM_STOPPED, words);
    if (start->reply)
        refuse_unwanted(vm, g_steal_pointer(&start->reply), error);
    berth_start_free(start);
}

void berth_vm_cancel_start(BerthVm *vm)
{
    g_clear_pointer(&vm->start, berth_start_free);
}

static gboolean deadline_passed(gpointer data)
{
    BerthVm *vm = data;
    vm->start->timer = 0;
    g_autofree char *span = g_strdup_printf(
        "%" G_GUINT64_FORMAT, berth_manager_host(vm->manager)->settings->start_timeout_usec / G_USEC_PER_SEC);
    berth_start_fail_with(vm, BERTH_ERROR_START_FAILED, "VM \"%s\" did not start within %s s (%s)", berth_vm_name(vm),
                          span,
                          !vm->start->scope_stands        ? "systemd did not start its scope"
                          : vm->run && vm->run->qmp_ready ? "QEMU does not run the guest"
                                                          : "QEMU does not answer");
    return G_SOURCE_REMOVE;
}

/* Success needs all three, which come in any order: QEMU is known by its pidfd and recorded for a daemon that comes later,
 * the guest runs, and that it should is durable. */
static void maybe_finish(BerthVm *vm)
{
    BerthStart *start = vm->start;
    g_autoptr(GError) error = NULL;
    if (!start->guest_runs || !start->want_is_durable || start->failure || !vm->run || vm->run->qemu_pidfd < 0)
        return;
    vm->run->started = g_get_real_time();
    if (!berth_run_note(vm->run, BERTH_RECORD_RUN, 0, &error)) {
        berth_start_fail(vm, error);
        return;
    }
    vm->start = NULL;
    vm->run->begins_anew = FALSE;
    vm->run->guest_ran = TRUE;
    if (!vm->run->standstill)
        berth_vm_set_error(vm, NULL);
    berth_vm_set_exit(vm, BERTH_EXIT_NONE, -1);
    berth_vm_changed(vm, BERTH_ASPECT_PROCESS);
    berth_vm_set_state(vm, BERTH_VM_RUNNING, "QEMU runs the guest");
    berth_reply_return(&start->reply, NULL);
    berth_start_free(start);
}

/* Step 5: QMP says that the guest runs. */

static void status_answered(JsonNode *result, const GError *error, gpointer data)
{
    BerthVm *vm = data;
    /* Where the monitor closed, QEMU is about to end, and its keeper's record says more than we know here; or it is asked again. */
    if (!vm->start || vm->start->failure || !vm->run || g_error_matches(error, BERTH_QMP_ERROR, BERTH_QMP_ERROR_CLOSED))
        return;
    if (error) {
        berth_start_fail_with(vm, BERTH_ERROR_START_FAILED, "VM \"%s\" did not start: %s", berth_vm_name(vm),
                              error->message);
        return;
    }
    JsonObject *status = berth_json_as_object(result);
    if (!status || !json_object_get_boolean_member_with_default(status, "running", FALSE)) {
        berth_start_fail_with(vm, BERTH_ERROR_START_FAILED, "QEMU answers, but does not run the guest of VM \"%s\"",
                              berth_vm_name(vm));
        return;
    }
    vm->start->guest_runs = TRUE;
    maybe_finish(vm);
}

/* Asked before QEMU has even greeted: the question goes out with the capabilities. */
static void query_status(BerthVm *vm)
{
    berth_qmp_execute(vm->run->qmp, "query-status", NULL, berth_manager_host(vm->manager)->settings->start_timeout_usec,
                      status_answered, vm);
}

void berth_start_ask_again(BerthVm *vm)
{
    if (!vm->start->failure && !vm->start->guest_runs && vm->run->qmp)
        query_status(vm);
}

/* Step 4: the keeper is let go, and starts QEMU. */

static void keeper_answered(pid_t qemu_pid, const GError *error, gpointer data)
{
    BerthVm *vm = data;
    g_autoptr(GError) failure = NULL;
    if (!vm->run)
        return;
    if (error) {
        /* Where the keeper ended silently, how it ended says more; the look at the processes brings it. */
        if (vm->start)
            berth_start_fail(vm, error);
        return;
    }
    /* Between the keeper's word and the pidfd QEMU may have ended; then the keeper's record says how. */
    if (!berth_run_watch_qemu(vm->run, qemu_pid, &failure)) {
        berth_run_look(vm->run);
        return;
    }
    if (vm->run->ending)
        berth_run_end(vm->run, FALSE);
    else if (vm->start)
        maybe_finish(vm);
}

void berth_start_release_keeper(BerthVm *vm)
{
    g_autoptr(GError) error = NULL;
    vm->start->scope_stands = TRUE;
    /* From here on a daemon that comes later goes on with the start; before, it undoes it. */
    if (!berth_run_note(vm->run, BERTH_RECORD_START, 0, &error)) {
        berth_start_fail(vm, error);
        return;
    }
    berth_keeper_release(vm->run->keeper, keeper_answered, vm);
    /* The socket listens since before the fork: connecting needs no retry, the greeting comes when QEMU is there. */
    if (!berth_run_connect(vm->run, &error)) {
        berth_start_fail(vm, error);
        return;
    }
    query_status(vm);
    close_fds(vm->start);
}

/* The start that began it may be over; serials tell. */
typedef struct {
    BerthVm *vm;
    guint64 serial;
} WantStored;

static void want_stored_free(WantStored *stored)
{
    berth_vm_unref(stored->vm);
    g_free(stored);
}

static void want_stored(const GError *error, gpointer data)
{
    WantStored *stored = data;
    BerthVm *vm = stored->vm;
    if (!vm->start || vm->start->serial != stored->serial)
        return;
    if (error) {
        berth_start_fail(vm, error);
        return;
    }
    vm->start->want_is_durable = TRUE;
    maybe_finish(vm);
}

/* (transfer none): vm->start */
static BerthStart *begin(BerthVm *vm, BerthReply *reply)
{
    static guint64 serial = 0;
    const BerthHost *host = berth_manager_host(vm->manager);

    BerthStart *start = vm->start = g_new0(BerthStart, 1);
    start->serial = ++serial;
    start->reply = reply;
    start->runtime = (BerthRuntimeFds){-1, -1, -1, -1, -1};
    for (guint i = 0; i < N_LOGS; i++)
        start->logs[i] = -1;
    start->timer = g_timeout_add((guint) (host->settings->start_timeout_usec / 1000), deadline_passed, vm);
    return start;
}

/* Made durable while QEMU starts; the answer waits for both. */
static void store_want(BerthVm *vm)
{
    WantStored *stored = g_new0(WantStored, 1);
    stored->vm = berth_vm_ref(vm);
    stored->serial = vm->start->serial;
    berth_vm_want(vm, TRUE, berth_reply_new(want_stored, stored, (GDestroyNotify) want_stored_free));
}

void berth_vm_start(BerthVm *vm, BerthReply *reply, const char *why)
{
    const BerthHost *host = berth_manager_host(vm->manager);
    g_autoptr(GError) error = NULL;

    g_clear_handle_id(&vm->restart_timer, g_source_remove);
    BerthStart *start = begin(vm, reply);
    berth_vm_set_state(vm, BERTH_VM_STARTING, why);
    /* Before that it is wanted: a later daemon that finds it wanted, and this, begins anew. */
    if (!berth_runtime_create(host->settings->runtime_dir, berth_vm_id(vm), berth_vm_store_id(host->vms),
                              &start->runtime, &error)) {
        berth_start_fail(vm, error);
        return;
    }
    berth_start_prepare(vm);
    store_want(vm);
}

/* Whoever let its keeper go did not hear which QEMU it started. */
static void find_qemu(BerthVm *vm)
{
    BerthRun *run = vm->run;
    if (run->qemu_pidfd < 0)
        berth_run_find_qemu(run);
    if (run->qemu_pidfd < 0)
        berth_start_fail_with(vm, BERTH_ERROR_START_FAILED, "QEMU of VM \"%s\" answers, but can't be found",
                              berth_vm_name(vm));
    else
        maybe_finish(vm);
}

static void resumed_monitor_ready(BerthVm *vm)
{
    berth_guest_look(vm->run->guest); /* what its agent had said by then, nobody heard */
    if (vm->start && !vm->start->failure)
        find_qemu(vm);
}

void berth_vm_resume_start(BerthVm *vm)
{
    BerthStart *start = begin(vm, NULL);
    start->scope_stands = TRUE;
    /* Whoever began it may have been killed between the record and the word that lets the keeper go. */
    vm->run->begins_anew = TRUE;
    vm->run->on_ready = resumed_monitor_ready;
    query_status(vm);
    store_want(vm);
}
