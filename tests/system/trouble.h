/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "scene.h"

/* What befalls a host. Nothing of it outlives the bed: a disk goes with its mount, and bed.sh thaws what is frozen. Where the
 * machine can't have it, the functions that may fail mark the test as skipped, say why, and return FALSE. */

/* Mounts a new ext4 of @size ("64G": only what is written is taken) on @dir, which is made. */
gboolean trouble_mount_disk(const char *dir, const char *size);
void trouble_unmount_disk(const char *dir);
/* As umount --lazy: who has something of it open keeps that. The other mounts the same disk again. (transfer full) */
char *trouble_unmount_lazily(const char *dir);
void trouble_mount_again(const char *dir, const char *device);
/* From here on, whoever writes to the file system waits in the kernel, and can't be killed. */
void trouble_freeze_disk(const char *dir);
void trouble_thaw_disk(const char *dir);

/* The process stops where it is, and dies of no SIGKILL until it is thawed. One at a time. */
gboolean trouble_freeze_process(pid_t pid);
void trouble_thaw_process(void);

/* How quickly a client is answered meanwhile. */
typedef struct {
    GArray *usec; /* (element-type gint64) */
} Latency;

Latency *latency_new(void);
void latency_free(Latency *latency);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Latency, latency_free)

/* One GetVM of @name, timed. FALSE where there is no such VM (any more). */
gboolean latency_ask(Latency *latency, const char *name);
/* As many of a daemon that has nothing else to do, for comparison. */
Latency *latency_idle(const char *name, guint n);
/* Prints both as a comment, and holds the one to @bound_msec in the median: far more than it takes, far less than what
 * goes on meanwhile. */
void latency_report(const Latency *latency, const Latency *idle, const char *meanwhile, guint bound_msec);
