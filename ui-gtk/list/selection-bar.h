/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

/* What can be done to the VMs that are selected: a button for each, which says why where it can't be had. They are the
 * actions of the group "selection". */

#define BERTH_UI_TYPE_SELECTION_BAR (berth_ui_selection_bar_get_type())
G_DECLARE_FINAL_TYPE(BerthUiSelectionBar, berth_ui_selection_bar, BERTH_UI, SELECTION_BAR, AdwBin)

/* @vms: (nullable) (element-type BerthUiVm): those selected; %NULL while nobody selects: then it is not to be seen */
void berth_ui_selection_bar_set_vms(BerthUiSelectionBar *bar, GPtrArray *vms);
