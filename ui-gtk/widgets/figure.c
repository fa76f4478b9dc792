/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "figure.h"

typedef struct {
    GtkLabel *label;
} BerthUiFigurePrivate;

G_DEFINE_TYPE_WITH_PRIVATE(BerthUiFigure, berth_ui_figure, ADW_TYPE_ACTION_ROW)

enum { PROPERTY_VALUE = 1, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

GtkWidget *berth_ui_figure_new(const char *title, const char *value)
{
    return g_object_new(BERTH_UI_TYPE_FIGURE, "title", title, "value", value, NULL);
}

void berth_ui_figure_set_value(BerthUiFigure *figure, const char *value)
{
    BerthUiFigurePrivate *self = berth_ui_figure_get_instance_private(figure);
    if (g_strcmp0(gtk_label_get_text(self->label), value) == 0)
        return;
    gtk_label_set_text(self->label, value ? value : "");
    gtk_widget_set_visible(GTK_WIDGET(figure), value && *value);
    g_object_notify_by_pspec(G_OBJECT(figure), specs[PROPERTY_VALUE]);
}

const char *berth_ui_figure_get_value(BerthUiFigure *figure)
{
    BerthUiFigurePrivate *self = berth_ui_figure_get_instance_private(figure);
    return gtk_label_get_text(self->label);
}

static void berth_ui_figure_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    berth_ui_figure_set_value(BERTH_UI_FIGURE(object), g_value_get_string(value));
}

static void berth_ui_figure_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    g_value_set_string(value, berth_ui_figure_get_value(BERTH_UI_FIGURE(object)));
}

static void berth_ui_figure_class_init(BerthUiFigureClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    object_class->set_property = berth_ui_figure_set_property;
    object_class->get_property = berth_ui_figure_get_property;
    specs[PROPERTY_VALUE] = g_param_spec_string("value", NULL, NULL, "",
                                                G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
    g_object_class_install_properties(object_class, N_PROPERTIES, specs);
}

static void berth_ui_figure_init(BerthUiFigure *figure)
{
    BerthUiFigurePrivate *self = berth_ui_figure_get_instance_private(figure);
    self->label = GTK_LABEL(g_object_new(GTK_TYPE_LABEL, "selectable", TRUE, "ellipsize", PANGO_ELLIPSIZE_MIDDLE,
                                         "xalign", 1.0, "hexpand", TRUE, NULL));
    gtk_widget_add_css_class(GTK_WIDGET(self->label), "dim-label");
    gtk_widget_add_css_class(GTK_WIDGET(self->label), "numeric");
    adw_action_row_add_suffix(ADW_ACTION_ROW(figure), GTK_WIDGET(self->label));
    adw_preferences_row_set_use_markup(ADW_PREFERENCES_ROW(figure), FALSE);
    gtk_widget_hide(GTK_WIDGET(figure));
}
