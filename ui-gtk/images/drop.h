/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

/* What to do with a file that was dropped. FALSE where it is not taken. */
typedef gboolean (*BerthUiDropped)(GtkWidget *widget, GFile *file);

/* Files can be dropped on @widget: of several, the first one counts. */
void berth_ui_take_drops(GtkWidget *widget, BerthUiDropped dropped);
