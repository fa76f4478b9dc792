/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

/**
 * berth_ui_show_reason:
 * @label: (nullable): what the button's tooltip says anyway, where it is an icon alone
 * @reason: (nullable): why what it does can't be had now, as a sentence; %NULL where it can
 *
 * Tells whoever points at the button, and a screen reader.
 */
void berth_ui_show_reason(GtkWidget *button, const char *label, const char *reason);
