/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adopt.h"

#include "../core/error.h"
#include "../core/json-member.h"
#include "../core/names.h"
#include "../host/runtime-dir.h"
#include "control.h"
#include "machine.h"
#include "removal.h"
#include "remove.h"
#include "restart.h"
#include "run.h"
#include "settle.h"
#include "start.h"
#include "want.h"

#define STATUS_TIMEOUT_USEC (10 * G_USEC_PER_SEC)

static void status_answered(JsonNode *result, const GError *error, gpointer data)
{
    BerthVm *vm = data;
    if (g_error_matches(error, BERTH_ERROR, BERTH_ERROR_CANCELLED) && vm->run && vm->run->qmp)
        berth_run_is_silent(vm->run);
    JsonObject *status = error ? NULL : berth_json_as_object(result);
    if (!status)
        return;
    gboolean is_running = json_object_get_boolean_member_with_default(status, "running", TRUE);
    if (!is_running && vm->state == BERTH_VM_RUNNING)
        berth_vm_set_state(vm, BERTH_VM_PAUSED, "found paused");
    else if (is_running && vm->state == BERTH_VM_PAUSED)
        berth_vm_set_state(vm, BERTH_VM_RUNNING, "found running");
    berth_removal_guest_paused(vm, !is_running);
}

void berth_adopt_ask_status(BerthVm *vm)
{
    if (vm->run && vm->run->qmp)
        berth_qmp_execute(vm->run->qmp, "query-status", NULL, STATUS_TIMEOUT_USEC, status_answered, vm);
}

/* What there is */

static BerthScopeFound look_at_scope(const BerthSighting *sighting, const char *unit)
{
    if (!sighting->units)
        return BERTH_SCOPE_UNKNOWN;
    /* In whatever state: the one of a start that was just asked for is "inactive". */
    const char *state = g_hash_table_lookup(sighting->units, unit);
    if (!state)
        return BERTH_SCOPE_ABSENT;
    return g_str_equal(state, "deactivating") ? BERTH_SCOPE_STOPPING : BERTH_SCOPE_LOADED;
}

static BerthAlive look_at_processes(BerthRun *run)
{
    if (run->qemu_pidfd >= 0 && !berth_pidfd_is_dead(run->qemu_pidfd))
        return BERTH_ALIVE_QEMU;
    if (run->keeper_pidfd >= 0 && !berth_pidfd_is_dead(run->keeper_pidfd))
        return BERTH_ALIVE_KEEPER;
    g_autofree char *left = berth_run_blocker(run);
    return left ? BERTH_ALIVE_SOMEBODY : BERTH_ALIVE_NOBODY;
}

/* A run that had begun, and is watched from here on, as far as it is found. */
static void attach(BerthVm *vm, const BerthRunRecord *record)
{
    BerthRun *run = vm->run;
    run->operation = record->operation;
    run->until = record->until;
    run->by_agent_alone = record->by_agent_alone;
    run->guest_ran = record->operation != BERTH_RECORD_START;
    run->started = record->started;
    run->stop_asked = record->operation == BERTH_RECORD_SHUTDOWN || record->operation == BERTH_RECORD_POWER_OFF;
    if (record->started > 0)
        vm->state_changed = record->started;
    if (g_str_has_suffix(record->control_group, run->unit))
        berth_run_watch_cgroup(run, record->control_group);
    berth_run_find(run, record->keeper_pid, record->qemu_pid);
}

static BerthStoredAs stored_as(const BerthStoredVm *stored)
{
    return stored->kind == BERTH_STORED_WHOLE    ? BERTH_STORED_AS_WHOLE
           : stored->kind == BERTH_STORED_BROKEN ? BERTH_STORED_AS_BROKEN
                                                 : BERTH_STORED_AS_GOING;
}

static gboolean is_exit_told(const char *runtime_dir, const char *id)
{
    g_autoptr(BerthExitRecord) record = berth_runtime_read_exit(runtime_dir, id, NULL);
    return record != NULL;
}

/* vm->run watches what is found, where there is anything to be watched. */
static void look_into_runtime(BerthVm *vm, BerthFound *found)
{
    const char *runtime_dir = berth_manager_host(vm->manager)->settings->runtime_dir;
    if (!berth_runtime_exists(runtime_dir, berth_vm_id(vm)))
        return;
    berth_runtime_sweep(runtime_dir, berth_vm_id(vm));
    g_autoptr(BerthRunRecord) record = berth_runtime_read_run(runtime_dir, berth_vm_id(vm), NULL);
    if (record)
        attach(vm, record);
    found->record = record ? record->operation : BERTH_RECORD_NONE;
    found->alive = look_at_processes(vm->run);
    /* A process keeps what it was started with, whatever was written into vm.json since. */
    if (record && record->cid != 0 && (found->alive != BERTH_ALIVE_NOBODY || vm->record->cid == 0))
        vm->record->cid = record->cid;
    found->exit_told = is_exit_told(runtime_dir, berth_vm_id(vm));
    if (found->alive == BERTH_ALIVE_QEMU || found->alive == BERTH_ALIVE_KEEPER)
        found->monitor = berth_run_connect(vm->run, NULL) ? BERTH_MONITOR_LISTENS : BERTH_MONITOR_DEAF;
}

static gboolean may_have_ended(const BerthVm *vm, const BerthSighting *sighting)
{
    g_autofree char *name = g_strconcat(berth_vm_id(vm), BERTH_ENDED_SUFFIX, NULL);
    return !sighting->traces || g_hash_table_contains(sighting->traces, name);
}

static BerthFound look_at(BerthVm *vm, const BerthStoredVm *stored, const BerthSighting *sighting)
{
    vm->run = berth_run_new(vm);
    BerthFound found = {
        .stored = stored_as(stored),
        .record = BERTH_RECORD_NO_DIRECTORY,
        .scope = look_at_scope(sighting, vm->run->unit),
        .judged = may_have_ended(vm, sighting) && berth_restart_is_decided(vm),
        .wanted = vm->record->wanted,
        .moment = sighting->moment,
    };
    if (!sighting->traces || g_hash_table_contains(sighting->traces, berth_vm_id(vm)))
        look_into_runtime(vm, &found);
    return found;
}

/* What is done about it */

/* The scope of a start that was interrupted before its record was written: what is in it, is ended. One with nobody in
 * it would not end by itself: without a cgroup to watch, the run has it stopped. */
static void unit_found(const BerthScopeStatus *status, const GError *error, gpointer data)
{
    BerthRun *run = data;
    BERTH_AUTO_SYSTEMD_CALL *call = g_steal_pointer(&run->stop_call);
    if (!error && g_str_has_suffix(status->control_group, run->unit) && !berth_scope_is_empty(status, run->unit))
        berth_run_watch_cgroup(run, status->control_group);
    berth_run_end(run, FALSE);
    berth_run_look(run);
}

static void undo_start(BerthVm *vm, gboolean begins_anew)
{
    BerthRun *run = vm->run;
    run->stop_asked = TRUE;
    run->begins_anew = begins_anew;
    run->scope_asked = TRUE;
    if (run->control_group) {
        berth_run_end(run, FALSE);
        return;
    }
    run->stop_call =
        berth_systemd_status(berth_manager_host(vm->manager)->systemd, run->unit, STATUS_TIMEOUT_USEC, unit_found, run);
}

/* An earlier daemon may have been killed before it came to that. */
static void register_machine(BerthVm *vm)
{
    if (vm->run->keeper_pidfd >= 0)
        berth_machine_register(vm->run);
}

static void watch(BerthVm *vm)
{
    register_machine(vm);
    if (!vm->run->qmp)
        berth_run_reach(vm->run);
    /* Before QEMU has even greeted: of one that never does it is told when this is not answered in time. */
    berth_adopt_ask_status(vm);
}

static void go_on(BerthVm *vm)
{
    if (vm->state == BERTH_VM_STARTING) {
        register_machine(vm);
        berth_vm_resume_start(vm);
        return;
    }
    watch(vm);
    berth_vm_resume_shutdown(vm);
    berth_run_scope_changed(vm->run);
}

static void carry_out(BerthVm *vm, const BerthPlan *plan)
{
    if (plan->wish != BERTH_WISH_KEPT)
        berth_vm_want(vm, plan->wish == BERTH_WISH_ON, NULL);
    if (vm->run)
        berth_vm_log(vm, G_LOG_LEVEL_INFO, "found: %s", plan->why);
    switch (plan->act) {
    case BERTH_PLAN_REST:
    case BERTH_PLAN_START:
    case BERTH_PLAN_ABIDE:
        break; /* berth_restart_recover() follows */
    case BERTH_PLAN_JUDGE:
        berth_run_look(vm->run);
        break;
    case BERTH_PLAN_WATCH:
        watch(vm);
        break;
    case BERTH_PLAN_GO_ON:
        go_on(vm);
        break;
    case BERTH_PLAN_END:
        berth_run_end(vm->run, TRUE);
        break;
    case BERTH_PLAN_END_REST:
        berth_run_end_rest(vm->run);
        break;
    case BERTH_PLAN_UNDO:
    case BERTH_PLAN_UNDO_REDO:
        undo_start(vm, plan->act == BERTH_PLAN_UNDO_REDO);
        break;
    case BERTH_PLAN_LAST:
        break;
    }
}

static gboolean nothing_lives(const BerthPlan *plan)
{
    return plan->act == BERTH_PLAN_REST || plan->act == BERTH_PLAN_START || plan->act == BERTH_PLAN_ABIDE;
}

/* What was left behind is of no use any more. */
static void drop_run(BerthVm *vm, const BerthFound *found)
{
    g_clear_pointer(&vm->run, berth_run_free);
    if (found->record != BERTH_RECORD_NO_DIRECTORY)
        berth_vm_forget_run(vm);
}

/* The VM */

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

char *berth_adopt_find_problem(BerthManager *manager, const BerthVm *self, const BerthVmRecord *record)
{
    const char *image = record->config->image;
    if (*image && !berth_manager_find_image(manager, image))
        return g_strdup_printf("Its image \"%s\" is not there; import it again and reload", image);
    return berth_manager_find_double(manager, self, record);
}

BerthVm *berth_adopt(BerthManager *manager, BerthStoredVm *stored, const BerthSighting *sighting)
{
    g_autoptr(BerthStoredVm) taken = stored;
    if (!taken->problem && (taken->kind == BERTH_STORED_WHOLE || taken->kind == BERTH_STORED_MARKED))
        taken->problem = berth_adopt_find_problem(manager, NULL, taken->record);
    if (taken->problem && taken->kind == BERTH_STORED_WHOLE)
        taken->kind = BERTH_STORED_BROKEN;
    BerthVm *vm = make_vm(manager, taken);
    vm->may_be_machine = TRUE; /* an earlier daemon may have made it one */
    const BerthFound found = look_at(vm, taken, sighting);
    const BerthPlan *plan = berth_recovery_plan(&found);
    if (vm->state != BERTH_VM_BROKEN)
        vm->state = plan->state;
    if (nothing_lives(plan))
        drop_run(vm, &found);
    berth_manager_add(manager, vm);
    if (taken->problem) {
        g_autoptr(GError) error = g_error_new_literal(BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, taken->problem);
        berth_vm_set_error(vm, error);
    }
    /* Doomed by where it lies: nothing can be taken back, whatever the marker and the clock say. */
    if (taken->kind == BERTH_STORED_DOOMED)
        taken->intent.grace_until = 0;
    if (found.stored == BERTH_STORED_AS_GOING)
        berth_vm_resume_removal(vm, &taken->intent);
    carry_out(vm, plan);
    if (plan->act != BERTH_PLAN_REST || !vm->record->wanted)
        berth_restart_recover(vm, may_have_ended(vm, sighting));
    return vm;
}
