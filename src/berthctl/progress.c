/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <unistd.h>

#include "text.h"

#define BAR_WIDTH 40

static gboolean is_shown = FALSE;

void ctl_progress_show(double fraction, guint64 done, guint64 total)
{
    if (!isatty(STDERR_FILENO))
        return;
    /* From the bus: NaN and what is out of range are drawn as an empty bar. */
    double bounded = fraction >= 0 && fraction <= 1 ? fraction : 0;
    int filled = (int) (bounded * BAR_WIDTH);
    g_autofree char *bar = g_strnfill((gsize) filled, '#');
    g_autofree char *done_text = ctl_format_bytes(done);
    g_autofree char *total_text = ctl_format_bytes(total);
    fprintf(stderr, "\r[%-*s] %3d%% ", BAR_WIDTH, bar, (int) (bounded * 100));
    fprintf(stderr, _("%s of %s"), done_text, total_text);
    fputs("\033[K", stderr);
    is_shown = TRUE;
}

void ctl_progress_clear(void)
{
    if (is_shown)
        fputs("\r\033[K", stderr);
    is_shown = FALSE;
}
