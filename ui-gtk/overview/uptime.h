/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ui-gtk/widgets/figure.h"

/* A figure that says how long ago something began, and goes on saying it while it is to be seen: hidden, it costs
 * nothing. Properties: "since" t, µs since the epoch, 0 where it has not begun. */

#define BERTH_UI_TYPE_UPTIME (berth_ui_uptime_get_type())
G_DECLARE_FINAL_TYPE(BerthUiUptime, berth_ui_uptime, BERTH_UI, UPTIME, BerthUiFigure)

/* Whether a timer runs for it. */
gboolean berth_ui_uptime_ticks(BerthUiUptime *uptime);
