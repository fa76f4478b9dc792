/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/**
 * berth_ui_propose_image_name:
 * @file: the name of a file, UTF-8
 * @images: of BerthUiImage
 *
 * Returns: (transfer full): what an image from it could be called: without what says what kind of file it is, with "-"
 *   in the place of what a name can't have, and with a number where that is taken; "" where nothing is left
 */
char *berth_ui_propose_image_name(const char *file, GListModel *images);

/* (transfer none) (nullable): why this is no SHA-256, as a sentence; "" is as good as one */
const char *berth_ui_check_sha256(const char *text);
