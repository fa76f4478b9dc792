/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/stat.h>

#include "vm-store-fixture.h"

static void test_create(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    mode_t old = umask(0077);
    g_autoptr(BerthVmStore) store = open_store(dir);
    g_autoptr(BerthVmRecord) record = new_record(ID, "web");
    record->wanted = TRUE;
    g_autoptr(GVariant) changes =
        g_variant_ref_sink(g_variant_new_parsed("{'vcpus': <uint32 3>, 'description': <'Gr\303\274n'>, "
                                                "'labels': <{'a': 'b'}>, 'memory': <uint64 2147483648>}"));
    BerthVmConfig *config = berth_vm_config_apply(record->config, changes, &error);
    g_assert_no_error(error);
    berth_vm_config_free(record->config);
    record->config = config;

    g_autofree char *staged = berth_vm_store_stage(store, record, 54321, &error);
    g_assert_no_error(error);
    umask(old);
    g_autofree char *disk = g_build_filename(staged, "disks/disk0.qcow2", NULL);
    g_assert_true(g_file_set_contents(disk, "data", -1, NULL));
    {
        g_auto(Scan) unseen = scan(store, 0, 0);
        assert_gone(store);
    }
    g_assert_true(berth_vm_store_publish(store, ID, &error));
    g_assert_no_error(error);

    g_autoptr(BerthStoredVm) stored = load(store, BERTH_STORED_WHOLE);
    g_assert_null(stored->problem);
    g_assert_cmpstr(stored->incarnation, ==, INCARNATION);
    g_assert_cmpstr(stored->record->name, ==, "web");
    g_assert_cmpuint(stored->record->cid, ==, 1234);
    g_assert_cmpint(stored->record->created, ==, 1700000000000001);
    g_assert_true(stored->record->wanted);
    g_autoptr(GVariant) before = g_variant_ref_sink(berth_vm_config_to_variant(record->config));
    g_autoptr(GVariant) after = g_variant_ref_sink(berth_vm_config_to_variant(stored->record->config));
    g_assert_true(g_variant_equal(before, after));

    g_assert_cmpuint(test_dir_mode(dir, "vms"), ==, 0711);
    g_assert_cmpuint(test_dir_mode(dir, VM), ==, 0711);
    g_assert_cmpuint(test_dir_mode(dir, VM "/vm.json"), ==, 0600);
    g_assert_cmpuint(test_dir_mode(dir, VM "/disks"), ==, 0700);
    g_assert_cmpuint(test_dir_mode(dir, VM "/logs"), ==, 0700);
    struct stat st;
    g_assert_cmpint(fstatat(dir->fd, VM "/disks/disk0.qcow2", &st, 0), ==, 0);
    g_assert_cmpuint(st.st_uid, ==, 54321);
    g_assert_cmpint(fstatat(dir->fd, VM "/disks", &st, 0), ==, 0);
    g_assert_cmpuint(st.st_uid, ==, 54321);
    g_assert_cmpint(fstatat(dir->fd, VM "/logs", &st, 0), ==, 0);
    g_assert_cmpuint(st.st_uid, ==, 0);
}

/* What is there already is not overwritten, and what fails leaves nothing but what discard and sweep take away. */
static void test_create_fails(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    g_autoptr(BerthVmRecord) record = new_record(ID, "db");
    g_autofree char *staged = berth_vm_store_stage(store, record, (uid_t) -1, &error);
    g_assert_no_error(error);
    g_assert_null(berth_vm_store_stage(store, record, (uid_t) -1, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    g_clear_error(&error);
    g_assert_false(berth_vm_store_publish(store, ID, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    g_clear_error(&error);
    g_autoptr(BerthStoredVm) stored = load(store, BERTH_STORED_WHOLE);
    g_assert_cmpstr(stored->record->name, ==, "web");
    g_assert_true(berth_vm_store_discard(store, ID, &error));
    g_assert_true(berth_vm_store_discard(store, ID, &error));
    g_assert_cmpuint(test_dir_count(dir, "vms"), ==, 1);

    g_autoptr(BerthVmRecord) other = new_record(OTHER, "db");
    g_autofree char *again = berth_vm_store_stage(store, other, (uid_t) -1, &error);
    g_assert_true(g_file_test(again, G_FILE_TEST_IS_DIR));
    g_autofree char *link = g_build_filename(again, "disks/disk0", NULL);
    g_assert_cmpint(symlink("nowhere", link), ==, 0);
    g_assert_false(berth_vm_store_publish(store, OTHER, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    g_clear_error(&error);
    test_dir_write(dir, "vms/.new-file", "");
    g_assert_true(berth_vm_store_sweep(store, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(test_dir_count(dir, "vms"), ==, 1);
    g_assert_true(test_dir_has(dir, VM));
}

static void test_save(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    g_autoptr(BerthVmRecord) record = new_record(ID, "db");
    record->config->vcpus = 7;
    g_assert_true(berth_vm_store_save(store, record, &error));
    g_assert_true(berth_vm_store_set_wanted(store, ID, TRUE, &error));
    g_assert_no_error(error);
    g_autoptr(BerthStoredVm) stored = load(store, BERTH_STORED_WHOLE);
    g_assert_cmpstr(stored->record->name, ==, "db");
    g_assert_cmpuint(stored->record->config->vcpus, ==, 7);
    g_assert_true(stored->record->wanted);
    g_assert_true(berth_vm_store_set_wanted(store, ID, FALSE, &error));
    g_autoptr(BerthStoredVm) unwanted = load(store, BERTH_STORED_WHOLE);
    g_assert_false(unwanted->record->wanted);
    g_autofree char *path = berth_vm_store_path(store, ID);
    g_assert_true(g_str_has_suffix(path, "/" VM));
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_DIR));
    g_autoptr(BerthVmRecord) absent = new_record(OTHER, "none");
    g_assert_false(berth_vm_store_save(store, absent, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
}

/* vm.json as somebody may have left it: what it must say, and what it makes of the VM. */
static const struct {
    const char *path, *text, *why;
    gboolean has_record;
} damages[] = {
    {"/vm-store/broken/empty", "", "vm.json", FALSE},
    {"/vm-store/broken/garbage", "\177ELF\001\002", "vm.json", FALSE},
    {"/vm-store/broken/list", "[1, 2]", "vm.json", FALSE},
    {"/vm-store/broken/half", "{\"id\": \"" ID "\", \"na", "vm.json", FALSE},
    {"/vm-store/broken/no-id", "{\"name\": \"web\"}", "id", FALSE},
    {"/vm-store/broken/id-type", "{\"id\": 5}", "id", FALSE},
#define IDENTITY(id, name, incarnation, cid)                                                                           \
    "{\"id\": \"" id "\", \"name\": \"" name "\", \"incarnation\": \"" incarnation "\", \"cid\": " cid                 \
    ", \"created\": 1700000000000001"
    {"/vm-store/broken/other-id", IDENTITY(OTHER, "web", INCARNATION, "1234") "}", OTHER, FALSE},
    {"/vm-store/broken/name", IDENTITY(ID, "../web", INCARNATION, "1234") "}", "name", FALSE},
    {"/vm-store/broken/incarnation", IDENTITY(ID, "web", "../../etc", "1234") "}", "incarnation", FALSE},
    {"/vm-store/broken/cid", IDENTITY(ID, "web", INCARNATION, "2") "}", "cid", FALSE},
    {"/vm-store/broken/cid-large", IDENTITY(ID, "web", INCARNATION, "4294967296") "}", "cid", FALSE},
    {"/vm-store/broken/key", IDENTITY(ID, "web", INCARNATION, "1234") ", \"colour\": 1}", "colour", TRUE},
    {"/vm-store/broken/bound", IDENTITY(ID, "web", INCARNATION, "1234") ", \"vcpus\": 0}", "vcpus", TRUE},
    {"/vm-store/broken/type", IDENTITY(ID, "web", INCARNATION, "1234") ", \"disks\": \"/etc\"}", "disks", TRUE},
};

static void test_broken(TestDir *dir, gconstpointer index)
{
    guint i = GPOINTER_TO_UINT(index);
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    test_dir_write(dir, VM "/vm.json", damages[i].text);
    assert_broken(store, damages[i].why);
    g_autoptr(BerthStoredVm) stored = load(store, BERTH_STORED_BROKEN);
    g_assert_cmpint(stored->record != NULL, ==, damages[i].has_record);
    g_assert_cmpstr(stored->incarnation, ==, damages[i].has_record ? INCARNATION : "");
    /* M12: removable all the same, and marked as well as any (M4). */
    mark(store, stored->incarnation);
    g_autoptr(BerthStoredVm) marked = load(store, BERTH_STORED_MARKED);
    g_assert_nonnull(marked->problem);
    doom_and_purge(store, stored->incarnation);
}

static void test_defaults(TestDir *dir, gconstpointer unused)
{
    g_autoptr(BerthVmStore) store = open_store(dir);
    test_dir_mkdir(dir, VM);
    test_dir_write(dir, VM "/vm.json", IDENTITY(ID, "web", INCARNATION, "1234") "}");
    g_autoptr(BerthStoredVm) stored = load(store, BERTH_STORED_WHOLE);
    g_assert_cmpuint(stored->record->config->vcpus, ==, 1);
    g_assert_cmpuint(stored->record->config->networks->len, ==, 1);
}

static void test_broken_files(TestDir *dir, gconstpointer unused)
{
    g_autoptr(BerthVmStore) store = open_store(dir);
    test_dir_mkdir(dir, VM);
    assert_broken(store, "vm.json");
    test_dir_link(dir, "../../elsewhere", VM "/vm.json");
    assert_broken(store, "symbolic link");
    g_assert_cmpint(unlinkat(dir->fd, VM "/vm.json", 0), ==, 0);
    test_dir_mkdir(dir, VM "/vm.json");
    assert_broken(store, "not a regular file");
    g_assert_cmpint(unlinkat(dir->fd, VM "/vm.json", AT_REMOVEDIR), ==, 0);
    g_assert_cmpint(mkfifoat(dir->fd, VM "/vm.json", 0600), ==, 0);
    assert_broken(store, "not a regular file");
    g_assert_cmpint(unlinkat(dir->fd, VM "/vm.json", 0), ==, 0);
    g_autofree char *huge = g_strnfill(1024 * 1024 + 1, ' ');
    test_dir_write(dir, VM "/vm.json", huge);
    assert_broken(store, "too large");
    mark(store, "");
    doom_and_purge(store, "");
}

/* Whatever lies in vms/ and is no VM is said, and stays. */
static void test_strangers(TestDir *dir, gconstpointer unused)
{
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    test_dir_mkdir(dir, "vms/lost+found");
    test_dir_mkdir(dir, "vms/\377");
    test_dir_mkdir(dir, "vms/3333");
    test_dir_write(dir, "vms/" OTHER, "a file");
    test_dir_write(dir, "vms/README", "");
    test_dir_mkdir(dir, "vms/.new-" OTHER);
    test_dir_link(dir, "nowhere", "vms/link");
    test_dir_mkdir(dir, "removing/lost+found");
    test_dir_mkdir(dir, "removing/" ID ".");
    test_dir_mkdir(dir, "removing/" OTHER ".x\377");
    g_auto(Scan) result = scan(store, 2, 8);
    for (guint i = 0; i < result.notes->len; i++)
        g_assert_true(g_utf8_validate(result.notes->pdata[i], -1, NULL));
    g_assert_cmpuint(test_dir_count(dir, "vms"), ==, 8);
    g_assert_cmpuint(test_dir_count(dir, "removing"), ==, 3);
}

/* M14: only the link goes. */
static void test_link(TestDir *dir, gconstpointer to)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, OTHER, "db");
    test_dir_mkdir(dir, "outside/kept");
    test_dir_link(dir, to, VM);
    assert_broken(store, "symbolic link");
    {
        g_auto(Scan) result = scan(store, 2, 0);
    }
    g_autoptr(BerthVmRecord) record = new_record(ID, "web");
    g_assert_false(berth_vm_store_save(store, record, &error));
    g_clear_error(&error);
    g_assert_false(berth_vm_store_set_wanted(store, ID, TRUE, &error));
    g_clear_error(&error);
    mark(store, "");
    {
        g_auto(Scan) result = scan(store, 2, 0);
        const BerthStoredVm *stored = result.found->pdata[1];
        g_assert_cmpint(stored->kind, ==, BERTH_STORED_DOOMED);
        g_assert_null(stored->record);
    }
    g_assert_true(berth_vm_store_unmark(store, ID, &error));
    g_assert_no_error(error);
    assert_broken(store, "symbolic link");
    mark(store, "");
    doom_and_purge(store, "");
    g_auto(Scan) rest = scan(store, 1, 0);
    g_assert_true(test_dir_has(dir, "vms/" OTHER "/vm.json"));
    g_assert_false(test_dir_has(dir, "vms/" OTHER "/.removing"));
    g_assert_cmpuint(test_dir_count(dir, "outside"), ==, 1);
}

static void test_mark(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    g_assert_true(berth_vm_store_set_wanted(store, ID, TRUE, &error));
    mark(store, INCARNATION);
    g_autoptr(BerthStoredVm) stored = load(store, BERTH_STORED_MARKED);
    g_assert_null(stored->problem);
    g_assert_cmpint(stored->intent.asked, ==, intent.asked);
    g_assert_cmpuint(stored->intent.asked_by, ==, 1000);
    g_assert_cmpint(stored->intent.grace_until, ==, 0);
    g_assert_cmpuint(test_dir_mode(dir, VM "/.removing"), ==, 0600);

    BerthRemovalIntent later = {1, G_MAXUINT, G_MAXINT64};
    g_assert_true(berth_vm_store_mark(store, ID, INCARNATION, &later, &error));
    g_autoptr(BerthStoredVm) again = load(store, BERTH_STORED_MARKED);
    g_assert_cmpuint(again->intent.asked_by, ==, G_MAXUINT);
    g_assert_cmpint(again->intent.grace_until, ==, G_MAXINT64);

    g_assert_true(berth_vm_store_unmark(store, ID, &error));
    g_assert_true(berth_vm_store_unmark(store, ID, &error));
    g_assert_no_error(error);
    g_autoptr(BerthStoredVm) back = load(store, BERTH_STORED_WHOLE);
    g_assert_true(back->record->wanted);
    g_assert_cmpuint(test_dir_count(dir, VM), ==, 4);
    mark(store, INCARNATION);
    doom_and_purge(store, INCARNATION);
    g_assert_cmpuint(test_dir_count(dir, "removing"), ==, 0);
}

static void test_bad_marker(TestDir *dir, gconstpointer kind)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *blocker = NULL;
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    make_bad_marker(dir, kind);
    assert_broken(store, "marker is not to be trusted");
    g_assert_false(berth_vm_store_doom(store, ID, INCARNATION, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    g_clear_error(&error);
    g_assert_true(test_dir_has(dir, VM "/vm.json"));
    mark(store, INCARNATION);
    assert_kind(store, BERTH_STORED_MARKED);
    g_assert_true(berth_vm_store_unmark(store, ID, &error));
    g_assert_no_error(error);
    assert_kind(store, BERTH_STORED_WHOLE);
    make_bad_marker(dir, kind);
    mark(store, INCARNATION);
    doom_and_purge(store, INCARNATION);
}

static void copy_file(TestDir *dir, const char *from, const char *to)
{
    g_autofree char *text = test_dir_read(dir, from);
    test_dir_write(dir, to, text);
}

static guint64 birth_of(const TestDir *dir, const char *name)
{
    struct statx st;
    g_assert_cmpint(statx(dir->fd, name, 0, STATX_BTIME, &st), ==, 0);
    return (guint64) st.stx_btime.tv_sec * G_USEC_PER_SEC * 1000 + st.stx_btime.tv_nsec;
}

/* The kernel's clock for files has ticks of some ms: no second directory is made in the tick of @other. */
static void mkdir_later(TestDir *dir, const char *name, const char *other)
{
    test_dir_mkdir(dir, name);
    while (birth_of(dir, name) == birth_of(dir, other) && birth_of(dir, other) != 0) {
        g_assert_cmpint(unlinkat(dir->fd, name, AT_REMOVEDIR), ==, 0);
        test_dir_mkdir(dir, name);
    }
}

/* M27: overlayfs numbers its directories anew at each mount, and a removal goes on all the same. */
static void test_renumbered(TestDir *dir, gconstpointer unused)
{
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    mark(store, INCARNATION);
    g_autofree char *text = test_dir_read(dir, VM "/.removing");
    g_autoptr(GRegex) inode = g_regex_new("(\"inode\"\\s*:\\s*\")", 0, 0, NULL);
    g_autofree char *other = g_regex_replace(inode, text, -1, 0, "\\g<1>1", 0, NULL);
    g_assert_cmpstr(other, !=, text);
    test_dir_write(dir, VM "/.removing", other);
    if (birth_of(dir, VM) != 0)
        assert_kind(store, BERTH_STORED_MARKED);
    else
        assert_broken(store, "copy"); /* the inode is all that tells directories apart */
}

/* M6: a marker in a directory that it was not made for. */
static void test_foreign_marker(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    create_vm(store, OTHER, "db");
    mark(store, INCARNATION);

    /* cp -a under another id */
    copy_file(dir, VM "/.removing", "vms/" OTHER "/.removing");
    g_autoptr(BerthStoredVm) other = berth_vm_store_load(store, OTHER, &error);
    g_assert_cmpint(other->kind, ==, BERTH_STORED_BROKEN);
    g_assert_nonnull(strstr(other->problem, "another VM"));

    /* A backup under its own id: born later */
    g_assert_cmpint(renameat(dir->fd, VM, dir->fd, "old"), ==, 0);
    mkdir_later(dir, VM, "old");
    copy_file(dir, "old/vm.json", VM "/vm.json");
    copy_file(dir, "old/.removing", VM "/.removing");
    assert_broken(store, "copy");
    g_assert_false(berth_vm_store_doom(store, ID, INCARNATION, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    g_clear_error(&error);
    g_assert_true(test_dir_has(dir, VM "/vm.json"));

    /* Another incarnation in the same directory; and one that can't be compared: the birth decides. */
    g_assert_cmpint(unlinkat(dir->fd, VM "/.removing", 0), ==, 0);
    mark(store, INCARNATION);
    test_dir_write(dir, VM "/vm.json", IDENTITY(ID, "web", OTHER, "1234") "}");
    assert_broken(store, "another incarnation");
    test_dir_write(dir, VM "/vm.json", "unreadable");
    g_autoptr(BerthStoredVm) marked = load(store, BERTH_STORED_MARKED);
    g_assert_cmpstr(marked->incarnation, ==, INCARNATION);
}

/* Between mark and doom somebody put another directory there, without any marker. */
static void test_doom_exchanged(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    g_assert_false(berth_vm_store_doom(store, ID, OTHER, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    assert_kind(store, BERTH_STORED_WHOLE);
    /* The very incarnation, whose marker somebody deleted: it goes. */
    doom_and_purge(store, INCARNATION);
}

static void test_doomed(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    mark(store, INCARNATION);
    g_assert_true(berth_vm_store_doom(store, ID, INCARNATION, &error));
    create_vm(store, ID, "web"); /* e.g. a backup, while the old one goes */
    {
        g_auto(Scan) result = scan(store, 2, 0);
        const BerthStoredVm *live = result.found->pdata[0], *doomed = result.found->pdata[1];
        g_assert_cmpint(live->kind, ==, BERTH_STORED_WHOLE);
        g_assert_cmpint(doomed->kind, ==, BERTH_STORED_DOOMED);
        g_assert_cmpstr(doomed->id, ==, ID);
        g_assert_cmpstr(doomed->incarnation, ==, INCARNATION);
        g_assert_cmpuint(doomed->record->cid, ==, 1234);
        g_assert_cmpuint(doomed->intent.asked_by, ==, 1000);
    }
    mark(store, INCARNATION);
    g_assert_false(berth_vm_store_doom(store, ID, INCARNATION, &error));
    g_assert_nonnull(strstr(error->message, "An earlier removal"));
    g_clear_error(&error);
    g_assert_true(berth_vm_store_purge(store, ID, INCARNATION, NULL, &error));
    assert_kind(store, BERTH_STORED_MARKED);
    doom_and_purge(store, INCARNATION);

    /* Whatever is left of one, it is doomed by where it lies. */
    test_dir_mkdir(dir, "removing/" ID ".whatever");
    test_dir_write(dir, "removing/" ID ".whatever/vm.json", IDENTITY(ID, "web", INCARNATION, "1234") "}");
    test_dir_mkdir(dir, "removing/" OTHER ".unknown");
    {
        g_auto(Scan) result = scan(store, 2, 0);
        for (guint i = 0; i < 2; i++) {
            const BerthStoredVm *doomed = result.found->pdata[i];
            g_assert_cmpint(doomed->kind, ==, BERTH_STORED_DOOMED);
            g_assert_null(doomed->record); /* another incarnation's, or none */
            g_assert_true(berth_vm_store_purge(store, doomed->id, doomed->incarnation, NULL, &error));
        }
    }
    g_auto(Scan) none = scan(store, 0, 0);
}

/* M26 */
static void test_lock(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmStore) store = open_store(dir);
    g_assert_null(berth_vm_store_open(dir->path, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_BUSY);
    g_autofree char *process = g_strdup_printf("process %d", getpid());
    g_assert_nonnull(strstr(error->message, process));
    g_clear_pointer(&store, berth_vm_store_close);
    g_clear_error(&error);
    store = open_store(dir);
}

static void test_open(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(dir->path, "not", "there", NULL);
    g_autoptr(BerthVmStore) store = berth_vm_store_open(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(test_dir_mode(dir, "not/there"), ==, 0711);
    g_assert_cmpuint(test_dir_mode(dir, "not/there/removing"), ==, 0700);
    test_dir_link(dir, "not/there", "link");
    g_clear_pointer(&store, berth_vm_store_close);
    g_autofree char *link = g_build_filename(dir->path, "link", NULL);
    store = berth_vm_store_open(link, &error); /* the administrator's own */
    g_assert_no_error(error);
    g_assert_cmpint(unlinkat(dir->fd, "not/there/removing", AT_REMOVEDIR), ==, 0);
    test_dir_link(dir, "vms", "not/there/removing");
    g_clear_pointer(&store, berth_vm_store_close);
    g_assert_null(berth_vm_store_open(path, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
}

static void test_logs(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    g_assert_cmpint(berth_vm_store_open_log(store, ID, "serial.log", O_RDONLY, &error), ==, -1);
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND);
    g_clear_error(&error);
    BERTH_AUTOFD fd = berth_vm_store_open_log(store, ID, "serial.log", O_RDWR | O_APPEND | O_CREAT, &error);
    g_assert_no_error(error);
    g_assert_cmpint(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_APPEND | O_ACCMODE), ==, O_APPEND | O_RDWR);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpuint(test_dir_mode(dir, VM "/logs/serial.log"), ==, 0600);
    test_dir_link(dir, "serial.log", VM "/logs/qemu.log");
    g_assert_cmpint(berth_vm_store_open_log(store, ID, "qemu.log", O_RDONLY, &error), ==, -1);
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    g_clear_error(&error);
    g_assert_cmpint(mkfifoat(dir->fd, VM "/logs/fifo", 0600), ==, 0);
    g_assert_cmpint(berth_vm_store_open_log(store, ID, "fifo", O_RDONLY, &error), ==, -1);
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
}

/* The cost per VM stays flat and small: also a scan of thousands is a matter of a moment. `-m perf` tells how long. */
static void test_many(TestDir *dir, gconstpointer unused)
{
    guint n = g_test_perf() ? 10000 : 500;
    g_autoptr(BerthVmStore) store = open_store(dir);
    create_vm(store, ID, "web");
    g_autofree char *text = test_dir_read(dir, VM "/vm.json");
    for (guint i = 1; i < n; i++) {
        g_autofree char *id = g_uuid_string_random();
        g_autofree char *name = g_strconcat("vms/", id, NULL);
        g_autofree char *file = g_strconcat(name, "/vm.json", NULL);
        g_auto(GStrv) parts = g_strsplit(text, ID, 2);
        g_autofree char *own = g_strjoinv(id, parts);
        g_assert_cmpint(mkdirat(dir->fd, name, 0711), ==, 0);
        BERTH_AUTOFD fd = openat(dir->fd, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        g_assert_cmpint(write(fd, own, strlen(own)), ==, strlen(own));
    }
    gint64 start = g_get_monotonic_time();
    g_auto(Scan) result = scan(store, n, 0);
    double seconds = (g_get_monotonic_time() - start) / 1e6;
    g_test_minimized_result(seconds, "scan of %u VMs: %.3f s", n, seconds);
    for (guint i = 0; i < n; i++)
        g_assert_cmpint(((BerthStoredVm *) result.found->pdata[i])->kind, ==, BERTH_STORED_WHOLE);
}

#define ADD_FAST(path, function) g_test_add(path, TestDir, NULL, test_dir_open_fast, function, test_dir_close)

int main(int argc, char **argv)
{
    static const char *const markers[] = {"garbage",       "empty",          "huge", "directory",
                                          "dangling-link", "link-to-marker", "fifo"};
    static const char *const links[][2] = {{"/vm-store/link/to-vm", OTHER},
                                           {"/vm-store/link/dangling", "nowhere"},
                                           {"/vm-store/link/to-itself", ID},
                                           {"/vm-store/link/outside", "../outside"}};
    g_test_init(&argc, &argv, NULL);
    TEST_DIR_ADD("/vm-store/open", test_open);
    TEST_DIR_ADD("/vm-store/lock", test_lock);
    TEST_DIR_ADD("/vm-store/create", test_create);
    TEST_DIR_ADD("/vm-store/create/fails", test_create_fails);
    TEST_DIR_ADD("/vm-store/save", test_save);
    TEST_DIR_ADD("/vm-store/defaults", test_defaults);
    TEST_DIR_ADD("/vm-store/broken/files", test_broken_files);
    TEST_DIR_ADD("/vm-store/strangers", test_strangers);
    TEST_DIR_ADD("/vm-store/mark", test_mark);
    TEST_DIR_ADD("/vm-store/mark/foreign", test_foreign_marker);
    TEST_DIR_ADD("/vm-store/mark/renumbered", test_renumbered);
    TEST_DIR_ADD("/vm-store/doom/exchanged", test_doom_exchanged);
    TEST_DIR_ADD("/vm-store/doomed", test_doomed);
    TEST_DIR_ADD("/vm-store/logs", test_logs);
    for (guint i = 0; i < G_N_ELEMENTS(markers); i++) {
        g_autofree char *path = g_strconcat("/vm-store/mark/bad/", markers[i], NULL);
        g_test_add(path, TestDir, markers[i], test_dir_open, test_bad_marker, test_dir_close);
    }
    ADD_FAST("/vm-store/many", test_many);
    for (guint i = 0; i < G_N_ELEMENTS(links); i++)
        g_test_add(links[i][0], TestDir, links[i][1], test_dir_open, test_link, test_dir_close);
    for (guint i = 0; i < G_N_ELEMENTS(damages); i++)
        g_test_add(damages[i].path, TestDir, GUINT_TO_POINTER(i), test_dir_open, test_broken, test_dir_close);
    return g_test_run();
}
