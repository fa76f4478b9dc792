/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ui-gtk/widgets/vm-view.h"

/* All of one VM. Its buttons are of the action group "vm", which whoever holds the page puts there. */

#define BERTH_UI_TYPE_VM_PAGE (berth_ui_vm_page_get_type())
G_DECLARE_FINAL_TYPE(BerthUiVmPage, berth_ui_vm_page, BERTH_UI, VM_PAGE, BerthUiVmView)
