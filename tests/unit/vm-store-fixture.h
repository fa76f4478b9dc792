/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <string.h>

#include "src/core/autofd.h"
#include "src/core/error.h"
#include "src/host/vm-store.h"
#include "test-dir.h"

/* One VM in a store of its own, for test-vm-store*.c. */

#define ID "11111111-1111-4111-8111-111111111111"
#define INCARNATION "22222222-2222-4222-8222-222222222222"
#define OTHER "33333333-3333-4333-8333-333333333333"
#define VM "vms/" ID
#define DOOMED "removing/" ID "." INCARNATION

static const BerthRemovalIntent intent = {.asked = 1700000000000000, .asked_by = 1000, .grace_until = 0};

static inline BerthVmRecord *new_record(const char *id, const char *name)
{
    BerthVmRecord *record = g_new0(BerthVmRecord, 1);
    record->id = g_strdup(id);
    record->name = g_strdup(name);
    record->incarnation = g_strdup(INCARNATION);
    record->cid = 1234;
    record->created = 1700000000000001;
    record->config = berth_vm_config_new();
    return record;
}

static inline BerthVmStore *open_store(TestDir *dir)
{
    g_autoptr(GError) error = NULL;
    BerthVmStore *store = berth_vm_store_open(dir->path, &error);
    g_assert_no_error(error);
    return store;
}

static inline void create_vm(BerthVmStore *store, const char *id, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmRecord) record = new_record(id, name);
    g_autofree char *staged = berth_vm_store_stage(store, record, (uid_t) -1, &error);
    g_assert_no_error(error);
    g_assert_true(berth_vm_store_publish(store, id, &error));
    g_assert_no_error(error);
}

static inline BerthStoredVm *load(BerthVmStore *store, BerthStoredKind kind)
{
    g_autoptr(GError) error = NULL;
    BerthStoredVm *stored = berth_vm_store_load(store, ID, &error);
    g_assert_no_error(error);
    g_assert_cmpint(stored->kind, ==, kind);
    g_assert_cmpstr(stored->id, ==, ID);
    return stored;
}

static inline void assert_kind(BerthVmStore *store, BerthStoredKind kind)
{
    g_autoptr(BerthStoredVm) stored = load(store, kind);
}

static inline void assert_broken(BerthVmStore *store, const char *why)
{
    g_autoptr(BerthStoredVm) stored = load(store, BERTH_STORED_BROKEN);
    if (!strstr(stored->problem, why))
        g_error("\"%s\" does not say \"%s\"", stored->problem, why);
}

static inline void assert_gone(BerthVmStore *store)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(berth_vm_store_load(store, ID, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND);
}

static inline void mark(BerthVmStore *store, const char *incarnation)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(berth_vm_store_mark(store, ID, incarnation, &intent, &error));
    g_assert_no_error(error);
}

static inline void doom_and_purge(BerthVmStore *store, const char *incarnation)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(berth_vm_store_doom(store, ID, incarnation, &error));
    g_assert_no_error(error);
    g_assert_true(berth_vm_store_doom(store, ID, incarnation, &error));
    g_assert_true(berth_vm_store_purge(store, ID, incarnation, NULL, &error));
    g_assert_no_error(error);
    g_assert_true(berth_vm_store_purge(store, ID, incarnation, NULL, &error));
    g_assert_true(berth_vm_store_doom(store, ID, incarnation, &error));
    assert_gone(store);
}

typedef struct {
    GPtrArray *found, *notes;
} Scan;

static inline Scan scan(BerthVmStore *store, guint found, guint notes)
{
    g_autoptr(GError) error = NULL;
    Scan result = {0};
    g_assert_true(berth_vm_store_scan(store, &result.found, &result.notes, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(result.found->len, ==, found);
    g_assert_cmpuint(result.notes->len, ==, notes);
    return result;
}

static inline void scan_free(Scan *result)
{
    g_ptr_array_unref(result->found);
    g_ptr_array_unref(result->notes);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scan, scan_free)

/* M5: none of these starts or deletes anything, and Remove works on all of them. */
static inline void make_bad_marker(TestDir *dir, const char *kind)
{
    if (g_str_equal(kind, "garbage"))
        test_dir_write(dir, VM "/.removing", "\001\002");
    else if (g_str_equal(kind, "empty"))
        test_dir_write(dir, VM "/.removing", "");
    else if (g_str_equal(kind, "huge")) {
        g_autofree char *huge = g_strnfill(10000, ' ');
        test_dir_write(dir, VM "/.removing", huge);
    } else if (g_str_equal(kind, "directory"))
        test_dir_mkdir(dir, VM "/.removing/with/more");
    else if (g_str_equal(kind, "dangling-link"))
        test_dir_link(dir, "nowhere", VM "/.removing");
    else if (g_str_equal(kind, "link-to-marker")) {
        test_dir_link(dir, "../" OTHER "/.removing", VM "/.removing");
    } else
        g_assert_cmpint(mkfifoat(dir->fd, VM "/.removing", 0600), ==, 0);
}
