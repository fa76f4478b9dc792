/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recovery.h"

#include <fcntl.h>

#include "../core/autofd.h"
#include "../core/names.h"
#include "../host/durable-file.h"
#include "adopt.h"
#include "orphan.h"
#include "removal.h"
#include "start-queue.h"
#include "want.h"

#define LIST_TIMEOUT_USEC (30 * G_USEC_PER_SEC)
#define FILE_BOOTED ".booted"

/* How long a turn of the loop may adopt: 10,000 VMs take a tenth of a second. */
#define ADOPTION_USEC 2000

typedef struct {
    BerthManager *manager;
    GPtrArray *images;              /* (element-type BerthImageMeta) */
    GPtrArray *stored;              /* (element-type BerthStoredVm); %NULL in the place of one that has been taken */
    GPtrArray *image_notes, *notes; /* (element-type utf8) */
    GError *leftover;               /* (nullable): of the sweep */
    BerthSighting sighting;
    gboolean with_traces; /* those that are being adopted */
    guint next;
    BerthSystemdCall *call;
    guint n_open;  /* what has to come before all is shown */
    guint n_turns; /* of the loop, that are still to pass before it is */
    void (*done)(const GError *error, gpointer data);
    gpointer data;
} Recovery;

static void recovery_free(Recovery *recovery)
{
    g_clear_pointer(&recovery->images, g_ptr_array_unref);
    g_clear_pointer(&recovery->stored, g_ptr_array_unref);
    g_clear_pointer(&recovery->image_notes, g_ptr_array_unref);
    g_clear_pointer(&recovery->notes, g_ptr_array_unref);
    g_clear_error(&recovery->leftover);
    g_clear_pointer(&recovery->sighting.traces, g_hash_table_unref);
    g_clear_pointer(&recovery->sighting.units, g_hash_table_unref);
    berth_systemd_call_free(&recovery->call);
    g_free(recovery);
}

static void finish(Recovery *recovery, const GError *error)
{
    recovery->done(error, recovery->data);
    recovery_free(recovery);
}

static void say_notes(const GPtrArray *notes)
{
    for (guint i = 0; i < notes->len; i++)
        g_warning("%s", (const char *) g_ptr_array_index(notes, i));
}

/* Of nearly all VMs nothing is there: then there is nothing to look for, VM by VM. */
static GHashTable *find_traces(const char *runtime_dir)
{
    BERTH_AUTOFD fd = berth_dir_open(AT_FDCWD, runtime_dir, NULL);
    g_autoptr(GPtrArray) names = fd < 0 ? NULL : berth_dir_list(fd, NULL);
    if (!names)
        return NULL;
    GHashTable *traces = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < names->len; i++)
        g_hash_table_add(traces, g_strdup(names->pdata[i]));
    return traces;
}

static gboolean has_trace(const Recovery *recovery, const char *name)
{
    return !recovery->sighting.traces || g_hash_table_contains(recovery->sighting.traces, name);
}

/* In a worker. */
static gboolean scan(gpointer data, GError **error)
{
    Recovery *recovery = data;
    const BerthHost *host = berth_manager_host(recovery->manager);
    berth_vm_store_sweep(host->vms, &recovery->leftover);
    recovery->sighting.traces = find_traces(host->settings->runtime_dir);
    return berth_image_store_scan(host->images, &recovery->images, &recovery->image_notes, error) &&
           berth_vm_store_scan(host->vms, &recovery->stored, &recovery->notes, error);
}

/* Whether this is the first start of the daemon since the host booted: the runtime directory does not outlive a boot.
 */
static gboolean is_first_since_boot(const char *runtime_dir)
{
    g_autofree char *path = g_build_filename(runtime_dir, FILE_BOOTED, NULL);
    BERTH_AUTOFD fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd >= 0;
}

static void close_one(Recovery *recovery)
{
    if (--recovery->n_open == 0)
        finish(recovery, NULL);
}

static void await_looks(Recovery *recovery);

static gboolean turn_is_over(gpointer data)
{
    Recovery *recovery = data;
    if (--recovery->n_turns > 0)
        await_looks(recovery);
    else
        close_one(recovery);
    return G_SOURCE_REMOVE;
}

/* Attached anew for each turn, and so dispatched after all that are due in it. The loop need not come to rest: with
 * hundreds of VMs that run or start it would not for seconds. */
static void await_looks(Recovery *recovery)
{
    g_idle_add_full(G_PRIORITY_DEFAULT, turn_is_over, recovery, NULL);
}

static void wish_stored(const GError *error, gpointer data)
{
    close_one(data);
}

/* What is shown as wanted is what the disk says; where an operation that goes on has changed it, that is on its way. */
static void await_wishes(Recovery *recovery)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, berth_manager_vms(recovery->manager));
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        BerthVm *vm = value;
        if (!vm->want_in_flight)
            continue;
        recovery->n_open++;
        berth_vm_want(vm, vm->record->wanted, berth_reply_new(wish_stored, recovery, NULL));
    }
}

/* No QEMU is waited for. But what ended long ago is never shown as running: in a first turn of the loop the watches tell
 * who has died, in a second one those are looked at. */
static void await_all_shown(Recovery *recovery)
{
    recovery->n_open = 1;
    recovery->n_turns = 2;
    await_wishes(recovery);
    await_looks(recovery);
}

static void adopt(Recovery *recovery, BerthStoredVm *stored)
{
    /* What lies in vms/ came first: a removal of an earlier VM must not be taken for one of this. */
    if (berth_manager_find_by_id(recovery->manager, stored->id)) {
        berth_remains_delete(recovery->manager, stored->id, stored->incarnation);
        berth_stored_vm_free(stored);
        return;
    }
    berth_adopt(recovery->manager, stored, &recovery->sighting);
}

/* Who has, or had, a process comes first: of a VM and its copy, which claim one name and one CID, it is the one that may
 * not be shown as broken. (transfer full) (nullable) */
static BerthStoredVm *take_next(Recovery *recovery)
{
    for (;;) {
        if (recovery->next == recovery->stored->len) {
            if (!recovery->with_traces)
                return NULL;
            recovery->with_traces = FALSE;
            recovery->next = 0;
            continue;
        }
        BerthStoredVm **place = (BerthStoredVm **) &recovery->stored->pdata[recovery->next++];
        if (*place && (!recovery->with_traces || has_trace(recovery, (*place)->id)))
            return g_steal_pointer(place);
    }
}

static gboolean adopt_some(gpointer data)
{
    Recovery *recovery = data;
    const gint64 end = g_get_monotonic_time() + ADOPTION_USEC;
    do {
        BerthStoredVm *stored = take_next(recovery);
        if (!stored) {
            g_ptr_array_set_free_func(recovery->stored, NULL); /* all are taken */
            berth_queue_begin_boot(recovery->manager);
            berth_manager_check_limits(recovery->manager);
            berth_end_orphans(recovery->manager);
            await_all_shown(recovery);
            return G_SOURCE_REMOVE;
        }
        adopt(recovery, stored);
    } while (g_get_monotonic_time() < end);
    return G_SOURCE_CONTINUE;
}

static void units_listed(GHashTable *units, const GError *error, gpointer data)
{
    Recovery *recovery = data;
    if (error)
        g_warning("systemd does not list its scopes (%s); the runtime directories alone tell what runs",
                  error->message);
    const gboolean is_first = is_first_since_boot(berth_manager_host(recovery->manager)->settings->runtime_dir);
    recovery->sighting.units = units ? g_hash_table_ref(units) : NULL;
    recovery->sighting.moment = is_first ? BERTH_MOMENT_BOOT : BERTH_MOMENT_RESTART;
    recovery->with_traces = TRUE;
    /* Others of the loop's sources come in between. */
    g_idle_add_full(G_PRIORITY_DEFAULT, adopt_some, recovery, NULL);
}

static void scanned(gpointer data, const GError *error, gpointer user_data)
{
    Recovery *recovery = data;
    if (recovery->leftover)
        g_warning("Some of what was not finished stays: %s", recovery->leftover->message);
    if (error) {
        finish(recovery, error);
        return;
    }
    say_notes(recovery->image_notes);
    say_notes(recovery->notes);
    /* Images first: VMs count themselves among their users. */
    for (guint i = 0; i < recovery->images->len; i++)
        berth_manager_add_image(recovery->manager, berth_image_meta_copy(recovery->images->pdata[i]));
    recovery->call =
        berth_systemd_list(berth_manager_host(recovery->manager)->systemd, LIST_TIMEOUT_USEC, units_listed, recovery);
}

void berth_recover(BerthManager *manager, void (*done)(const GError *error, gpointer data), gpointer data)
{
    Recovery *recovery = g_new0(Recovery, 1);
    recovery->manager = manager;
    recovery->done = done;
    recovery->data = data;
    berth_work_start(BERTH_WORK_LONG, scan, recovery, NULL, scanned, NULL);
}
