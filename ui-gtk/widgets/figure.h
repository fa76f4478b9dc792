/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

/* A row with one figure: what it is, and its value, which can be selected and copied. It is not there while the value
 * is empty. Properties: "value" s. */

#define BERTH_UI_TYPE_FIGURE (berth_ui_figure_get_type())
G_DECLARE_DERIVABLE_TYPE(BerthUiFigure, berth_ui_figure, BERTH_UI, FIGURE, AdwActionRow)

struct _BerthUiFigureClass {
    AdwActionRowClass parent_class;
};

/* (transfer floating) */
GtkWidget *berth_ui_figure_new(const char *title, const char *value);
void berth_ui_figure_set_value(BerthUiFigure *figure, const char *value);
const char *berth_ui_figure_get_value(BerthUiFigure *figure);
