/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include "../core/error.h"
#include "../core/names.h"
#include "../host/vm-disks.h"

/* A clone in flight. It is made as any new VM is (create.c), but for where its disks come from, and how long that takes. */
typedef struct {
    BerthVmStore *store;
    BerthVmRecord *record; /* of the new one */
    char *source_dir;
    uid_t owner;
    BerthJobProgress progress;
} Clone;

static void clone_free(Clone *clone)
{
    g_clear_pointer(&clone->record, berth_vm_record_free);
    berth_job_progress_clear(&clone->progress);
    g_free(clone->source_dir);
    g_free(clone);
}

/* In a worker. The files of a VM that was stopped a moment ago are as QEMU has left them. */
static gboolean copy_on_disk(gpointer data, GError **error)
{
    Clone *clone = data;
    const BerthVmRecord *record = clone->record;
    BerthCopyJob copy = {.cancellable = clone->progress.job->cancellable,
                         .progress = berth_job_progress_tell,
                         .data = &clone->progress,
                         .name = "clone"};
    g_autofree char *path = berth_vm_store_stage(clone->store, record, clone->owner, error);
    if (!path)
        return FALSE;
    if (berth_vm_disks_clone(path, clone->source_dir, record->config, &copy, error) &&
        berth_copy_check_cancelled(&copy, error) && berth_vm_store_publish(clone->store, record->id, error))
        return TRUE;
    g_autoptr(GError) left = NULL;
    if (!berth_vm_store_discard(clone->store, record->id, &left))
        g_warning("%s; the next start of berthd sweeps it", left->message);
    return FALSE;
}

static void add_clone(BerthVm *source, Clone *clone)
{
    BerthVm *vm = berth_vm_new(source->manager, g_steal_pointer(&clone->record), BERTH_VM_STOPPED);
    berth_vm_log_event(vm, G_LOG_LEVEL_MESSAGE, BERTH_MESSAGE_CREATED, "created as %s, a clone of \"%s\"",
                       berth_vm_id(vm), berth_vm_name(source));
    clone->progress.job->vm = g_strdup(berth_vm_id(vm));
    berth_manager_add(source->manager, vm);
}

static void copied(BerthVm *source, gpointer data, const GError *error)
{
    Clone *clone = data;
    const BerthVmRecord *record = clone->record;
    source->busy_with = NULL;
    source->cloning = NULL;
    berth_job_progress_end(&clone->progress);
    berth_manager_unreserve(source->manager, record->id, record->name, record->config, record->cid);
    if (error)
        clone->progress.job->error = g_error_copy(error);
    else
        add_clone(source, clone);
    berth_manager_job_ended(source->manager, clone->progress.job);
}

/* (transfer full): what of @source another VM can have too */
static BerthVmConfig *shareable(const BerthVmConfig *source)
{
    BerthVmConfig *config = berth_vm_config_copy(source);
    config->protected_ = FALSE;
    for (guint i = 0; i < config->networks->len; i++) {
        BerthNetwork *network = g_ptr_array_index(config->networks, i);
        g_free(network->mac);
        network->mac = g_strdup("");
        g_ptr_array_set_size(network->ports, 0);
    }
    return config;
}

/* Somebody has to decide which it is to be: a restart in the middle of the copy would have to wait for its end. */
static gboolean check_rests(const BerthVm *source, GError **error)
{
    if (source->start_due == 0)
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_BUSY,
                "VM \"%s\" is about to start by itself; call that off with PowerOff, then clone it",
                berth_vm_name(source));
    return FALSE;
}

BerthJob *berth_manager_clone(BerthManager *manager, BerthVm *source, const char *name, GVariant *changes,
                              GError **error)
{
    const BerthHost *host = berth_manager_host(manager);
    g_autoptr(BerthVmConfig) base = shareable(source->record->config);
    g_autoptr(BerthVmConfig) config = NULL;
    g_autofree char *id = g_uuid_string_random();
    guint32 cid = 0;
    if (!check_rests(source, error) || !berth_vm_name_check(name, error) ||
        !(config = berth_vm_config_apply(base, changes, error)) ||
        !berth_manager_check_kept(source->record->config, config, error) ||
        !berth_manager_reserve(manager, id, name, config, &cid, error))
        return NULL;

    BerthJob *job = berth_manager_add_job(manager, "clone-vm");
    Clone *clone = g_new0(Clone, 1);
    clone->store = host->vms;
    clone->source_dir = berth_vm_store_path(host->vms, berth_vm_id(source));
    clone->record = berth_vm_record_new(g_steal_pointer(&id), name, cid, g_steal_pointer(&config));
    clone->owner = berth_host_vm_uid(host, cid);
    berth_job_progress_init(&clone->progress, manager, job);
    source->busy_with = "Clone";
    source->cloning = job->cancellable;
    berth_work_heed(berth_vm_work(source, BERTH_WORK_COPY, copy_on_disk, clone, (GDestroyNotify) clone_free, copied),
                    job->cancellable);
    return job;
}
