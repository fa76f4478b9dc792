/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

#include "ui-gtk/model/vm.h"

/* A VM in the list. Properties, for bindings: "vm"; "selecting", whether its check button is to be seen; "selected",
 * whether that is checked. */

#define BERTH_UI_TYPE_ROW (berth_ui_row_get_type())
G_DECLARE_FINAL_TYPE(BerthUiRow, berth_ui_row, BERTH_UI, ROW, GtkBox)

GtkWidget *berth_ui_row_new(void);
