/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "main-menu.h"

void berth_ui_set_main_menu(GtkMenuButton *button)
{
    GtkApplication *application = GTK_APPLICATION(g_application_get_default());
    gtk_menu_button_set_menu_model(button, G_MENU_MODEL(gtk_application_get_menu_by_id(application, "main-menu")));
}
