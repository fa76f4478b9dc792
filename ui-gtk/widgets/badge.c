/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "badge.h"

#include <glib/gi18n.h>

#include "ui-gtk/model/words.h"

struct _BerthUiBadge {
    GtkWidget parent_instance;
    GtkImage *icon;
    GtkLabel *label;
    BerthUiVm *vm;
    GSignalGroup *signals; /* of the VM */
    const char *style;     /* the CSS class that it has now */
};

G_DEFINE_FINAL_TYPE(BerthUiBadge, berth_ui_badge, GTK_TYPE_WIDGET)

enum { PROPERTY_VM = 1, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

static void set_style(BerthUiBadge *self, const char *style)
{
    if (self->style == style)
        return;
    if (self->style)
        gtk_widget_remove_css_class(GTK_WIDGET(self), self->style);
    gtk_widget_add_css_class(GTK_WIDGET(self), style);
    self->style = style;
}

static void show(BerthUiBadge *self)
{
    if (!self->vm)
        return;
    const BerthUiStateWords *words = berth_ui_state_words(self->vm);
    g_autofree char *text = berth_ui_describe_state(self->vm);
    set_style(self, words->style);
    gtk_image_set_from_icon_name(self->icon, words->icon);
    gtk_label_set_text(self->label, text);
    gtk_accessible_update_property(GTK_ACCESSIBLE(self), GTK_ACCESSIBLE_PROPERTY_LABEL, text, -1);
}

void berth_ui_badge_set_vm(BerthUiBadge *self, BerthUiVm *vm)
{
    if (!g_set_object(&self->vm, vm))
        return;
    g_signal_group_set_target(self->signals, vm);
    show(self);
    g_object_notify_by_pspec(G_OBJECT(self), specs[PROPERTY_VM]);
}

const char *berth_ui_badge_get_text(BerthUiBadge *self)
{
    return gtk_label_get_text(self->label);
}

static void berth_ui_badge_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    berth_ui_badge_set_vm(BERTH_UI_BADGE(object), g_value_get_object(value));
}

static void berth_ui_badge_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    g_value_set_object(value, BERTH_UI_BADGE(object)->vm);
}

static void berth_ui_badge_dispose(GObject *object)
{
    BerthUiBadge *self = BERTH_UI_BADGE(object);
    for (GtkWidget *child; (child = gtk_widget_get_first_child(GTK_WIDGET(self)));)
        gtk_widget_unparent(child);
    g_clear_object(&self->signals);
    g_clear_object(&self->vm);
    G_OBJECT_CLASS(berth_ui_badge_parent_class)->dispose(object);
}

static void berth_ui_badge_class_init(BerthUiBadgeClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    object_class->set_property = berth_ui_badge_set_property;
    object_class->get_property = berth_ui_badge_get_property;
    object_class->dispose = berth_ui_badge_dispose;
    specs[PROPERTY_VM] = g_param_spec_object("vm", NULL, NULL, BERTH_UI_TYPE_VM,
                                             G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
    g_object_class_install_properties(object_class, N_PROPERTIES, specs);
    gtk_widget_class_set_layout_manager_type(widget_class, GTK_TYPE_BOX_LAYOUT);
    gtk_widget_class_set_css_name(widget_class, "badge");
    gtk_widget_class_set_accessible_role(widget_class, GTK_ACCESSIBLE_ROLE_STATUS);
}

static void berth_ui_badge_init(BerthUiBadge *self)
{
    static const char *const told[] = {"notify::state", "notify::removal-phase", "notify::responsive"};
    self->icon = GTK_IMAGE(g_object_new(GTK_TYPE_IMAGE, "accessible-role", GTK_ACCESSIBLE_ROLE_PRESENTATION, NULL));
    self->label = GTK_LABEL(g_object_new(GTK_TYPE_LABEL, "ellipsize", PANGO_ELLIPSIZE_END, NULL));
    gtk_widget_set_parent(GTK_WIDGET(self->icon), GTK_WIDGET(self));
    gtk_widget_set_parent(GTK_WIDGET(self->label), GTK_WIDGET(self));
    self->signals = g_signal_group_new(BERTH_UI_TYPE_VM);
    for (guint i = 0; i < G_N_ELEMENTS(told); i++)
        g_signal_group_connect_swapped(self->signals, told[i], G_CALLBACK(show), self);
}
