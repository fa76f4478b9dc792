/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reason.h"

/* The tooltip comes first: newer GTK takes it for the description. */
void berth_ui_show_reason(GtkWidget *button, const char *label, const char *reason)
{
    g_autofree char *both = label && reason ? g_strconcat(label, "\n", reason, NULL) : NULL;
    gtk_widget_set_tooltip_text(button, both ? both : label ? label : reason);
    gtk_accessible_update_property(GTK_ACCESSIBLE(button), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, reason ? reason : "",
                                   -1);
}
