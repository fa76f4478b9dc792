/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "ui-gtk/model/image.h"

/* What a new VM is to be made from: the images that there are, or none.
 *
 * Signals: "chosen" (BerthUiImage *image): (nullable). "import": it is to be made from a file. */

#define BERTH_UI_TYPE_IMAGE_CHOOSER (berth_ui_image_chooser_get_type())
G_DECLARE_FINAL_TYPE(BerthUiImageChooser, berth_ui_image_chooser, BERTH_UI, IMAGE_CHOOSER, AdwBin)

/* @images: of BerthUiImage, in any order */
void berth_ui_image_chooser_set_images(BerthUiImageChooser *chooser, GListModel *images);
