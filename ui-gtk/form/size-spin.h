/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

/* A spin button for bytes: shows "1.5 GiB", and takes what a person types: "1.5 GiB", "1536m", "2". */

/**
 * berth_ui_size_spin_set_up:
 * @spin: any; its handlers and bounds are the function's
 * @min, @max, @step: MiB
 * @nothing: (nullable): what 0 is called
 */
void berth_ui_size_spin_set_up(GtkSpinButton *spin, guint min, guint max, guint step, const char *nothing);

/* Bytes; what is typed and not yet committed counts. */
guint64 berth_ui_size_spin_get(GtkSpinButton *spin);
void berth_ui_size_spin_set(GtkSpinButton *spin, guint64 bytes);
