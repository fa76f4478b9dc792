/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

#include "ui-gtk/model/vm.h"

/* A VM's state, alive: as an icon, as words and as a colour, so that none of them is needed to tell it. Properties:
 * "vm". */

#define BERTH_UI_TYPE_BADGE (berth_ui_badge_get_type())
G_DECLARE_FINAL_TYPE(BerthUiBadge, berth_ui_badge, BERTH_UI, BADGE, GtkWidget)

/* @vm: (nullable) */
void berth_ui_badge_set_vm(BerthUiBadge *badge, BerthUiVm *vm);
/* (transfer none): what it says */
const char *berth_ui_badge_get_text(BerthUiBadge *badge);
