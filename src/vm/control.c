/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control.h"

#include "../core/error.h"
#include "agent-shutdown.h"
#include "powerdown.h"
#include "restart.h"
#include "run.h"
#include "settle.h"
#include "start.h"
#include "want.h"

/* One QMP command in flight for a method. */
typedef struct {
    BerthVm *vm;
    BerthReply *reply;
    const char *method;
    void (*ended)(BerthVm *vm, gboolean success); /* (nullable) */
} Command;

GError *berth_vm_command_error(const BerthVm *vm, const char *method, const GError *error, BerthError refused)
{
    if (!error || error->domain != BERTH_QMP_ERROR)
        return error ? g_error_copy(error) : NULL;
    BerthError code = error->code == BERTH_QMP_ERROR_REFUSED ? refused
                      : error->code == BERTH_QMP_ERROR_FULL  ? BERTH_ERROR_BUSY
                                                             : BERTH_ERROR_CANCELLED;
    return g_error_new(BERTH_ERROR, code, "%s of VM \"%s\" failed: %s", method, berth_vm_name(vm), error->message);
}

static void command_done(JsonNode *result, const GError *error, gpointer data)
{
    Command *command = data;
    BerthVm *vm = command->vm;
    g_autoptr(GError) failure = berth_vm_command_error(vm, command->method, error, BERTH_ERROR_WRONG_STATE);
    if (vm->busy_with == command->method)
        vm->busy_with = NULL;
    if (g_error_matches(error, BERTH_ERROR, BERTH_ERROR_CANCELLED) && vm->run && vm->run->qmp)
        berth_run_is_silent(vm->run);
    if (command->ended)
        command->ended(vm, !error);
    berth_reply_return(&command->reply, failure);
    berth_vm_unref(vm);
    g_free(command);
}

GError *berth_vm_no_monitor(const BerthVm *vm)
{
    if (vm->run && vm->run->qmp)
        return NULL;
    return g_error_new(BERTH_ERROR, BERTH_ERROR_BUSY,
                       "QEMU's monitor of VM \"%s\" is not connected; try again, or power it off", berth_vm_name(vm));
}

/* @method: a static string; marks the VM busy meanwhile. */
static void run_command(BerthVm *vm, const char *method, const char *qmp_command,
                        void (*ended)(BerthVm *vm, gboolean success), BerthReply *reply)
{
    g_autoptr(GError) error = berth_vm_no_monitor(vm);
    if (error) {
        if (ended)
            ended(vm, FALSE);
        berth_reply_return(&reply, error);
        return;
    }
    Command *command = g_new0(Command, 1);
    command->vm = berth_vm_ref(vm);
    command->reply = reply;
    command->method = method;
    command->ended = ended;
    vm->busy_with = method;
    berth_qmp_execute(vm->run->qmp, qmp_command, NULL, BERTH_COMMAND_TIMEOUT_USEC, command_done, command);
}

static void paused(BerthVm *vm, gboolean success)
{
    if (success && vm->state == BERTH_VM_RUNNING)
        berth_vm_set_state(vm, BERTH_VM_PAUSED, "Pause");
}

static void resumed(BerthVm *vm, gboolean success)
{
    if (success && vm->state == BERTH_VM_PAUSED)
        berth_vm_set_state(vm, BERTH_VM_RUNNING, "Resume");
}

void berth_vm_pause(BerthVm *vm, BerthReply *reply)
{
    run_command(vm, "Pause", "stop", paused, reply);
}

void berth_vm_resume(BerthVm *vm, BerthReply *reply)
{
    run_command(vm, "Resume", "cont", resumed, reply);
}

void berth_vm_reset(BerthVm *vm, BerthReply *reply)
{
    run_command(vm, "Reset", "system_reset", NULL, reply);
}

/* Shutdown */

/* The guest was not asked, and its owner was told so. */
static void forget_shutdown(BerthVm *vm)
{
    if (vm->run && vm->run->operation == BERTH_RECORD_SHUTDOWN && vm->run->until == 0)
        berth_vm_note(vm, BERTH_RECORD_RUN, 0);
}

static void guest_asked(BerthVm *vm, gboolean success)
{
    if (!vm->run)
        return;
    if (!success) {
        forget_shutdown(vm);
        return;
    }
    if (!vm->run->ending && (vm->state == BERTH_VM_RUNNING || vm->state == BERTH_VM_STOPPING))
        berth_powerdown_begin(vm, FALSE, "Shutdown");
    vm->run->stop_asked = TRUE;
}

gboolean berth_shutdown_mode_from_string(const char *word, BerthShutdownMode *mode)
{
    static const char *const words[] = {
        [BERTH_SHUTDOWN_AUTO] = "", [BERTH_SHUTDOWN_AGENT] = "agent", [BERTH_SHUTDOWN_ACPI] = "acpi"};
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_str_equal(word, words[i])) {
            *mode = (BerthShutdownMode) i;
            return TRUE;
        }
    return FALSE;
}

/* (transfer full) (nullable) */
static GError *why_not_by_agent(const BerthVm *vm)
{
    if (vm->run && berth_guest_agent_answers(vm->run->guest))
        return NULL;
    return g_error_new(BERTH_ERROR, BERTH_ERROR_UNSUPPORTED,
                       "No agent answers in the guest of VM \"%s\"; shut it down by \"acpi\"", berth_vm_name(vm));
}

static void press_power_button(BerthVm *vm, BerthReply *reply)
{
    run_command(vm, "Shutdown", "system_powerdown", guest_asked, reply);
}

static void ask_guest(BerthVm *vm, BerthShutdownMode mode, BerthReply *reply)
{
    g_autoptr(GError) no_agent = why_not_by_agent(vm);
    if (!no_agent && mode != BERTH_SHUTDOWN_ACPI) {
        berth_agent_shutdown(vm, guest_asked, mode == BERTH_SHUTDOWN_AUTO ? press_power_button : NULL, reply);
    } else if (mode != BERTH_SHUTDOWN_AGENT) {
        press_power_button(vm, reply);
    } else {
        guest_asked(vm, FALSE);
        berth_reply_return(&reply, no_agent);
    }
}

/* The wish is durable; now the guest is asked. */
typedef struct {
    BerthVm *vm;
    BerthShutdownMode mode; /* of a Shutdown */
    BerthReply *reply;
} Wish;

static void wish_free(Wish *wish)
{
    berth_reply_free(wish->reply);
    berth_vm_unref(wish->vm);
    g_free(wish);
}

static Wish *wish_new(BerthVm *vm, BerthReply *reply)
{
    Wish *wish = g_new0(Wish, 1);
    wish->vm = berth_vm_ref(vm);
    wish->reply = reply;
    return wish;
}

static void shutdown_wish_stored(const GError *error, gpointer data)
{
    Wish *wish = data;
    g_autoptr(GError) refused = NULL;
    wish->vm->busy_with = NULL;
    if (error) {
        forget_shutdown(wish->vm);
        berth_reply_return(&wish->reply, error);
    } else if (wish->vm->state == BERTH_VM_REMOVING || !wish->vm->run || wish->vm->run->ending) {
        g_clear_pointer(&wish->reply, berth_reply_free); /* Remove or PowerOff came in between, or the end by itself */
    } else if (!berth_vm_check(wish->vm, BERTH_METHOD_SHUTDOWN, &refused)) {
        forget_shutdown(wish->vm);
        berth_reply_return(&wish->reply, refused);
    } else {
        ask_guest(wish->vm, wish->mode, g_steal_pointer(&wish->reply));
    }
}

static void store_wish_and_ask(BerthVm *vm, BerthShutdownMode mode, BerthReply *reply)
{
    Wish *wish = wish_new(vm, reply);
    wish->mode = mode;
    vm->busy_with = "Shutdown";
    berth_vm_want(vm, FALSE, berth_reply_new(shutdown_wish_stored, wish, (GDestroyNotify) wish_free));
}

void berth_vm_shutdown(BerthVm *vm, BerthShutdownMode mode, BerthReply *reply)
{
    if (vm->start_due != 0) {
        berth_vm_power_off(vm, reply);
        return;
    }
    /* Before anything is changed: what can't be done is not wished for either. */
    g_autoptr(GError) no_agent = mode == BERTH_SHUTDOWN_AGENT ? why_not_by_agent(vm) : NULL;
    if (no_agent) {
        berth_reply_return(&reply, no_agent);
        return;
    }
    berth_restart_forget(vm);
    vm->run->by_agent_alone = mode == BERTH_SHUTDOWN_AGENT;
    if (vm->state == BERTH_VM_RUNNING)
        berth_vm_note(vm, BERTH_RECORD_SHUTDOWN, 0);
    store_wish_and_ask(vm, mode, reply);
}

void berth_vm_resume_shutdown(BerthVm *vm)
{
    const gboolean unknown = vm->run->operation == BERTH_RECORD_SHUTDOWN && vm->run->until == 0;
    berth_powerdown_resume(vm);
    /* Perhaps the guest was asked, perhaps not: another press of its power button does no harm. */
    if (unknown)
        store_wish_and_ask(vm, BERTH_SHUTDOWN_AUTO, NULL);
}

/* PowerOff */

static void power_off_wish_stored(const GError *error, gpointer data)
{
    Wish *wish = data;
    if (error) {
        berth_reply_return(&wish->reply, error);
        return;
    }
    /* It is off, and how it ended before is of no interest any more. */
    if (wish->vm->state == BERTH_VM_STOPPED)
        berth_vm_forget_run(wish->vm);
    berth_vm_await_gone(wish->vm, g_steal_pointer(&wish->reply));
}

void berth_vm_power_off(BerthVm *vm, BerthReply *reply)
{
    berth_restart_forget(vm);
    berth_vm_cancel_start(vm);
    g_clear_handle_id(&vm->shutdown_timer, g_source_remove);
    if (vm->run) {
        vm->run->stop_asked = TRUE;
        vm->run->begins_anew = FALSE;
        berth_vm_note(vm, BERTH_RECORD_POWER_OFF, 0);
        berth_vm_set_state(vm, BERTH_VM_STOPPING, "PowerOff");
        berth_run_end(vm->run, TRUE);
    } else {
        berth_vm_retire_runtime(vm); /* of a start that had not come to a process */
        berth_vm_set_state(vm, BERTH_VM_STOPPED, "PowerOff");
    }
    /* It goes in any case; the answer waits for both: that nobody is left, and that it stays so after a reboot. */
    berth_vm_want(vm, FALSE, berth_reply_new(power_off_wish_stored, wish_new(vm, reply), (GDestroyNotify) wish_free));
}
