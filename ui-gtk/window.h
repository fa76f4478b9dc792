/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "ui-gtk/model/service.h"

/* The window: the list beside the page of the VM that is chosen in it, or one at a time where there is no room for
 * both; and instead of them what is wrong with the service, as long as it is. */

#define BERTH_UI_TYPE_WINDOW (berth_ui_window_get_type())
G_DECLARE_FINAL_TYPE(BerthUiWindow, berth_ui_window, BERTH_UI, WINDOW, AdwApplicationWindow)

BerthUiWindow *berth_ui_window_new(AdwApplication *application, BerthUiService *service);
void berth_ui_window_set_service(BerthUiWindow *window, BerthUiService *service);
/* Goes to the VM with this identifier: at once, or as soon as the list has it. */
void berth_ui_window_open_vm(BerthUiWindow *window, const char *id);
