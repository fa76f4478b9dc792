/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network-row.h"

#include <glib/gi18n.h>
#include <string.h>

#include "port-row.h"
#include "ui-gtk/model/draft.h"
#include "ui-gtk/widgets/complaint.h"

struct _BerthUiNetworkRow {
    AdwExpanderRow parent_instance;
    AdwComboRow *mode;
    AdwEntryRow *bridge;
    AdwActionRow *add_port;
    BerthUiComplaint *complaint;
    GPtrArray *ports; /* of BerthUiPortRow */
    GVariant *old;    /* (nullable): what the definition has */
};

G_DEFINE_FINAL_TYPE(BerthUiNetworkRow, berth_ui_network_row, ADW_TYPE_EXPANDER_ROW)

enum { SIGNAL_CHANGED, SIGNAL_REMOVE, N_SIGNALS };
static guint signals[N_SIGNALS];

/* In the order in which the template has them. */
static const char *const modes[] = {"user", "bridge", "none"};

static const char *mode_of(BerthUiNetworkRow *self)
{
    return modes[MIN(adw_combo_row_get_selected(self->mode), G_N_ELEMENTS(modes) - 1)];
}

static gboolean is_mode(BerthUiNetworkRow *self, const char *mode)
{
    return g_str_equal(mode_of(self), mode);
}

/* Ports are forwarded only where the network is this computer's own. */
static void show_mode(BerthUiNetworkRow *self)
{
    gboolean has_ports = is_mode(self, "user");
    gtk_widget_set_visible(GTK_WIDGET(self->bridge), is_mode(self, "bridge"));
    gtk_widget_set_visible(GTK_WIDGET(self->add_port), has_ports);
    for (guint i = 0; i < self->ports->len; i++)
        gtk_widget_set_visible(self->ports->pdata[i], has_ports);
}

/* Folded, it says what it is. */
static void show_summary(BerthUiNetworkRow *self)
{
    g_autoptr(GObject) item = g_object_ref(adw_combo_row_get_selected_item(self->mode));
    const char *mode = gtk_string_object_get_string(GTK_STRING_OBJECT(item));
    guint n = is_mode(self, "user") ? self->ports->len : 0;
    g_autofree char *ports = g_strdup_printf(ngettext("%u forwarded port", "%u forwarded ports", n), n);
    /* Translators: of a network: how it is connected, and how many ports are forwarded */
    g_autofree char *both = g_strdup_printf(_("%s, %s"), mode, ports);
    adw_expander_row_set_subtitle(ADW_EXPANDER_ROW(self), n > 0 ? both : mode);
}

static void on_changed(BerthUiNetworkRow *self)
{
    show_mode(self);
    show_summary(self);
    g_signal_emit(self, signals[SIGNAL_CHANGED], 0);
}

static void on_remove(BerthUiNetworkRow *self)
{
    g_signal_emit(self, signals[SIGNAL_REMOVE], 0);
}

static void on_remove_port(BerthUiPortRow *port, BerthUiNetworkRow *self)
{
    adw_expander_row_remove(ADW_EXPANDER_ROW(self), GTK_WIDGET(port));
    g_ptr_array_remove(self->ports, port);
    on_changed(self);
}

static BerthUiPortRow *add_port(BerthUiNetworkRow *self, GVariant *port)
{
    BerthUiPortRow *row = berth_ui_port_row_new(port);
    g_ptr_array_add(self->ports, row);
    adw_expander_row_add_row(ADW_EXPANDER_ROW(self), GTK_WIDGET(row));
    g_signal_connect_object(row, "changed", G_CALLBACK(on_changed), self, G_CONNECT_SWAPPED);
    g_signal_connect_object(row, "remove", G_CALLBACK(on_remove_port), self, 0);
    return row;
}

static void on_add_port(BerthUiNetworkRow *self)
{
    BerthUiPortRow *row = add_port(self, NULL);
    adw_expander_row_set_expanded(ADW_EXPANDER_ROW(row), TRUE);
    on_changed(self);
    gtk_widget_grab_focus(GTK_WIDGET(row));
}

static GVariant *ports_of(BerthUiNetworkRow *self)
{
    GVariantBuilder builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; is_mode(self, "user") && i < self->ports->len; i++) {
        g_autoptr(GVariant) port = berth_ui_port_row_get(self->ports->pdata[i]);
        g_variant_builder_add_value(&builder, port);
    }
    return g_variant_builder_end(&builder);
}

/* What it has not, and had not, is not said: else the network would look as if it had been changed. */
static gboolean had(BerthUiNetworkRow *self, const char *key)
{
    g_autoptr(GVariant) old = self->old ? g_variant_lookup_value(self->old, key, NULL) : NULL;
    return old != NULL;
}

GVariant *berth_ui_network_row_get(BerthUiNetworkRow *self)
{
    GVariantDict dict = G_VARIANT_DICT_INIT(NULL);
    const char *bridge = is_mode(self, "bridge") ? gtk_editable_get_text(GTK_EDITABLE(self->bridge)) : "";
    g_autoptr(GVariant) ports = g_variant_ref_sink(ports_of(self));
    g_variant_dict_insert(&dict, "mode", "s", mode_of(self));
    if (*bridge || had(self, "bridge"))
        g_variant_dict_insert(&dict, "bridge", "s", bridge);
    if (g_variant_n_children(ports) > 0 || had(self, "ports"))
        g_variant_dict_insert_value(&dict, "ports", ports);
    g_autoptr(GVariant) new = g_variant_ref_sink(g_variant_dict_end(&dict));
    return berth_ui_dict_merge(self->old, new);
}

/* (nullable): "ports[1].host-port" is about the second; @key: what of it */
static BerthUiPortRow *port_at(BerthUiNetworkRow *self, const char *place, const char **key)
{
    char *end = NULL;
    if (!g_str_has_prefix(place, "ports["))
        return NULL;
    guint64 index = g_ascii_strtoull(place + strlen("ports["), &end, 10);
    if (index >= self->ports->len || !g_str_has_prefix(end, "]."))
        return NULL;
    *key = end + 2;
    return self->ports->pdata[index];
}

void berth_ui_network_row_complain(BerthUiNetworkRow *self, const char *place, const char *text)
{
    const char *key = NULL;
    BerthUiPortRow *port = port_at(self, place, &key);
    if (port)
        berth_ui_port_row_complain(port, key, text);
    else
        berth_ui_complaint_set_text(self->complaint, text);
    adw_expander_row_set_expanded(ADW_EXPANDER_ROW(self), TRUE);
}

void berth_ui_network_row_clear(BerthUiNetworkRow *self)
{
    berth_ui_complaint_set_text(self->complaint, NULL);
    for (guint i = 0; i < self->ports->len; i++)
        berth_ui_port_row_complain(self->ports->pdata[i], NULL, NULL);
}

void berth_ui_network_row_set_index(BerthUiNetworkRow *self, guint index)
{
    g_autofree char *title = g_strdup_printf(_("Network %u"), index + 1);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(self), title);
}

static void show_network(BerthUiNetworkRow *self, GVariant *network)
{
    const char *mode = "user", *bridge = "";
    g_variant_lookup(network, "mode", "&s", &mode);
    g_variant_lookup(network, "bridge", "&s", &bridge);
    for (guint i = 0; i < G_N_ELEMENTS(modes); i++)
        if (g_str_equal(mode, modes[i]))
            adw_combo_row_set_selected(self->mode, i);
    gtk_editable_set_text(GTK_EDITABLE(self->bridge), bridge);
    g_autoptr(GVariant) ports = g_variant_lookup_value(network, "ports", G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; ports && i < g_variant_n_children(ports); i++) {
        g_autoptr(GVariant) port = g_variant_get_child_value(ports, i);
        add_port(self, port);
    }
}

BerthUiNetworkRow *berth_ui_network_row_new(GVariant *network)
{
    BerthUiNetworkRow *self = g_object_new(BERTH_UI_TYPE_NETWORK_ROW, NULL);
    self->old = network ? g_variant_ref(network) : NULL;
    if (network)
        show_network(self, network);
    on_changed(self);
    return self;
}

static void berth_ui_network_row_finalize(GObject *object)
{
    BerthUiNetworkRow *self = BERTH_UI_NETWORK_ROW(object);
    g_ptr_array_unref(self->ports);
    g_clear_pointer(&self->old, g_variant_unref);
    G_OBJECT_CLASS(berth_ui_network_row_parent_class)->finalize(object);
}

static void berth_ui_network_row_class_init(BerthUiNetworkRowClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    G_OBJECT_CLASS(klass)->finalize = berth_ui_network_row_finalize;
    signals[SIGNAL_CHANGED] =
        g_signal_new("changed", BERTH_UI_TYPE_NETWORK_ROW, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
    signals[SIGNAL_REMOVE] =
        g_signal_new("remove", BERTH_UI_TYPE_NETWORK_ROW, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
    g_type_ensure(BERTH_UI_TYPE_COMPLAINT);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/network-row.ui");
    gtk_widget_class_bind_template_child(widget_class, BerthUiNetworkRow, mode);
    gtk_widget_class_bind_template_child(widget_class, BerthUiNetworkRow, bridge);
    gtk_widget_class_bind_template_child(widget_class, BerthUiNetworkRow, add_port);
    gtk_widget_class_bind_template_child(widget_class, BerthUiNetworkRow, complaint);
    gtk_widget_class_bind_template_callback(widget_class, on_changed);
    gtk_widget_class_bind_template_callback(widget_class, on_remove);
    gtk_widget_class_bind_template_callback(widget_class, on_add_port);
}

static void berth_ui_network_row_init(BerthUiNetworkRow *self)
{
    self->ports = g_ptr_array_new();
    gtk_widget_init_template(GTK_WIDGET(self));
}
