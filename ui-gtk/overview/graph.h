/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

/* A line over time, the newest at the end of the line of writing. It is drawn in its CSS colour, and stands still until
 * it is given other points. To those who don't see it, it is a meter. */

typedef struct {
    gint64 time;  /* µs; only differences count */
    double share; /* 0 to 1 of the height; negative where there is none, and the line has a gap */
} BerthUiGraphPoint;

#define BERTH_UI_TYPE_GRAPH (berth_ui_graph_get_type())
G_DECLARE_FINAL_TYPE(BerthUiGraph, berth_ui_graph, BERTH_UI, GRAPH, GtkWidget)

/**
 * berth_ui_graph_set_points:
 * @points: the oldest first; they are copied. What is more than @span µs before the last one lies beyond the edge
 * @words: what the last one says
 */
void berth_ui_graph_set_points(BerthUiGraph *graph, const BerthUiGraphPoint *points, guint n, gint64 span,
                               const char *words);
/* (transfer none) (nullable): the last share and its words, for a test; the share is negative where there is none */
double berth_ui_graph_get_last(BerthUiGraph *graph, const char **words);
