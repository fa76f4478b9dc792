/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Where a guest's picture is within a widget, and back. Pure arithmetic. */

typedef struct {
    double x, y, width, height; /* of the picture in the widget, in its own pixels */
    guint enlarge; /* how many of the screen's pixels one of the guest's is wide, where that is whole; else 0 */
} BerthUiFit;

/**
 * berth_ui_fit:
 * @width, @height: of the widget
 * @device_scale: how many of the screen's pixels one of the widget's is wide
 * @guest_width, @guest_height: of the picture, in the guest's pixels
 *
 * As large as it can be without being distorted, in the middle, and on whole pixels of the screen. Where it would be
 * but a little larger than a whole multiple, it is that: sharp is better than large.
 *
 * Returns: nothing (all 0) where either has no area
 */
BerthUiFit berth_ui_fit(double width, double height, guint device_scale, guint guest_width, guint guest_height);

/**
 * berth_ui_fit_to_guest:
 * @x, @y: in the widget, or beside it
 *
 * The guest's pixel at this place, or the nearest to it.
 */
void berth_ui_fit_to_guest(const BerthUiFit *fit, double x, double y, guint guest_width, guint guest_height,
                           guint *guest_x, guint *guest_y);
