/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit.h"

#include <string.h>

#include "../core/error.h"
#include "../core/names.h"
#include "../core/qemu-args.h"
#include "../host/tap.h"
#include "image.h"
#include "orphan.h"
#include "run.h"

#define LIST_TIMEOUT_USEC (30 * G_USEC_PER_SEC)
#define MACHINED_TIMEOUT_USEC (2 * G_USEC_PER_SEC)
/* Between two looks: systemd needs at most so long to see that a scope is empty. */
#define SECOND_LOOK_SEC 2u

/* One look: systemd's units, then the host's things, between two pictures of what the daemon knows. */
typedef struct {
    BerthManager *manager;
    BerthAuditDone done;
    gpointer data;
    BerthAuditPlace place;
    BerthSystemdCall *call;
    BerthMachinedCall *machined_call;
    BerthAuditModel *before, *after;
    GPtrArray *things;
    GPtrArray *findings;  /* of this look */
    GPtrArray *suspicion; /* (nullable): of the first look, while the second is under way */
    guint timer;          /* source id of the second look, 0 */
} Audit;

/* What was looked at, of which findings keep nothing. */
static void forget_look(Audit *audit)
{
    g_clear_pointer(&audit->before, berth_audit_model_free);
    g_clear_pointer(&audit->after, berth_audit_model_free);
    g_clear_pointer(&audit->things, g_ptr_array_unref);
}

static void finish(Audit *audit, const GError *error)
{
    g_queue_remove(berth_manager_audits(audit->manager), audit);
    audit->done(error ? NULL : audit->findings, error, audit->data);
    forget_look(audit);
    g_clear_pointer(&audit->findings, g_ptr_array_unref);
    g_clear_pointer(&audit->suspicion, g_ptr_array_unref);
    berth_systemd_call_free(&audit->call);
    berth_machined_call_free(&audit->machined_call);
    g_clear_handle_id(&audit->timer, g_source_remove);
    g_free(audit);
}

/* What the daemon knows */

static gboolean is_settled(const BerthVm *vm)
{
    const gboolean rests = vm->state == BERTH_VM_STOPPED || vm->state == BERTH_VM_EXITED ||
                           vm->state == BERTH_VM_BROKEN || vm->state == BERTH_VM_RUNNING ||
                           vm->state == BERTH_VM_PAUSED;
    return rests && !vm->start && !vm->removal && !vm->busy_with && vm->n_works == 0;
}

/* Its end may have begun without the daemon: the pidfd says so before its watch has. */
static gboolean run_is_settled(const BerthRun *run)
{
    return !run->ending && !run->stop_call && (run->qemu_pidfd < 0 || !berth_pidfd_is_dead(run->qemu_pidfd));
}

static void describe_run(BerthAuditVm *known, const BerthRun *run)
{
    known->runs = TRUE;
    known->knows_run = run->qemu_pidfd >= 0;
    known->has_scope = run->control_group != NULL;
    known->keeper_pid = run->keeper_pid;
    known->qemu_pid = run->qemu_pid;
}

static void describe_config(BerthAuditVm *known, const BerthVmConfig *config)
{
    known->image = *config->image ? g_strdup(config->image) : NULL;
    known->disks = config->disks->len > 0 ? g_new0(char *, config->disks->len + 1) : NULL;
    for (guint i = 0; i < config->disks->len; i++)
        known->disks[i] = berth_disk_file_name(config, i);
    if (!known->runs)
        return;
    g_autoptr(GPtrArray) taps = g_ptr_array_new();
    for (guint i = 0; i < config->networks->len; i++)
        if (g_str_equal(((const BerthNetwork *) g_ptr_array_index(config->networks, i))->mode, "bridge"))
            g_ptr_array_add(taps, berth_tap_name(known->id, i));
    g_ptr_array_add(taps, NULL);
    known->taps = taps->len > 1 ? (GStrv) g_ptr_array_free(g_steal_pointer(&taps), FALSE) : NULL;
}

static void describe_vm(BerthAuditModel *model, const BerthVm *vm)
{
    BerthAuditVm *known = berth_audit_model_add(model, berth_vm_id(vm), berth_vm_name(vm));
    known->in_flux = !is_settled(vm) || (vm->run && !run_is_settled(vm->run));
    known->since = vm->state_changed;
    known->cid = vm->record->cid;
    known->owns_cid = vm->owns_cid;
    if (vm->run)
        describe_run(known, vm->run);
    if (vm->record->config && !known->in_flux)
        describe_config(known, vm->record->config);
}

static void add_cid(guint32 cid, gpointer data)
{
    g_hash_table_add(data, GUINT_TO_POINTER(cid));
}

static void add_creations(BerthAuditModel *model, BerthManager *manager)
{
    GHashTableIter iter;
    gpointer id, cid;
    g_hash_table_iter_init(&iter, berth_manager_creations(manager));
    while (g_hash_table_iter_next(&iter, &id, &cid)) {
        g_hash_table_add(model->in_the_making, g_strdup(id));
        g_hash_table_add(model->reserved, cid);
    }
}

/* One that is left alone is a finding, but that its CID is in use is as it should be. */
static void add_orphans(BerthAuditModel *model, BerthManager *manager)
{
    GHashTableIter iter;
    gpointer id, orphan;
    g_hash_table_iter_init(&iter, berth_manager_orphans(manager));
    while (g_hash_table_iter_next(&iter, &id, &orphan)) {
        if (berth_orphan_is_ending(orphan))
            g_hash_table_add(model->in_the_making, g_strdup(id));
        g_hash_table_add(model->reserved, GUINT_TO_POINTER(berth_orphan_cid(orphan)));
    }
}

static void add_images(BerthAuditModel *model, BerthManager *manager)
{
    GHashTableIter iter;
    gpointer name, image;
    g_hash_table_iter_init(&iter, berth_manager_images(manager));
    while (g_hash_table_iter_next(&iter, &name, &image)) {
        g_hash_table_add(model->images, g_strdup(name));
        if (((const BerthImage *) image)->removing)
            g_hash_table_add(model->busy_images, g_strdup(name));
    }
    g_hash_table_iter_init(&iter, berth_manager_imports(manager));
    while (g_hash_table_iter_next(&iter, &name, NULL))
        g_hash_table_add(model->busy_images, g_strdup(name));
}

/* 10,000 VMs take some milliseconds; everything else is done in the worker. */
static BerthAuditModel *take_picture(BerthManager *manager)
{
    BerthAuditModel *model = berth_audit_model_new();
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, berth_manager_vms(manager));
    while (g_hash_table_iter_next(&iter, NULL, &value))
        describe_vm(model, value);
    add_creations(model, manager);
    add_orphans(model, manager);
    berth_cid_pool_foreach(berth_manager_cids(manager), add_cid, model->cids);
    add_images(model, manager);
    return model;
}

/* The look */

static void begin_look(Audit *audit);

static gboolean look_again(gpointer data)
{
    Audit *audit = data;
    audit->timer = 0;
    begin_look(audit);
    return G_SOURCE_REMOVE;
}

static gboolean compare(gpointer data, GError **error)
{
    Audit *audit = data;
    audit->findings = berth_audit_compare(audit->before, audit->things, audit->after);
    if (audit->suspicion)
        audit->findings = berth_audit_confirm(audit->suspicion, audit->findings);
    forget_look(audit); /* here, since 10,000 VMs take some milliseconds */
    return TRUE;
}

static void compared(gpointer data, const GError *error, gpointer user_data)
{
    Audit *audit = data;
    if (audit->suspicion || audit->findings->len == 0) {
        finish(audit, NULL);
        return;
    }
    audit->suspicion = g_steal_pointer(&audit->findings);
    audit->timer = g_timeout_add_seconds(SECOND_LOOK_SEC, look_again, audit);
}

static gboolean look(gpointer data, GError **error)
{
    Audit *audit = data;
    return berth_audit_look(&audit->place, audit->things, error);
}

static void looked(gpointer data, const GError *error, gpointer user_data)
{
    Audit *audit = data;
    if (error) {
        finish(audit, error);
        return;
    }
    audit->after = take_picture(audit->manager);
    berth_work_start(BERTH_WORK_SHORT, compare, audit, NULL, compared, NULL);
}

/* "berth-<id>.scope" → id. (transfer full) (nullable) */
static char *id_of_unit(const char *unit)
{
    if (!g_str_has_prefix(unit, BERTH_UNIT_PREFIX) || !g_str_has_suffix(unit, BERTH_UNIT_SUFFIX))
        return NULL;
    g_autofree char *id = g_strndup(unit + strlen(BERTH_UNIT_PREFIX),
                                    strlen(unit) - strlen(BERTH_UNIT_PREFIX) - strlen(BERTH_UNIT_SUFFIX));
    return berth_vm_id_is_valid(id) ? g_steal_pointer(&id) : NULL;
}

static void look_at_files(Audit *audit)
{
    /* Nothing of it is changed: a short work, that a caller waits for. */
    berth_work_start(BERTH_WORK_SHORT, look, audit, NULL, looked, NULL);
}

/* Where machined does not tell, nothing is concluded: no VM claims to be a machine. */
static void machines_listed(GHashTable *machines, const GError *error, gpointer data)
{
    Audit *audit = data;
    BERTH_AUTO_MACHINED_CALL *call = g_steal_pointer(&audit->machined_call);
    GHashTableIter iter;
    gpointer machine, unit;
    if (machines)
        g_hash_table_iter_init(&iter, machines);
    while (machines && g_hash_table_iter_next(&iter, &machine, &unit)) {
        g_autofree char *id = id_of_unit(unit);
        if (id)
            berth_audit_found(audit->things, BERTH_AUDIT_MACHINE, BERTH_HELD_BY_RUN, g_strdup(machine), id);
    }
    look_at_files(audit);
}

static void units_listed(GHashTable *units, const GError *error, gpointer data)
{
    Audit *audit = data;
    BERTH_AUTO_SYSTEMD_CALL *call = g_steal_pointer(&audit->call);
    GHashTableIter iter;
    gpointer unit, state;
    if (error) {
        finish(audit, error);
        return;
    }
    g_hash_table_iter_init(&iter, units);
    while (g_hash_table_iter_next(&iter, &unit, &state)) {
        g_autofree char *id = id_of_unit(unit);
        if (id && !g_str_equal(state, "inactive"))
            berth_audit_found(audit->things, BERTH_AUDIT_SCOPE, BERTH_HELD_BY_RUN, g_strdup(unit), id);
    }
    const BerthHost *host = berth_manager_host(audit->manager);
    if (host->user)
        look_at_files(audit);
    else
        audit->machined_call = berth_machined_list(host->link, MACHINED_TIMEOUT_USEC, machines_listed, audit);
}

static void begin_look(Audit *audit)
{
    audit->before = take_picture(audit->manager);
    audit->things = berth_audit_things_new();
    audit->call =
        berth_systemd_list(berth_manager_host(audit->manager)->systemd, LIST_TIMEOUT_USEC, units_listed, audit);
}

void berth_audit(BerthManager *manager, BerthAuditDone done, gpointer data)
{
    const BerthHost *host = berth_manager_host(manager);
    Audit *audit = g_new0(Audit, 1);
    audit->manager = manager;
    audit->done = done;
    audit->data = data;
    audit->place = (BerthAuditPlace){
        .vms = host->vms,
        .images = host->images,
        .runtime_dir = host->settings->runtime_dir,
        .by_user = !host->user,
        .uid_base = host->settings->uid_base,
        .uid_first = host->settings->uid_base + BERTH_CID_MIN,
        .uid_last = host->settings->uid_base + BERTH_CID_MAX,
    };
    g_queue_push_tail(berth_manager_audits(manager), audit);
    begin_look(audit);
}

void berth_audits_end(BerthManager *manager)
{
    g_autoptr(GError) error = berth_error_new_for_end();
    GQueue *audits = berth_manager_audits(manager);
    while (!g_queue_is_empty(audits))
        finish(g_queue_peek_head(audits), error);
}
