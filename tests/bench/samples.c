/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "samples.h"

Samples *samples_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(double));
}

void samples_add(Samples *samples, double value)
{
    g_array_append_val(samples, value);
}

void samples_free(Samples *samples)
{
    g_array_unref(samples);
}

static int compare(gconstpointer a, gconstpointer b)
{
    const double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double at(Samples *samples, guint index)
{
    g_array_sort(samples, compare);
    return g_array_index(samples, double, index);
}

double samples_min(Samples *samples)
{
    return at(samples, 0);
}

double samples_median(Samples *samples)
{
    return (at(samples, (samples->len - 1) / 2) + at(samples, samples->len / 2)) / 2;
}

double samples_percentile(Samples *samples, guint percent)
{
    return at(samples, (guint) ((guint64) (samples->len - 1) * percent / 100));
}

double samples_max(Samples *samples)
{
    return at(samples, samples->len - 1);
}

void samples_print_head(const char *what, const char *unit)
{
    g_print("%-44s %10s %10s %10s   %s\n", what, "minimum", "median", "maximum", unit);
}

void samples_print(const char *name, Samples *samples)
{
    g_print("%-44s %10.2f %10.2f %10.2f\n", name, samples_min(samples), samples_median(samples), samples_max(samples));
}
