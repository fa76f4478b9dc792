/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image.h"

#include "../core/error.h"
#include "manager.h"

BerthImage *berth_image_new(BerthImageMeta *meta)
{
    BerthImage *image = g_new0(BerthImage, 1);
    image->meta = meta;
    image->users = g_ptr_array_new();
    return image;
}

void berth_image_free(BerthImage *image)
{
    g_ptr_array_unref(image->users);
    berth_image_meta_free(image->meta);
    g_free(image);
}

typedef struct {
    BerthManager *manager;
    BerthImageStore *store;
    char *name;
    BerthReply *reply;
} Removal;

static void removal_free(Removal *removal)
{
    berth_reply_free(removal->reply);
    g_free(removal->name);
    g_free(removal);
}

static gboolean remove_files(gpointer data, GError **error)
{
    Removal *removal = data;
    return berth_image_store_remove(removal->store, removal->name, error);
}

static void files_removed(gpointer data, const GError *error, gpointer user_data)
{
    Removal *removal = data;
    BerthImage *image = berth_manager_find_image(removal->manager, removal->name);
    image->removing = FALSE;
    if (!error)
        berth_manager_drop_image(removal->manager, image);
    else
        berth_manager_library_touched(removal->manager);
    berth_reply_return(&removal->reply, error);
}

static gboolean is_unused(const BerthImage *image, GError **error)
{
    if (image->removing) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_BUSY, "Image \"%s\" is being removed", image->meta->name);
        return FALSE;
    }
    if (image->users->len > 0) {
        const BerthVm *user = g_ptr_array_index(image->users, 0);
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_IMAGE_IN_USE,
                    "Image \"%s\" is used by %u VMs, \"%s\" among them; remove them first", image->meta->name,
                    image->users->len, berth_vm_name(user));
        return FALSE;
    }
    if (image->n_reserved > 0) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_IMAGE_IN_USE, "A VM is being made from image \"%s\"",
                    image->meta->name);
        return FALSE;
    }
    return TRUE;
}

void berth_image_remove(BerthManager *manager, BerthImage *image, BerthReply *reply)
{
    g_autoptr(GError) error = NULL;
    if (!is_unused(image, &error)) {
        berth_reply_return(&reply, error);
        return;
    }
    Removal *removal = g_new0(Removal, 1);
    removal->manager = manager;
    removal->store = berth_manager_host(manager)->images;
    removal->name = g_strdup(image->meta->name);
    removal->reply = reply;
    image->removing = TRUE;
    berth_work_start(BERTH_WORK_LONG, remove_files, removal, (GDestroyNotify) removal_free, files_removed, NULL);
}
