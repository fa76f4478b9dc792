/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "object.h"

/* What the daemon does for longer than a call should take: it goes on whoever looks, and is somebody's, not only ours.
 * Its GObject properties are those of the table in job.c. Signal "ended": it is over, well or with an error; no object
 * is let go of by the service before. "named": what it makes is known by name now. */

#define BERTH_UI_TYPE_JOB (berth_ui_job_get_type())
G_DECLARE_FINAL_TYPE(BerthUiJob, berth_ui_job, BERTH_UI, JOB, BerthUiObject)

/* From 0 to 1. */
double berth_ui_job_get_progress(BerthUiJob *job);
/* Bytes; 0 in all while that is not known. */
guint64 berth_ui_job_get_done(BerthUiJob *job);
guint64 berth_ui_job_get_total(BerthUiJob *job);

/* Whether it clones a VM; it imports an image, otherwise. */
gboolean berth_ui_job_is_clone(BerthUiJob *job);

/* (transfer none) (nullable): of the image or the VM that it makes, where it was begun here: the daemon does not tell */
const char *berth_ui_job_get_name(BerthUiJob *job);
void berth_ui_job_set_name(BerthUiJob *job, const char *name);

gboolean berth_ui_job_is_ended(BerthUiJob *job);
/* (transfer none) (nullable): why it has failed, as berth_ui_service_call_finish() tells it */
const GError *berth_ui_job_get_error(BerthUiJob *job);

/* For the service: tells once that it is over. @error: (nullable) (transfer none) */
void berth_ui_job_end(BerthUiJob *job, const GError *error);
