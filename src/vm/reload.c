/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reload-private.h"

#include "../core/error.h"
#include "../host/settings-files.h"
#include "start-queue.h"

/* Somebody is always at work on some VM of a busy host. What can't be compared after so many looks is told, and left
 * to the next Reload. */
#define LOOKS_MAX 3u

static void look(BerthReload *reload);

static void forget_look(BerthReload *reload)
{
    g_clear_pointer(&reload->known, g_hash_table_unref);
    g_clear_pointer(&reload->settings, berth_settings_free);
    g_clear_pointer(&reload->images, g_ptr_array_unref);
    g_clear_pointer(&reload->vms, g_ptr_array_unref);
    g_clear_pointer(&reload->notes, g_ptr_array_unref);
    g_clear_pointer(&reload->on_disk, g_hash_table_unref);
    g_clear_pointer(&reload->busy, g_ptr_array_unref);
}

/* The first of those that wait, or are under way, is over. */
static void answer_first(GQueue *reloads, const GError *error)
{
    BerthReload *reload = g_queue_peek_head(reloads);
    if (error)
        reload->done(0, 0, 0, error, reload->data);
    else
        reload->done(reload->loaded, reload->updated, reload->removed, NULL, reload->data);
    g_queue_pop_head(reloads);
    berth_reload_stop_judging(reload);
    forget_look(reload);
    g_free(reload);
}

static void finish(BerthReload *reload, const GError *error)
{
    GQueue *reloads = berth_manager_reloads(reload->manager);
    answer_first(reloads, error);
    if (!g_queue_is_empty(reloads))
        look(g_queue_peek_head(reloads));
}

/* In a worker. All of it, or nothing is concluded. */
static gboolean read_disk(gpointer data, GError **error)
{
    BerthReload *reload = data;
    const BerthHost *host = berth_manager_host(reload->manager);
    g_autoptr(GPtrArray) image_notes = NULL;
    if (!berth_settings_load(reload->settings, host->settings_file, FALSE, error) ||
        !berth_image_store_scan(host->images, &reload->images, &image_notes, error) ||
        !berth_vm_store_scan(host->vms, &reload->vms, &reload->notes, error))
        return FALSE;
    g_ptr_array_extend_and_steal(reload->notes, g_steal_pointer(&image_notes));
    reload->on_disk = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < reload->vms->len; i++)
        g_hash_table_add(reload->on_disk, g_strdup(((const BerthStoredVm *) reload->vms->pdata[i])->id));
    return TRUE;
}

static void setting_changed(const char *key, const char *old, const char *new, gboolean taken, gpointer data)
{
    if (taken)
        g_message("berth.conf: %s=%s, which was %s", key, new, old);
    else
        g_warning("berth.conf: %s=%s is taken when berthd starts anew; until then it is %s", key, new, old);
}

/* What says nothing new when the disk is looked at again. */
static void take_first_look(BerthReload *reload)
{
    berth_settings_update(berth_manager_host(reload->manager)->settings, reload->settings, setting_changed, NULL);
    berth_queue_poke(reload->manager); /* more may start at a time now */
    for (guint i = 0; i < reload->notes->len; i++)
        g_warning("%s", (const char *) g_ptr_array_index(reload->notes, i));
}

static void vms_were_judged(BerthReload *reload)
{
    if (reload->busy->len > 0 && reload->looks < LOOKS_MAX) {
        look(reload);
        return;
    }
    for (guint i = 0; i < reload->busy->len; i++)
        g_message("%s is being worked on: what may have been changed in its files by hand is left to the next Reload",
                  (const char *) g_ptr_array_index(reload->busy, i));
    berth_manager_check_limits(reload->manager);
    finish(reload, NULL);
}

static void disk_was_read(gpointer data, const GError *error, gpointer user_data)
{
    BerthReload *reload = data;
    if (error) {
        finish(reload, error);
        return;
    }
    if (reload->looks == 1)
        take_first_look(reload);
    berth_reload_images(reload);
    berth_reload_vms(reload, vms_were_judged);
}

static GHashTable *known_vms(BerthManager *manager)
{
    GHashTable *known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer id, vm;
    g_hash_table_iter_init(&iter, berth_manager_vms(manager));
    while (g_hash_table_iter_next(&iter, &id, &vm))
        g_hash_table_insert(known, g_strdup(id), GUINT_TO_POINTER(((const BerthVm *) vm)->n_works_ended));
    return known;
}

static void look(BerthReload *reload)
{
    const BerthSettings *settings = berth_manager_host(reload->manager)->settings;
    forget_look(reload);
    reload->looks++;
    reload->began = g_get_real_time();
    reload->known = known_vms(reload->manager);
    reload->library = berth_manager_library_serial(reload->manager);
    reload->settings = berth_settings_new(settings->default_state_dir, settings->default_runtime_dir);
    reload->busy = g_ptr_array_new_with_free_func(g_free);
    /* Nothing is changed, and a caller waits: it must not stand behind copies and deletions. */
    berth_work_start(BERTH_WORK_SHORT, read_disk, reload, NULL, disk_was_read, NULL);
}

void berth_reload(BerthManager *manager,
                  void (*done)(guint loaded, guint updated, guint removed, const GError *error, gpointer data),
                  gpointer data)
{
    BerthReload *reload = g_new0(BerthReload, 1);
    reload->manager = manager;
    reload->done = done;
    reload->data = data;
    /* One at a time: what one has just shown may be gone again when another that began before comes to it. */
    GQueue *reloads = berth_manager_reloads(manager);
    g_queue_push_tail(reloads, reload);
    if (g_queue_get_length(reloads) == 1)
        look(reload);
}

void berth_reloads_end(BerthManager *manager)
{
    g_autoptr(GError) error = berth_error_new_for_end();
    GQueue *reloads = berth_manager_reloads(manager);
    while (!g_queue_is_empty(reloads))
        answer_first(reloads, error);
}
