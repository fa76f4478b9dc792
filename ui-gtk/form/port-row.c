/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "port-row.h"

#include <glib/gi18n.h>

#include "ui-gtk/model/draft.h"
#include "ui-gtk/widgets/complaint.h"

struct _BerthUiPortRow {
    AdwExpanderRow parent_instance;
    AdwComboRow *protocol;
    GtkSpinButton *host_port, *guest_port;
    AdwEntryRow *host_address;
    BerthUiComplaint *port_complaint, *address_complaint;
    GVariant *old; /* (nullable): what the definition has */
};

G_DEFINE_FINAL_TYPE(BerthUiPortRow, berth_ui_port_row, ADW_TYPE_EXPANDER_ROW)

enum { SIGNAL_CHANGED, SIGNAL_REMOVE, N_SIGNALS };
static guint signals[N_SIGNALS];

static const char *const protocols[] = {"tcp", "udp"};

static const char *protocol_of(BerthUiPortRow *self)
{
    return protocols[MIN(adw_combo_row_get_selected(self->protocol), G_N_ELEMENTS(protocols) - 1)];
}

static void show_title(BerthUiPortRow *self)
{
    g_autofree char *protocol = g_ascii_strup(protocol_of(self), -1);
    int host = gtk_spin_button_get_value_as_int(self->host_port);
    int guest = gtk_spin_button_get_value_as_int(self->guest_port);
    /* Translators: of a forwarded port: %s is TCP or UDP, then its number in the guest, and that of this computer */
    g_autofree char *title = g_strdup_printf(_("%s port %d, as %d of this computer"), protocol, guest, host);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(self), title);
}

static void on_changed(BerthUiPortRow *self)
{
    show_title(self);
    g_signal_emit(self, signals[SIGNAL_CHANGED], 0);
}

static void on_remove(BerthUiPortRow *self)
{
    g_signal_emit(self, signals[SIGNAL_REMOVE], 0);
}

GVariant *berth_ui_port_row_get(BerthUiPortRow *self)
{
    GVariantDict dict = G_VARIANT_DICT_INIT(NULL);
    g_variant_dict_insert(&dict, "protocol", "s", protocol_of(self));
    g_variant_dict_insert(&dict, "host-address", "s", gtk_editable_get_text(GTK_EDITABLE(self->host_address)));
    g_variant_dict_insert(&dict, "host-port", "u", (guint32) gtk_spin_button_get_value_as_int(self->host_port));
    g_variant_dict_insert(&dict, "guest-port", "u", (guint32) gtk_spin_button_get_value_as_int(self->guest_port));
    g_autoptr(GVariant) new = g_variant_ref_sink(g_variant_dict_end(&dict));
    return berth_ui_dict_merge(self->old, new);
}

void berth_ui_port_row_complain(BerthUiPortRow *self, const char *key, const char *text)
{
    gboolean of_address = g_strcmp0(key, "host-address") == 0;
    berth_ui_complaint_set_text(self->address_complaint, of_address ? text : NULL);
    berth_ui_complaint_set_text(self->port_complaint, of_address ? NULL : text);
    if (text)
        adw_expander_row_set_expanded(ADW_EXPANDER_ROW(self), TRUE);
}

static void show_port(BerthUiPortRow *self, GVariant *port)
{
    const char *protocol = "tcp", *address = "127.0.0.1";
    guint32 host = 8080, guest = 80;
    if (port) {
        g_variant_lookup(port, "protocol", "&s", &protocol);
        g_variant_lookup(port, "host-address", "&s", &address);
        g_variant_lookup(port, "host-port", "u", &host);
        g_variant_lookup(port, "guest-port", "u", &guest);
    }
    adw_combo_row_set_selected(self->protocol, g_str_equal(protocol, "udp") ? 1 : 0);
    gtk_editable_set_text(GTK_EDITABLE(self->host_address), address);
    gtk_spin_button_set_value(self->host_port, host);
    gtk_spin_button_set_value(self->guest_port, guest);
}

BerthUiPortRow *berth_ui_port_row_new(GVariant *port)
{
    BerthUiPortRow *self = g_object_new(BERTH_UI_TYPE_PORT_ROW, NULL);
    self->old = port ? g_variant_ref(port) : NULL;
    show_port(self, port);
    show_title(self);
    return self;
}

static void berth_ui_port_row_finalize(GObject *object)
{
    g_clear_pointer(&BERTH_UI_PORT_ROW(object)->old, g_variant_unref);
    G_OBJECT_CLASS(berth_ui_port_row_parent_class)->finalize(object);
}

static void berth_ui_port_row_class_init(BerthUiPortRowClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    G_OBJECT_CLASS(klass)->finalize = berth_ui_port_row_finalize;
    signals[SIGNAL_CHANGED] =
        g_signal_new("changed", BERTH_UI_TYPE_PORT_ROW, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
    signals[SIGNAL_REMOVE] =
        g_signal_new("remove", BERTH_UI_TYPE_PORT_ROW, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
    g_type_ensure(BERTH_UI_TYPE_COMPLAINT);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/port-row.ui");
    gtk_widget_class_bind_template_child(widget_class, BerthUiPortRow, protocol);
    gtk_widget_class_bind_template_child(widget_class, BerthUiPortRow, host_port);
    gtk_widget_class_bind_template_child(widget_class, BerthUiPortRow, guest_port);
    gtk_widget_class_bind_template_child(widget_class, BerthUiPortRow, host_address);
    gtk_widget_class_bind_template_child(widget_class, BerthUiPortRow, port_complaint);
    gtk_widget_class_bind_template_child(widget_class, BerthUiPortRow, address_complaint);
    gtk_widget_class_bind_template_callback(widget_class, on_changed);
    gtk_widget_class_bind_template_callback(widget_class, on_remove);
}

static void berth_ui_port_row_init(BerthUiPortRow *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
}
