/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

/* What to do with a file that was dropped, the first of several: @n_others is for the user to know. FALSE where it is not
 * taken. */
typedef gboolean (*BerthUiDropped)(GtkWidget *widget, GFile *file, guint n_others);

/* Files can be dropped on @widget. */
void berth_ui_take_drops(GtkWidget *widget, BerthUiDropped dropped);
