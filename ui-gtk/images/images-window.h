/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "ui-gtk/model/service.h"

/* A dialog with the images that there are, and those that are being imported, whoever began that. */

#define BERTH_UI_TYPE_IMAGES_WINDOW (berth_ui_images_window_get_type())
G_DECLARE_FINAL_TYPE(BerthUiImagesWindow, berth_ui_images_window, BERTH_UI, IMAGES_WINDOW, AdwWindow)

/* @toasts: of the window that it is a dialog of, which has the action "win.new-vm" */
void berth_ui_images_window_present(AdwToastOverlay *toasts, BerthUiService *service);
