/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reload-private.h"

#include "../core/error.h"
#include "adopt.h"
#include "removal.h"
#include "remove.h"
#include "restart.h"

/* How long a turn of the loop may judge. */
#define TURN_USEC 2000

/* Its guest, if it has one, is left alone. FALSE where that is known already. */
static gboolean break_vm(BerthVm *vm, const char *problem)
{
    g_autoptr(GError) error = g_error_new_literal(BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, problem);
    const gboolean is_news = vm->state != BERTH_VM_BROKEN || !g_str_equal(vm->error_text, problem);
    berth_vm_set_error(vm, error);
    berth_vm_set_state(vm, BERTH_VM_BROKEN, problem);
    return is_news;
}

static gboolean same_config(const BerthVmConfig *a, const BerthVmConfig *b)
{
    g_autoptr(GVariant) left = g_variant_ref_sink(berth_vm_config_to_variant(a));
    g_autoptr(GVariant) right = g_variant_ref_sink(berth_vm_config_to_variant(b));
    return g_variant_equal(left, right);
}

static gboolean same_identity(const BerthVmRecord *a, const BerthVmRecord *b)
{
    return a->cid == b->cid && g_str_equal(a->incarnation, b->incarnation);
}

/* Of one whose files were damaged all along the incarnation is not known, and its CID by the record of its run alone. */
static gboolean may_be_same(const BerthVmRecord *known, const BerthVmRecord *record)
{
    return (known->cid == 0 || known->cid == record->cid) &&
           (!*known->incarnation || g_str_equal(known->incarnation, record->incarnation));
}

/* What is read can be shown as a VM; whether this VM can become it now, is another matter. */
static gboolean may_take(BerthVm *vm, const BerthVmRecord *record, GError **error)
{
    if (vm->run && !may_be_same(vm->record, record)) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_WRONG_STATE,
                    "Its vm.json bears another CID or incarnation than the VM that runs; power it off and reload, or "
                    "put the file back");
        return FALSE;
    }
    return berth_manager_check_config(vm->manager, vm, record->config, error);
}

/* It stays what it was. A broken one stays broken, with the reason of today. */
static void refuse(BerthVm *vm, const GError *error)
{
    vm->edit_refused = TRUE;
    berth_vm_set_error(vm, error);
}

static void forget_refusal(BerthVm *vm)
{
    if (vm->edit_refused)
        berth_vm_set_error(vm, NULL);
    vm->edit_refused = FALSE;
}

static void mend(BerthVm *vm, BerthVmRecord *record)
{
    berth_manager_mend(vm->manager, vm, record);
    berth_vm_set_error(vm, NULL);
    if (vm->run) {
        berth_vm_set_state(vm, BERTH_VM_RUNNING, "its definition was mended");
        berth_adopt_ask_status(vm); /* it may be paused */
    } else {
        berth_restart_mended(vm);
    }
}

/* A definition that was changed by hand, or mended. FALSE where nothing is new. */
static gboolean update(BerthVm *vm, BerthVmRecord *record)
{
    g_autoptr(GError) error = NULL;
    const gboolean is_broken = vm->state == BERTH_VM_BROKEN;
    g_autofree char *problem = berth_adopt_find_problem(vm->manager, vm, record);
    if (problem)
        return break_vm(vm, problem);
    if (!is_broken && same_identity(vm->record, record) && g_str_equal(vm->record->name, record->name) &&
        same_config(vm->record->config, record->config)) {
        forget_refusal(vm);
        return FALSE;
    }
    if (!may_take(vm, record, &error)) {
        refuse(vm, error);
        return FALSE;
    }
    forget_refusal(vm);
    if (is_broken) {
        mend(vm, record);
    } else {
        berth_vm_log(vm, G_LOG_LEVEL_MESSAGE, "its definition was changed by hand");
        berth_manager_take_record(vm->manager, vm, record);
    }
    return TRUE;
}

/* Who is being worked on, or was since the look began, knows better. A start ends one way or the other before its VM
 * can be shown as broken. */
static gboolean is_worked_on(const BerthReload *reload, const BerthVm *vm)
{
    const guint before = GPOINTER_TO_UINT(g_hash_table_lookup(reload->known, berth_vm_id(vm)));
    return vm->n_works > 0 || vm->n_works_ended != before || vm->start || vm->state == BERTH_VM_STOPPING;
}

/* Whether what was found, or not found, says anything of @vm. */
static gboolean may_judge(BerthReload *reload, const BerthVm *vm)
{
    if (!g_hash_table_contains(reload->known, berth_vm_id(vm)) || vm->state == BERTH_VM_REMOVING)
        return FALSE;
    if (!is_worked_on(reload, vm))
        return TRUE;
    g_ptr_array_add(reload->busy, g_strdup(berth_vm_name(vm)));
    return FALSE;
}

static void compare(BerthReload *reload, BerthVm *vm, BerthStoredVm *stored)
{
    if (stored->kind == BERTH_STORED_DOOMED) {
        /* Remains of an earlier VM of this id; or of this very one, whose removal deletes them itself. */
        if (vm->state != BERTH_VM_REMOVING)
            berth_remains_delete(reload->manager, stored->id, stored->incarnation);
        return;
    }
    if (!may_judge(reload, vm))
        return;
    switch (stored->kind) {
    case BERTH_STORED_WHOLE:
        reload->updated += update(vm, stored->record) ? 1 : 0;
        break;
    case BERTH_STORED_BROKEN:
        reload->updated += break_vm(vm, stored->problem) ? 1 : 0;
        break;
    case BERTH_STORED_MARKED:
        berth_vm_resume_removal(vm, &stored->intent);
        reload->removed++;
        break;
    case BERTH_STORED_DOOMED:
        break;
    }
}

/* Gone since the look began, or made by a creation that is about to show it itself. */
static gboolean is_known_otherwise(BerthReload *reload, const BerthStoredVm *stored)
{
    const gint64 created = stored->record ? stored->record->created : 0;
    return g_hash_table_contains(reload->known, stored->id) || created >= reload->began ||
           g_hash_table_contains(berth_manager_creations(reload->manager), stored->id);
}

static void judge_found(BerthReload *reload, BerthStoredVm *stored)
{
    BerthVm *vm = berth_manager_find_by_id(reload->manager, stored->id);
    if (vm || is_known_otherwise(reload, stored)) {
        if (vm)
            compare(reload, vm, stored);
        berth_stored_vm_free(stored);
        return;
    }
    static const BerthSighting sighting = {.moment = BERTH_MOMENT_RELOAD};
    const gboolean is_removal = stored->kind == BERTH_STORED_MARKED || stored->kind == BERTH_STORED_DOOMED;
    berth_adopt(reload->manager, stored, &sighting);
    if (is_removal)
        reload->removed++;
    else
        reload->loaded++;
}

/* Known, and not on disk any more. A running guest is left alone; nothing that vanished is taken for removed. */
static void judge_vanished(BerthReload *reload)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, berth_manager_vms(reload->manager));
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        BerthVm *vm = value;
        if (!g_hash_table_contains(reload->on_disk, berth_vm_id(vm)) && may_judge(reload, vm) &&
            break_vm(vm, "Its directory is gone; put it back and reload, or remove the VM"))
            reload->updated++;
    }
}

static gboolean judge_some(gpointer data)
{
    BerthReload *reload = data;
    const gint64 end = g_get_monotonic_time() + TURN_USEC;
    if (reload->next == reload->vms->len) {
        reload->judging = 0;
        judge_vanished(reload);
        reload->judged(reload);
        return G_SOURCE_REMOVE;
    }
    /* In the order of the scan: of a VM and its copy the elder comes first. */
    while (reload->next < reload->vms->len && g_get_monotonic_time() < end)
        judge_found(reload, reload->vms->pdata[reload->next++]);
    return G_SOURCE_CONTINUE;
}

void berth_reload_vms(BerthReload *reload, void (*judged)(BerthReload *reload))
{
    g_ptr_array_set_free_func(reload->vms, NULL); /* they are taken one by one */
    reload->next = 0;
    reload->judged = judged;
    reload->judging = g_idle_add_full(G_PRIORITY_DEFAULT, judge_some, reload, NULL);
}

void berth_reload_stop_judging(BerthReload *reload)
{
    if (reload->judging == 0)
        return;
    g_clear_handle_id(&reload->judging, g_source_remove);
    while (reload->next < reload->vms->len)
        berth_stored_vm_free(reload->vms->pdata[reload->next++]);
}
