/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stage.h"

/* Scrolls through the list of VMs, and counts what that costs. */

/* From the begin of a frame until it is painted: µs by the clock, and of this thread on a processor. */
typedef struct {
    gint64 elapsed, processor;
} ScrollingFrame;

typedef struct {
    guint n_made;   /* widgets for rows, since the beginning */
    guint n_bound;  /* rows that a widget was given */
    GArray *frames; /* (element-type ScrollingFrame) */
} Scrolling;

/* Begins to count; before there is a list. */
void scrolling_init(Scrolling *scrolling);
void scrolling_clear(Scrolling *scrolling);

/* From the top to the end, @step pixels for each frame; %0 for a page. Each frame is drawn. */
void scrolling_run(Scrolling *scrolling, Stage *stage, double step);
/* Back at the top, and drawn there. */
void scrolling_to_top(Stage *stage);

/* Until the next frame of the window has been painted. */
void scrolling_await_frame(Stage *stage);
