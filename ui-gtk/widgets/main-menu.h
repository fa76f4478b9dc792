/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

/* Gives the main menu to a button. */
void berth_ui_set_main_menu(GtkMenuButton *button);
