/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "row.h"

#include <glib/gi18n.h>

#include "ui-gtk/model/words.h"
#include "ui-gtk/widgets/badge.h"

struct _BerthUiRow {
    GtkBox parent_instance;
    BerthUiVm *vm;
    GSignalGroup *signals; /* of the VM */
    gboolean selecting, selected;
};

G_DEFINE_FINAL_TYPE(BerthUiRow, berth_ui_row, GTK_TYPE_BOX)

enum { PROPERTY_VM = 1, PROPERTY_SELECTING, PROPERTY_SELECTED, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

GtkWidget *berth_ui_row_new(void)
{
    return g_object_new(BERTH_UI_TYPE_ROW, NULL);
}

/* What has the focus in a list is GTK's own widget around the row: a screen reader says its name. */
static void name_item(BerthUiRow *self)
{
    GtkWidget *item = gtk_widget_get_parent(GTK_WIDGET(self));
    if (!self->vm || !item)
        return;
    g_autofree char *state = berth_ui_describe_state(self->vm);
    /* Translators: the name of a virtual machine, and its state: “web, Running” */
    g_autofree char *name = g_strdup_printf(_("%s, %s"), berth_ui_vm_get_name(self->vm), state);
    gtk_accessible_update_property(GTK_ACCESSIBLE(item), GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
}

static void set_vm(BerthUiRow *self, BerthUiVm *vm)
{
    if (!g_set_object(&self->vm, vm))
        return;
    g_signal_group_set_target(self->signals, vm);
    name_item(self);
    g_object_notify_by_pspec(G_OBJECT(self), specs[PROPERTY_VM]);
}

static void set_flag(BerthUiRow *self, gboolean *flag, gboolean value, guint property)
{
    if (*flag == value)
        return;
    *flag = value;
    g_object_notify_by_pspec(G_OBJECT(self), specs[property]);
}

static void berth_ui_row_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    BerthUiRow *self = BERTH_UI_ROW(object);
    if (id == PROPERTY_SELECTING)
        set_flag(self, &self->selecting, g_value_get_boolean(value), id);
    else if (id == PROPERTY_SELECTED)
        set_flag(self, &self->selected, g_value_get_boolean(value), id);
    else
        set_vm(self, g_value_get_object(value));
}

static void berth_ui_row_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    BerthUiRow *self = BERTH_UI_ROW(object);
    if (id == PROPERTY_VM)
        g_value_set_object(value, self->vm);
    else
        g_value_set_boolean(value, id == PROPERTY_SELECTING ? self->selecting : self->selected);
}

static gboolean has_text(BerthUiRow *self, const char *text)
{
    return text && *text;
}

static void berth_ui_row_dispose(GObject *object)
{
    BerthUiRow *self = BERTH_UI_ROW(object);
    g_clear_object(&self->signals);
    g_clear_object(&self->vm);
    G_OBJECT_CLASS(berth_ui_row_parent_class)->dispose(object);
}

static void berth_ui_row_class_init(BerthUiRowClass *klass)
{
    const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    object_class->set_property = berth_ui_row_set_property;
    object_class->get_property = berth_ui_row_get_property;
    object_class->dispose = berth_ui_row_dispose;
    specs[PROPERTY_VM] = g_param_spec_object("vm", NULL, NULL, BERTH_UI_TYPE_VM, flags);
    specs[PROPERTY_SELECTING] = g_param_spec_boolean("selecting", NULL, NULL, FALSE, flags);
    specs[PROPERTY_SELECTED] = g_param_spec_boolean("selected", NULL, NULL, FALSE, flags);
    g_object_class_install_properties(object_class, N_PROPERTIES, specs);
    g_type_ensure(BERTH_UI_TYPE_BADGE);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/row.ui");
    gtk_widget_class_bind_template_callback(widget_class, has_text);
}

static void berth_ui_row_init(BerthUiRow *self)
{
    static const char *const told[] = {"notify::name", "notify::state", "notify::removal-phase", "notify::responsive"};
    gtk_widget_init_template(GTK_WIDGET(self));
    self->signals = g_signal_group_new(BERTH_UI_TYPE_VM);
    for (guint i = 0; i < G_N_ELEMENTS(told); i++)
        g_signal_group_connect_swapped(self->signals, told[i], G_CALLBACK(name_item), self);
}
