/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NSEC_PER_SEC G_GUINT64_CONSTANT(1000000000)
#define SUM_SHOWN 12

FsContents *fs_contents_new(const void *bytes, gsize length, guint64 size)
{
    FsContents *contents = g_new0(FsContents, 1);
    contents->bytes = g_bytes_new(bytes, length);
    contents->size = size;
    /* What was written as zeroes and what is a hole reads the same. */
    while (length > 0 && ((const char *) bytes)[length - 1] == '\0')
        length--;
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, length);
    contents->sum = g_strdup_printf("%" G_GUINT64_FORMAT " %.*s", size, SUM_SHOWN, sum);
    g_ref_count_init(&contents->references);
    return contents;
}

FsContents *fs_contents_ref(FsContents *contents)
{
    g_ref_count_inc(&contents->references);
    return contents;
}

void fs_contents_unref(FsContents *contents)
{
    if (!g_ref_count_dec(&contents->references))
        return;
    g_bytes_unref(contents->bytes);
    g_free(contents->sum);
    g_free(contents);
}

static int compare(gconstpointer a, gconstpointer b, gpointer unused)
{
    return strcmp(a, b);
}

FsTree *fs_tree_new_directory(mode_t mode)
{
    FsTree *tree = g_new0(FsTree, 1);
    tree->mode = S_IFDIR | mode;
    tree->entries = g_tree_new_full(compare, NULL, g_free, (GDestroyNotify) fs_tree_free);
    return tree;
}

FsTree *fs_tree_new_file(mode_t mode, FsContents *contents)
{
    FsTree *tree = g_new0(FsTree, 1);
    tree->mode = mode;
    tree->contents = fs_contents_ref(contents);
    return tree;
}

void fs_tree_free(FsTree *tree)
{
    g_clear_pointer(&tree->entries, g_tree_unref);
    g_clear_pointer(&tree->contents, fs_contents_unref);
    g_free(tree);
}

void fs_tree_add(FsTree *directory, const char *name, FsTree *entry)
{
    g_tree_insert(directory->entries, g_strdup(name), entry);
}

FsTree *fs_tree_find(FsTree *tree, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    for (guint i = 0; tree && parts[i]; i++)
        tree = tree->entries ? g_tree_lookup(tree->entries, parts[i]) : NULL;
    return tree;
}

/* From a disk */

static FsContents *read_file(const char *path, guint64 size)
{
    g_autofree char *bytes = g_malloc(size + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    guint64 end = 0;
    /* Holes are skipped: a disk may be larger than memory. */
    for (off_t at = 0, hole; fd >= 0 && (at = lseek(fd, at, SEEK_DATA)) >= 0; at = hole) {
        hole = lseek(fd, at, SEEK_HOLE);
        end = (guint64) hole;
    }
    if (fd < 0 || pread(fd, bytes, end, 0) != (ssize_t) end)
        g_error("Can't read %s: %s", path, g_strerror(errno));
    close(fd);
    return fs_contents_new(bytes, end, size);
}

static FsContents *read_link(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_file_read_link(path, &error);
    g_assert_no_error(error);
    return fs_contents_new(text, strlen(text), strlen(text));
}

static void scan_entries(FsTree *tree, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(path, 0, &error);
    g_assert_no_error(error);
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        fs_tree_add(tree, name, fs_tree_scan(child));
    }
}

FsTree *fs_tree_scan(const char *path)
{
    struct statx st;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
        g_error("Can't look at %s: %s", path, g_strerror(errno));
    FsTree *tree = g_new0(FsTree, 1);
    if (S_ISDIR(st.stx_mode)) {
        g_free(tree);
        tree = fs_tree_new_directory(0);
        scan_entries(tree, path);
    } else {
        tree->contents = S_ISLNK(st.stx_mode) ? read_link(path) : read_file(path, st.stx_size);
    }
    tree->mode = st.stx_mode;
    tree->uid = st.stx_uid;
    tree->gid = st.stx_gid;
    tree->inode = st.stx_ino;
    if (st.stx_mask & STATX_BTIME)
        tree->birth = (guint64) st.stx_btime.tv_sec * NSEC_PER_SEC + st.stx_btime.tv_nsec;
    return tree;
}

/* To a disk */

static void check(gboolean ok, const char *path)
{
    if (!ok)
        g_error("Can't write %s: %s", path, g_strerror(errno));
}

static void write_file(const FsTree *tree, const char *path)
{
    gsize length;
    const void *bytes = g_bytes_get_data(tree->contents->bytes, &length);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    check(fd >= 0 && write(fd, bytes, length) == (ssize_t) length && ftruncate(fd, (off_t) tree->contents->size) == 0,
          path);
    close(fd);
}

static void write_link(const FsTree *tree, const char *path)
{
    g_autofree char *text =
        g_strndup(g_bytes_get_data(tree->contents->bytes, NULL), g_bytes_get_size(tree->contents->bytes));
    check(symlink(text, path) == 0, path);
}

static gboolean write_entry(gpointer name, gpointer entry, gpointer path)
{
    g_autofree char *child = g_build_filename(path, name, NULL);
    fs_tree_write(entry, child);
    return FALSE;
}

void fs_tree_write(const FsTree *tree, const char *path)
{
    if (S_ISDIR(tree->mode)) {
        check(mkdir(path, 0700) == 0, path);
        g_tree_foreach(tree->entries, write_entry, (gpointer) path);
    } else if (S_ISLNK(tree->mode)) {
        write_link(tree, path);
    } else {
        write_file(tree, path);
    }
    check(lchown(path, tree->uid, tree->gid) == 0, path);
    if (!S_ISLNK(tree->mode))
        check(chmod(path, tree->mode & 07777) == 0, path);
}

/* As text */

typedef struct {
    GString *text;
    const char *path; /* of the directory, with a slash; "" at the top */
} Describing;

static gboolean describe_entry(gpointer name, gpointer data, gpointer user_data)
{
    const FsTree *entry = data;
    const Describing *above = user_data;
    if (!entry->entries) {
        g_string_append_printf(above->text, "%s%s %c %s\n", above->path, (char *) name,
                               S_ISLNK(entry->mode) ? 'l' : 'f', entry->contents->sum);
        return FALSE;
    }
    g_autofree char *path = g_strconcat(above->path, name, "/", NULL);
    g_string_append_printf(above->text, "%s\n", path);
    Describing below = {above->text, path};
    g_tree_foreach(entry->entries, describe_entry, &below);
    return FALSE;
}

char *fs_tree_describe(const FsTree *tree)
{
    Describing all = {g_string_new(NULL), ""};
    g_tree_foreach(tree->entries, describe_entry, &all);
    return g_string_free(all.text, FALSE);
}
