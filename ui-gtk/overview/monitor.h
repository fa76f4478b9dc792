/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ui-gtk/widgets/vm-view.h"

/* How busy a VM's processors are, and how much of its memory it has, in the last minute. It watches while it is mapped
 * and its window is to be seen, and so costs nothing else. */

#define BERTH_UI_TYPE_MONITOR (berth_ui_monitor_get_type())
G_DECLARE_FINAL_TYPE(BerthUiMonitor, berth_ui_monitor, BERTH_UI, MONITOR, BerthUiVmView)

/* Whether it watches now. */
gboolean berth_ui_monitor_watches(BerthUiMonitor *monitor);
