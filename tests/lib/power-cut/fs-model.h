/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fs-trace.h"
#include "fs-tree.h"

/* A file system, as far as a cut of its power goes: what a trace did to it, what of that is durable, and the trees
 * that may be found after a cut.
 *
 * Taken for granted, and no more: fsync() of a file makes its contents, mode and owner durable, of a directory its
 * entries; a call changes names in one step, also where it moves one from a directory to another, which is durable
 * when both were synced. Not taken for granted: that anything else reaches the disk, or in which order; that an
 * fsync() of a file keeps its name, or one of a directory the contents of what it names. */

/* One record of a trace. */
typedef struct {
    FsTraceHead head;
    char *name, *to_name; /* (nullable) */
    GBytes *data;         /* (nullable) */
} FsRecord;

/* (transfer full) (element-type FsRecord): aborts the test where the file is no whole trace */
GPtrArray *fs_trace_read(const char *path);
/* (transfer full): for a person */
char *fs_record_describe(const FsRecord *record);

typedef struct FsModel FsModel;

/* @tree: all of it is durable; with the inodes that the records speak of */
FsModel *fs_model_new(const FsTree *tree);
void fs_model_free(FsModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FsModel, fs_model_free)

/* What lies beside the tree is passed over. */
void fs_model_apply(FsModel *model, const FsRecord *record);
/* (transfer full): as every process sees it */
FsTree *fs_model_now(const FsModel *model);

/* @tree: (transfer full): what may be found after a cut; @how: which of it was kept, for a person */
typedef void (*FsCutFunc)(FsTree *tree, const char *how, gpointer data);

/**
 * fs_model_cut:
 *
 * Calls @func with each tree that may be found where power is cut now. Of the changes of names that are not durable
 * are kept
 *
 * - the first 0, 1, ... all, in the order in which they were made, as a journal keeps them;
 * - any choice, where they are few; else each of them alone is lost, and each alone kept;
 *
 * each with the contents that were not synced lost, half there, and there.
 *
 * Equal trees may come more than once.
 */
void fs_model_cut(const FsModel *model, FsCutFunc func, gpointer data);
