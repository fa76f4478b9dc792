/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "ui-gtk/model/image.h"

/* A row with an image: what it is, how many use it, and, when it is expanded, its sum. Signals: "create" and "remove",
 * when the user asks for that. */

#define BERTH_UI_TYPE_IMAGE_ROW (berth_ui_image_row_get_type())
G_DECLARE_FINAL_TYPE(BerthUiImageRow, berth_ui_image_row, BERTH_UI, IMAGE_ROW, AdwExpanderRow)

GtkWidget *berth_ui_image_row_new(BerthUiImage *image);
/* (transfer none) */
BerthUiImage *berth_ui_image_row_get_image(BerthUiImageRow *row);
