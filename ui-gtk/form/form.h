/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "ui-gtk/model/vm.h"

/* What a VM is to be, as a form: of one that is made, or of one that there is. It checks while it is filled in, and
 * shows what is wrong below the field; draft.h has the rules.
 *
 * Properties: "valid" b, whether nothing is known to be wrong. Signals: "changed". */

#define BERTH_UI_TYPE_FORM (berth_ui_form_get_type())
G_DECLARE_FINAL_TYPE(BerthUiForm, berth_ui_form, BERTH_UI, FORM, AdwBin)

/* A new one, with proposals. @image: (nullable): the name of what it is made from; @vms: those that there are */
void berth_ui_form_show_new(BerthUiForm *form, const char *image, GListModel *vms);
/* One that there is: what its definition has now. */
void berth_ui_form_show_config(BerthUiForm *form, GVariant *config);

/* (transfer none) */
const char *berth_ui_form_get_name(BerthUiForm *form);
/* Whether a new one is to run at once. */
gboolean berth_ui_form_get_start(BerthUiForm *form);
/* (transfer full): a{sv}, the keys that it shows; not floating */
GVariant *berth_ui_form_get_draft(BerthUiForm *form);

/* What the daemon said to it, at the field that it is about, until something is changed. */
void berth_ui_form_complain(BerthUiForm *form, const GError *error);
/* (nullable): something to know about what is filled in, above all fields */
void berth_ui_form_set_note(BerthUiForm *form, const char *note);
