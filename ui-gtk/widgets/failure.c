/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "failure.h"

#include <glib/gi18n.h>

#include "ui-gtk/model/words.h"

/* The heading is the toast's title, which is markup. */
static void on_details(AdwToast *toast, const char *details)
{
    GtkWidget *toasts = g_object_get_data(G_OBJECT(toast), "toasts");
    GtkWidget *dialog = adw_message_dialog_new(GTK_WINDOW(gtk_widget_get_root(toasts)), NULL, details);
    adw_message_dialog_set_heading_use_markup(ADW_MESSAGE_DIALOG(dialog), TRUE);
    adw_message_dialog_set_heading(ADW_MESSAGE_DIALOG(dialog), adw_toast_get_title(toast));
    gtk_window_set_destroy_with_parent(GTK_WINDOW(dialog), TRUE);
    adw_message_dialog_add_response(ADW_MESSAGE_DIALOG(dialog), "close", _("_Close"));
    gtk_window_present(GTK_WINDOW(dialog));
}

AdwToast *berth_ui_toast_new(const char *title)
{
    g_autofree char *markup = g_markup_escape_text(title, -1);
    return adw_toast_new(markup);
}

void berth_ui_tell_failure(AdwToastOverlay *toasts, const char *title, const char *details)
{
    AdwToast *toast = berth_ui_toast_new(title);
    adw_toast_set_button_label(toast, _("_Details"));
    g_object_set_data(G_OBJECT(toast), "toasts", toasts);
    g_signal_connect_data(toast, "button-clicked", G_CALLBACK(on_details), g_strdup(details),
                          (GClosureNotify) (void (*)(void)) g_free, 0);
    adw_toast_overlay_add_toast(toasts, toast);
}

char *berth_ui_failure_details(const GError *error)
{
    return g_strdup_printf("%s\n%s", berth_ui_describe_error(error), error->message);
}
