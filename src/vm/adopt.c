/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adopt.h"

#include "../core/error.h"
#include "../core/names.h"
#include "../host/runtime-dir.h"
#include "machine.h"
#include "removal.h"
#include "remove.h"
#include "run.h"

#define STATUS_TIMEOUT_USEC (10 * G_USEC_PER_SEC)

/* The process, if it still is the one of the record: a PID alone says nothing, its cgroup bears the VM's id. */
static int open_own_process(const BerthVm *vm, pid_t pid)
{
    int pidfd = pid > 0 ? berth_pidfd_open(pid, NULL) : -1;
    g_autofree char *owner = pidfd >= 0 ? berth_cgroup_vm_of(pid) : NULL;
    if (pidfd >= 0 && g_strcmp0(owner, berth_vm_id(vm)) != 0) {
        close(pidfd);
        return -1;
    }
    return pidfd;
}

static void status_answered(JsonNode *result, const GError *error, gpointer data)
{
    BerthVm *vm = data;
    if (error || !result || !JSON_NODE_HOLDS_OBJECT(result))
        return;
    JsonObject *status = json_node_get_object(result);
    gboolean is_running = json_object_get_boolean_member_with_default(status, "running", TRUE);
    if (!is_running && vm->state == BERTH_VM_RUNNING)
        berth_vm_set_state(vm, BERTH_VM_PAUSED, "found paused");
    berth_removal_guest_paused(vm, !is_running);
}

void berth_adopt_ask_status(BerthVm *vm)
{
    if (vm->run && vm->run->qmp)
        berth_qmp_execute(vm->run->qmp, "query-status", NULL, STATUS_TIMEOUT_USEC, status_answered, vm);
}

/* The scope of a start that was interrupted before its record was written: what is in it, is ended. One with nobody in it
 * would not end by itself: without a cgroup to watch, the run has it stopped. */
static void unit_found(const BerthScopeStatus *status, const GError *error, gpointer data)
{
    BerthRun *run = data;
    BERTH_AUTO_SYSTEMD_CALL *call = g_steal_pointer(&run->stop_call);
    if (!error && g_str_has_suffix(status->control_group, run->unit) && !berth_scope_is_empty(status, run->unit))
        berth_run_watch_cgroup(run, status->control_group);
    berth_run_end(run, FALSE);
    berth_run_look(run);
}

static void end_interrupted_start(BerthVm *vm)
{
    vm->run = berth_run_new(vm);
    vm->run->stop_asked = TRUE;
    vm->run->begins_anew = TRUE;
    vm->run->scope_asked = TRUE;
    vm->run->stop_call = berth_systemd_status(berth_manager_host(vm->manager)->systemd, vm->run->unit,
                                              STATUS_TIMEOUT_USEC, unit_found, vm->run);
}

/* A run that had begun. Whether it goes on or has ended meanwhile, the look at its processes tells. */
static void attach(BerthVm *vm, const BerthRunRecord *record)
{
    g_autoptr(GError) error = NULL;
    BerthRun *run = vm->run = berth_run_new(vm);
    run->guest_ran = TRUE;
    run->started = record->started;
    vm->state_changed = record->started;
    run->stop_asked = !vm->record->wanted;
    run->on_ready = berth_adopt_ask_status;
    /* A process keeps what it was started with, whatever was written into vm.json since. */
    if (record->cid != 0)
        vm->record->cid = record->cid;
    if (g_str_has_suffix(record->control_group, run->unit))
        berth_run_watch_cgroup(run, record->control_group);
    int keeper = open_own_process(vm, record->keeper_pid);
    if (keeper >= 0) {
        berth_run_watch_keeper(run, record->keeper_pid, keeper);
        berth_machine_register(run); /* an earlier daemon may have been killed before it came to that */
        close(keeper);
    }
    int qemu = open_own_process(vm, record->qemu_pid);
    if (qemu >= 0) {
        close(qemu);
        if (berth_run_watch_qemu(run, record->qemu_pid, &error) && !berth_run_connect(run, &error))
            berth_vm_log(vm, G_LOG_LEVEL_WARNING, "%s", error->message);
    }
    berth_run_look(run);
}

static BerthVm *make_vm(BerthManager *manager, BerthStoredVm *stored)
{
    BerthVmRecord *record = g_steal_pointer(&stored->record);
    if (!record) {
        record = g_new0(BerthVmRecord, 1);
        record->id = g_strdup(stored->id);
        record->name = g_strdup(stored->id);
        record->incarnation = g_strdup(stored->incarnation ? stored->incarnation : "");
    }
    /* A marked VM that could be loaded is whole again where its removal is taken back. */
    const gboolean is_whole =
        stored->kind == BERTH_STORED_WHOLE || (stored->kind == BERTH_STORED_MARKED && !stored->problem);
    return berth_vm_new(manager, record, is_whole ? BERTH_VM_STOPPED : BERTH_VM_BROKEN);
}

/* Which state a VM is shown in that has, or lately had, a process. */
static BerthVmState found_state(const BerthVm *vm, gboolean started)
{
    if (vm->state == BERTH_VM_BROKEN)
        return BERTH_VM_BROKEN;
    return started ? BERTH_VM_RUNNING : BERTH_VM_STOPPING;
}

static void find_processes(BerthVm *vm, gboolean unit_is_loaded)
{
    const char *runtime_dir = berth_manager_host(vm->manager)->settings->runtime_dir;
    g_autoptr(BerthRunRecord) record = berth_runtime_read_run(runtime_dir, berth_vm_id(vm), NULL);
    gboolean is_free = TRUE;
    gboolean known = berth_runtime_is_free(runtime_dir, berth_vm_id(vm), &is_free, NULL);
    if (record) {
        vm->state = found_state(vm, TRUE);
        attach(vm, record);
    } else if (unit_is_loaded || !known || !is_free) {
        vm->state = found_state(vm, FALSE);
        end_interrupted_start(vm);
    } else {
        g_autoptr(GError) error = NULL;
        if (!berth_runtime_remove(runtime_dir, berth_vm_id(vm), &error))
            berth_vm_log(vm, G_LOG_LEVEL_WARNING, "%s", error->message);
    }
}

char *berth_adopt_find_problem(BerthManager *manager, const BerthVm *self, const BerthVmRecord *record)
{
    const char *image = record->config->image;
    if (*image && !berth_manager_find_image(manager, image))
        return g_strdup_printf("Its image \"%s\" is not there; import it again and reload", image);
    return berth_manager_find_double(manager, self, record);
}

BerthVm *berth_adopt(BerthManager *manager, BerthStoredVm *stored, gboolean unit_is_loaded, gboolean may_have_run)
{
    g_autoptr(BerthStoredVm) taken = stored;
    if (!taken->problem && (taken->kind == BERTH_STORED_WHOLE || taken->kind == BERTH_STORED_MARKED))
        taken->problem = berth_adopt_find_problem(manager, NULL, taken->record);
    if (taken->problem && taken->kind == BERTH_STORED_WHOLE)
        taken->kind = BERTH_STORED_BROKEN;
    BerthVm *vm = make_vm(manager, taken);
    vm->may_be_machine = TRUE; /* an earlier daemon may have made it one */
    if (may_have_run)
        find_processes(vm, unit_is_loaded);
    berth_manager_add(manager, vm);
    if (taken->problem) {
        g_autoptr(GError) error = g_error_new_literal(BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, taken->problem);
        berth_vm_set_error(vm, error);
    }
    /* Doomed by where it lies: nothing can be taken back, whatever the marker and the clock say. */
    if (taken->kind == BERTH_STORED_DOOMED)
        taken->intent.grace_until = 0;
    if (taken->kind == BERTH_STORED_MARKED || taken->kind == BERTH_STORED_DOOMED)
        berth_vm_resume_removal(vm, &taken->intent);
    return vm;
}
