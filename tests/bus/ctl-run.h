/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* A berthctl (environment BERTHCTL) that runs beside the test, on the session bus. */
typedef struct {
    GSubprocess *process;
    GString *out, *err; /* what it has written so far */
    guint n_open;       /* pipes that have not ended */
    gboolean has_exited;
} CtlRun;

/* The words of its command line, %NULL at the end; --user is added. */
CtlRun *ctl_run_start(const char *word, ...) G_GNUC_NULL_TERMINATED;
/* Waits for its end and returns its exit status; -1 for a signal. */
int ctl_run_finish(CtlRun *run);
void ctl_run_free(CtlRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlRun, ctl_run_free)
