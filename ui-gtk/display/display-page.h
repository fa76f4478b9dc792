/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ui-gtk/widgets/vm-view.h"

/* The screen of the VM that is shown, or why there is none and what can be done about it. It is connected while
 * somebody looks at it: QEMU has one viewer at a time.
 *
 * Property: "connected" (whether a screen is shown). Action: "display.send-keys" s, as berth_ui_key_combination() has
 * them. */

#define BERTH_UI_TYPE_DISPLAY_PAGE (berth_ui_display_page_get_type())
G_DECLARE_FINAL_TYPE(BerthUiDisplayPage, berth_ui_display_page, BERTH_UI, DISPLAY_PAGE, BerthUiVmView)
