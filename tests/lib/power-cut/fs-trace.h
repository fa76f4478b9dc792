/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* What berthd did to a file system, call by call, and what it sent meanwhile, on one time line: fs-trace-preload.c
 * writes it, fs-model.c reads it. */

#define FS_TRACE_VARIABLE "BERTH_FS_TRACE" /* where the trace goes: a file on the file system that is looked at */

typedef enum {
    FS_TRACE_CREATE,   /* ino came into being as name in dir: a file, a directory, or a link with data as its text */
    FS_TRACE_LINK,     /* name in dir is ino, too */
    FS_TRACE_UNLINK,   /* name in dir is gone */
    FS_TRACE_RENAME,   /* name in dir is to_name in to_dir */
    FS_TRACE_EXCHANGE, /* both, the other way round */
    FS_TRACE_WRITE,    /* data at offset of ino */
    FS_TRACE_TRUNCATE, /* ino has offset bytes */
    FS_TRACE_CONTENTS, /* ino has offset bytes: data, and zeroes after them; whoever wrote them */
    FS_TRACE_META,     /* mode, uid and gid of ino were set */
    FS_TRACE_SYNC,     /* ino was synced, by fsync(); of a file its contents were told by the record before this one */
    FS_TRACE_SENT,     /* data on the socket that has the descriptor ino */
} FsTraceKind;

/* As it lies in the file, followed by name, to_name and data without terminators. */
typedef struct {
    uint32_t kind;
    uint32_t mode, uid, gid;
    uint64_t ino;
    uint64_t dir, to_dir; /* inodes */
    uint64_t offset;
    uint64_t birth; /* of what is created: ns since the epoch, 0 where the file system knows none */
    uint32_t name_length, to_name_length, data_length;
} FsTraceHead;
