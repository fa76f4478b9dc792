/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-private.h"

#include "../core/error.h"
#include "../core/names.h"
#include "audit.h"
#include "machine.h"
#include "orphan.h"
#include "recovery.h"
#include "restart.h"
#include "run.h"

/* @unit: berth-<id>.scope, of whomever */
static void scope_changed(const char *unit, gpointer data)
{
    BerthManager *manager = data;
    const gsize around = strlen(BERTH_UNIT_PREFIX) + strlen(BERTH_UNIT_SUFFIX);
    g_autofree char *id = g_strndup(unit + strlen(BERTH_UNIT_PREFIX), strlen(unit) - around);
    BerthVm *vm = berth_manager_find_by_id(manager, id);
    if (vm && vm->run)
        berth_run_scope_changed(vm->run);
}

BerthManager *berth_manager_new(const BerthHost *host, const BerthObserver *observer, gpointer data)
{
    BerthManager *manager = g_new0(BerthManager, 1);
    manager->host = host;
    manager->observer = observer;
    manager->observer_data = data;
    manager->by_id = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) berth_vm_unref);
    manager->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    manager->ports = berth_port_table_new();
    manager->cids = berth_cid_pool_new(host->settings->cid_first, host->settings->cid_last);
    manager->by_cid = g_hash_table_new(NULL, NULL);
    manager->creations = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    manager->orphans = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) berth_orphan_free);
    manager->images = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) berth_image_free);
    manager->imports = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    manager->start_queue = berth_start_queue_new(manager);
    manager->jobs = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify) berth_job_free);
    manager->usage_subscriptions = berth_usage_subscriptions_new();
    berth_machine_follow_bus(manager);
    berth_systemd_set_hint(host->systemd, scope_changed, manager);
    return manager;
}

/* Whoever waits for an answer gets it while all VMs can still be told of. What is under way may hold on to its VM. */
static void let_go(BerthManager *manager)
{
    g_autoptr(GList) vms = g_hash_table_get_values(manager->by_id);
    for (GList *at = vms; at; at = at->next)
        berth_vm_let_go(at->data);
}

void berth_manager_free(BerthManager *manager)
{
    berth_reloads_end(manager);
    berth_audits_end(manager);
    let_go(manager);
    berth_systemd_set_hint(manager->host->systemd, NULL, NULL);
    berth_machine_unfollow_bus(manager);
    berth_usage_subscriptions_free(manager->usage_subscriptions);
    g_hash_table_unref(manager->jobs);
    g_hash_table_unref(manager->imports);
    g_hash_table_unref(manager->orphans);
    g_hash_table_unref(manager->creations);
    g_hash_table_unref(manager->by_name);
    g_hash_table_unref(manager->by_cid);
    g_hash_table_unref(manager->by_id);
    berth_start_queue_free(manager->start_queue);
    g_hash_table_unref(manager->images);
    berth_cid_pool_free(manager->cids);
    berth_port_table_free(manager->ports);
    g_free(manager);
}

const BerthHost *berth_manager_host(const BerthManager *manager)
{
    return manager->host;
}

uid_t berth_host_vm_uid(const BerthHost *host, guint32 cid)
{
    return host->user ? (uid_t) -1 : (uid_t) (host->settings->uid_base + cid);
}

BerthVm *berth_manager_find_by_id(BerthManager *manager, const char *id)
{
    return g_hash_table_lookup(manager->by_id, id);
}

BerthVm *berth_manager_find(BerthManager *manager, const char *name_or_id)
{
    BerthVm *vm = g_hash_table_lookup(manager->by_id, name_or_id);
    return vm ? vm : g_hash_table_lookup(manager->by_name, name_or_id);
}

BerthVm *berth_manager_find_by_cid(BerthManager *manager, guint32 cid)
{
    return g_hash_table_lookup(manager->by_cid, GUINT_TO_POINTER(cid));
}

GHashTable *berth_manager_vms(BerthManager *manager)
{
    return manager->by_id;
}

guint berth_manager_n_cids_in_use(const BerthManager *manager)
{
    return berth_cid_pool_in_use(manager->cids);
}

GHashTable *berth_manager_creations(BerthManager *manager)
{
    return manager->creations;
}

GHashTable *berth_manager_imports(BerthManager *manager)
{
    return manager->imports;
}

GHashTable *berth_manager_orphans(BerthManager *manager)
{
    return manager->orphans;
}

const BerthCidPool *berth_manager_cids(const BerthManager *manager)
{
    return manager->cids;
}

gboolean berth_manager_claim_cid(BerthManager *manager, guint32 cid)
{
    return cid != 0 && berth_cid_pool_claim(manager->cids, cid);
}

void berth_manager_release_cid(BerthManager *manager, guint32 cid)
{
    g_hash_table_remove(manager->by_cid, GUINT_TO_POINTER(cid));
    berth_cid_pool_release(manager->cids, cid, g_get_monotonic_time(), TRUE);
}

/* VMs */

/* Its CID may be from before the range was changed: it keeps it, and nobody gets it after it. */
static void claim_cid(BerthManager *manager, BerthVm *vm)
{
    const BerthSettings *settings = manager->host->settings;
    const guint32 cid = vm->record->cid;
    vm->owns_cid = berth_manager_claim_cid(manager, cid);
    if (vm->owns_cid)
        g_hash_table_insert(manager->by_cid, GUINT_TO_POINTER(cid), vm);
    if (vm->owns_cid && (cid < settings->cid_first || cid > settings->cid_last))
        berth_vm_log(vm, G_LOG_LEVEL_WARNING,
                     "it keeps the CID %u, which is not in the range from CIDFirst=%u to CIDLast=%u of berth.conf", cid,
                     settings->cid_first, settings->cid_last);
}

BerthStartQueue *berth_manager_start_queue(const BerthManager *manager)
{
    return manager->start_queue;
}

BerthUsageSubscriptions *berth_manager_usage_subscriptions(BerthManager *manager)
{
    return manager->usage_subscriptions;
}

void berth_manager_tell_usage(BerthManager *manager, BerthVm *vm, const char *subscriber, const BerthUsage *usage)
{
    manager->observer->vm_usage(vm, subscriber, usage, manager->observer_data);
}

GQueue *berth_manager_reloads(BerthManager *manager)
{
    return &manager->reloads;
}

GQueue *berth_manager_audits(BerthManager *manager)
{
    return &manager->audits;
}

void berth_manager_check_limits(const BerthManager *manager)
{
    const guint n_vms = g_hash_table_size(manager->by_id), max = manager->host->settings->max_vms;
    if (n_vms > max)
        g_warning("There are %u VMs, and MaxVMs= or the range of CIDs in berth.conf allows %u: all are kept, no more "
                  "are made",
                  n_vms, max);
}

void berth_manager_add(BerthManager *manager, BerthVm *vm)
{
    BerthVmRecord *record = vm->record;
    g_hash_table_insert(manager->by_id, record->id, vm);
    /* Of two that claim one name or CID (a restored directory) the second has neither; it is found by its id. */
    if (!g_hash_table_contains(manager->by_name, record->name))
        g_hash_table_insert(manager->by_name, g_strdup(record->name), vm);
    claim_cid(manager, vm);
    if (record->config)
        berth_manager_set_config(manager, vm, g_steal_pointer(&record->config));
    manager->observer->vm_added(vm, manager->observer_data);
}

char *berth_manager_find_double(BerthManager *manager, const BerthVm *self, const BerthVmRecord *record)
{
    gpointer namesake = NULL;
    const gboolean is_taken = g_hash_table_lookup_extended(manager->by_name, record->name, NULL, &namesake);
    const gboolean is_own_cid = self && self->owns_cid && self->record->cid == record->cid;
    if (is_taken && !namesake)
        return g_strdup_printf("A VM of the name \"%s\" is being made; give it another name in its vm.json and reload",
                               record->name);
    if (namesake && namesake != self)
        return g_strdup_printf(
            "VM %s has the name \"%s\" too; remove one, or give it another name in its vm.json and reload",
            berth_vm_id(namesake), record->name);
    if (record->cid != 0 && !is_own_cid && berth_cid_pool_is_in_use(manager->cids, record->cid))
        return g_strdup_printf(
            "Another VM has the CID %u too; remove one, or give it another CID in its vm.json and reload", record->cid);
    return NULL;
}

static void take_name(BerthManager *manager, BerthVm *vm, char *name)
{
    if (g_hash_table_lookup(manager->by_name, berth_vm_name(vm)) == vm)
        g_hash_table_remove(manager->by_name, berth_vm_name(vm));
    g_free(vm->record->name);
    vm->record->name = name;
    g_hash_table_insert(manager->by_name, g_strdup(name), vm);
}

static void take_cid(BerthManager *manager, BerthVm *vm, guint32 cid)
{
    if (vm->owns_cid && vm->record->cid == cid)
        return;
    if (vm->owns_cid)
        berth_manager_release_cid(manager, vm->record->cid);
    vm->record->cid = cid;
    claim_cid(manager, vm);
    berth_vm_changed(vm, BERTH_ASPECT_PROCESS);
}

void berth_manager_take_record(BerthManager *manager, BerthVm *vm, BerthVmRecord *record)
{
    take_name(manager, vm, g_steal_pointer(&record->name));
    take_cid(manager, vm, record->cid);
    g_free(vm->record->incarnation);
    vm->record->incarnation = g_steal_pointer(&record->incarnation);
    berth_manager_set_config(manager, vm, g_steal_pointer(&record->config));
    berth_vm_changed(vm, BERTH_ASPECT_NAME);
}

void berth_manager_mend(BerthManager *manager, BerthVm *vm, BerthVmRecord *record)
{
    vm->record->created = record->created;
    vm->record->wanted = vm->want_stored = record->wanted;
    berth_manager_take_record(manager, vm, record);
    berth_vm_changed(vm, BERTH_ASPECT_WANTED);
}

void berth_manager_vm_changed(BerthManager *manager, BerthVm *vm, guint aspects)
{
    if (g_hash_table_lookup(manager->by_id, berth_vm_id(vm)) == vm)
        manager->observer->vm_changed(vm, aspects, manager->observer_data);
}

/* The definition in memory, and what belongs to it beyond the VM: its ports and its place among the image's users. */

static void forget_config(BerthManager *manager, BerthVm *vm)
{
    if (!vm->record->config)
        return;
    berth_port_table_release(manager->ports, vm->record->config, berth_vm_id(vm));
    berth_manager_release_image(manager, vm);
    g_clear_pointer(&vm->record->config, berth_vm_config_free);
}

void berth_manager_release_image(BerthManager *manager, BerthVm *vm)
{
    BerthImage *image = vm->record->config ? berth_manager_find_image(manager, vm->record->config->image) : NULL;
    if (image && g_ptr_array_remove_fast(image->users, vm))
        manager->observer->image_changed(image, manager->observer_data);
}

void berth_manager_set_config(BerthManager *manager, BerthVm *vm, BerthVmConfig *config)
{
    forget_config(manager, vm);
    vm->record->config = config;
    berth_port_table_claim(manager->ports, config, berth_vm_id(vm));
    BerthImage *image = berth_manager_find_image(manager, config->image);
    if (image) {
        g_ptr_array_add(image->users, vm);
        manager->observer->image_changed(image, manager->observer_data);
    }
    berth_vm_changed(vm, BERTH_ASPECT_CONFIG);
    berth_restart_reconsider(vm);
}

void berth_manager_claim_ports(BerthManager *manager, BerthVm *vm, const BerthVmConfig *config)
{
    berth_port_table_claim(manager->ports, config, berth_vm_id(vm));
}

void berth_manager_release_ports(BerthManager *manager, BerthVm *vm, const BerthVmConfig *config)
{
    berth_port_table_release(manager->ports, config, berth_vm_id(vm));
}

static const char *owner_name(const char *owner, gpointer data)
{
    const BerthManager *manager = data;
    const BerthVm *vm = g_hash_table_lookup(manager->by_id, owner);
    return vm ? berth_vm_name(vm) : owner;
}

gboolean berth_manager_check_config(BerthManager *manager, const BerthVm *self, const BerthVmConfig *config,
                                    GError **error)
{
    const BerthImage *image = berth_manager_find_image(manager, config->image);
    if (*config->image && (!image || image->removing)) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "image: there is no image \"%s\"; import it first",
                    config->image);
        return FALSE;
    }
    if (image && !berth_vm_config_check_image(config, image->meta, error))
        return FALSE;
    return berth_port_table_check(manager->ports, config, self ? berth_vm_id(self) : "", owner_name, manager, error);
}

void berth_manager_vm_gone(BerthManager *manager, BerthVm *vm)
{
    g_autoptr(BerthVm) hold = berth_vm_ref(vm);
    guint32 cid = vm->record->cid;
    gboolean owned_cid = vm->owns_cid;
    berth_vm_log_event(vm, G_LOG_LEVEL_MESSAGE, BERTH_MESSAGE_REMOVED, "removed; nothing of it is left");
    berth_vm_forget_usage_subscribers(vm);
    /* Told while it can be found, then it goes, then its CID is free: nobody meets a new VM under an old one's CID. */
    manager->observer->vm_removed(vm, manager->observer_data);
    forget_config(manager, vm);
    if (g_hash_table_lookup(manager->by_name, berth_vm_name(vm)) == vm)
        g_hash_table_remove(manager->by_name, berth_vm_name(vm));
    g_hash_table_remove(manager->by_id, berth_vm_id(vm));
    if (owned_cid)
        berth_manager_release_cid(manager, cid);
}

/* Creations in flight hold a name, a CID, ports and their image. */

gboolean berth_manager_reserve(BerthManager *manager, const char *id, const char *name, const BerthVmConfig *config,
                               guint32 *cid, GError **error)
{
    if (g_hash_table_contains(manager->by_name, name)) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_NAME_TAKEN, "There is a VM \"%s\" already; choose another name",
                    name);
        return FALSE;
    }
    const guint n_vms = g_hash_table_size(manager->by_name), max = manager->host->settings->max_vms;
    if (n_vms >= max) {
        g_set_error(
            error, BERTH_ERROR, BERTH_ERROR_LIMIT_REACHED,
            "There are %u VMs; MaxVMs= and CIDFirst= to CIDLast= in berth.conf allow %u: remove some, or change that",
            n_vms, max);
        return FALSE;
    }
    if (!berth_manager_check_config(manager, NULL, config, error) ||
        !berth_cid_pool_take(manager->cids, g_get_monotonic_time(), cid, error))
        return FALSE;
    g_hash_table_insert(manager->by_name, g_strdup(name), NULL);
    g_hash_table_insert(manager->creations, g_strdup(id), GUINT_TO_POINTER(*cid));
    berth_port_table_claim(manager->ports, config, name);
    BerthImage *image = berth_manager_find_image(manager, config->image);
    if (image)
        image->n_reserved++;
    return TRUE;
}

void berth_manager_unreserve(BerthManager *manager, const char *id, const char *name, const BerthVmConfig *config,
                             guint32 cid)
{
    BerthImage *image = berth_manager_find_image(manager, config->image);
    if (image)
        image->n_reserved--;
    berth_port_table_release(manager->ports, config, name);
    g_hash_table_remove(manager->by_name, name);
    g_hash_table_remove(manager->creations, id);
    berth_cid_pool_release(manager->cids, cid, g_get_monotonic_time(), FALSE);
}
