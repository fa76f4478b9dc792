/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reload-private.h"

static gboolean same_meta(const BerthImageMeta *a, const BerthImageMeta *b)
{
    gsize left_length, right_length;
    g_autofree char *left = berth_image_meta_to_json(a, &left_length);
    g_autofree char *right = berth_image_meta_to_json(b, &right_length);
    return g_str_equal(left, right);
}

/* Whoever imports, removes or copies it knows better than a look that began before. */
static gboolean is_worked_on(BerthReload *reload, const char *name)
{
    const BerthImage *image = berth_manager_find_image(reload->manager, name);
    return g_hash_table_contains(berth_manager_imports(reload->manager), name) ||
           (image && (image->removing || image->n_reserved > 0));
}

static void judge_found(BerthReload *reload, const BerthImageMeta *meta)
{
    BerthImage *image = berth_manager_find_image(reload->manager, meta->name);
    if (is_worked_on(reload, meta->name) || (image && same_meta(image->meta, meta)))
        return;
    if (image) {
        berth_manager_replace_image(reload->manager, image, berth_image_meta_copy(meta));
        reload->updated++;
    } else {
        berth_manager_add_image(reload->manager, berth_image_meta_copy(meta));
        reload->loaded++;
    }
}

/* Known, and not on disk any more, or not so that it could be used: the scan's notes say which. Who runs on it runs
 * on. */
static void judge_vanished(BerthReload *reload, GHashTable *on_disk)
{
    g_autoptr(GList) images = g_hash_table_get_values(berth_manager_images(reload->manager));
    for (GList *link = images; link; link = link->next) {
        BerthImage *image = link->data;
        if (g_hash_table_contains(on_disk, image->meta->name) || is_worked_on(reload, image->meta->name))
            continue;
        g_warning(
            "The image \"%s\" is not there any more; VMs that need it are broken until it is put back, or imported "
            "again, and Reload is called",
            image->meta->name);
        berth_manager_drop_image(reload->manager, image);
        reload->updated++;
    }
}

void berth_reload_images(BerthReload *reload)
{
    if (berth_manager_library_serial(reload->manager) != reload->library) {
        g_ptr_array_add(reload->busy, g_strdup("The image library"));
        return;
    }
    g_autoptr(GHashTable) on_disk = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < reload->images->len; i++) {
        const BerthImageMeta *meta = g_ptr_array_index(reload->images, i);
        g_hash_table_add(on_disk, meta->name);
        judge_found(reload, meta);
    }
    judge_vanished(reload, on_disk);
}
