/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"

/**
 * ctl_job_run:
 * @path: of the object whose @method of @interface it is, which answers with a job
 * @args: its arguments, sunk if floating
 * @result: (out) (transfer full): the object that the job made
 *
 * Calls @method and waits until its job has Completed, also where that came before the answer. Meanwhile there is a
 * progress bar, and SIGINT cancels the job; a second one stops waiting for that.
 *
 * Returns: negative errno, with @error: the call's or the job's
 */
int ctl_job_run(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *args, char **result,
                sd_bus_error *error);
