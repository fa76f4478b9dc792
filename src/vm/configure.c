/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include "../core/error.h"

typedef struct {
    BerthVmStore *store;
    BerthVmRecord record; /* borrows its strings from the VM, which the work holds; owns the definition */
    BerthReply *reply;
} Configuration;

static void configuration_free(Configuration *configuration)
{
    g_clear_pointer(&configuration->record.config, berth_vm_config_free);
    berth_reply_free(configuration->reply);
    g_free(configuration);
}

static gboolean save(gpointer data, GError **error)
{
    Configuration *configuration = data;
    return berth_vm_store_save(configuration->store, &configuration->record, error);
}

static void saved(BerthVm *vm, gpointer data, const GError *error)
{
    Configuration *configuration = data;
    vm->busy_with = NULL;
    berth_manager_release_ports(vm->manager, vm, configuration->record.config);
    if (!error)
        berth_manager_set_config(vm->manager, vm, g_steal_pointer(&configuration->record.config));
    berth_reply_return(&configuration->reply, error);
}

/* Disks hold data: what they are is decided when the VM is made. */
gboolean berth_manager_check_kept(const BerthVmConfig *old, const BerthVmConfig *new, GError **error)
{
    gboolean same = old->disks->len == new->disks->len;
    for (guint i = 0; same && i < old->disks->len; i++) {
        const BerthDisk *a = g_ptr_array_index(old->disks, i), *b = g_ptr_array_index(new->disks, i);
        same = a->size == b->size && g_str_equal(a->format, b->format);
    }
    const char *key = !same                                        ? "disks"
                      : !g_str_equal(old->image, new->image)       ? "image"
                      : !g_str_equal(old->firmware, new->firmware) ? "firmware"
                                                                   : NULL;
    if (!key)
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_UNSUPPORTED,
                "%s: can't be changed after the VM was made%s; make a new VM", key,
                same ? "" : " (a disk's bus and read-only can)");
    return FALSE;
}

void berth_manager_configure(BerthManager *manager, BerthVm *vm, GVariant *changes, BerthReply *reply)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmConfig) config = berth_vm_config_apply(vm->record->config, changes, &error);
    if (!config || !berth_manager_check_kept(vm->record->config, config, &error) ||
        !berth_manager_check_config(manager, vm, config, &error)) {
        berth_reply_return(&reply, error);
        return;
    }
    Configuration *configuration = g_new0(Configuration, 1);
    configuration->store = berth_manager_host(manager)->vms;
    configuration->record = *vm->record;
    configuration->record.config = g_steal_pointer(&config);
    configuration->reply = reply;
    vm->busy_with = "Configure";
    /* The new ports are the VM's from now on, beside its old ones: nobody takes them while the disk is written. */
    berth_manager_claim_ports(manager, vm, configuration->record.config);
    berth_vm_work(vm, BERTH_WORK_SHORT, save, configuration, (GDestroyNotify) configuration_free, saved);
}
