/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "orphan.h"

#include "../core/names.h"
#include "../host/process.h"
#include "../host/runtime-dir.h"

/* Longer than what a keeper gives its guest to power down. */
#define STOP_TIMEOUT_USEC (90 * G_USEC_PER_SEC)
/* Pauses between attempts double from the first to the last. */
#define RETRY_FIRST_SEC 1u
#define RETRY_LAST_SEC 60u

struct BerthOrphan {
    BerthManager *manager;
    char *id;
    char *unit;
    char *control_group; /* (nullable) */
    guint32 cid;         /* 0 where it has none that is to be released */
    gboolean is_ending;
    guint attempts;
    guint timer;
    BerthSystemdCall *call;
};

void berth_orphan_free(BerthOrphan *orphan)
{
    g_clear_handle_id(&orphan->timer, g_source_remove);
    berth_systemd_call_free(&orphan->call);
    g_free(orphan->control_group);
    g_free(orphan->unit);
    g_free(orphan->id);
    g_free(orphan);
}

gboolean berth_orphan_is_ending(const BerthOrphan *orphan)
{
    return orphan->is_ending;
}

guint32 berth_orphan_cid(const BerthOrphan *orphan)
{
    return orphan->cid;
}

static const char *runtime_dir(const BerthOrphan *orphan)
{
    return berth_manager_host(orphan->manager)->settings->runtime_dir;
}

static void end(BerthOrphan *orphan);

static gboolean try_again(gpointer data)
{
    BerthOrphan *orphan = data;
    orphan->timer = 0;
    end(orphan);
    return G_SOURCE_REMOVE;
}

static void wait_to_try_again(BerthOrphan *orphan, const char *why)
{
    guint delay = MIN(RETRY_FIRST_SEC << MIN(orphan->attempts, 6), RETRY_LAST_SEC);
    orphan->attempts++;
    g_warning("%s, which belongs to no VM, has not ended (%s); trying again in %u s", orphan->unit, why, delay);
    orphan->timer = g_timeout_add_seconds(delay, try_again, orphan);
}

/* A scope that systemd has given up holds processes that it does not kill any more. */
static void kill_what_is_left(const BerthOrphan *orphan)
{
    g_autoptr(GError) error = NULL;
    if (orphan->control_group && g_str_has_suffix(orphan->control_group, orphan->unit) &&
        !berth_cgroup_kill(orphan->control_group, &error))
        g_warning("%s", error->message);
}

static void stopped(const GError *error, gpointer data)
{
    BerthOrphan *orphan = data;
    BERTH_AUTO_SYSTEMD_CALL *call = g_steal_pointer(&orphan->call);
    g_autoptr(GError) failure = NULL;
    /* A done stop job is no proof: the lock is, which everybody in the scope has inherited. It keeps the directory, too. */
    if (error || !berth_runtime_remove(runtime_dir(orphan), orphan->id, &failure)) {
        kill_what_is_left(orphan);
        wait_to_try_again(orphan, error ? error->message : failure->message);
        return;
    }
    g_message("%s, which belonged to no VM, has ended", orphan->unit);
    if (orphan->cid)
        berth_manager_release_cid(orphan->manager, orphan->cid);
    g_hash_table_remove(berth_manager_orphans(orphan->manager), orphan->id); /* frees it */
}

static void end(BerthOrphan *orphan)
{
    orphan->call = berth_systemd_stop(berth_manager_host(orphan->manager)->systemd, orphan->unit, STOP_TIMEOUT_USEC,
                                      stopped, orphan);
}

/* A run that was never let go has no record, and no CID: nothing can be known of it but that it has a directory. */
static BerthOrphan *orphan_new(BerthManager *manager, const char *id)
{
    BerthOrphan *orphan = g_new0(BerthOrphan, 1);
    orphan->manager = manager;
    orphan->id = g_strdup(id);
    orphan->unit = g_strconcat(BERTH_UNIT_PREFIX, id, BERTH_UNIT_SUFFIX, NULL);
    g_autoptr(BerthRunRecord) record = berth_runtime_read_run(runtime_dir(orphan), id, NULL);
    if (!record)
        return orphan;
    orphan->control_group = g_steal_pointer(&record->control_group);
    if (berth_manager_claim_cid(manager, record->cid))
        orphan->cid = record->cid;
    return orphan;
}

static gboolean is_ours(const BerthHost *host, const char *id)
{
    g_autofree char *owner = berth_runtime_owner(host->settings->runtime_dir, id);
    return !owner || g_str_equal(owner, berth_vm_store_id(host->vms));
}

static gboolean has_ended(const BerthHost *host, const char *id)
{
    gboolean is_free = FALSE;
    return berth_runtime_is_free(host->settings->runtime_dir, id, &is_free, NULL) && is_free;
}

static void take_note_of(BerthManager *manager, const char *id)
{
    const BerthHost *host = berth_manager_host(manager);
    const gboolean is_ending = is_ours(host, id);
    /* What a run of another's has left tells that other how it ended, and is no matter of ours. */
    if (!is_ending && has_ended(host, id))
        return;
    BerthOrphan *orphan = orphan_new(manager, id);
    g_hash_table_insert(berth_manager_orphans(manager), orphan->id, orphan);
    orphan->is_ending = is_ending;
    if (orphan->is_ending) {
        g_warning("%s belongs to no VM: stopping it", orphan->unit);
        end(orphan);
        return;
    }
    /* Its CID stays in use: QEMU has it. */
    g_warning("%s was started from another state directory than %s as it is now: leaving it alone. Is something not "
              "mounted there?",
              orphan->unit, host->settings->state_dir);
}

void berth_end_orphans(BerthManager *manager)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) ids = berth_runtime_list(berth_manager_host(manager)->settings->runtime_dir, &error);
    if (!ids)
        g_warning("%s", error->message);
    for (guint i = 0; ids && i < ids->len; i++)
        if (!berth_manager_find_by_id(manager, ids->pdata[i]))
            take_note_of(manager, ids->pdata[i]);
}
