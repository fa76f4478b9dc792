/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "drop.h"

/* (transfer container) */
static GSList *files_in(const GValue *value)
{
    if (G_VALUE_HOLDS(value, G_TYPE_FILE))
        return g_slist_prepend(NULL, g_value_get_object(value));
    return gdk_file_list_get_files(g_value_get_boxed(value));
}

static gboolean on_drop(GtkDropTarget *target, const GValue *value, double x, double y, gpointer data)
{
    BerthUiDropped dropped = (BerthUiDropped) (void (*)(void)) data;
    g_autoptr(GSList) files = files_in(value);
    GtkWidget *widget = gtk_event_controller_get_widget(GTK_EVENT_CONTROLLER(target));
    return files && dropped(widget, files->data, g_slist_length(files) - 1);
}

void berth_ui_take_drops(GtkWidget *widget, BerthUiDropped dropped)
{
    GType types[] = {GDK_TYPE_FILE_LIST, G_TYPE_FILE};
    GtkDropTarget *target = gtk_drop_target_new(G_TYPE_INVALID, GDK_ACTION_COPY);
    gtk_drop_target_set_gtypes(target, types, G_N_ELEMENTS(types));
    g_signal_connect(target, "drop", G_CALLBACK(on_drop), (gpointer) (void (*)(void)) dropped);
    gtk_widget_add_controller(widget, GTK_EVENT_CONTROLLER(target));
}
