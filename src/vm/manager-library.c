/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-private.h"

#include "../core/error.h"

/* The image library, and the jobs that images and copies take. */

/* Images */

BerthImage *berth_manager_find_image(BerthManager *manager, const char *name)
{
    return g_hash_table_lookup(manager->images, name);
}

GHashTable *berth_manager_images(BerthManager *manager)
{
    return manager->images;
}

gboolean berth_manager_reserve_image(BerthManager *manager, const char *name, GError **error)
{
    if (g_hash_table_contains(manager->images, name) || g_hash_table_contains(manager->imports, name)) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_NAME_TAKEN, "There is an image \"%s\" already; choose another name",
                    name);
        return FALSE;
    }
    g_hash_table_add(manager->imports, g_strdup(name));
    return TRUE;
}

void berth_manager_unreserve_image(BerthManager *manager, const char *name)
{
    g_hash_table_remove(manager->imports, name);
    berth_manager_library_touched(manager);
}

guint64 berth_manager_library_serial(const BerthManager *manager)
{
    return manager->library_serial;
}

void berth_manager_library_touched(BerthManager *manager)
{
    manager->library_serial++;
}

/* VMs may know it from before: who was busy when it vanished was not judged then, and goes on to be made from it. */
static void find_users(BerthManager *manager, BerthImage *image)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, manager->by_id);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const BerthVmConfig *config = ((const BerthVm *) value)->record->config;
        if (config && g_str_equal(config->image, image->meta->name))
            g_ptr_array_add(image->users, value);
    }
}

void berth_manager_add_image(BerthManager *manager, BerthImageMeta *meta)
{
    BerthImage *image = berth_image_new(meta);
    berth_manager_library_touched(manager);
    find_users(manager, image);
    g_hash_table_insert(manager->images, meta->name, image);
    manager->observer->image_added(image, manager->observer_data);
}

void berth_manager_drop_image(BerthManager *manager, BerthImage *image)
{
    manager->observer->image_removed(image, manager->observer_data);
    g_hash_table_remove(manager->images, image->meta->name);
    berth_manager_library_touched(manager);
}

void berth_manager_replace_image(BerthManager *manager, BerthImage *image, BerthImageMeta *meta)
{
    manager->observer->image_removed(image, manager->observer_data);
    g_hash_table_steal(manager->images, image->meta->name);
    berth_image_meta_free(image->meta);
    image->meta = meta;
    g_hash_table_insert(manager->images, meta->name, image);
    berth_manager_library_touched(manager);
    manager->observer->image_added(image, manager->observer_data);
}

/* Jobs */

BerthJob *berth_manager_find_job(BerthManager *manager, guint number)
{
    return g_hash_table_lookup(manager->jobs, GUINT_TO_POINTER(number));
}

GHashTable *berth_manager_jobs(BerthManager *manager)
{
    return manager->jobs;
}

BerthJob *berth_manager_add_job(BerthManager *manager, const char *operation)
{
    BerthJob *job = g_new0(BerthJob, 1);
    job->number = ++manager->last_job;
    job->operation = operation;
    job->cancellable = g_cancellable_new();
    if (manager->is_ending)
        g_cancellable_cancel(job->cancellable);
    g_hash_table_insert(manager->jobs, GUINT_TO_POINTER(job->number), job);
    manager->observer->job_added(job, manager->observer_data);
    return job;
}

void berth_manager_job_changed(BerthManager *manager, BerthJob *job)
{
    manager->observer->job_changed(job, manager->observer_data);
}

void berth_manager_job_ended(BerthManager *manager, BerthJob *job)
{
    manager->observer->job_completed(job, manager->observer_data);
    g_hash_table_remove(manager->jobs, GUINT_TO_POINTER(job->number));
}

void berth_manager_cancel_jobs(BerthManager *manager)
{
    GHashTableIter iter;
    gpointer value;
    manager->is_ending = TRUE;
    g_hash_table_iter_init(&iter, manager->jobs);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const BerthJob *job = value;
        g_cancellable_cancel(job->cancellable);
    }
}
