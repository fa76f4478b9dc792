/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "graph.h"

#define LINE_WIDTH 2.0
#define FILL_ALPHA 0.2
#define GRID_ALPHA 0.15
#define GRID_LINES 4 /* the lowest is the bottom */

struct _BerthUiGraph {
    GtkWidget parent_instance;
    GArray *points; /* (element-type BerthUiGraphPoint) */
    gint64 span;
    char *words; /* (nullable) */
};

G_DEFINE_FINAL_TYPE(BerthUiGraph, berth_ui_graph, GTK_TYPE_WIDGET)

static const BerthUiGraphPoint *point_at(const BerthUiGraph *self, guint i)
{
    return &g_array_index(self->points, BerthUiGraphPoint, i);
}

/* Drawing */

/* The line keeps off the edges, so that it is as wide at 0 and at 1 as anywhere. */
static double y_of(double share, double height)
{
    return height - LINE_WIDTH / 2 - CLAMP(share, 0, 1) * (height - LINE_WIDTH);
}

static double x_of(const BerthUiGraph *self, gint64 time, double width)
{
    const gint64 age = point_at(self, self->points->len - 1)->time - time;
    return width * (1 - (double) age / (double) self->span);
}

static void draw_grid(cairo_t *cr, const GdkRGBA *color, double width, double height)
{
    GdkRGBA faint = *color;
    faint.alpha *= (float) GRID_ALPHA;
    gdk_cairo_set_source_rgba(cr, &faint);
    cairo_set_line_width(cr, 1);
    for (guint i = 0; i <= GRID_LINES; i++) {
        const double y = 0.5 + (double) (int) ((height - 1) * i / GRID_LINES);
        cairo_move_to(cr, 0, y);
        cairo_line_to(cr, width, y);
    }
    cairo_stroke(cr);
}

/* From the i-th point to the last before a gap, of which there are several: the area below, and the line. */
static guint draw_piece(const BerthUiGraph *self, cairo_t *cr, const GdkRGBA *color, double width, double height,
                        guint first)
{
    guint end = first;
    cairo_new_path(cr);
    for (; end < self->points->len && point_at(self, end)->share >= 0; end++)
        cairo_line_to(cr, x_of(self, point_at(self, end)->time, width), y_of(point_at(self, end)->share, height));
    if (end == first)
        return end + 1;
    cairo_path_t *line = cairo_copy_path(cr);
    GdkRGBA pale = *color;
    pale.alpha *= (float) FILL_ALPHA;
    cairo_line_to(cr, x_of(self, point_at(self, end - 1)->time, width), height);
    cairo_line_to(cr, x_of(self, point_at(self, first)->time, width), height);
    cairo_close_path(cr);
    gdk_cairo_set_source_rgba(cr, &pale);
    cairo_fill(cr);
    cairo_append_path(cr, line);
    cairo_path_destroy(line);
    gdk_cairo_set_source_rgba(cr, color);
    cairo_set_line_width(cr, LINE_WIDTH);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_stroke(cr);
    return end + 1;
}

static void berth_ui_graph_snapshot(GtkWidget *widget, GtkSnapshot *snapshot)
{
    const BerthUiGraph *self = BERTH_UI_GRAPH(widget);
    const int width = gtk_widget_get_width(widget), height = gtk_widget_get_height(widget);
    GdkRGBA color;
    if (width <= 0 || height <= 0)
        return;
    gtk_style_context_get_color(gtk_widget_get_style_context(widget), &color);
    cairo_t *cr = gtk_snapshot_append_cairo(snapshot, &GRAPHENE_RECT_INIT(0, 0, (float) width, (float) height));
    draw_grid(cr, &color, width, height);
    if (gtk_widget_get_direction(widget) == GTK_TEXT_DIR_RTL) {
        cairo_translate(cr, width, 0);
        cairo_scale(cr, -1, 1);
    }
    for (guint i = 0; i < self->points->len;)
        i = draw_piece(self, cr, &color, width, height, i);
    cairo_destroy(cr);
}

/* What it shows */

void berth_ui_graph_set_points(BerthUiGraph *self, const BerthUiGraphPoint *points, guint n, gint64 span,
                               const char *words)
{
    g_array_set_size(self->points, 0);
    if (n > 0)
        g_array_append_vals(self->points, points, n);
    self->span = span;
    g_free(self->words);
    self->words = g_strdup(words);
    gtk_accessible_update_property(GTK_ACCESSIBLE(self), GTK_ACCESSIBLE_PROPERTY_LABEL, words,
                                   GTK_ACCESSIBLE_PROPERTY_VALUE_NOW, MAX(berth_ui_graph_get_last(self, NULL), 0), -1);
    gtk_widget_queue_draw(GTK_WIDGET(self));
}

double berth_ui_graph_get_last(BerthUiGraph *self, const char **words)
{
    if (words)
        *words = self->words;
    return self->points->len > 0 ? point_at(self, self->points->len - 1)->share : -1;
}

static void berth_ui_graph_finalize(GObject *object)
{
    BerthUiGraph *self = BERTH_UI_GRAPH(object);
    g_array_unref(self->points);
    g_free(self->words);
    G_OBJECT_CLASS(berth_ui_graph_parent_class)->finalize(object);
}

static void berth_ui_graph_class_init(BerthUiGraphClass *klass)
{
    G_OBJECT_CLASS(klass)->finalize = berth_ui_graph_finalize;
    GTK_WIDGET_CLASS(klass)->snapshot = berth_ui_graph_snapshot;
    gtk_widget_class_set_css_name(GTK_WIDGET_CLASS(klass), "graph");
    gtk_widget_class_set_accessible_role(GTK_WIDGET_CLASS(klass), GTK_ACCESSIBLE_ROLE_METER);
}

static void berth_ui_graph_init(BerthUiGraph *self)
{
    self->points = g_array_new(FALSE, FALSE, sizeof(BerthUiGraphPoint));
    gtk_widget_set_overflow(GTK_WIDGET(self), GTK_OVERFLOW_HIDDEN);
    gtk_accessible_update_property(GTK_ACCESSIBLE(self), GTK_ACCESSIBLE_PROPERTY_VALUE_MIN, 0.0,
                                   GTK_ACCESSIBLE_PROPERTY_VALUE_MAX, 1.0, -1);
}
