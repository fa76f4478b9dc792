/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

/* What is wrong with a field of a form, in the row below it; not there while nothing is. The field is marked, for eyes
 * and for screen readers.
 *
 * Properties: "field" (a GtkWidget), "text" s. */

#define BERTH_UI_TYPE_COMPLAINT (berth_ui_complaint_get_type())
G_DECLARE_FINAL_TYPE(BerthUiComplaint, berth_ui_complaint, BERTH_UI, COMPLAINT, AdwPreferencesRow)

/* (transfer floating) */
BerthUiComplaint *berth_ui_complaint_new(GtkWidget *field);
/* @text: (nullable): %NULL where nothing is wrong */
void berth_ui_complaint_set_text(BerthUiComplaint *complaint, const char *text);
