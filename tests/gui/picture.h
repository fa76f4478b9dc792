/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stage.h"

#define PICTURE_NARROW 360 /* what every window has to fit in */

/* A thick one, on displays without a compositor: a CSS class, no part of a picture. */
#define PICTURE_FRAME "solid-csd"

/* After a change: the frame clock has come by, and nothing is left to be done. */
void picture_await_frames(GtkWidget *widget);
/* Takes a picture of the window that is on top, "name-variant.png", into the directory that BERTH_SCREENSHOTS names. It would
 * fit on a narrow screen. */
void picture_take(Stage *stage, const char *name, const char *variant);
