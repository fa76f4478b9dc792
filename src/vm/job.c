/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job.h"

#include "manager.h"

void berth_job_free(BerthJob *job)
{
    g_clear_object(&job->cancellable);
    g_clear_error(&job->error);
    g_free(job->image);
    g_free(job->vm);
    g_free(job);
}

void berth_job_progress_init(BerthJobProgress *progress, BerthManager *manager, BerthJob *job)
{
    *progress = (BerthJobProgress){.manager = manager, .job = job};
    g_mutex_init(&progress->lock);
}

void berth_job_progress_clear(BerthJobProgress *progress)
{
    g_mutex_clear(&progress->lock);
}

static gboolean take(gpointer data)
{
    BerthJobProgress *progress = data;
    g_mutex_lock(&progress->lock);
    progress->job->done = progress->done;
    progress->job->total = progress->total;
    progress->source = 0;
    g_mutex_unlock(&progress->lock);
    berth_manager_job_changed(progress->manager, progress->job);
    return G_SOURCE_REMOVE;
}

void berth_job_progress_tell(guint64 done, guint64 total, gpointer data)
{
    BerthJobProgress *progress = data;
    g_mutex_lock(&progress->lock);
    progress->done = done;
    progress->total = total;
    if (!progress->source)
        progress->source = g_idle_add_full(G_PRIORITY_DEFAULT_IDLE, take, progress, NULL);
    g_mutex_unlock(&progress->lock);
}

void berth_job_progress_end(BerthJobProgress *progress)
{
    if (!progress->source)
        return;
    g_source_remove(progress->source);
    take(progress);
}
