/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/core/names.h"
#include "src/vm/audit-compare.h"

/* What the audit makes of what is there and what is known: each kind of thing × each kind of owner. */

#define ID "6b1c9f0e-3c1e-4f2a-9a52-0d7e5c1b8a44"
#define UNIT "berth-" ID ".scope"
#define CID 1007u
#define KEEPER 4710
#define QEMU 4711

/* Owners */

typedef enum {
    NOBODY,
    STOPPED,
    RUNNING,
    IN_FLUX_BEFORE,
    IN_FLUX_AFTER,
    CHANGED, /* another state, and back */
    RESTARTED,
    CAME,
    WENT,
    IN_THE_MAKING_BEFORE,
    IN_THE_MAKING_AFTER,
    N_OWNERS,
} Owner;

static const char *const owner_names[N_OWNERS] = {
    "nobody",    "stopped", "running", "in-flux-before",       "in-flux-after",      "changed",
    "restarted", "came",    "went",    "in-the-making-before", "in-the-making-after"};

typedef struct {
    BerthAuditModel *before, *after;
    GPtrArray *things;
    GPtrArray *findings;
} World;

static BerthAuditVm *add_vm(BerthAuditModel *model, gboolean runs)
{
    BerthAuditVm *vm = berth_audit_model_add(model, ID, "web");
    vm->cid = CID;
    vm->owns_cid = TRUE;
    vm->runs = runs;
    g_hash_table_add(model->cids, GUINT_TO_POINTER(CID));
    return vm;
}

static World *world_new(Owner owner)
{
    World *world = g_new0(World, 1);
    world->before = berth_audit_model_new();
    world->after = berth_audit_model_new();
    world->things = berth_audit_things_new();
    const gboolean runs = owner != STOPPED;
    BerthAuditVm *before =
        owner == NOBODY || owner == CAME || owner >= IN_THE_MAKING_BEFORE ? NULL : add_vm(world->before, runs);
    BerthAuditVm *after =
        owner == NOBODY || owner == WENT || owner >= IN_THE_MAKING_BEFORE ? NULL : add_vm(world->after, runs);
    if (owner == IN_FLUX_BEFORE)
        before->in_flux = TRUE;
    if (owner == IN_FLUX_AFTER)
        after->in_flux = TRUE;
    if (owner == CHANGED)
        after->since = before->since + 1;
    if (owner == RESTARTED)
        after->qemu_pid = before->qemu_pid + 1;
    if (owner == IN_THE_MAKING_BEFORE)
        g_hash_table_add(world->before->in_the_making, g_strdup(ID));
    if (owner == IN_THE_MAKING_AFTER)
        g_hash_table_add(world->after->in_the_making, g_strdup(ID));
    return world;
}

static void world_free(World *world)
{
    g_clear_pointer(&world->findings, g_ptr_array_unref);
    g_ptr_array_unref(world->things);
    berth_audit_model_free(world->before);
    berth_audit_model_free(world->after);
    g_free(world);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

static void compare(World *world)
{
    g_clear_pointer(&world->findings, g_ptr_array_unref);
    world->findings = berth_audit_compare(world->before, world->things, world->after);
}

/* (nullable) */
static const BerthAuditFinding *find(const World *world, BerthAuditKind kind, gboolean missing, const char *object)
{
    for (guint i = 0; i < world->findings->len; i++) {
        const BerthAuditFinding *finding = world->findings->pdata[i];
        if (finding->kind == kind && finding->missing == missing && g_str_equal(finding->object, object))
            return finding;
    }
    return NULL;
}

/* Left over: kinds × owners */

typedef struct {
    BerthAuditKind kind;
    BerthAuditTenure tenure;
    const char *object;
    gboolean stopped, running; /* whether it is left over where the VM rests so; of nobody it always is */
} Cell;

static const Cell cells[] = {
    {BERTH_AUDIT_SCOPE, BERTH_HELD_BY_RUN, UNIT, TRUE, FALSE},
    {BERTH_AUDIT_PROCESS, BERTH_HELD_BY_RUN, "4711", TRUE, FALSE},
    {BERTH_AUDIT_PORT, BERTH_HELD_BY_RUN, "tcp 127.0.0.1:8080", TRUE, FALSE},
    {BERTH_AUDIT_TAP, BERTH_HELD_BY_RUN, "bt0123456789ab", TRUE, FALSE},
    {BERTH_AUDIT_MACHINE, BERTH_HELD_BY_RUN, "web", TRUE, FALSE},
    {BERTH_AUDIT_SOCKET, BERTH_HELD_BY_RUN, "runtime/" ID "/qmp.sock", TRUE, FALSE},
    {BERTH_AUDIT_DIRECTORY, BERTH_HELD_FOR_GOOD, "runtime/" ID, FALSE, FALSE},
    {BERTH_AUDIT_DIRECTORY, BERTH_HELD_FOR_GOOD, "vms/" ID, FALSE, FALSE},
    {BERTH_AUDIT_DIRECTORY, BERTH_HELD_BY_WORK, "removing/" ID ".x", TRUE, TRUE},
    {BERTH_AUDIT_TEMPORARY, BERTH_HELD_BY_WORK, "vms/.new-" ID, TRUE, TRUE},
    {BERTH_AUDIT_TEMPORARY, BERTH_HELD_BY_WORK, "vms/" ID "/.new-vm.json", TRUE, TRUE},
};

static void test_left_over(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(cells); i++)
        for (Owner owner = NOBODY; owner < N_OWNERS; owner++) {
            g_autoptr(World) world = world_new(owner);
            berth_audit_found(world->things, cells[i].kind, cells[i].tenure, g_strdup(cells[i].object), ID);
            /* That the id is ours is told by something beside processes. */
            if (cells[i].kind == BERTH_AUDIT_PROCESS || cells[i].kind == BERTH_AUDIT_PORT)
                berth_audit_found(world->things, BERTH_AUDIT_SCOPE, BERTH_HELD_BY_RUN, g_strdup(UNIT), ID);
            compare(world);
            const BerthAuditFinding *finding = find(world, cells[i].kind, FALSE, cells[i].object);
            const gboolean expected =
                owner == NOBODY || (owner == STOPPED && cells[i].stopped) || (owner == RUNNING && cells[i].running);
            if ((finding != NULL) != expected)
                g_error("%s of %s: %s", cells[i].object, owner_names[owner], finding ? "found" : "not found");
            if (!finding)
                continue;
            g_assert_cmpstr(finding->vm, ==, ID);
            g_assert_cmpstr(finding->name, ==, owner == NOBODY ? "" : "web");
            g_assert_cmpuint(strlen(finding->advice), >, 0);
        }
}

/* Another daemon's VM: all that is seen of it here is its processes. */
static void test_not_ours(void)
{
    g_autoptr(World) world = world_new(NOBODY);
    berth_audit_found(world->things, BERTH_AUDIT_PROCESS, BERTH_HELD_BY_RUN, g_strdup("4711"), ID);
    berth_audit_found(world->things, BERTH_AUDIT_PORT, BERTH_HELD_BY_RUN, g_strdup("tcp 0.0.0.0:80"), ID);
    compare(world);
    g_assert_cmpuint(world->findings->len, ==, 0);
}

static void test_no_vm(void)
{
    g_autoptr(World) world = world_new(RUNNING);
    berth_audit_found(world->things, BERTH_AUDIT_DIRECTORY, BERTH_HELD_FOR_GOOD, g_strdup("vms/lost+found"), NULL);
    berth_audit_found(world->things, BERTH_AUDIT_TEMPORARY, BERTH_HELD_BY_WORK, g_strdup("vms/.new-x"), NULL);
    compare(world);
    g_assert_nonnull(find(world, BERTH_AUDIT_DIRECTORY, FALSE, "vms/lost+found"));
    g_assert_nonnull(find(world, BERTH_AUDIT_TEMPORARY, FALSE, "vms/.new-x"));
}

/* A process that runs as the user of a VM, in no scope. */
static void test_stray(void)
{
    static const gboolean expected[N_OWNERS] = {[NOBODY] = TRUE, [STOPPED] = TRUE, [RUNNING] = TRUE, [WENT] = TRUE};
    for (Owner owner = NOBODY; owner < IN_THE_MAKING_BEFORE; owner++) {
        g_autoptr(World) world = world_new(owner);
        berth_audit_found(world->things, BERTH_AUDIT_PROCESS, BERTH_HELD_BY_RUN, g_strdup("99"), NULL)->cid = CID;
        compare(world);
        if ((find(world, BERTH_AUDIT_PROCESS, FALSE, "99") != NULL) != expected[owner])
            g_error("%s", owner_names[owner]);
    }
    g_autoptr(World) world = world_new(NOBODY);
    g_hash_table_add(world->after->reserved, GUINT_TO_POINTER(CID));
    berth_audit_found(world->things, BERTH_AUDIT_PROCESS, BERTH_HELD_BY_RUN, g_strdup("99"), NULL)->cid = CID;
    compare(world);
    g_assert_cmpuint(world->findings->len, ==, 0);
}

/* Images */

static void add_image_thing(World *world, BerthAuditKind kind, BerthAuditTenure tenure, const char *object)
{
    berth_audit_found(world->things, kind, tenure, g_strdup(object), NULL)->image = g_strdup("debian");
}

static void test_images(void)
{
    const struct {
        gboolean before, after, busy_before, busy_after;
        gboolean image, staged; /* what is left over then */
    } table[] = {
        {FALSE, FALSE, FALSE, FALSE, TRUE, TRUE},  {TRUE, TRUE, FALSE, FALSE, FALSE, TRUE},
        {FALSE, TRUE, FALSE, FALSE, FALSE, FALSE}, {TRUE, FALSE, FALSE, FALSE, FALSE, FALSE},
        {FALSE, FALSE, TRUE, FALSE, FALSE, FALSE}, {FALSE, FALSE, FALSE, TRUE, FALSE, FALSE},
        {TRUE, TRUE, TRUE, TRUE, FALSE, FALSE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(World) world = world_new(NOBODY);
        GHashTable *sets[] = {world->before->images, world->after->images, world->before->busy_images,
                              world->after->busy_images};
        const gboolean in[] = {table[i].before, table[i].after, table[i].busy_before, table[i].busy_after};
        for (guint j = 0; j < G_N_ELEMENTS(sets); j++)
            if (in[j])
                g_hash_table_add(sets[j], g_strdup("debian"));
        add_image_thing(world, BERTH_AUDIT_IMAGE, BERTH_HELD_FOR_GOOD, "images/debian");
        add_image_thing(world, BERTH_AUDIT_TEMPORARY, BERTH_HELD_BY_WORK, "images/.new-debian.x");
        compare(world);
        g_assert_cmpint(!find(world, BERTH_AUDIT_IMAGE, FALSE, "images/debian"), ==, !table[i].image);
        g_assert_cmpint(!find(world, BERTH_AUDIT_TEMPORARY, FALSE, "images/.new-debian.x"), ==, !table[i].staged);
        g_assert_null(find(world, BERTH_AUDIT_IMAGE, TRUE, "images/debian"));
    }
}

static void test_image_missing(void)
{
    g_autoptr(World) world = world_new(NOBODY);
    g_hash_table_add(world->before->images, g_strdup("debian"));
    g_hash_table_add(world->after->images, g_strdup("debian"));
    compare(world);
    g_assert_nonnull(find(world, BERTH_AUDIT_IMAGE, TRUE, "images/debian"));
    g_hash_table_add(world->after->busy_images, g_strdup("debian"));
    compare(world);
    g_assert_cmpuint(world->findings->len, ==, 0);
}

/* CIDs */

static void test_cids(void)
{
    const struct {
        gboolean before, after, reserved_before, reserved_after, found;
    } table[] = {
        {TRUE, TRUE, FALSE, FALSE, TRUE}, {FALSE, TRUE, FALSE, FALSE, FALSE}, {TRUE, FALSE, FALSE, FALSE, FALSE},
        {TRUE, TRUE, TRUE, FALSE, FALSE}, {TRUE, TRUE, FALSE, TRUE, FALSE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(World) world = world_new(NOBODY);
        GHashTable *sets[] = {world->before->cids, world->after->cids, world->before->reserved, world->after->reserved};
        const gboolean in[] = {table[i].before, table[i].after, table[i].reserved_before, table[i].reserved_after};
        for (guint j = 0; j < G_N_ELEMENTS(sets); j++)
            if (in[j])
                g_hash_table_add(sets[j], GUINT_TO_POINTER(CID));
        compare(world);
        g_assert_cmpint(!find(world, BERTH_AUDIT_CID, FALSE, "1007"), ==, !table[i].found);
    }
}

/* One that a living process has and its VM does not. */
static void test_cid_of_process(void)
{
    for (Owner owner = NOBODY; owner < N_OWNERS; owner++) {
        g_autoptr(World) world = world_new(owner);
        berth_audit_found(world->things, BERTH_AUDIT_CID, BERTH_HELD_BY_RUN, g_strdup("2000"), ID)->cid = 2000;
        compare(world);
        g_assert_null(find(world, BERTH_AUDIT_CID, FALSE, "2000"));
        berth_audit_found(world->things, BERTH_AUDIT_PROCESS, BERTH_HELD_BY_RUN, g_strdup("4711"), ID);
        compare(world);
        const gboolean expected = owner == NOBODY || owner == STOPPED || owner == RUNNING;
        g_assert_cmpint(!find(world, BERTH_AUDIT_CID, FALSE, "2000"), ==, !expected);
    }
    g_autoptr(World) world = world_new(RUNNING);
    berth_audit_found(world->things, BERTH_AUDIT_CID, BERTH_HELD_BY_RUN, g_strdup("1007"), ID)->cid = CID;
    berth_audit_found(world->things, BERTH_AUDIT_PROCESS, BERTH_HELD_BY_RUN, g_strdup("4711"), ID);
    compare(world);
    g_assert_null(find(world, BERTH_AUDIT_CID, FALSE, "1007"));
}

/* Missing */

static const struct {
    BerthAuditKind kind;
    const char *object;
} claims[] = {
    {BERTH_AUDIT_DIRECTORY, "vms/" ID},
    {BERTH_AUDIT_DISK, "vms/" ID "/disks/disk0.qcow2"},
    {BERTH_AUDIT_IMAGE, "images/debian"},
    {BERTH_AUDIT_SCOPE, UNIT},
    {BERTH_AUDIT_PROCESS, "4710"},
    {BERTH_AUDIT_PROCESS, "4711"},
    {BERTH_AUDIT_DIRECTORY, "runtime/" ID},
    {BERTH_AUDIT_SOCKET, "runtime/" ID "/qmp.sock"},
    {BERTH_AUDIT_SOCKET, "runtime/" ID "/console.sock"},
    {BERTH_AUDIT_SOCKET, "runtime/" ID "/agent.sock"},
    {BERTH_AUDIT_TAP, "bt0123456789ab"},
};

static void claim_all(BerthAuditModel *model)
{
    BerthAuditVm *vm = g_hash_table_lookup(model->vms, ID);
    vm->knows_run = vm->has_scope = TRUE;
    vm->keeper_pid = KEEPER;
    vm->qemu_pid = QEMU;
    vm->image = g_strdup("debian");
    vm->disks = g_strsplit("disk0.qcow2", " ", -1);
    vm->taps = g_strsplit("bt0123456789ab", " ", -1);
    g_hash_table_add(model->images, g_strdup("debian"));
}

/* All but the claim @without. */
static void hold_all(World *world, guint without)
{
    for (guint i = 0; i < G_N_ELEMENTS(claims); i++) {
        if (i == without)
            continue;
        BerthAuditThing *thing =
            berth_audit_found(world->things, claims[i].kind, BERTH_HELD_FOR_GOOD, g_strdup(claims[i].object), ID);
        if (claims[i].kind == BERTH_AUDIT_IMAGE)
            thing->image = g_strdup("debian");
    }
}

static void test_missing(void)
{
    for (guint without = 0; without <= G_N_ELEMENTS(claims); without++) {
        g_autoptr(World) world = world_new(RUNNING);
        claim_all(world->before);
        claim_all(world->after);
        hold_all(world, without);
        compare(world);
        if (without == G_N_ELEMENTS(claims)) {
            g_assert_cmpuint(world->findings->len, ==, 0);
            continue;
        }
        const BerthAuditFinding *finding = find(world, claims[without].kind, TRUE, claims[without].object);
        if (!finding)
            g_error("%s is not missed", claims[without].object);
        g_assert_cmpuint(strlen(finding->advice), >, 0);
        ((BerthAuditVm *) g_hash_table_lookup(world->after->vms, ID))->in_flux = TRUE;
        g_hash_table_add(world->after->busy_images, g_strdup("debian"));
        compare(world);
        g_assert_cmpuint(world->findings->len, ==, 0);
    }
}

static void test_missing_cid(void)
{
    g_autoptr(World) world = world_new(STOPPED);
    berth_audit_found(world->things, BERTH_AUDIT_DIRECTORY, BERTH_HELD_FOR_GOOD, g_strdup("vms/" ID), ID);
    g_hash_table_remove_all(world->after->cids);
    compare(world);
    g_assert_cmpuint(world->findings->len, ==, 1);
    g_assert_nonnull(find(world, BERTH_AUDIT_CID, TRUE, "1007"));
}

/* A stopped VM claims nothing of a run. */
static void test_clean(void)
{
    g_autoptr(World) world = world_new(STOPPED);
    berth_audit_found(world->things, BERTH_AUDIT_DIRECTORY, BERTH_HELD_FOR_GOOD, g_strdup("vms/" ID), ID);
    compare(world);
    g_assert_cmpuint(world->findings->len, ==, 0);
}

static void test_confirm(void)
{
    g_autoptr(World) first = world_new(NOBODY), second = world_new(NOBODY);
    berth_audit_found(first->things, BERTH_AUDIT_TAP, BERTH_HELD_BY_RUN, g_strdup("bt1"), ID);
    berth_audit_found(first->things, BERTH_AUDIT_TAP, BERTH_HELD_BY_RUN, g_strdup("bt2"), ID);
    berth_audit_found(second->things, BERTH_AUDIT_TAP, BERTH_HELD_BY_RUN, g_strdup("bt2"), ID);
    berth_audit_found(second->things, BERTH_AUDIT_TAP, BERTH_HELD_BY_RUN, g_strdup("bt3"), ID);
    compare(first);
    compare(second);
    second->findings = berth_audit_confirm(first->findings, second->findings);
    g_assert_cmpuint(second->findings->len, ==, 1);
    g_assert_nonnull(find(second, BERTH_AUDIT_TAP, FALSE, "bt2"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/audit/left-over", test_left_over);
    g_test_add_func("/audit/not-ours", test_not_ours);
    g_test_add_func("/audit/no-vm", test_no_vm);
    g_test_add_func("/audit/stray", test_stray);
    g_test_add_func("/audit/images", test_images);
    g_test_add_func("/audit/image-missing", test_image_missing);
    g_test_add_func("/audit/cids", test_cids);
    g_test_add_func("/audit/cid-of-process", test_cid_of_process);
    g_test_add_func("/audit/missing", test_missing);
    g_test_add_func("/audit/missing-cid", test_missing_cid);
    g_test_add_func("/audit/clean", test_clean);
    g_test_add_func("/audit/confirm", test_confirm);
    return g_test_run();
}
