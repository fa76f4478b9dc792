/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* A directory tree as a value: read from a disk, made by a model of one, compared, and written to a disk. */

typedef struct FsContents FsContents;

/* Bytes of a file, or a link's text. Never changed once it is made. */
struct FsContents {
    GBytes *bytes; /* zeroes follow up to the size */
    guint64 size;
    char *sum; /* of both */
    grefcount references;
};

/* @size: at least @length */
FsContents *fs_contents_new(const void *bytes, gsize length, guint64 size);
FsContents *fs_contents_ref(FsContents *contents);
void fs_contents_unref(FsContents *contents);

typedef struct FsTree FsTree;

struct FsTree {
    mode_t mode; /* with its type */
    uid_t uid;
    gid_t gid;
    guint64 inode;        /* where it comes from */
    guint64 birth;        /* ns since the epoch, 0 where that is not known */
    FsContents *contents; /* NULL of a directory */
    GTree *entries;       /* name to FsTree, sorted; NULL of what is no directory */
};

FsTree *fs_tree_new_directory(mode_t mode);
FsTree *fs_tree_new_file(mode_t mode, FsContents *contents);
void fs_tree_free(FsTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FsTree, fs_tree_free)
/* Takes @entry. */
void fs_tree_add(FsTree *directory, const char *name, FsTree *entry);
/* (nullable) (transfer none): by a path below it, such as "vms/a" */
FsTree *fs_tree_find(FsTree *tree, const char *path);

/* What is at @path; aborts the test where it can't be read, or holds anything but directories, files and links. */
FsTree *fs_tree_scan(const char *path);
/* Into @path, which is not there yet. */
void fs_tree_write(const FsTree *tree, const char *path);
/* (transfer full): a line for each entry with its kind, size and sum; of equal trees equal. Not modes and owners. */
char *fs_tree_describe(const FsTree *tree);
