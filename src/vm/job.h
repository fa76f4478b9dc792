/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "../core/image-meta.h"
#include "observer.h"

typedef struct BerthManager BerthManager;

/* What takes longer than a call should: it is an object of its own, with progress, until it has ended. */
struct BerthJob {
    guint number;
    const char *operation; /* static: "import-image", "clone-vm" */
    guint64 done, total;   /* bytes */
    GCancellable *cancellable;
    /* At the end: */
    char *image;   /* (nullable): name of the image that came of it */
    char *vm;      /* (nullable): id of the VM that came of it */
    GError *error; /* (nullable) */
};

/* What an import needs; the descriptors are taken over. -1 where there is none. */
typedef struct {
    int disk_fd, kernel_fd, initrd_fd;
    char *format, *sha256;
    BerthImageMeta *meta;
} BerthImportRequest;

void berth_import_request_free(BerthImportRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthImportRequest, berth_import_request_free)

/**
 * berth_manager_import:
 * @request: (transfer full)
 *
 * Returns: (transfer none): the job, alive until the observer's job_completed has been called; %NULL with NameTaken
 *   or InvalidArgs where it can be known at once that it must fail
 */
BerthJob *berth_manager_import(BerthManager *manager, BerthImportRequest *request, GError **error);

void berth_job_free(BerthJob *job);

/* How far the worker of a job is, for the main loop. Part of the work's data: it lives until the work has ended. */
typedef struct {
    BerthManager *manager;
    BerthJob *job;
    GMutex lock; /* of what follows */
    guint64 done, total;
    guint source; /* a turn of the main loop is due to take done and total over, 0 */
} BerthJobProgress;

void berth_job_progress_init(BerthJobProgress *progress, BerthManager *manager, BerthJob *job);
void berth_job_progress_clear(BerthJobProgress *progress);
/* In the worker, at most ten times a second. @data: the BerthJobProgress */
void berth_job_progress_tell(guint64 done, guint64 total, gpointer data);
/* On the main loop, when the work has ended: whatever its priority, the turn that is due may come later, when there is
 * no work and no job any more. */
void berth_job_progress_end(BerthJobProgress *progress);
