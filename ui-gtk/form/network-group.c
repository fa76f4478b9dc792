/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network-group.h"

#include <string.h>

#include "network-row.h"

struct _BerthUiNetworkGroup {
    AdwPreferencesGroup parent_instance;
    GPtrArray *rows; /* which are the group's */
};

G_DEFINE_FINAL_TYPE(BerthUiNetworkGroup, berth_ui_network_group, ADW_TYPE_PREFERENCES_GROUP)

static guint changed_signal;

static void tell(BerthUiNetworkGroup *self)
{
    g_signal_emit(self, changed_signal, 0);
}

static void number_rows(BerthUiNetworkGroup *self)
{
    for (guint i = 0; i < self->rows->len; i++)
        berth_ui_network_row_set_index(self->rows->pdata[i], i);
}

static void remove_row(BerthUiNetworkRow *row, BerthUiNetworkGroup *self)
{
    g_ptr_array_remove(self->rows, row);
    adw_preferences_group_remove(ADW_PREFERENCES_GROUP(self), GTK_WIDGET(row));
    number_rows(self);
    tell(self);
}

/* @network: (nullable): a{sv} */
static void add_row(BerthUiNetworkGroup *self, GVariant *network)
{
    BerthUiNetworkRow *row = berth_ui_network_row_new(network);
    g_ptr_array_add(self->rows, row);
    adw_preferences_group_add(ADW_PREFERENCES_GROUP(self), GTK_WIDGET(row));
    g_signal_connect_object(row, "changed", G_CALLBACK(tell), self, G_CONNECT_SWAPPED);
    g_signal_connect_object(row, "remove", G_CALLBACK(remove_row), self, 0);
    number_rows(self);
    tell(self);
}

static void on_add(BerthUiNetworkGroup *self)
{
    add_row(self, NULL);
}

void berth_ui_network_group_show(BerthUiNetworkGroup *self, GVariant *networks)
{
    while (self->rows->len > 0)
        remove_row(self->rows->pdata[0], self);
    for (guint i = 0; i < g_variant_n_children(networks); i++) {
        g_autoptr(GVariant) network = g_variant_get_child_value(networks, i);
        add_row(self, network);
    }
}

GVariant *berth_ui_network_group_get(BerthUiNetworkGroup *self)
{
    GVariantBuilder builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < self->rows->len; i++) {
        g_autoptr(GVariant) network = berth_ui_network_row_get(self->rows->pdata[i]);
        g_variant_builder_add_value(&builder, network);
    }
    return g_variant_builder_end(&builder);
}

/* (nullable): @rest: the place within it */
static BerthUiNetworkRow *row_at(BerthUiNetworkGroup *self, const char *place, const char **rest)
{
    char *end = NULL;
    if (!g_str_has_prefix(place, "networks["))
        return NULL;
    guint64 index = g_ascii_strtoull(place + strlen("networks["), &end, 10);
    if (index >= self->rows->len || *end != ']')
        return NULL;
    *rest = end[1] == '.' ? end + 2 : "";
    return self->rows->pdata[index];
}

gboolean berth_ui_network_group_complain(BerthUiNetworkGroup *self, const char *place, const char *text)
{
    const char *rest = NULL;
    BerthUiNetworkRow *row = row_at(self, place, &rest);
    if (row)
        berth_ui_network_row_complain(row, rest, text);
    return row != NULL;
}

void berth_ui_network_group_clear_complaints(BerthUiNetworkGroup *self)
{
    for (guint i = 0; i < self->rows->len; i++)
        berth_ui_network_row_clear(self->rows->pdata[i]);
}

static void berth_ui_network_group_finalize(GObject *object)
{
    g_ptr_array_unref(BERTH_UI_NETWORK_GROUP(object)->rows);
    G_OBJECT_CLASS(berth_ui_network_group_parent_class)->finalize(object);
}

static void berth_ui_network_group_class_init(BerthUiNetworkGroupClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    G_OBJECT_CLASS(klass)->finalize = berth_ui_network_group_finalize;
    changed_signal =
        g_signal_new("changed", BERTH_UI_TYPE_NETWORK_GROUP, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/network-group.ui");
    gtk_widget_class_bind_template_callback(widget_class, on_add);
}

static void berth_ui_network_group_init(BerthUiNetworkGroup *self)
{
    self->rows = g_ptr_array_new();
    gtk_widget_init_template(GTK_WIDGET(self));
}
