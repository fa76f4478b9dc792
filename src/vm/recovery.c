/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recovery.h"

#include <signal.h>

#include "../core/names.h"
#include "../host/runtime-dir.h"
#include "adopt.h"
#include "orphan.h"
#include "removal.h"
#include "restart.h"
#include "start-queue.h"

#define LIST_TIMEOUT_USEC (30 * G_USEC_PER_SEC)

typedef struct {
    BerthManager *manager;
    GPtrArray *stored; /* (element-type BerthStoredVm) */
    BerthSystemdCall *call;
    void (*done)(gpointer data);
    gpointer data;
} Recovery;

static void recovery_free(Recovery *recovery)
{
    g_clear_pointer(&recovery->stored, g_ptr_array_unref);
    berth_systemd_call_free(&recovery->call);
    g_free(recovery);
}

static void say_notes(const GPtrArray *notes)
{
    for (guint i = 0; i < notes->len; i++)
        g_warning("%s", (const char *) g_ptr_array_index(notes, i));
}

static gboolean scan(Recovery *recovery, GError **error)
{
    const BerthHost *host = berth_manager_host(recovery->manager);
    g_autoptr(GPtrArray) images = NULL, image_notes = NULL, notes = NULL;
    g_autoptr(GError) leftover = NULL;
    if (!berth_vm_store_sweep(host->vms, &leftover))
        g_warning("Some of what was not finished stays: %s", leftover->message);
    if (!berth_image_store_scan(host->images, &images, &image_notes, error) ||
        !berth_vm_store_scan(host->vms, &recovery->stored, &notes, error))
        return FALSE;
    say_notes(image_notes);
    say_notes(notes);
    /* Images first: VMs count themselves among their users. */
    for (guint i = 0; i < images->len; i++)
        berth_manager_add_image(recovery->manager, berth_image_meta_copy(g_ptr_array_index(images, i)));
    return TRUE;
}

static gboolean all_shown(gpointer data)
{
    Recovery *recovery = data;
    recovery->done(recovery->data);
    recovery_free(recovery);
    return G_SOURCE_REMOVE;
}

/* Who has, or had, a process comes first: of a VM and its copy, which claim one name and one CID, it is the one that may
 * not be shown as broken. */
static gboolean has_runtime(const BerthManager *manager, const BerthStoredVm *stored)
{
    g_autofree char *path = g_build_filename(berth_manager_host(manager)->settings->runtime_dir, stored->id, NULL);
    return g_file_test(path, G_FILE_TEST_IS_DIR);
}

static void adopt_found(Recovery *recovery, GHashTable *units, gboolean with_runtime)
{
    for (guint i = 0; i < recovery->stored->len; i++) {
        BerthStoredVm *stored = recovery->stored->pdata[i];
        if (!stored || has_runtime(recovery->manager, stored) != with_runtime)
            continue;
        recovery->stored->pdata[i] = NULL;
        /* What lies in vms/ came first: a removal of an earlier VM must not be taken for one of this. */
        if (berth_manager_find_by_id(recovery->manager, stored->id)) {
            berth_remains_delete(recovery->manager, stored->id, stored->incarnation);
            berth_stored_vm_free(stored);
            continue;
        }
        g_autofree char *unit = g_strconcat(BERTH_UNIT_PREFIX, stored->id, BERTH_UNIT_SUFFIX, NULL);
        /* In whatever state: the one of a start that was just asked for is "inactive". */
        BerthVm *vm = berth_adopt(recovery->manager, stored, units && g_hash_table_contains(units, unit));
        berth_restart_recover(vm);
    }
}

static void units_listed(GHashTable *units, const GError *error, gpointer data)
{
    Recovery *recovery = data;
    BerthManager *manager = recovery->manager;
    if (error)
        g_warning("systemd does not list its scopes (%s); the runtime directories alone tell what runs",
                  error->message);
    adopt_found(recovery, units, TRUE);
    adopt_found(recovery, units, FALSE);
    berth_queue_begin_boot();
    g_ptr_array_set_free_func(recovery->stored, NULL); /* all are taken */
    berth_end_orphans(manager);
    /* After the looks at processes that are due, so that what ended long ago is never shown as running. */
    g_idle_add_full(G_PRIORITY_DEFAULT_IDLE, all_shown, recovery, NULL);
}

gboolean berth_recover(BerthManager *manager, void (*done)(gpointer data), gpointer data, GError **error)
{
    const BerthHost *host = berth_manager_host(manager);
    Recovery *recovery = g_new0(Recovery, 1);
    recovery->manager = manager;
    recovery->done = done;
    recovery->data = data;
    if (!scan(recovery, error)) {
        recovery_free(recovery);
        return FALSE;
    }
    recovery->call = berth_systemd_list(host->systemd, LIST_TIMEOUT_USEC, units_listed, recovery);
    return TRUE;
}
