/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "display.h"

/* Keyboard and pointer of a display, from GDK's events to QEMU's. */

#define BERTH_UI_TYPE_DISPLAY_INPUT (berth_ui_display_input_get_type())
G_DECLARE_FINAL_TYPE(BerthUiDisplayInput, berth_ui_display_input, BERTH_UI, DISPLAY_INPUT, GObject)

/* @display: owns it, and lives longer */
BerthUiDisplayInput *berth_ui_display_input_new(BerthUiDisplay *display);

/* Releases all that is held, so that no key hangs in the guest: before the peer changes, and before the display
 * goes. */
void berth_ui_display_input_release_all(BerthUiDisplayInput *input);
