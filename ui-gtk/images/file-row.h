/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

/* A row with a file that the user chooses, by the desktop's own dialog or portal, or drops here. Properties: "file" (a
 * GFile, NULL for none), "is-disk" (the dialog begins with disk images alone). */

#define BERTH_UI_TYPE_FILE_ROW (berth_ui_file_row_get_type())
G_DECLARE_FINAL_TYPE(BerthUiFileRow, berth_ui_file_row, BERTH_UI, FILE_ROW, AdwActionRow)

/* (transfer none) (nullable) */
GFile *berth_ui_file_row_get_file(BerthUiFileRow *row);
void berth_ui_file_row_set_file(BerthUiFileRow *row, GFile *file);
