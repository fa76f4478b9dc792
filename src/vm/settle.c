/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settle.h"

#include "../core/error.h"
#include "../core/json-member.h"
#include "../host/runtime-dir.h"
#include "agent-shutdown.h"
#include "manager.h"
#include "powerdown.h"
#include "removal.h"
#include "restart.h"
#include "run.h"
#include "start.h"
#include "usage.h"
#include "want.h"

/* Its keeper was told to stop it: by systemd, or as machinectl does. Where it left no record, it is known by what was under way. */
static gboolean is_keeper_asked(const BerthRun *run, const BerthExitRecord *record)
{
    return record ? record->requested : run->operation == BERTH_RECORD_POWERDOWN || run->scope_stops;
}

static BerthExitReason judge(const BerthRun *run, const BerthExitRecord *record)
{
    if (record)
        return berth_exit_record_judge(record, run->guest_ran, run->stop_asked);
    return run->stop_asked || is_keeper_asked(run, NULL) ? BERTH_EXIT_HOST_STOP : BERTH_EXIT_LOST;
}

static gboolean is_restarted_after(const BerthVm *vm, BerthExitReason reason)
{
    return vm->record->wanted && berth_restart_policy_covers(vm->record->config->restart, reason);
}

/* An end that somebody asked for is `stopped`, one that happened is `exited`. */
static BerthVmState state_after(const BerthVm *vm, gboolean stop_asked, BerthExitReason reason)
{
    if (stop_asked || reason == BERTH_EXIT_HOST_STOP)
        return BERTH_VM_STOPPED;
    /* The guest's owner turned it off from within: an end, unless it is to run always. */
    if (reason == BERTH_EXIT_GUEST_SHUTDOWN)
        return is_restarted_after(vm, reason) ? BERTH_VM_EXITED : BERTH_VM_STOPPED;
    return BERTH_VM_EXITED;
}

/* (transfer full) */
static char *describe_failure(const BerthVm *vm, const char *words)
{
    return g_strdup_printf("VM \"%s\" ended unexpectedly: %s", berth_vm_name(vm), words);
}

static void tell_failure(BerthVm *vm, const char *words)
{
    g_autofree char *text = describe_failure(vm, words);
    g_autoptr(GError) error = g_error_new_literal(BERTH_ERROR, BERTH_ERROR_START_FAILED, text);
    berth_vm_set_error(vm, error);
}

static void go_where_it_ends(BerthVm *vm, gboolean stop_asked, BerthExitReason reason, const char *words)
{
    BerthVmState next = state_after(vm, stop_asked, reason);
    if (reason == BERTH_EXIT_GUEST_SHUTDOWN && next == BERTH_VM_STOPPED)
        berth_vm_want(vm, FALSE, NULL);
    if (next == BERTH_VM_EXITED && reason != BERTH_EXIT_GUEST_SHUTDOWN)
        tell_failure(vm, words);
    else
        berth_vm_set_error(vm, NULL);
    berth_vm_set_state(vm, next, words);
}

/* What there is to know of an end. */
typedef struct {
    BerthExitReason reason;
    gboolean stop_asked;   /* by one of our methods */
    gboolean keeper_asked; /* or by somebody else: is_keeper_asked() */
    const char *words;
    gint64 ran_usec;
} End;

/* However badly it ends: who was told to stop is not started again. */
static void settle_running(BerthVm *vm, const End *end)
{
    g_clear_handle_id(&vm->shutdown_timer, g_source_remove);
    go_where_it_ends(vm, end->stop_asked, end->reason, end->words);
    if (vm->state == BERTH_VM_EXITED && !end->keeper_asked)
        berth_restart_schedule(vm, end->reason, end->ran_usec);
}

void berth_vm_retire_runtime(BerthVm *vm)
{
    g_autoptr(GError) error = NULL;
    if (!berth_runtime_retire(berth_manager_host(vm->manager)->settings->runtime_dir, berth_vm_id(vm), &error))
        berth_vm_log(vm, G_LOG_LEVEL_WARNING, "%s", error->message);
}

void berth_vm_forget_run(BerthVm *vm)
{
    g_autoptr(GError) error = NULL;
    if (!berth_runtime_remove(berth_manager_host(vm->manager)->settings->runtime_dir, berth_vm_id(vm), &error))
        berth_vm_log(vm, G_LOG_LEVEL_WARNING, "%s", error->message);
}

/* Remove wins over a restart, also where it is taken back. */
void berth_vm_settle_taken_back(BerthVm *vm)
{
    BerthExitReason reason = vm->exit_reason == BERTH_EXIT_NONE ? BERTH_EXIT_LOST : vm->exit_reason;
    berth_vm_set_exit(vm, reason, vm->exit_status);
    go_where_it_ends(vm, FALSE, reason, "it had ended when its removal was taken back");
    berth_restart_remember(vm, NULL);
}

/* What was left of half a start is gone. It begins anew; unless it was only systemd that had not noticed the end of a whole
 * run, which was judged before. */
static void settle_half_start(BerthVm *vm)
{
    berth_vm_cancel_start(vm);
    berth_vm_forget_run(vm);
    berth_restart_recover(vm, TRUE);
}

/* An earlier daemon had begun it, and it is undone; or it goes on, and has never come to a QEMU. What has, and fails, is a
 * failure as any. */
static gboolean is_half_start(const BerthVm *vm, const BerthExitRecord *record)
{
    if (!vm->run->begins_anew || (vm->state != BERTH_VM_STARTING && vm->state != BERTH_VM_STOPPING))
        return FALSE;
    return !vm->start || (!record && !berth_start_is_failing(vm));
}

static void settle_start(BerthVm *vm, const End *end)
{
    if (end->keeper_asked && end->reason == BERTH_EXIT_HOST_STOP && !berth_start_is_failing(vm))
        berth_start_stopped(vm, end->words);
    else
        berth_start_process_gone(vm, end->words, end->keeper_asked);
}

static void settle_whole(BerthVm *vm, const End *end)
{
    switch (vm->state) {
    case BERTH_VM_STARTING:
        if (vm->start)
            settle_start(vm, end);
        else
            settle_running(vm, end);
        break;
    case BERTH_VM_RUNNING:
    case BERTH_VM_PAUSED:
    case BERTH_VM_STOPPING:
        settle_running(vm, end);
        break;
    case BERTH_VM_STOPPED:
    case BERTH_VM_EXITED:
    case BERTH_VM_REMOVING:
    case BERTH_VM_BROKEN:
    case BERTH_VM_STATE_LAST:
        break;
    }
    /* In `removing` this is a phase of its own, which is retried; and a daemon that comes within the grace time finds there how
     * it ended. Else what follows is kept before what it was judged by goes. */
    if (vm->state != BERTH_VM_REMOVING) {
        /* Of one that is broken LastError says why, and not how it ended. */
        const gboolean is_failure = end->reason != BERTH_EXIT_GUEST_SHUTDOWN && end->reason != BERTH_EXIT_HOST_STOP;
        g_autofree char *words = is_failure ? describe_failure(vm, end->words) : g_strdup("");
        berth_restart_remember(vm, vm->state == BERTH_VM_BROKEN ? words : NULL);
        berth_vm_retire_runtime(vm);
    }
}

void berth_vm_settle(BerthVm *vm)
{
    g_autoptr(BerthVm) hold = berth_vm_ref(vm);
    const char *runtime_dir = berth_manager_host(vm->manager)->settings->runtime_dir;
    g_autoptr(BerthExitRecord) record = berth_runtime_read_exit(runtime_dir, berth_vm_id(vm), NULL);
    const gboolean is_half = is_half_start(vm, record);
    BerthRun *run = g_steal_pointer(&vm->run);
    g_autofree char *words = record ? berth_exit_record_describe(record) : g_strdup("it left no record of how");
    const End end = {
        .reason = judge(run, record),
        .stop_asked = run->stop_asked,
        .keeper_asked = is_keeper_asked(run, record),
        .words = words,
        .ran_usec = run->started > 0 ? (record ? record->time : g_get_real_time()) - run->started : 0,
    };
    const guint gone = BERTH_ASPECT_PROCESS | (berth_guest_has_spoken(run->guest) ? BERTH_ASPECT_GUEST : 0);
    berth_run_free(run);
    berth_vm_usage_ended(vm);

    berth_vm_changed(vm, gone);
    berth_vm_set_responsive(vm, TRUE);
    if (is_half) {
        settle_half_start(vm);
    } else {
        berth_vm_set_exit(vm, end.reason, record ? record->wait_status : -1);
        settle_whole(vm, &end);
    }
    if (vm->gone_waiters)
        berth_replies_return(vm->gone_waiters, NULL);
    berth_removal_poke(vm);
}

void berth_vm_await_gone(BerthVm *vm, BerthReply *reply)
{
    if (!vm->run) {
        berth_reply_return(&reply, NULL);
        return;
    }
    if (!vm->gone_waiters)
        vm->gone_waiters = berth_replies_new();
    g_ptr_array_add(vm->gone_waiters, reply);
}

/* A guest that powers itself off; QEMU's own end follows. A panic and the host's own requests are told by the record.
 */
static void guest_shuts_down(BerthVm *vm, JsonObject *arguments)
{
    const char *reason = arguments ? berth_json_get_string(arguments, "reason") : NULL;
    if (g_strcmp0(reason, "guest-shutdown") == 0 && (vm->state == BERTH_VM_RUNNING || vm->state == BERTH_VM_PAUSED))
        berth_vm_set_state(vm, BERTH_VM_STOPPING, "the guest powers itself down");
}

/* QEMU tells of its power button before it answers who pressed it: that may be our own Shutdown, whose deadline is another
 * than that of systemd's stop. */
static void powerdown_begins(BerthVm *vm)
{
    gboolean ours = g_strcmp0(vm->busy_with, "Shutdown") == 0;
    berth_powerdown_begin(vm, !ours, ours ? "Shutdown" : "the guest was asked to power down");
    if (!ours)
        berth_agent_shutdown_too(vm);
}

static void power_button_pressed(BerthVm *vm)
{
    if (vm->state == BERTH_VM_RUNNING)
        powerdown_begins(vm);
    berth_powerdown_button_pressed(vm);
}

void berth_vm_guest_event(BerthVm *vm, const char *name, JsonObject *arguments)
{
    if (g_str_equal(name, "SHUTDOWN"))
        guest_shuts_down(vm, arguments);
    else if (g_str_equal(name, "POWERDOWN"))
        power_button_pressed(vm);
    else if (g_str_equal(name, "STOP") && vm->state == BERTH_VM_RUNNING)
        berth_vm_set_state(vm, BERTH_VM_PAUSED, "QEMU paused the guest");
    else if (g_str_equal(name, "RESUME") && vm->state == BERTH_VM_PAUSED)
        berth_vm_set_state(vm, BERTH_VM_RUNNING, "QEMU resumed the guest");
    else if (g_str_equal(name, "STOP") || g_str_equal(name, "RESUME"))
        berth_removal_guest_paused(vm, g_str_equal(name, "STOP"));
}
