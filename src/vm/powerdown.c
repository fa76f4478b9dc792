/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "powerdown.h"

#include "../core/error.h"
#include "../core/keeper-protocol.h"
#include "../core/text.h"
#include "adopt.h"
#include "control.h"
#include "manager.h"
#include "run.h"

void berth_powerdown_end(BerthVm *vm)
{
    vm->run->stop_asked = FALSE;
    vm->run->press_due = 0;
    berth_vm_note(vm, BERTH_RECORD_RUN, 0);
}

static void give_up(BerthVm *vm)
{
    g_autofree char *span = berth_span_format(vm->run->patience_usec);
    g_autoptr(GError) error = g_error_new(
        BERTH_ERROR, BERTH_ERROR_CANCELLED,
        "The guest of VM \"%s\" did not power down within %s; it runs on. PowerOff ends it", berth_vm_name(vm), span);
    berth_powerdown_end(vm);
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
        give_up(vm);
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

void berth_powerdown_button_pressed(BerthVm *vm)
{
    if (vm->state != BERTH_VM_STOPPING || !do_we_press(vm->run))
        return;
    set_press_due(vm->run);
    await_powerdown(vm);
}

void berth_powerdown_press_button(BerthVm *vm)
{
    vm->run->patience_usec = patience(vm, FALSE);
    press(vm->run);
    await_powerdown(vm);
}

void berth_powerdown_begin(BerthVm *vm, gboolean asked_by_keeper, const char *why)
{
    /* QEMU tells of the request before it answers it: our own deadline takes the place of the keeper's. */
    if (!asked_by_keeper || !vm->shutdown_timer) {
        const guint64 usec = patience(vm, asked_by_keeper);
        berth_vm_note(vm, asked_by_keeper ? BERTH_RECORD_POWERDOWN : BERTH_RECORD_SHUTDOWN, from_now(usec));
        set_deadline(vm, vm->run->until, usec);
    }
    berth_vm_set_state(vm, BERTH_VM_STOPPING, why);
}

void berth_powerdown_resume(BerthVm *vm)
{
    BerthRun *run = vm->run;
    const gboolean ours = run->operation == BERTH_RECORD_SHUTDOWN;
    const guint64 usec = patience(vm, !ours);
    if (ours && run->until == 0) {
        set_deadline(vm, from_now(usec), usec);
        return;
    }
    run->stop_asked = ours;
    if (run->until == 0)
        berth_vm_note(vm, BERTH_RECORD_POWERDOWN, from_now(usec));
    set_deadline(vm, run->until, usec);
    berth_powerdown_button_pressed(vm); /* a while ago, or its agent was asked: the pause begins anew */
}
