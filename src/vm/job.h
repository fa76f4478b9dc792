/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "../core/image-meta.h"
#include "observer.h"

typedef struct BerthManager BerthManager;

/* What takes longer than a call should: it is an object of its own, with progress, until it has ended. */
struct BerthJob {
    guint number;
    const char *operation; /* static: "import-image" */
    guint64 done, total;   /* bytes */
    GCancellable *cancellable;
    /* At the end: */
    char *image;   /* (nullable): name of the image that came of it */
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
