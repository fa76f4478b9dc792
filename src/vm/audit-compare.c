/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit-compare.h"

#include <string.h>

#include "../core/names.h"
#include "audit-advice.h"

#define TEXTS_BLOCK 65536

typedef struct {
    const BerthAuditModel *before, *after;
    GPtrArray *things;
    GHashTable *seen;  /* keys of @things, a set */
    GHashTable *ours;  /* ids that something beside a process says are this daemon's, a set */
    GHashTable *alive; /* ids that a process was seen of, a set */
    GHashTable *users; /* CID → id of the VM that owns it, in @after */
    GPtrArray *findings;
} Comparison;

void berth_audit_finding_free(BerthAuditFinding *finding)
{
    g_free(finding->object);
    g_free(finding->vm);
    g_free(finding->name);
    g_free(finding);
}

static void vm_free(BerthAuditVm *vm)
{
    g_free(vm->image);
    g_strfreev(vm->disks);
    g_strfreev(vm->taps);
    g_free(vm);
}

static GHashTable *set_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

BerthAuditModel *berth_audit_model_new(void)
{
    BerthAuditModel *model = g_new0(BerthAuditModel, 1);
    model->texts = g_string_chunk_new(TEXTS_BLOCK);
    model->vms = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) vm_free);
    model->in_the_making = set_new();
    model->images = set_new();
    model->busy_images = set_new();
    model->cids = g_hash_table_new(NULL, NULL);
    model->reserved = g_hash_table_new(NULL, NULL);
    return model;
}

void berth_audit_model_free(BerthAuditModel *model)
{
    g_hash_table_unref(model->vms);
    g_hash_table_unref(model->in_the_making);
    g_hash_table_unref(model->images);
    g_hash_table_unref(model->busy_images);
    g_hash_table_unref(model->cids);
    g_hash_table_unref(model->reserved);
    g_string_chunk_free(model->texts);
    g_free(model);
}

BerthAuditVm *berth_audit_model_add(BerthAuditModel *model, const char *id, const char *name)
{
    BerthAuditVm *vm = g_new0(BerthAuditVm, 1);
    vm->id = g_string_chunk_insert(model->texts, id);
    vm->name = g_string_chunk_insert(model->texts, name);
    g_hash_table_insert(model->vms, vm->id, vm);
    return vm;
}

/* Who an owner is, at both moments. */
typedef enum {
    OWNER_NOBODY,
    OWNER_IN_FLUX,
    OWNER_RESTS, /* it is there and nobody works on it */
} Owner;

static Owner owner_of(const Comparison *self, const char *id, const BerthAuditVm **vm)
{
    const BerthAuditVm *before = g_hash_table_lookup(self->before->vms, id);
    const BerthAuditVm *after = *vm = g_hash_table_lookup(self->after->vms, id);
    if (g_hash_table_contains(self->before->in_the_making, id) ||
        g_hash_table_contains(self->after->in_the_making, id) || !before != !after)
        return OWNER_IN_FLUX;
    if (!after)
        return OWNER_NOBODY;
    const gboolean same = before->since == after->since && before->runs == after->runs &&
                          before->keeper_pid == after->keeper_pid && before->qemu_pid == after->qemu_pid;
    return same && !before->in_flux && !after->in_flux ? OWNER_RESTS : OWNER_IN_FLUX;
}

static Owner owner_of_image(const Comparison *self, const char *name)
{
    const gboolean before = g_hash_table_contains(self->before->images, name);
    const gboolean after = g_hash_table_contains(self->after->images, name);
    if (g_hash_table_contains(self->before->busy_images, name) ||
        g_hash_table_contains(self->after->busy_images, name) || before != after)
        return OWNER_IN_FLUX;
    return after ? OWNER_RESTS : OWNER_NOBODY;
}

static void report(Comparison *self, BerthAuditKind kind, gboolean missing, const char *object, const char *id,
                   const char *advice)
{
    const BerthAuditVm *vm = id ? g_hash_table_lookup(self->after->vms, id) : NULL;
    BerthAuditFinding *finding = g_new0(BerthAuditFinding, 1);
    finding->kind = kind;
    finding->missing = missing;
    finding->object = g_strdup(object);
    finding->vm = g_strdup(id ? id : "");
    finding->name = g_strdup(vm ? vm->name : "");
    finding->advice = advice;
    g_ptr_array_add(self->findings, finding);
}

/* What the host holds */

/* A process that only its user tells of: VMs' users have none outside of the VMs' scopes. */
static gboolean is_stray_owned(const Comparison *self, guint32 cid)
{
    const BerthAuditVm *vm;
    const char *id = g_hash_table_lookup(self->users, GUINT_TO_POINTER(cid));
    return g_hash_table_contains(self->after->reserved, GUINT_TO_POINTER(cid)) ||
           (id && owner_of(self, id, &vm) == OWNER_IN_FLUX);
}

/* The CID that a living run has. */
static gboolean is_cid_owned(const Comparison *self, const BerthAuditThing *thing)
{
    const BerthAuditVm *vm;
    const char *user = g_hash_table_lookup(self->users, GUINT_TO_POINTER(thing->cid));
    return !g_hash_table_contains(self->alive, thing->vm) || owner_of(self, thing->vm, &vm) == OWNER_IN_FLUX ||
           g_strcmp0(user, thing->vm) == 0;
}

static gboolean is_image_owned(const Comparison *self, const BerthAuditThing *thing)
{
    Owner owner = owner_of_image(self, thing->image);
    return owner == OWNER_IN_FLUX || (owner == OWNER_RESTS && thing->tenure == BERTH_HELD_FOR_GOOD);
}

static gboolean is_owned(const Comparison *self, const BerthAuditThing *thing)
{
    const BerthAuditVm *vm = NULL;
    if (thing->image)
        return is_image_owned(self, thing);
    if (thing->kind == BERTH_AUDIT_CID)
        return is_cid_owned(self, thing);
    if (!thing->vm)
        return thing->cid != 0 && is_stray_owned(self, thing->cid);
    Owner owner = owner_of(self, thing->vm, &vm);
    if (owner != OWNER_RESTS)
        return owner == OWNER_IN_FLUX;
    return thing->tenure == BERTH_HELD_FOR_GOOD || (thing->tenure == BERTH_HELD_BY_RUN && vm->runs);
}

/* A scope of another daemon (berthd --user, say) has processes too: they are its own affair. What lies on a
 * directory of nobody's goes with it. */
static gboolean is_ours(const Comparison *self, const BerthAuditThing *thing)
{
    const gboolean by_scope = thing->kind == BERTH_AUDIT_PROCESS || thing->kind == BERTH_AUDIT_PORT;
    if (by_scope && thing->vm)
        return g_hash_table_contains(self->ours, thing->vm);
    return thing->kind != BERTH_AUDIT_DISK;
}

static void judge_things(Comparison *self)
{
    for (guint i = 0; i < self->things->len; i++) {
        const BerthAuditThing *thing = g_ptr_array_index(self->things, i);
        if (is_ours(self, thing) && !is_owned(self, thing))
            report(self, thing->kind, FALSE, thing->object, thing->vm, berth_audit_advice_left_over(thing));
    }
}

static void judge_cids(Comparison *self)
{
    GHashTableIter iter;
    gpointer cid;
    g_hash_table_iter_init(&iter, self->after->cids);
    while (g_hash_table_iter_next(&iter, &cid, NULL)) {
        if (g_hash_table_contains(self->users, cid) || g_hash_table_contains(self->after->reserved, cid) ||
            !g_hash_table_contains(self->before->cids, cid) || g_hash_table_contains(self->before->reserved, cid))
            continue;
        g_autofree char *object = g_strdup_printf("%u", GPOINTER_TO_UINT(cid));
        report(self, BERTH_AUDIT_CID, FALSE, object, NULL, berth_audit_advice_cid);
    }
}

/* What VMs claim */

static char *key_of(BerthAuditKind kind, const char *object)
{
    return g_strdup_printf("%d %s", kind, object);
}

/* @object: (transfer full) */
static void claim(Comparison *self, const BerthAuditVm *vm, BerthAuditKind kind, char *object)
{
    g_autofree char *taken = object;
    g_autofree char *key = key_of(kind, object);
    if (!g_hash_table_contains(self->seen, key))
        report(self, kind, TRUE, object, vm->id, berth_audit_advice_missing(kind));
}

static void claim_process(Comparison *self, const BerthAuditVm *vm, pid_t pid)
{
    if (pid > 0)
        claim(self, vm, BERTH_AUDIT_PROCESS, g_strdup_printf("%d", (int) pid));
}

static void judge_run(Comparison *self, const BerthAuditVm *vm)
{
    if (vm->has_scope)
        claim(self, vm, BERTH_AUDIT_SCOPE, g_strconcat(BERTH_UNIT_PREFIX, vm->id, BERTH_UNIT_SUFFIX, NULL));
    claim_process(self, vm, vm->keeper_pid);
    claim_process(self, vm, vm->qemu_pid);
    claim(self, vm, BERTH_AUDIT_DIRECTORY, g_build_filename(BERTH_AUDIT_RUNTIME, vm->id, NULL));
    claim(self, vm, BERTH_AUDIT_SOCKET, g_build_filename(BERTH_AUDIT_RUNTIME, vm->id, BERTH_FILE_QMP_SOCKET, NULL));
    claim(self, vm, BERTH_AUDIT_SOCKET, g_build_filename(BERTH_AUDIT_RUNTIME, vm->id, BERTH_FILE_CONSOLE_SOCKET, NULL));
    claim(self, vm, BERTH_AUDIT_SOCKET, g_build_filename(BERTH_AUDIT_RUNTIME, vm->id, BERTH_FILE_AGENT_SOCKET, NULL));
    for (guint i = 0; vm->taps && vm->taps[i]; i++)
        claim(self, vm, BERTH_AUDIT_TAP, g_strdup(vm->taps[i]));
}

static void judge_vm(Comparison *self, const BerthAuditVm *vm)
{
    g_autofree char *directory = g_build_filename(BERTH_DIR_VMS, vm->id, NULL);
    g_autofree char *key = key_of(BERTH_AUDIT_DIRECTORY, directory);
    const gboolean is_there = g_hash_table_contains(self->seen, key);
    claim(self, vm, BERTH_AUDIT_DIRECTORY, g_strdup(directory));
    for (guint i = 0; is_there && vm->disks && vm->disks[i]; i++)
        claim(self, vm, BERTH_AUDIT_DISK, g_build_filename(directory, BERTH_DIR_DISKS, vm->disks[i], NULL));
    if (vm->image)
        claim(self, vm, BERTH_AUDIT_IMAGE, g_build_filename(BERTH_DIR_IMAGES, vm->image, NULL));
    if (vm->owns_cid && !g_hash_table_contains(self->after->cids, GUINT_TO_POINTER(vm->cid))) {
        g_autofree char *cid = g_strdup_printf("%u", vm->cid);
        report(self, BERTH_AUDIT_CID, TRUE, cid, vm->id, berth_audit_advice_missing(BERTH_AUDIT_CID));
    }
    if (vm->knows_run)
        judge_run(self, vm);
}

static void judge_claims(Comparison *self)
{
    GHashTableIter iter;
    gpointer id;
    g_hash_table_iter_init(&iter, self->after->vms);
    while (g_hash_table_iter_next(&iter, &id, NULL)) {
        const BerthAuditVm *vm;
        if (owner_of(self, id, &vm) == OWNER_RESTS)
            judge_vm(self, vm);
    }
    g_hash_table_iter_init(&iter, self->after->images);
    while (g_hash_table_iter_next(&iter, &id, NULL)) {
        g_autofree char *object = g_build_filename(BERTH_DIR_IMAGES, id, NULL);
        g_autofree char *key = key_of(BERTH_AUDIT_IMAGE, object);
        if (owner_of_image(self, id) == OWNER_RESTS && !g_hash_table_contains(self->seen, key))
            report(self, BERTH_AUDIT_IMAGE, TRUE, object, NULL, berth_audit_advice_missing(BERTH_AUDIT_IMAGE));
    }
}

static void take_note_of_things(Comparison *self)
{
    for (guint i = 0; i < self->things->len; i++) {
        const BerthAuditThing *thing = g_ptr_array_index(self->things, i);
        const gboolean by_scope = thing->kind == BERTH_AUDIT_PROCESS || thing->kind == BERTH_AUDIT_PORT;
        g_hash_table_add(self->seen, key_of(thing->kind, thing->object));
        if (thing->vm)
            g_hash_table_add(by_scope ? self->alive : self->ours, thing->vm);
    }
}

static void take_note_of_users(Comparison *self)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, self->after->vms);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const BerthAuditVm *vm = value;
        g_hash_table_add(self->ours, vm->id);
        if (vm->owns_cid)
            g_hash_table_insert(self->users, GUINT_TO_POINTER(vm->cid), vm->id);
    }
}

static gint by_kind_and_object(gconstpointer a, gconstpointer b)
{
    const BerthAuditFinding *left = *(BerthAuditFinding *const *) a, *right = *(BerthAuditFinding *const *) b;
    return left->kind != right->kind ? (gint) left->kind - (gint) right->kind : strcmp(left->object, right->object);
}

GPtrArray *berth_audit_compare(const BerthAuditModel *before, GPtrArray *things, const BerthAuditModel *after)
{
    g_autoptr(GHashTable) seen = set_new();
    g_autoptr(GHashTable) ours = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) alive = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) users = g_hash_table_new(NULL, NULL);
    Comparison self = {
        .before = before,
        .after = after,
        .things = things,
        .seen = seen,
        .ours = ours,
        .alive = alive,
        .users = users,
        .findings = g_ptr_array_new_with_free_func((GDestroyNotify) berth_audit_finding_free),
    };
    take_note_of_things(&self);
    take_note_of_users(&self);
    judge_things(&self);
    judge_cids(&self);
    judge_claims(&self);
    g_ptr_array_sort(self.findings, by_kind_and_object);
    return self.findings;
}

static gboolean is_same(gconstpointer a, gconstpointer b)
{
    const BerthAuditFinding *left = a, *right = b;
    return left->kind == right->kind && left->missing == right->missing && g_str_equal(left->object, right->object) &&
           g_str_equal(left->vm, right->vm);
}

GPtrArray *berth_audit_confirm(GPtrArray *first, GPtrArray *second)
{
    for (guint i = second->len; i > 0; i--)
        if (!g_ptr_array_find_with_equal_func(first, second->pdata[i - 1], is_same, NULL))
            g_ptr_array_remove_index(second, i - 1);
    return second;
}
