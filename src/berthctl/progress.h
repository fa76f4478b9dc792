/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A progress bar on standard error, where that is a terminal; else nothing at all. */
void ctl_progress_show(double fraction, guint64 done, guint64 total);
/* Takes the line away again. */
void ctl_progress_clear(void);
