/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "fault-control.h"

/* Within the preload library. */

typedef enum {
    FAULT_OPEN, /* that creates */
    FAULT_WRITE,
    FAULT_SYNC,
    FAULT_NAME,   /* a name comes to be: mkdir, rename, link, symlink, bind */
    FAULT_UNNAME, /* a name goes */
    FAULT_ATTRIBUTE,
    FAULT_SIZE,
    FAULT_SPAWN,
    FAULT_SIGNAL,
    FAULT_SEND,
    FAULT_OBTAIN, /* a descriptor, of what is there: nothing changes, so that it can only fail for want of one */
} FaultSort;

/* What happens to one call. */
typedef struct {
    int error;    /* it is not made, and fails so */
    int is_short; /* half of it is */
    int is_last;  /* the process dies after it */
} FaultPoint;

/* @fd, @path: where, for the report; -1 and NULL where it has none. @length: what a short write can be shorter than. */
FaultPoint fault_enter(FaultSort sort, const char *name, int fd, const char *path, size_t length);
/* Returns what the call returns, and sets errno where it failed by us. */
long fault_leave(const FaultPoint *point, long result);
int fault_sort_of_write(int fd);

/* The system call itself, uncounted. */
long fault_real(long number, long a, long b, long c, long d, long e, long f);
