/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm.h"

#include "../core/error.h"
#include "../core/names.h"
#include "manager.h"
#include "removal.h"
#include "restart.h"
#include "run.h"
#include "start-queue.h"
#include "start.h"

BerthVm *berth_vm_new(BerthManager *manager, BerthVmRecord *record, BerthVmState state)
{
    BerthVm *vm = g_new0(BerthVm, 1);
    g_ref_count_init(&vm->refs);
    vm->manager = manager;
    vm->record = record;
    vm->state = state;
    vm->state_changed = g_get_real_time();
    vm->error_name = g_strdup("");
    vm->error_text = g_strdup("");
    vm->exit_status = -1;
    vm->responsive = TRUE;
    vm->want_stored = record->wanted;
    return vm;
}

BerthVm *berth_vm_ref(BerthVm *vm)
{
    g_ref_count_inc(&vm->refs);
    return vm;
}

void berth_vm_let_go(BerthVm *vm)
{
    g_clear_handle_id(&vm->restart_timer, g_source_remove);
    berth_queue_leave(vm);
    g_clear_handle_id(&vm->shutdown_timer, g_source_remove);
    g_clear_pointer(&vm->start, berth_start_free);
    g_clear_pointer(&vm->removal, berth_removal_free);
    g_clear_pointer(&vm->run, berth_run_free);
    g_clear_pointer(&vm->gone_waiters, g_ptr_array_unref);
    g_clear_pointer(&vm->want_waiters, g_ptr_array_unref);
}

void berth_vm_unref(BerthVm *vm)
{
    if (!g_ref_count_dec(&vm->refs))
        return;
    berth_vm_let_go(vm);
    berth_vm_record_free(vm->record);
    g_free(vm->error_name);
    g_free(vm->error_text);
    g_free(vm);
}

char *berth_vm_unit(const BerthVm *vm)
{
    return g_strconcat(BERTH_UNIT_PREFIX, vm->record->id, BERTH_UNIT_SUFFIX, NULL);
}

void berth_vm_log(const BerthVm *vm, GLogLevelFlags level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_log_structured("berthd", level, "BERTH_VM", vm->record->name, "BERTH_VM_ID", vm->record->id, "MESSAGE", "%s: %s",
                     vm->record->name, text);
}

void berth_vm_log_event(const BerthVm *vm, GLogLevelFlags level, const char *message_id, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_log_structured("berthd", level, "MESSAGE_ID", message_id, "BERTH_VM", vm->record->name, "BERTH_VM_ID",
                     vm->record->id, "BERTH_STATE", berth_vm_state_to_string(vm->state), "MESSAGE", "%s: %s",
                     vm->record->name, text);
}

void berth_vm_changed(BerthVm *vm, guint aspects)
{
    berth_manager_vm_changed(vm->manager, vm, aspects);
}

/* Only a VM that rests can be about to start; and once one does not start any more, it is another's turn. */
static void follow_edge(BerthVm *vm, BerthVmState old)
{
    if (vm->state != BERTH_VM_STOPPED && vm->state != BERTH_VM_EXITED)
        berth_restart_call_off(vm);
    if (old == BERTH_VM_STARTING)
        berth_queue_start_ended(vm);
}

void berth_vm_set_state(BerthVm *vm, BerthVmState state, const char *why)
{
    if (vm->state == state)
        return;
    if (!berth_vm_state_may_follow(vm->state, state)) {
        g_critical("%s: no edge from %s to %s (%s)", vm->record->name, berth_vm_state_to_string(vm->state),
                   berth_vm_state_to_string(state), why);
        return;
    }
    BerthVmState old = vm->state;
    vm->state = state;
    berth_vm_log_event(vm, G_LOG_LEVEL_MESSAGE, BERTH_MESSAGE_STATE, "%s → %s: %s", berth_vm_state_to_string(old),
                       berth_vm_state_to_string(state), why);
    vm->state_changed = g_get_real_time();
    follow_edge(vm, old);
    berth_vm_changed(vm, BERTH_ASPECT_STATE);
}

void berth_vm_set_error(BerthVm *vm, const GError *error)
{
    const char *name = error ? berth_error_dbus_name(error) : "";
    g_autofree char *text = g_utf8_make_valid(error ? error->message : "", -1); /* it may quote a name on disk */
    if (g_str_equal(vm->error_name, name) && g_str_equal(vm->error_text, text))
        return;
    g_free(vm->error_name);
    g_free(vm->error_text);
    vm->error_name = g_strdup(name);
    vm->error_text = g_strdup(text);
    if (error)
        berth_vm_log_event(vm, G_LOG_LEVEL_WARNING, BERTH_MESSAGE_FAILED, "%s", text);
    berth_vm_changed(vm, BERTH_ASPECT_LAST_ERROR);
}

void berth_vm_set_exit(BerthVm *vm, BerthExitReason reason, int status)
{
    if (vm->exit_reason == reason && vm->exit_status == status)
        return;
    vm->exit_reason = reason;
    vm->exit_status = status;
    berth_vm_changed(vm, BERTH_ASPECT_EXIT);
}

void berth_vm_set_responsive(BerthVm *vm, gboolean responsive)
{
    if (vm->responsive == responsive)
        return;
    vm->responsive = responsive;
    berth_vm_changed(vm, BERTH_ASPECT_RESPONSIVE);
}

/* Reading, opening and asking the guest. */
static gboolean disturbs_nothing(BerthVmMethod method)
{
    return method == BERTH_METHOD_OPEN_CONSOLE || method == BERTH_METHOD_OPEN_DISPLAY ||
           method == BERTH_METHOD_OPEN_LOG || method == BERTH_METHOD_REFRESH_GUEST ||
           method == BERTH_METHOD_SUBSCRIBE_USAGE || method == BERTH_METHOD_UNSUBSCRIBE_USAGE;
}

/* (nullable): the operation in flight that is in the way of @method. */
static const char *in_the_way(const BerthVm *vm, BerthVmMethod method)
{
    if (vm->removal && vm->state != BERTH_VM_REMOVING)
        return "Remove";
    /* PowerOff is the way out where QEMU lets a command hang: it ends that too. And a grace time may be over before a long
     * copy is. */
    const gboolean can_wait =
        method != BERTH_METHOD_POWER_OFF && !(method == BERTH_METHOD_CANCEL_REMOVAL && vm->cloning);
    return can_wait ? vm->busy_with : NULL;
}

gboolean berth_vm_check(const BerthVm *vm, BerthVmMethod method, GError **error)
{
    /* There is no guest to ask, but a start to come that is to be called off. */
    const gboolean calls_off = method == BERTH_METHOD_SHUTDOWN && vm->start_due != 0;
    if (!calls_off && !berth_vm_state_allows(vm->state, method, vm->record->name, error))
        return FALSE;
    if (method == BERTH_METHOD_REMOVE || disturbs_nothing(method))
        return TRUE; /* a removal waits for what is in flight */
    const char *busy_with = in_the_way(vm, method);
    if (busy_with) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_BUSY, "%s of VM \"%s\" is under way; try again when it has ended",
                    busy_with, vm->record->name);
        return FALSE;
    }
    return TRUE;
}

typedef struct {
    BerthVm *vm;
    BerthWorkFunc func;
    gpointer data;
    GDestroyNotify free_data;
    void (*done)(BerthVm *vm, gpointer data, const GError *error);
} VmWork;

static void vm_work_free(VmWork *work)
{
    if (work->free_data)
        work->free_data(work->data);
    berth_vm_unref(work->vm);
    g_free(work);
}

static gboolean vm_work_run(gpointer data, GError **error)
{
    VmWork *work = data;
    return work->func(work->data, error);
}

static void vm_work_done(gpointer data, const GError *error, gpointer user_data)
{
    VmWork *work = data;
    work->vm->n_works--;
    work->vm->n_works_ended++;
    if (work->done)
        work->done(work->vm, work->data, error);
    berth_removal_poke(work->vm);
    berth_queue_poke(work->vm->manager);
}

BerthWork *berth_vm_work(BerthVm *vm, BerthWorkKind kind, BerthWorkFunc func, gpointer data, GDestroyNotify free_data,
                         void (*done)(BerthVm *vm, gpointer data, const GError *error))
{
    VmWork *work = g_new0(VmWork, 1);
    work->vm = berth_vm_ref(vm);
    work->func = func;
    work->data = data;
    work->free_data = free_data;
    work->done = done;
    vm->n_works++;
    return berth_work_start(kind, vm_work_run, work, (GDestroyNotify) vm_work_free, vm_work_done, NULL);
}
