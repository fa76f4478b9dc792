/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "object.h"

/* An image that VMs are made from, as the daemon tells of it. Its GObject properties are those of the table in image.c.
 */

#define BERTH_UI_TYPE_IMAGE (berth_ui_image_get_type())
G_DECLARE_FINAL_TYPE(BerthUiImage, berth_ui_image, BERTH_UI, IMAGE, BerthUiObject)

/* (transfer none): until the next change of it */
const char *berth_ui_image_get_name(BerthUiImage *image);
/* "" where nobody gave one. */
const char *berth_ui_image_get_description(BerthUiImage *image);
const char *berth_ui_image_get_version(BerthUiImage *image);
/* In lower-case hex: of its disk, or of its kernel where it has no disk. */
const char *berth_ui_image_get_sha256(BerthUiImage *image);

/* Bytes of all its files. */
guint64 berth_ui_image_get_size(BerthUiImage *image);
/* How many VMs are made from it: it can't be removed while there are any. */
guint berth_ui_image_get_n_users(BerthUiImage *image);
