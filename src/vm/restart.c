/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "restart.h"

#include "../core/error.h"
#include "../core/text.h"
#include "../host/end-record.h"
#include "manager.h"
#include "start-queue.h"
#include "start.h"
#include "want.h"

static const BerthSettings *settings_of(const BerthVm *vm)
{
    return berth_manager_host(vm->manager)->settings;
}

static BerthRestartBounds bounds_of(const BerthVm *vm)
{
    return berth_restart_bounds_of(&vm->record->config->restarts, &settings_of(vm)->restarts);
}

/* What a daemon that comes later is to know */

static void remember(BerthVm *vm, BerthExitReason reason, const char *words)
{
    g_autoptr(GError) error = NULL;
    const BerthEndRecord record = {
        .reason = reason,
        .wait_status = vm->exit_status,
        .restarts = vm->restarts,
        .start_due = vm->start_due,
        .limit_reached = g_str_has_suffix(vm->error_name, ".LimitReached"),
        .words = (char *) words,
    };
    if (!berth_end_record_write(settings_of(vm)->runtime_dir, berth_vm_id(vm), &record, &error))
        berth_vm_log(vm, G_LOG_LEVEL_WARNING, "After a restart of berthd nobody will know how it ended: %s",
                     error->message);
}

void berth_restart_remember(BerthVm *vm, const char *words)
{
    remember(vm, vm->exit_reason, words ? words : vm->error_text);
}

/* What is due */

void berth_restart_set_due(BerthVm *vm, gint64 due)
{
    vm->start_due = due;
    vm->next_start = g_get_real_time() + due - g_get_monotonic_time();
    berth_vm_changed(vm, BERTH_ASPECT_RESTARTS);
}

void berth_restart_call_off(BerthVm *vm)
{
    g_clear_handle_id(&vm->restart_timer, g_source_remove);
    berth_queue_leave(vm);
    if (vm->start_due == 0)
        return;
    vm->start_due = vm->next_start = 0;
    berth_vm_changed(vm, BERTH_ASPECT_RESTARTS);
}

static gboolean came_due(gpointer data)
{
    BerthVm *vm = data;
    vm->restart_timer = 0;
    berth_queue_restart(vm);
    return G_SOURCE_REMOVE;
}

static void await_due(BerthVm *vm, gint64 due)
{
    const gint64 msec = (due - g_get_monotonic_time() + 999) / 1000;
    berth_restart_call_off(vm);
    berth_restart_set_due(vm, due);
    vm->restart_timer = g_timeout_add((guint) CLAMP(msec, 0, G_MAXINT), came_due, vm);
}

/* Its turn has come */

void berth_restart_go_after_boot(BerthVm *vm)
{
    berth_vm_start(vm, NULL, "it is wanted, and has not run since the host was booted");
}

void berth_restart_go(BerthVm *vm)
{
    const BerthRestartBounds bounds = bounds_of(vm);
    berth_restart_count_try(&bounds, &vm->restarts, g_get_monotonic_time());
    /* What has ended begins again: a daemon that comes before there is a process starts it, as after a boot. */
    remember(vm, BERTH_EXIT_NONE, vm->error_text);
    berth_vm_changed(vm, BERTH_ASPECT_RESTARTS);
    berth_vm_start(vm, NULL, "its restart policy");
}

/* Ends */

static void give_up(BerthVm *vm, const BerthRestartBounds *bounds)
{
    g_autofree char *span = berth_span_format(bounds->interval_usec);
    g_autofree char *words = g_strdup(vm->error_text);
    g_autoptr(GError) error = g_error_new(
        BERTH_ERROR, BERTH_ERROR_LIMIT_REACHED,
        "%s%sIt was restarted %u times within %s, and is not any more: look at its logs, mend the cause and start "
        "it, or allow more with restart-limit-burst",
        words, *words ? ". " : "", vm->restarts.n_in_interval, span);
    berth_vm_set_error(vm, error);
}

void berth_restart_schedule(BerthVm *vm, BerthExitReason reason, gint64 ran_usec)
{
    const BerthRestartBounds bounds = bounds_of(vm);
    if (ran_usec >= (gint64) bounds.healthy_usec && vm->restarts.n_restarts > 0) {
        vm->restarts = (BerthRestartCount){0};
        berth_vm_changed(vm, BERTH_ASPECT_RESTARTS);
    }
    if (!vm->record->wanted || !berth_restart_policy_covers(vm->record->config->restart, reason))
        return;
    const gint64 due = g_get_monotonic_time() + (gint64) berth_restart_delay(&bounds, &vm->restarts);
    if (berth_restart_may_try(&bounds, &vm->restarts, due))
        await_due(vm, due);
    else
        give_up(vm, &bounds);
}

void berth_restart_reconsider(BerthVm *vm)
{
    if (vm->state != BERTH_VM_EXITED || vm->start_due == 0 ||
        berth_restart_policy_covers(vm->record->config->restart, vm->exit_reason))
        return;
    berth_restart_call_off(vm);
    berth_restart_remember(vm, NULL);
}

void berth_restart_forget(BerthVm *vm)
{
    if (vm->start_due == 0 && vm->restarts.n_restarts == 0)
        return;
    berth_restart_call_off(vm);
    vm->restarts = (BerthRestartCount){0};
    berth_vm_changed(vm, BERTH_ASPECT_RESTARTS);
    /* Else its end will be remembered. */
    if (!vm->run)
        berth_restart_remember(vm, NULL);
}

void berth_restart_take_over(BerthVm *vm)
{
    g_autoptr(GError) error = NULL;
    berth_restart_call_off(vm);
    vm->restarts = (BerthRestartCount){0};
    berth_vm_changed(vm, BERTH_ASPECT_RESTARTS);
    if (!berth_end_record_remove(settings_of(vm)->runtime_dir, berth_vm_id(vm), &error))
        berth_vm_log(vm, G_LOG_LEVEL_WARNING, "%s", error->message);
}

/* Over the end of the daemon */

/* What a daemon before this one had decided. */
static void go_on(BerthVm *vm, const BerthEndRecord *record)
{
    if (*record->words) {
        g_autoptr(GError) error = g_error_new_literal(
            BERTH_ERROR, record->limit_reached ? BERTH_ERROR_LIMIT_REACHED : BERTH_ERROR_START_FAILED, record->words);
        berth_vm_set_error(vm, error);
    }
    if (record->start_due != 0)
        await_due(vm, record->start_due);
    berth_restart_reconsider(vm); /* somebody may have edited it meanwhile */
}

static void come_to_rest(BerthVm *vm, BerthVmState state)
{
    if (vm->state != BERTH_VM_STOPPED)
        berth_vm_set_state(vm, state, "what was left of a start is gone");
    else
        vm->state = state; /* nobody has seen another yet */
}

/* %NULL where its last run has not ended, or nothing is known of it. */
static BerthEndRecord *read_end(const BerthVm *vm)
{
    return berth_end_record_read(settings_of(vm)->runtime_dir, berth_vm_id(vm), NULL);
}

static gboolean has_ended(const BerthEndRecord *record)
{
    return record && record->reason != BERTH_EXIT_NONE;
}

gboolean berth_restart_is_decided(const BerthVm *vm)
{
    g_autoptr(BerthEndRecord) record = read_end(vm);
    return has_ended(record);
}

/* Whether it is `exited` by what an earlier daemon had judged; that may have been killed before it was durable that a VM which
 * turned itself off is not wanted, which is made up for. */
static gboolean take_over_end(BerthVm *vm, const BerthEndRecord *record)
{
    if (!vm->record->wanted || !has_ended(record) || record->reason == BERTH_EXIT_HOST_STOP)
        return FALSE;
    if (record->reason != BERTH_EXIT_GUEST_SHUTDOWN ||
        berth_restart_policy_covers(vm->record->config->restart, record->reason))
        return TRUE;
    berth_vm_want(vm, FALSE, NULL);
    return FALSE;
}

void berth_restart_mended(BerthVm *vm)
{
    g_autoptr(BerthEndRecord) record = read_end(vm);
    const gboolean exited = take_over_end(vm, record);
    if (record) {
        vm->restarts = record->restarts;
        berth_vm_set_exit(vm, record->reason, record->wait_status);
    }
    berth_vm_set_state(vm, exited ? BERTH_VM_EXITED : BERTH_VM_STOPPED, "its definition was mended");
    if (exited)
        go_on(vm, record);
}

void berth_restart_recover(BerthVm *vm, gboolean may_have_ended)
{
    g_autoptr(BerthEndRecord) record = may_have_ended ? read_end(vm) : NULL;
    if (record && vm->state != BERTH_VM_REMOVING) {
        vm->restarts = record->restarts;
        if (!vm->run)
            berth_vm_set_exit(vm, record->reason, record->wait_status);
    }
    if (vm->run || vm->state == BERTH_VM_REMOVING || vm->state == BERTH_VM_BROKEN)
        return;
    const gboolean exited = take_over_end(vm, record);
    come_to_rest(vm, exited ? BERTH_VM_EXITED : BERTH_VM_STOPPED);
    if (exited)
        go_on(vm, record);
    else if (vm->record->wanted && !has_ended(record))
        berth_queue_boot(vm);
}
