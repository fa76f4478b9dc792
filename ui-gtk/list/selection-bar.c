/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "selection-bar.h"

#include <glib/gi18n.h>

#include "ui-gtk/model/words.h"
#include "ui-gtk/widgets/reason.h"

struct _BerthUiSelectionBar {
    AdwBin parent_instance;
    GtkActionBar *bar;
    GPtrArray *buttons; /* which are the bar's */
    GPtrArray *vms;     /* never NULL */
    guint refresh;      /* in this turn of the loop */
};

G_DEFINE_FINAL_TYPE(BerthUiSelectionBar, berth_ui_selection_bar, ADW_TYPE_BIN)

static void show_reasons(BerthUiSelectionBar *self)
{
    for (guint i = 0; i < self->buttons->len; i++) {
        GtkWidget *button = self->buttons->pdata[i];
        const BerthUiActionWords *words = g_object_get_data(G_OBJECT(button), "words");
        g_autofree char *reason = berth_ui_why_not_any(self->vms, words->method);
        berth_ui_show_reason(button, _(words->label), reason);
    }
}

static void refresh(gpointer data)
{
    BerthUiSelectionBar *self = data;
    self->refresh = 0;
    show_reasons(self);
}

/* Many may change in one turn. */
static void queue_refresh(BerthUiSelectionBar *self)
{
    if (!self->refresh)
        self->refresh = g_idle_add_once(refresh, self);
}

static void forget_vms(BerthUiSelectionBar *self)
{
    for (guint i = 0; i < self->vms->len; i++)
        g_signal_handlers_disconnect_by_data(self->vms->pdata[i], self);
    g_ptr_array_set_size(self->vms, 0);
}

void berth_ui_selection_bar_set_vms(BerthUiSelectionBar *self, GPtrArray *vms)
{
    forget_vms(self);
    for (guint i = 0; vms && i < vms->len; i++) {
        for (const char *const *told = berth_ui_why_not_signals(); *told; told++)
            g_signal_connect_swapped(vms->pdata[i], *told, G_CALLBACK(queue_refresh), self);
        g_ptr_array_add(self->vms, g_object_ref(vms->pdata[i]));
    }
    gtk_action_bar_set_revealed(self->bar, vms != NULL);
    show_reasons(self);
}

/* What many are asked for at once. */
static gboolean is_shown(BerthVmMethod method)
{
    return method == BERTH_METHOD_START || method == BERTH_METHOD_SHUTDOWN || method == BERTH_METHOD_PAUSE ||
           method == BERTH_METHOD_RESUME || method == BERTH_METHOD_POWER_OFF || method == BERTH_METHOD_REMOVE;
}

static void add_button(BerthUiSelectionBar *self, const BerthUiActionWords *words)
{
    g_autofree char *action = g_strconcat("selection.", words->action, NULL);
    GtkWidget *button = gtk_button_new_from_icon_name(words->icon);
    gtk_actionable_set_action_name(GTK_ACTIONABLE(button), action);
    gtk_accessible_update_property(GTK_ACCESSIBLE(button), GTK_ACCESSIBLE_PROPERTY_LABEL, _(words->label), -1);
    g_object_set_data(G_OBJECT(button), "words", (gpointer) words);
    g_ptr_array_add(self->buttons, button);
    if (words->method == BERTH_METHOD_REMOVE)
        gtk_action_bar_pack_end(self->bar, button);
    else
        gtk_action_bar_pack_start(self->bar, button);
}

static void berth_ui_selection_bar_dispose(GObject *object)
{
    BerthUiSelectionBar *self = BERTH_UI_SELECTION_BAR(object);
    forget_vms(self);
    g_clear_handle_id(&self->refresh, g_source_remove);
    G_OBJECT_CLASS(berth_ui_selection_bar_parent_class)->dispose(object);
}

static void berth_ui_selection_bar_finalize(GObject *object)
{
    BerthUiSelectionBar *self = BERTH_UI_SELECTION_BAR(object);
    g_ptr_array_unref(self->buttons);
    g_ptr_array_unref(self->vms);
    G_OBJECT_CLASS(berth_ui_selection_bar_parent_class)->finalize(object);
}

static void berth_ui_selection_bar_class_init(BerthUiSelectionBarClass *klass)
{
    G_OBJECT_CLASS(klass)->dispose = berth_ui_selection_bar_dispose;
    G_OBJECT_CLASS(klass)->finalize = berth_ui_selection_bar_finalize;
}

static void berth_ui_selection_bar_init(BerthUiSelectionBar *self)
{
    guint n;
    const BerthUiActionWords *words = berth_ui_actions(&n);
    self->buttons = g_ptr_array_new();
    self->vms = g_ptr_array_new_with_free_func(g_object_unref);
    self->bar = GTK_ACTION_BAR(gtk_action_bar_new());
    adw_bin_set_child(ADW_BIN(self), GTK_WIDGET(self->bar));
    for (guint i = 0; i < n; i++)
        if (is_shown(words[i].method))
            add_button(self, &words[i]);
    berth_ui_selection_bar_set_vms(self, NULL);
}
