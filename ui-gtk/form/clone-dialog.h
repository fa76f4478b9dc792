/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "ui-gtk/model/service.h"

/* Makes a VM with a copy of another's disks: asks for its name, shows how far that is, and can end it. Over the window
 * of VMs, which has the action "win.show-vm". */

#define BERTH_UI_TYPE_CLONE_DIALOG (berth_ui_clone_dialog_get_type())
G_DECLARE_FINAL_TYPE(BerthUiCloneDialog, berth_ui_clone_dialog, BERTH_UI, CLONE_DIALOG, AdwWindow)

void berth_ui_clone_dialog_present(GtkWindow *parent, BerthUiService *service, BerthUiVm *vm);
