/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the user has chosen: data/desktop/org.berth.Berth.gschema.xml explains each. */

#define BERTH_UI_SETTINGS "org.berth.Berth"
#define BERTH_UI_SETTING_BUS "bus"
#define BERTH_UI_SETTING_SORT "sort"
#define BERTH_UI_SETTING_UNDO_SECONDS "undo-seconds"
#define BERTH_UI_SETTING_WIDTH "window-width"
#define BERTH_UI_SETTING_HEIGHT "window-height"
#define BERTH_UI_SETTING_MAXIMIZED "window-maximized"
#define BERTH_UI_SETTING_CONSOLE_SCALE "console-scale"
