/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job.h"

#include "contract.h"

struct _BerthUiJob {
    BerthUiObject parent_instance;
    char *name; /* (nullable): of what it makes */
    gboolean is_ended;
    GError *error;
};

G_DEFINE_FINAL_TYPE(BerthUiJob, berth_ui_job, BERTH_UI_TYPE_OBJECT)

enum {
    OPERATION,
    PROGRESS,
    DONE,
    TOTAL,
    N_PROPERTIES,
};

static const BerthUiProperty properties[] = {
    [OPERATION] = {"Operation", "operation"},
    [PROGRESS] = {"Progress", "progress"},
    [DONE] = {"BytesDone", "done"},
    [TOTAL] = {"BytesTotal", "total"},
};
G_STATIC_ASSERT(G_N_ELEMENTS(properties) == N_PROPERTIES);

enum { ENDED, NAMED, N_SIGNALS };
static guint signals[N_SIGNALS];

double berth_ui_job_get_progress(BerthUiJob *job)
{
    GVariant *progress = berth_ui_object_get_variant(BERTH_UI_OBJECT(job), PROGRESS);
    double fraction = progress ? g_variant_get_double(progress) : 0;
    return fraction > 0 ? MIN(fraction, 1) : 0; /* not a number is 0 too */
}

guint64 berth_ui_job_get_done(BerthUiJob *job)
{
    return berth_ui_object_get_number(BERTH_UI_OBJECT(job), DONE);
}

guint64 berth_ui_job_get_total(BerthUiJob *job)
{
    return berth_ui_object_get_number(BERTH_UI_OBJECT(job), TOTAL);
}

gboolean berth_ui_job_is_clone(BerthUiJob *job)
{
    return g_str_equal(berth_ui_object_get_string(BERTH_UI_OBJECT(job), OPERATION), "clone-vm");
}

const char *berth_ui_job_get_name(BerthUiJob *job)
{
    return job->name;
}

void berth_ui_job_set_name(BerthUiJob *job, const char *name)
{
    g_free(job->name);
    job->name = g_strdup(name);
    g_signal_emit(job, signals[NAMED], 0);
}

gboolean berth_ui_job_is_ended(BerthUiJob *job)
{
    return job->is_ended;
}

const GError *berth_ui_job_get_error(BerthUiJob *job)
{
    return job->error;
}

void berth_ui_job_end(BerthUiJob *job, const GError *error)
{
    if (job->is_ended)
        return;
    job->is_ended = TRUE;
    job->error = error ? g_error_copy(error) : NULL;
    g_signal_emit(job, signals[ENDED], 0);
}

static void berth_ui_job_finalize(GObject *object)
{
    BerthUiJob *job = BERTH_UI_JOB(object);
    g_free(job->name);
    g_clear_error(&job->error);
    G_OBJECT_CLASS(berth_ui_job_parent_class)->finalize(object);
}

static void berth_ui_job_class_init(BerthUiJobClass *klass)
{
    G_OBJECT_CLASS(klass)->finalize = berth_ui_job_finalize;
    signals[ENDED] = g_signal_new("ended", BERTH_UI_TYPE_JOB, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
    signals[NAMED] = g_signal_new("named", BERTH_UI_TYPE_JOB, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
    berth_ui_object_class_set_properties(
        BERTH_UI_OBJECT_CLASS(klass), (GDBusInterfaceInfo *) &org_berth_berth1_job_interface, properties, N_PROPERTIES);
}

static void berth_ui_job_init(BerthUiJob *job)
{
}
