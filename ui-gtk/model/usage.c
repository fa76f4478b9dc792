/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "usage.h"

/* Figures that come closer to each other than this (right after somebody has begun to watch) say little of what lies
 * between. */
#define DISTANCE_MIN_USEC (100 * 1000)

struct _BerthUiUsage {
    GObject parent_instance;
    GArray *points; /* (element-type BerthUiUsagePoint) */
    guint64 cpu;    /* CPU time at the last of them, µs */
    gboolean has_cpu;
};

G_DEFINE_FINAL_TYPE(BerthUiUsage, berth_ui_usage, G_TYPE_OBJECT)

enum { CHANGED, N_SIGNALS };
static guint signals[N_SIGNALS];

BerthUiUsage *berth_ui_usage_new(void)
{
    return g_object_new(BERTH_UI_TYPE_USAGE, NULL);
}

static const BerthUiUsagePoint *last_point(const BerthUiUsage *self)
{
    return self->points->len > 0 ? &g_array_index(self->points, BerthUiUsagePoint, self->points->len - 1) : NULL;
}

/* A clock or a CPU time that goes back is that of another boot, or another run: nothing leads from one to the other. */
static void forget_another(BerthUiUsage *self, gint64 time, gboolean has_cpu, guint64 cpu)
{
    const BerthUiUsagePoint *last = last_point(self);
    if (last && time >= last->time && !(has_cpu && self->has_cpu && cpu < self->cpu))
        return;
    g_array_set_size(self->points, 0);
    self->has_cpu = FALSE;
}

static void forget_old(BerthUiUsage *self)
{
    const gint64 edge = last_point(self)->time - BERTH_UI_USAGE_SPAN_USEC;
    guint n_old = 0;
    while (n_old + 1 < self->points->len && g_array_index(self->points, BerthUiUsagePoint, n_old + 1).time <= edge)
        n_old++;
    g_array_remove_range(self->points, 0, n_old);
}

static void add(BerthUiUsage *self, gint64 time, gboolean has_cpu, guint64 cpu, guint64 memory)
{
    const BerthUiUsagePoint *last = last_point(self);
    BerthUiUsagePoint point = {.time = time, .processors = -1, .memory = memory};
    if (last && has_cpu && self->has_cpu)
        point.processors = (double) (cpu - self->cpu) / (double) (time - last->time);
    self->has_cpu = has_cpu;
    self->cpu = cpu;
    g_array_append_val(self->points, point);
    forget_old(self);
    g_signal_emit(self, signals[CHANGED], 0);
}

void berth_ui_usage_take(BerthUiUsage *self, GVariant *parameters)
{
    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(ta{sv})")))
        return;
    g_autoptr(GVariant) figures = NULL;
    guint64 time, cpu = 0, memory = 0;
    g_variant_get(parameters, "(t@a{sv})", &time, &figures);
    if (time > G_MAXINT64)
        return;
    const gboolean has_cpu = g_variant_lookup(figures, "cpu-usec", "t", &cpu);
    g_variant_lookup(figures, "resident-bytes", "t", &memory);
    forget_another(self, (gint64) time, has_cpu, cpu);
    if (last_point(self) && (gint64) time - last_point(self)->time < DISTANCE_MIN_USEC)
        return;
    add(self, (gint64) time, has_cpu, cpu, memory);
}

const BerthUiUsagePoint *berth_ui_usage_get_points(BerthUiUsage *self, guint *n)
{
    *n = self->points->len;
    return (const BerthUiUsagePoint *) (gpointer) self->points->data;
}

static void berth_ui_usage_finalize(GObject *object)
{
    g_array_unref(BERTH_UI_USAGE(object)->points);
    G_OBJECT_CLASS(berth_ui_usage_parent_class)->finalize(object);
}

static void berth_ui_usage_class_init(BerthUiUsageClass *klass)
{
    G_OBJECT_CLASS(klass)->finalize = berth_ui_usage_finalize;
    signals[CHANGED] =
        g_signal_new("changed", BERTH_UI_TYPE_USAGE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void berth_ui_usage_init(BerthUiUsage *self)
{
    self->points = g_array_new(FALSE, FALSE, sizeof(BerthUiUsagePoint));
}
