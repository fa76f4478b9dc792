/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recovery.h"

#include "../core/error.h"
#include "adopt.h"
#include "removal.h"
#include "remove.h"

typedef struct {
    BerthManager *manager;
    BerthVmStore *store;
    gint64 began;      /* µs since the epoch: what is younger is not judged */
    GHashTable *known; /* ids in memory when it began, a set */
    GPtrArray *stored;
    GPtrArray *notes;
    guint loaded, updated, removed;
    void (*done)(guint loaded, guint updated, guint removed, const GError *error, gpointer data);
    gpointer data;
} Reload;

static void reload_free(Reload *reload)
{
    g_hash_table_unref(reload->known);
    g_clear_pointer(&reload->stored, g_ptr_array_unref);
    g_clear_pointer(&reload->notes, g_ptr_array_unref);
    g_free(reload);
}

static gboolean scan(gpointer data, GError **error)
{
    Reload *reload = data;
    return berth_vm_store_scan(reload->store, &reload->stored, &reload->notes, error);
}

static void break_vm(BerthVm *vm, const char *problem)
{
    g_autoptr(GError) error = g_error_new_literal(BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, problem);
    berth_vm_set_error(vm, error);
    if (berth_vm_state_may_follow(vm->state, BERTH_VM_BROKEN))
        berth_vm_set_state(vm, BERTH_VM_BROKEN, problem);
}

static gboolean same_config(const BerthVmConfig *a, const BerthVmConfig *b)
{
    g_autoptr(GVariant) left = g_variant_ref_sink(berth_vm_config_to_variant(a));
    g_autoptr(GVariant) right = g_variant_ref_sink(berth_vm_config_to_variant(b));
    return g_variant_equal(left, right);
}

/* A definition that was changed on disk, or mended. FALSE where nothing is new. */
static gboolean update(Reload *reload, BerthVm *vm, BerthStoredVm *stored)
{
    g_autoptr(GError) error = NULL;
    gboolean mended = vm->state == BERTH_VM_BROKEN;
    BerthVmConfig *config = stored->record->config;
    if (!mended && same_config(vm->record->config, config))
        return FALSE;
    g_autofree char *problem = mended ? berth_manager_find_double(reload->manager, vm, stored->record) : NULL;
    if (problem) {
        const gboolean is_news = !g_str_equal(vm->error_text, problem);
        break_vm(vm, problem);
        return is_news;
    }
    if (!berth_manager_check_config(reload->manager, vm, config, &error)) {
        berth_vm_set_error(vm, error);
        return FALSE;
    }
    if (!mended) {
        berth_manager_set_config(reload->manager, vm, g_steal_pointer(&stored->record->config));
        return TRUE;
    }
    berth_manager_mend(reload->manager, vm, stored->record);
    berth_vm_set_error(vm, NULL);
    berth_vm_set_state(vm, vm->run ? BERTH_VM_RUNNING : BERTH_VM_STOPPED, "its definition was mended");
    berth_adopt_ask_status(vm); /* it may be paused */
    return TRUE;
}

static void compare(Reload *reload, BerthVm *vm, BerthStoredVm *stored)
{
    /* Who is being worked on knows better than a scan that began before. */
    if (vm->state == BERTH_VM_REMOVING || vm->removal || vm->n_works > 0)
        return;
    switch (stored->kind) {
    case BERTH_STORED_WHOLE:
        reload->updated += update(reload, vm, stored) ? 1 : 0;
        break;
    case BERTH_STORED_BROKEN:
        if (vm->state != BERTH_VM_BROKEN)
            reload->updated++;
        break_vm(vm, stored->problem);
        break;
    case BERTH_STORED_MARKED:
        berth_vm_resume_removal(vm, &stored->intent);
        reload->removed++;
        break;
    case BERTH_STORED_DOOMED:
        berth_remains_delete(reload->manager, stored->id, stored->incarnation);
        break;
    }
}

static void judge_stored(Reload *reload, BerthStoredVm *stored)
{
    BerthVm *vm = berth_manager_find_by_id(reload->manager, stored->id);
    if (vm) {
        compare(reload, vm, stored);
        berth_stored_vm_free(stored);
        return;
    }
    /* Gone since the scan began, or made by a creation that is about to show it itself. */
    gint64 created = stored->record ? stored->record->created : 0;
    if (g_hash_table_contains(reload->known, stored->id) || created >= reload->began ||
        (stored->record && berth_manager_is_reserved(reload->manager, stored->record->name))) {
        berth_stored_vm_free(stored);
        return;
    }
    gboolean is_removal = stored->kind == BERTH_STORED_MARKED || stored->kind == BERTH_STORED_DOOMED;
    berth_adopt(reload->manager, stored, FALSE, TRUE);
    if (is_removal)
        reload->removed++;
    else
        reload->loaded++;
}

/* Known, and not on disk any more. A running guest is left alone; nothing that vanished is taken for removed. */
static void judge_vanished(Reload *reload, GHashTable *on_disk)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, berth_manager_vms(reload->manager));
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        BerthVm *vm = value;
        if (g_hash_table_contains(on_disk, berth_vm_id(vm)) || !g_hash_table_contains(reload->known, berth_vm_id(vm)) ||
            vm->removal || vm->n_works > 0 || vm->state == BERTH_VM_BROKEN)
            continue;
        break_vm(vm, "Its directory is gone; put it back and reload, or remove the VM");
        reload->updated++;
    }
}

static void scanned(gpointer data, const GError *error, gpointer user_data)
{
    Reload *reload = data;
    if (error) {
        reload->done(0, 0, 0, error, reload->data);
        return;
    }
    for (guint i = 0; i < reload->notes->len; i++)
        g_warning("%s", (const char *) g_ptr_array_index(reload->notes, i));
    g_autoptr(GHashTable) on_disk = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    while (reload->stored->len > 0) {
        BerthStoredVm *stored = g_ptr_array_steal_index_fast(reload->stored, 0);
        g_hash_table_add(on_disk, g_strdup(stored->id));
        judge_stored(reload, stored);
    }
    judge_vanished(reload, on_disk);
    reload->done(reload->loaded, reload->updated, reload->removed, NULL, reload->data);
}

void berth_reload(BerthManager *manager,
                  void (*done)(guint loaded, guint updated, guint removed, const GError *error, gpointer data),
                  gpointer data)
{
    Reload *reload = g_new0(Reload, 1);
    reload->manager = manager;
    reload->store = berth_manager_host(manager)->vms;
    reload->began = g_get_real_time();
    reload->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    reload->done = done;
    reload->data = data;
    GHashTableIter iter;
    gpointer id;
    g_hash_table_iter_init(&iter, berth_manager_vms(manager));
    while (g_hash_table_iter_next(&iter, &id, NULL))
        g_hash_table_add(reload->known, g_strdup(id));
    berth_work_start(BERTH_WORK_LONG, scan, reload, (GDestroyNotify) reload_free, scanned, NULL);
}
