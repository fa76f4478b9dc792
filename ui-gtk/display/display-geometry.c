/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "display-geometry.h"

#include <math.h>

/* Up to this much above a whole multiple, the picture is that multiple. */
#define SNAP 0.125

/* Screen's pixels per pixel of the guest. */
static double scale_of(double width, double height, guint guest_width, guint guest_height)
{
    double scale = MIN(width / guest_width, height / guest_height);
    double whole = floor(scale);
    return whole >= 1 && scale - whole <= SNAP ? whole : scale;
}

BerthUiFit berth_ui_fit(double width, double height, guint device_scale, guint guest_width, guint guest_height)
{
    BerthUiFit fit = {0};
    if (width <= 0 || height <= 0 || device_scale == 0 || guest_width == 0 || guest_height == 0)
        return fit;
    double scale = scale_of(width * device_scale, height * device_scale, guest_width, guest_height);
    fit.enlarge = scale == floor(scale) ? (guint) scale : 0;
    fit.width = guest_width * scale / device_scale;
    fit.height = guest_height * scale / device_scale;
    fit.x = floor((width - fit.width) / 2 * device_scale) / device_scale;
    fit.y = floor((height - fit.height) / 2 * device_scale) / device_scale;
    return fit;
}

static guint to_guest(double place, double start, double length, guint guest_length)
{
    if (length <= 0 || guest_length == 0)
        return 0;
    double at = floor((place - start) * guest_length / length);
    return (guint) CLAMP(at, 0, guest_length - 1.0);
}

void berth_ui_fit_to_guest(const BerthUiFit *fit, double x, double y, guint guest_width, guint guest_height,
                           guint *guest_x, guint *guest_y)
{
    *guest_x = to_guest(x, fit->x, fit->width, guest_width);
    *guest_y = to_guest(y, fit->y, fit->height, guest_height);
}
