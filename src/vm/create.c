/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include "../core/names.h"
#include "../host/vm-disks.h"

/* A creation in flight. */
typedef struct {
    BerthManager *manager;
    BerthVmStore *store;
    BerthVmRecord *record;
    BerthDisksSpec disks;
    char *image_dir;
    char *qemu_img, *firmware_vars; /* as they are configured now */
    BerthImageMeta *image;          /* (nullable): a copy, for the worker */
    void (*created)(BerthVm *vm, const GError *error, gpointer data);
    gpointer data;
} Creation;

static void creation_free(Creation *creation)
{
    g_clear_pointer(&creation->record, berth_vm_record_free);
    g_clear_pointer(&creation->image, berth_image_meta_free);
    g_free(creation->image_dir);
    g_free(creation->qemu_img);
    g_free(creation->firmware_vars);
    g_free(creation);
}

/* In a worker. Under its staging name nobody takes it for a VM; the one rename of publish makes it one. */
static gboolean make_on_disk(gpointer data, GError **error)
{
    Creation *creation = data;
    const BerthVmRecord *record = creation->record;
    g_autofree char *path = berth_vm_store_stage(creation->store, record, creation->disks.owner, error);
    if (!path)
        return FALSE;
    if (berth_vm_disks_make(path, &creation->disks, error) &&
        berth_vm_store_publish(creation->store, record->id, error))
        return TRUE;
    g_autoptr(GError) left = NULL;
    if (!berth_vm_store_discard(creation->store, record->id, &left))
        g_warning("%s; the next start of berthd sweeps it", left->message);
    return FALSE;
}

static void made_on_disk(gpointer data, const GError *error, gpointer user_data)
{
    Creation *creation = data;
    BerthManager *manager = creation->manager;
    BerthVmRecord *record = creation->record;
    berth_manager_unreserve(manager, record->id, record->name, record->config, record->cid);
    if (error) {
        creation->created(NULL, error, creation->data);
        return;
    }
    BerthVm *vm = berth_vm_new(manager, g_steal_pointer(&creation->record), BERTH_VM_STOPPED);
    berth_vm_log_event(vm, G_LOG_LEVEL_MESSAGE, BERTH_MESSAGE_CREATED, "created as %s", berth_vm_id(vm));
    berth_manager_add(manager, vm);
    creation->created(vm, NULL, creation->data);
}

/* @id, @config: (transfer full) */
static Creation *creation_new(BerthManager *manager, char *id, const char *name, BerthVmConfig *config, guint32 cid)
{
    const BerthHost *host = berth_manager_host(manager);
    Creation *creation = g_new0(Creation, 1);
    creation->manager = manager;
    creation->store = host->vms;

    creation->record = berth_vm_record_new(id, name, cid, config);
    const BerthImage *image = berth_manager_find_image(manager, config->image);
    if (image) {
        creation->image = berth_image_meta_copy(image->meta);
        creation->image_dir = berth_image_store_path(host->images, image->meta->name);
    }
    creation->qemu_img = g_strdup(host->settings->qemu_img_path);
    creation->firmware_vars = g_strdup(host->settings->firmware_vars);
    creation->disks = (BerthDisksSpec){
        .qemu_img = creation->qemu_img,
        .config = config,
        .image = creation->image,
        .image_dir = creation->image_dir,
        .firmware_vars = creation->firmware_vars,
        .owner = berth_host_vm_uid(host, cid),
    };
    return creation;
}

/* What berth.conf says for VMs that do not. */
static BerthVmConfig *host_defaults(const BerthSettings *settings)
{
    g_autoptr(BerthVmConfig) built_in = berth_vm_config_new();
    GVariantDict dict;
    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "restart", "s", settings->restart);
    g_autoptr(GVariant) changes = g_variant_ref_sink(g_variant_dict_end(&dict));
    return berth_vm_config_apply(built_in, changes, NULL);
}

/* The overlay of an image's disk is the VM's first disk whether it was named or not: so it is seen, and can be
 * configured. Takes @config, and returns one, or %NULL. */
static BerthVmConfig *name_overlay(BerthManager *manager, BerthVmConfig *config, GError **error)
{
    const BerthImage *image = berth_manager_find_image(manager, config->image);
    if (!image || !*image->meta->disk_format || config->disks->len > 0)
        return config;
    g_autoptr(BerthVmConfig) unnamed = config;
    g_autoptr(GVariant) changes = g_variant_ref_sink(g_variant_new_parsed("{'disks': <[@a{sv} {}]>}"));
    return berth_vm_config_apply(unnamed, changes, error);
}

void berth_manager_create(BerthManager *manager, const char *name, GVariant *changes, gboolean wanted,
                          void (*created)(BerthVm *vm, const GError *error, gpointer data), gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmConfig) defaults = host_defaults(berth_manager_host(manager)->settings);
    g_autoptr(BerthVmConfig) config = NULL;
    g_autofree char *id = g_uuid_string_random();
    guint32 cid = 0;

    if (!berth_vm_name_check(name, &error) || !(config = berth_vm_config_apply(defaults, changes, &error)) ||
        !(config = name_overlay(manager, config, &error)) ||
        !berth_manager_reserve(manager, id, name, config, &cid, &error)) {
        created(NULL, error, data);
        return;
    }
    Creation *creation = creation_new(manager, g_steal_pointer(&id), name, g_steal_pointer(&config), cid);
    creation->record->wanted = wanted;
    creation->created = created;
    creation->data = data;
    berth_work_start(BERTH_WORK_SHORT, make_on_disk, creation, (GDestroyNotify) creation_free, made_on_disk, NULL);
}
