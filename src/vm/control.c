/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control.h"

#include "../core/error.h"
#include "../core/keeper-protocol.h"
#include "../core/text.h"
#include "adopt.h"
#include "agent-shutdown.h"
#include "manager.h"
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

/* What is begun, a daemon that comes after this one goes on with. Where that can't be noted it is done all the same. */
static void note(BerthVm *vm, BerthRecordFound operation, gint64 until)
{
    g_autoptr(GError) error = NULL;
    if (!berth_run_note(vm->run, operation, until, &error))
        berth_vm_log(vm, G_LOG_LEVEL_WARNING, "%s", error->message);
}

/* Shutdown */

void berth_vm_end_shutdown(BerthVm *vm)
{
    vm->run->stop_asked = FALSE;
    vm->run->press_due = 0;
    note(vm, BERTH_RECORD_RUN, 0);
}

static void give_up_shutdown(BerthVm *vm)
{
    g_autofree char *span = berth_span_format(vm->run->patience_usec);
    g_autoptr(GError) error = g_error_new(
        BERTH_ERROR, BERTH_ERROR_CANCELLED,
        "The guest of VM \"%s\" did not power down within %s; it runs on. PowerOff ends it", berth_vm_name(vm), span);
    berth_vm_end_shutdown(vm);
    berth_vm_set_error(vm, error);
    berth_vm_set_state(vm, BERTH_VM_RUNNING, "the guest did not power down in time");
    berth_adopt_ask_status(vm); /* it may be paused: QEMU does that where a disk is full */
}

/* How long a guest may take, in µs. */
static guint64 patience(const BerthVm *vm, gboolean asked_by_keeper)
{
    const guint64 shutdown = berth_manager_host(vm->manager)->settings->shutdown_timeout_usec;
    return asked_by_keeper ? berth_keeper_stop_usec(shutdown) : shutdown;
}

static gint64 from_now(guint64 usec)
{
    return g_get_monotonic_time() + (gint64) usec;
}

static void pressed(JsonNode *result, const GError *error, gpointer data)
{
    /* QEMU tells of it by its event; where it was in vain, the deadline acts. */
}

static void set_press_due(BerthRun *run)
{
    run->press_due =
        from_now(MIN(BERTH_BUTTON_PAUSE_SEC * G_USEC_PER_SEC, run->patience_usec / BERTH_BUTTON_PAUSE_PART));
}

/* Else its keeper does, or the guest's owner wants its agent alone to be asked. */
static gboolean do_we_press(const BerthRun *run)
{
    return run->scope_stops || (run->operation == BERTH_RECORD_SHUTDOWN && !run->by_agent_alone);
}

static void press(BerthRun *run)
{
    if (run->qmp)
        berth_qmp_execute(run->qmp, "system_powerdown", NULL, BERTH_COMMAND_TIMEOUT_USEC, pressed, NULL);
    set_press_due(run);
}

/* systemd, which stops the scope, has its own, and then kills. */
static gint64 patience_end(const BerthRun *run)
{
    return run->scope_stops ? G_MAXINT64 : run->patience_end;
}

static void await_powerdown(BerthVm *vm);

static gboolean still_up(gpointer data)
{
    BerthVm *vm = data;
    vm->shutdown_timer = 0;
    if (vm->state != BERTH_VM_STOPPING || !vm->run || vm->run->ending)
        return G_SOURCE_REMOVE;
    const gint64 now = g_get_monotonic_time();
    if (now >= patience_end(vm->run)) {
        give_up_shutdown(vm);
        return G_SOURCE_REMOVE;
    }
    if (vm->run->press_due > 0 && now >= vm->run->press_due)
        press(vm->run);
    await_powerdown(vm);
    return G_SOURCE_REMOVE;
}

static void await_powerdown(BerthVm *vm)
{
    const BerthRun *run = vm->run;
    const gint64 end = patience_end(run);
    const gint64 due = run->press_due > 0 ? MIN(run->press_due, end) : end;
    const gint64 left = CLAMP((due - g_get_monotonic_time() + 999) / 1000, 0, G_MAXINT);
    g_clear_handle_id(&vm->shutdown_timer, g_source_remove);
    vm->shutdown_timer = g_timeout_add((guint) left, still_up, vm);
}

/* @until: when @patience_usec are over, of which some may be gone already */
static void set_deadline(BerthVm *vm, gint64 until, guint64 patience_usec)
{
    vm->run->patience_usec = patience_usec;
    vm->run->patience_end = until;
    await_powerdown(vm);
}

void berth_vm_power_button_pressed(BerthVm *vm)
{
    if (vm->state != BERTH_VM_STOPPING || !do_we_press(vm->run))
        return;
    set_press_due(vm->run);
    await_powerdown(vm);
}

void berth_vm_press_power_button(BerthVm *vm)
{
    vm->run->patience_usec = patience(vm, FALSE);
    press(vm->run);
    await_powerdown(vm);
}

void berth_vm_begin_shutdown(BerthVm *vm, gboolean asked_by_keeper, const char *why)
{
    /* QEMU tells of the request before it answers it: our own deadline takes the place of the keeper's. */
    if (!asked_by_keeper || !vm->shutdown_timer) {
        const guint64 usec = patience(vm, asked_by_keeper);
        note(vm, asked_by_keeper ? BERTH_RECORD_POWERDOWN : BERTH_RECORD_SHUTDOWN, from_now(usec));
        set_deadline(vm, vm->run->until, usec);
    }
    berth_vm_set_state(vm, BERTH_VM_STOPPING, why);
}

/* The guest was not asked, and its owner was told so. */
static void forget_shutdown(BerthVm *vm)
{
    if (vm->run && vm->run->operation == BERTH_RECORD_SHUTDOWN && vm->run->until == 0)
        note(vm, BERTH_RECORD_RUN, 0);
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
        berth_vm_begin_shutdown(vm, FALSE, "Shutdown");
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
        note(vm, BERTH_RECORD_SHUTDOWN, 0);
    store_wish_and_ask(vm, mode, reply);
}

void berth_vm_resume_shutdown(BerthVm *vm)
{
    BerthRun *run = vm->run;
    const gboolean ours = run->operation == BERTH_RECORD_SHUTDOWN;
    const guint64 usec = patience(vm, !ours);
    if (ours && run->until == 0) {
        /* Perhaps the guest was asked, perhaps not: another press of its power button does no harm. */
        set_deadline(vm, from_now(usec), usec);
        store_wish_and_ask(vm, BERTH_SHUTDOWN_AUTO, NULL);
        return;
    }
    run->stop_asked = ours;
    if (run->until == 0)
        note(vm, BERTH_RECORD_POWERDOWN, from_now(usec));
    set_deadline(vm, run->until, usec);
    berth_vm_power_button_pressed(vm); /* a while ago, or its agent was asked: the pause begins anew */
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
        note(vm, BERTH_RECORD_POWER_OFF, 0);
        berth_vm_set_state(vm, BERTH_VM_STOPPING, "PowerOff");
        berth_run_end(vm->run, TRUE);
    } else {
        berth_vm_retire_runtime(vm); /* of a start that had not come to a process */
        berth_vm_set_state(vm, BERTH_VM_STOPPED, "PowerOff");
    }
    /* It goes in any case; the answer waits for both: that nobody is left, and that it stays so after a reboot. */
    berth_vm_want(vm, FALSE, berth_reply_new(power_off_wish_stored, wish_new(vm, reply), (GDestroyNotify) wish_free));
}
