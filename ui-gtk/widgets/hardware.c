/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hardware.h"

#include <glib/gi18n.h>

#include "figure.h"
#include "ui-gtk/model/format.h"

/* What was put into a group, so that it can be taken out again. */
static GQuark rows_quark(void)
{
    return g_quark_from_static_string("berth-ui-rows");
}

static GPtrArray *rows_of(AdwPreferencesGroup *group)
{
    GPtrArray *rows = g_object_get_qdata(G_OBJECT(group), rows_quark());
    if (rows)
        return rows;
    rows = g_ptr_array_new();
    g_object_set_qdata_full(G_OBJECT(group), rows_quark(), rows, (GDestroyNotify) g_ptr_array_unref);
    return rows;
}

static void clear(AdwPreferencesGroup *group)
{
    GPtrArray *rows = rows_of(group);
    for (guint i = 0; i < rows->len; i++)
        adw_preferences_group_remove(group, rows->pdata[i]);
    g_ptr_array_set_size(rows, 0);
}

static void add(AdwPreferencesGroup *group, const char *title, const char *value)
{
    GtkWidget *row = berth_ui_figure_new(title, value);
    adw_preferences_group_add(group, row);
    g_ptr_array_add(rows_of(group), row);
}

typedef void (*ShowItem)(AdwPreferencesGroup *group, guint index, GVariant *item);

static void show_each(AdwPreferencesGroup *group, GVariant *dict, const char *key, ShowItem show)
{
    g_autoptr(GVariant) items = dict ? g_variant_lookup_value(dict, key, G_VARIANT_TYPE("aa{sv}")) : NULL;
    for (guint i = 0; items && i < g_variant_n_children(items); i++) {
        g_autoptr(GVariant) item = g_variant_get_child_value(items, i);
        show(group, i, item);
    }
}

static void show_disk(AdwPreferencesGroup *group, guint index, GVariant *disk)
{
    const char *format = "", *bus = "";
    gboolean read_only = FALSE;
    guint64 size = 0;
    g_variant_lookup(disk, "format", "&s", &format);
    g_variant_lookup(disk, "bus", "&s", &bus);
    g_variant_lookup(disk, "size", "t", &size);
    g_variant_lookup(disk, "read-only", "b", &read_only);
    g_autofree char *title = g_strdup_printf(_("Disk %u"), index + 1);
    g_autofree char *bytes = size ? berth_ui_format_bytes(size) : g_strdup(_("As large as the image"));
    /* Translators: a disk’s size, format and bus: “10.0 GiB, qcow2, virtio” */
    g_autofree char *value = read_only ? g_strdup_printf(_("%s, %s, %s, read-only"), bytes, format, bus)
                                       : g_strdup_printf(_("%s, %s, %s"), bytes, format, bus);
    add(group, title, value);
}

static void show_port(AdwPreferencesGroup *group, guint index, GVariant *port)
{
    const char *protocol = "", *address = "";
    guint32 host = 0, guest = 0;
    g_variant_lookup(port, "protocol", "&s", &protocol);
    g_variant_lookup(port, "host-address", "&s", &address);
    g_variant_lookup(port, "host-port", "u", &host);
    g_variant_lookup(port, "guest-port", "u", &guest);
    g_autofree char *upper = g_ascii_strup(protocol, -1);
    /* Translators: of a forwarded port; %s is TCP or UDP, %u its number in the guest */
    g_autofree char *title = g_strdup_printf(_("%s Port %u"), upper, guest);
    g_autofree char *value = g_strdup_printf("%s:%u", address, host);
    add(group, title, value);
}

static void show_network(AdwPreferencesGroup *group, guint index, GVariant *network)
{
    const char *mode = "", *bridge = "";
    g_variant_lookup(network, "mode", "&s", &mode);
    g_variant_lookup(network, "bridge", "&s", &bridge);
    g_autofree char *title = g_strdup_printf(_("Network %u"), index + 1);
    g_autofree char *value = g_str_equal(mode, "bridge") ? g_strdup_printf(_("Bridge %s"), bridge)
                             : g_str_equal(mode, "user") ? g_strdup(_("Shared with this computer"))
                                                         : g_strdup(_("Not connected"));
    add(group, title, value);
    show_each(group, network, "ports", show_port);
}

static void show_list(AdwPreferencesGroup *group, GVariant *config, const char *key, ShowItem show)
{
    clear(group);
    show_each(group, config, key, show);
    gtk_widget_set_visible(GTK_WIDGET(group), rows_of(group)->len > 0);
}

void berth_ui_show_disks(AdwPreferencesGroup *group, GVariant *config)
{
    show_list(group, config, "disks", show_disk);
}

void berth_ui_show_networks(AdwPreferencesGroup *group, GVariant *config)
{
    show_list(group, config, "networks", show_network);
}
