/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "ui-gtk/model/service.h"

/* Makes a VM, or changes one: a form, with what to do with it. It waits for the daemon's answer, which may take as long
 * as polkit asks the user, and stays with what was wrong where that was refused.
 *
 * Signals: "created" (BerthUiVm *vm). */

#define BERTH_UI_TYPE_FORM_DIALOG (berth_ui_form_dialog_get_type())
G_DECLARE_FINAL_TYPE(BerthUiFormDialog, berth_ui_form_dialog, BERTH_UI, FORM_DIALOG, AdwWindow)

/* For a new VM. @image: (nullable): the name of what it is made from; without, that is asked first. (transfer none):
 * its user closes it */
BerthUiFormDialog *berth_ui_form_dialog_new(GtkWindow *parent, BerthUiService *service, const char *image);
/* For one that there is. (transfer none): likewise */
BerthUiFormDialog *berth_ui_form_dialog_new_for(GtkWindow *parent, BerthUiService *service, BerthUiVm *vm);
