/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A series of measured values of one kind. */

typedef GArray Samples; /* (element-type gdouble) */

Samples *samples_new(void);
void samples_add(Samples *samples, double value);
void samples_free(Samples *samples);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Samples, samples_free)

/* Of at least one value; they sort it. */
double samples_min(Samples *samples);
double samples_median(Samples *samples);
double samples_percentile(Samples *samples, guint percent);
double samples_max(Samples *samples);

/* One row of a table: @name, then minimum, median and maximum in @unit. */
void samples_print_head(const char *what, const char *unit);
void samples_print(const char *name, Samples *samples);
