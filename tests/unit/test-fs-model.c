/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/stat.h>

#include "tests/lib/power-cut/fs-model.h"

/* Traces made by hand, and all the trees that a cut may leave of each. */

enum {
    ROOT = 1,
    FROM, /* a directory that is there, and durable */
    TO,   /* another */
    OLD,  /* a durable file "f" in FROM that says "old" */
    NEW,  /* what the trace makes */
};

typedef struct {
    FsModel *model;
} Disk;

static FsTree *add_directory(FsTree *above, const char *name, guint64 inode)
{
    FsTree *tree = fs_tree_new_directory(0755);
    tree->inode = inode;
    if (above)
        fs_tree_add(above, name, tree);
    return tree;
}

static void set_up(Disk *disk, gconstpointer unused)
{
    g_autoptr(FsTree) root = add_directory(NULL, NULL, ROOT);
    FsTree *from = add_directory(root, "from", FROM);
    add_directory(root, "to", TO);
    FsContents *old = fs_contents_new("old", 3, 3);
    FsTree *file = fs_tree_new_file(S_IFREG | 0600, old);
    fs_contents_unref(old);
    file->inode = OLD;
    fs_tree_add(from, "f", file);
    disk->model = fs_model_new(root);
}

static void tear_down(Disk *disk, gconstpointer unused)
{
    fs_model_free(disk->model);
}

/* The trace */

static void apply(Disk *disk, FsTraceHead head, const char *name, const char *to_name, const char *text)
{
    g_autoptr(GBytes) data = g_bytes_new_static(text ? text : "", text ? strlen(text) : 0);
    fs_model_apply(disk->model, &(FsRecord){head, (char *) name, (char *) to_name, data});
}

static void make(Disk *disk, guint64 directory, const char *name, guint64 inode, mode_t mode)
{
    apply(disk, (FsTraceHead){.kind = FS_TRACE_CREATE, .dir = directory, .ino = inode, .mode = mode}, name, NULL, NULL);
}

static void write_at(Disk *disk, guint64 inode, guint64 offset, const char *text)
{
    apply(disk, (FsTraceHead){.kind = FS_TRACE_WRITE, .ino = inode, .offset = offset}, NULL, NULL, text);
}

static void sync_inode(Disk *disk, guint64 inode)
{
    apply(disk, (FsTraceHead){.kind = FS_TRACE_SYNC, .ino = inode}, NULL, NULL, NULL);
}

static void move(Disk *disk, FsTraceKind kind, guint64 from, const char *name, guint64 to, const char *to_name)
{
    apply(disk, (FsTraceHead){.kind = kind, .dir = from, .to_dir = to}, name, to_name, NULL);
}

static void unlink_entry(Disk *disk, guint64 directory, const char *name)
{
    apply(disk, (FsTraceHead){.kind = FS_TRACE_UNLINK, .dir = directory}, name, NULL, NULL);
}

/* What may be found */

static gboolean say_entry(gpointer name, gpointer data, gpointer text)
{
    const FsTree *entry = data;
    g_string_append_printf(text, "%s%s", ((GString *) text)->len > 0 ? " " : "", (char *) name);
    if (entry->contents) {
        gsize length;
        const char *bytes = g_bytes_get_data(entry->contents->bytes, &length);
        g_string_append_printf(text, "=%.*s", (int) length, bytes ? bytes : "");
        return FALSE;
    }
    g_string_append(text, "{");
    g_autoptr(GString) below = g_string_new(NULL);
    g_tree_foreach(entry->entries, say_entry, below);
    g_string_append_printf(text, "%s}", below->str);
    return FALSE;
}

/* "from{f=old} to{}" */
static char *say(const FsTree *tree)
{
    GString *text = g_string_new(NULL);
    g_tree_foreach(tree->entries, say_entry, text);
    return g_string_free(text, FALSE);
}

static void note(FsTree *left, const char *how, gpointer found)
{
    g_autoptr(FsTree) tree = left;
    g_hash_table_add(found, say(tree));
}

/* Exactly these, in any order. */
static void assert_found(Disk *disk, const char *const *expected)
{
    g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    fs_model_cut(disk->model, note, found);
    for (guint i = 0; expected[i]; i++)
        if (!g_hash_table_remove(found, expected[i]))
            g_error("A cut may leave %s, says nobody", expected[i]);
    GHashTableIter iter;
    gpointer more;
    g_hash_table_iter_init(&iter, found);
    if (g_hash_table_iter_next(&iter, &more, NULL))
        g_error("No cut leaves %s", (char *) more);
}

#define ASSERT_FOUND(disk, ...) assert_found(disk, (const char *const[]){__VA_ARGS__, NULL})

static void assert_now(Disk *disk, const char *expected)
{
    g_autoptr(FsTree) now = fs_model_now(disk->model);
    g_autofree char *text = say(now);
    g_assert_cmpstr(text, ==, expected);
}

static void test_untouched(Disk *disk, gconstpointer unused)
{
    ASSERT_FOUND(disk, "from{f=old} to{}");
    assert_now(disk, "from{f=old} to{}");
}

static void test_nothing_synced(Disk *disk, gconstpointer unused)
{
    make(disk, TO, "n", NEW, S_IFREG | 0600);
    write_at(disk, NEW, 0, "ab");
    write_at(disk, NEW, 2, "cd");
    assert_now(disk, "from{f=old} to{n=abcd}");
    ASSERT_FOUND(disk, "from{f=old} to{}", "from{f=old} to{n=}", "from{f=old} to{n=ab}", "from{f=old} to{n=abcd}");
}

static void test_file_synced(Disk *disk, gconstpointer unused)
{
    make(disk, TO, "n", NEW, S_IFREG | 0600);
    write_at(disk, NEW, 0, "abcd");
    sync_inode(disk, NEW);
    ASSERT_FOUND(disk, "from{f=old} to{}", "from{f=old} to{n=abcd}");
}

static void test_directory_synced(Disk *disk, gconstpointer unused)
{
    make(disk, TO, "n", NEW, S_IFREG | 0600);
    write_at(disk, NEW, 0, "abcd");
    sync_inode(disk, TO);
    ASSERT_FOUND(disk, "from{f=old} to{n=}", "from{f=old} to{n=ab}", "from{f=old} to{n=abcd}");
    sync_inode(disk, NEW);
    ASSERT_FOUND(disk, "from{f=old} to{n=abcd}");
}

static void test_overwritten(Disk *disk, gconstpointer unused)
{
    write_at(disk, OLD, 1, "LDER");
    ASSERT_FOUND(disk, "from{f=old} to{}", "from{f=oL} to{}", "from{f=oLDER} to{}");
    apply(disk, (FsTraceHead){.kind = FS_TRACE_TRUNCATE, .ino = OLD, .offset = 0}, NULL, NULL, NULL);
    ASSERT_FOUND(disk, "from{f=old} to{}", "from{f=} to{}");
}

/* A child wrote it: nobody saw how, but the fsync makes it durable. */
static void test_written_by_others(Disk *disk, gconstpointer unused)
{
    make(disk, TO, "n", NEW, S_IFREG | 0600);
    sync_inode(disk, TO);
    apply(disk, (FsTraceHead){.kind = FS_TRACE_CONTENTS, .ino = NEW, .offset = 4}, NULL, NULL, "abcd");
    ASSERT_FOUND(disk, "from{f=old} to{n=}", "from{f=old} to{n=ab}", "from{f=old} to{n=abcd}");
    sync_inode(disk, NEW);
    ASSERT_FOUND(disk, "from{f=old} to{n=abcd}");
}

static void test_replaced(Disk *disk, gconstpointer unused)
{
    make(disk, FROM, "n", NEW, S_IFREG | 0600);
    write_at(disk, NEW, 0, "new");
    sync_inode(disk, NEW);
    move(disk, FS_TRACE_RENAME, FROM, "n", FROM, "f");
    ASSERT_FOUND(disk, "from{f=old} to{}", "from{f=old n=new} to{}", "from{f=new} to{}");
    sync_inode(disk, FROM);
    ASSERT_FOUND(disk, "from{f=new} to{}");
}

static void test_replaced_unsynced(Disk *disk, gconstpointer unused)
{
    make(disk, FROM, "n", NEW, S_IFREG | 0600);
    write_at(disk, NEW, 0, "newf");
    move(disk, FS_TRACE_RENAME, FROM, "n", FROM, "f");
    sync_inode(disk, FROM);
    ASSERT_FOUND(disk, "from{f=} to{}", "from{f=ne} to{}", "from{f=newf} to{}");
}

static void test_moved(Disk *disk, gconstpointer unused)
{
    move(disk, FS_TRACE_RENAME, FROM, "f", TO, "g");
    ASSERT_FOUND(disk, "from{f=old} to{}", "from{} to{g=old}");
    sync_inode(disk, TO);
    ASSERT_FOUND(disk, "from{f=old} to{}", "from{} to{g=old}");
    sync_inode(disk, FROM);
    ASSERT_FOUND(disk, "from{} to{g=old}");
}

/* What comes after half a durable move does not overtake it. */
static void test_moved_and_unlinked(Disk *disk, gconstpointer unused)
{
    move(disk, FS_TRACE_RENAME, FROM, "f", TO, "g");
    sync_inode(disk, TO);
    unlink_entry(disk, TO, "g");
    sync_inode(disk, TO);
    ASSERT_FOUND(disk, "from{f=old} to{}", "from{} to{g=old}", "from{} to{}");
    sync_inode(disk, FROM);
    ASSERT_FOUND(disk, "from{} to{}");
}

static void test_exchanged(Disk *disk, gconstpointer unused)
{
    make(disk, FROM, "n", NEW, S_IFREG | 0600);
    write_at(disk, NEW, 0, "new");
    sync_inode(disk, NEW);
    sync_inode(disk, FROM);
    move(disk, FS_TRACE_EXCHANGE, FROM, "n", FROM, "f");
    ASSERT_FOUND(disk, "from{f=old n=new} to{}", "from{f=new n=old} to{}");
}

static void test_unlinked(Disk *disk, gconstpointer unused)
{
    unlink_entry(disk, FROM, "f");
    unlink_entry(disk, ROOT, "to");
    assert_now(disk, "from{}");
    ASSERT_FOUND(disk, "from{f=old} to{}", "from{} to{}", "from{f=old}", "from{}");
    sync_inode(disk, FROM);
    ASSERT_FOUND(disk, "from{} to{}", "from{}");
}

/* A directory keeps nothing of what is in it by its own name's being durable. */
static void test_directory_made(Disk *disk, gconstpointer unused)
{
    make(disk, TO, "d", NEW, S_IFDIR | 0700);
    make(disk, NEW, "n", NEW + 1, S_IFREG | 0600);
    sync_inode(disk, TO);
    ASSERT_FOUND(disk, "from{f=old} to{d{}}", "from{f=old} to{d{n=}}");
    sync_inode(disk, NEW);
    ASSERT_FOUND(disk, "from{f=old} to{d{n=}}");
}

static void test_linked(Disk *disk, gconstpointer unused)
{
    apply(disk, (FsTraceHead){.kind = FS_TRACE_LINK, .dir = TO, .ino = OLD}, "g", NULL, NULL);
    ASSERT_FOUND(disk, "from{f=old} to{}", "from{f=old} to{g=old}");
    apply(disk, (FsTraceHead){.kind = FS_TRACE_CREATE, .dir = TO, .ino = NEW, .mode = S_IFLNK | 0777}, "l", NULL,
          "where");
    sync_inode(disk, TO);
    ASSERT_FOUND(disk, "from{f=old} to{g=old l=where}");
}

/* An inode's number is used again, and a file is opened that is there. */
static void test_numbers(Disk *disk, gconstpointer unused)
{
    make(disk, FROM, "f", OLD, S_IFREG | 0600);
    assert_now(disk, "from{f=old} to{}");
    unlink_entry(disk, FROM, "f");
    make(disk, TO, "n", OLD, S_IFREG | 0600);
    write_at(disk, OLD, 0, "n");
    sync_inode(disk, OLD);
    ASSERT_FOUND(disk, "from{f=old} to{}", "from{} to{}", "from{f=old} to{n=n}", "from{} to{n=n}");
}

static void test_elsewhere(Disk *disk, gconstpointer unused)
{
    make(disk, 99, "n", NEW, S_IFREG | 0600);
    write_at(disk, NEW, 0, "new");
    sync_inode(disk, NEW);
    move(disk, FS_TRACE_RENAME, 99, "n", 98, "m");
    unlink_entry(disk, 98, "m");
    ASSERT_FOUND(disk, "from{f=old} to{}");
}

/* More changes than all choices are tried of: in order, and each alone. */
static void test_many_changes(Disk *disk, gconstpointer unused)
{
    g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    const guint n = 12;
    for (guint i = 0; i < n; i++) {
        const char name[] = {(char) ('a' + i), '\0'};
        make(disk, TO, name, NEW + i, S_IFDIR | 0700);
    }
    fs_model_cut(disk->model, note, found);
    /* n + 1 beginnings; alone are n, of which the first is a beginning; all but one are n, of which one is, too. */
    g_assert_cmpuint(g_hash_table_size(found), ==, n + 1 + n - 1 + n - 1);
    g_assert_true(g_hash_table_contains(found, "from{f=old} to{l{}}"));
    g_assert_true(g_hash_table_contains(found, "from{f=old} to{b{} c{} d{} e{} f{} g{} h{} i{} j{} k{} l{}}"));
}

static void note_mode(FsTree *left, const char *how, gpointer modes)
{
    g_autoptr(FsTree) tree = left;
    const FsTree *file = fs_tree_find(tree, "from/f");
    g_hash_table_add(modes, GUINT_TO_POINTER(file->mode & 0777));
}

static void test_mode(Disk *disk, gconstpointer unused)
{
    apply(disk, (FsTraceHead){.kind = FS_TRACE_META, .ino = OLD, .mode = S_IFREG | 0444}, NULL, NULL, NULL);
    g_autoptr(GHashTable) modes = g_hash_table_new(NULL, NULL);
    fs_model_cut(disk->model, note_mode, modes);
    g_assert_cmpuint(g_hash_table_size(modes), ==, 2);
    g_hash_table_remove_all(modes);
    sync_inode(disk, OLD);
    fs_model_cut(disk->model, note_mode, modes);
    g_assert_cmpuint(g_hash_table_size(modes), ==, 1);
    g_assert_true(g_hash_table_contains(modes, GUINT_TO_POINTER(0444)));
}

#define ADD(path, func) g_test_add("/fs-model/" path, Disk, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("untouched", test_untouched);
    ADD("nothing-synced", test_nothing_synced);
    ADD("file-synced", test_file_synced);
    ADD("directory-synced", test_directory_synced);
    ADD("overwritten", test_overwritten);
    ADD("written-by-others", test_written_by_others);
    ADD("replaced", test_replaced);
    ADD("replaced-unsynced", test_replaced_unsynced);
    ADD("moved", test_moved);
    ADD("moved-and-unlinked", test_moved_and_unlinked);
    ADD("exchanged", test_exchanged);
    ADD("unlinked", test_unlinked);
    ADD("directory-made", test_directory_made);
    ADD("linked", test_linked);
    ADD("numbers", test_numbers);
    ADD("elsewhere", test_elsewhere);
    ADD("many-changes", test_many_changes);
    ADD("mode", test_mode);
    return g_test_run();
}
