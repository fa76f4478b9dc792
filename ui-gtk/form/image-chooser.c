/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image-chooser.h"

#include <glib/gi18n.h>

#include "ui-gtk/model/format.h"

struct _BerthUiImageChooser {
    AdwBin parent_instance;
    GtkListBox *list;
    GtkSortListModel *sorted;
};

G_DEFINE_FINAL_TYPE(BerthUiImageChooser, berth_ui_image_chooser, ADW_TYPE_BIN)

enum { SIGNAL_CHOSEN, SIGNAL_IMPORT, N_SIGNALS };
static guint signals[N_SIGNALS];

static int compare_names(gconstpointer a, gconstpointer b, gpointer unused)
{
    g_autofree char *key_a = g_utf8_collate_key_for_filename(berth_ui_image_get_name((BerthUiImage *) a), -1);
    g_autofree char *key_b = g_utf8_collate_key_for_filename(berth_ui_image_get_name((BerthUiImage *) b), -1);
    return g_strcmp0(key_a, key_b);
}

/* (transfer full): what is known of it, a line each: description, and version with its size */
static char *describe(BerthUiImage *image)
{
    const char *description = berth_ui_image_get_description(image), *version = berth_ui_image_get_version(image);
    g_autofree char *size = berth_ui_format_bytes(berth_ui_image_get_size(image));
    /* Translators: of an image: its version, and how large it is */
    g_autofree char *figures = *version ? g_strdup_printf(_("Version %s, %s"), version, size) : g_strdup(size);
    return *description ? g_strdup_printf("%s\n%s", description, figures) : g_steal_pointer(&figures);
}

static void on_activated(BerthUiImageChooser *self, AdwActionRow *row)
{
    g_signal_emit(self, signals[SIGNAL_CHOSEN], 0, g_object_get_data(G_OBJECT(row), "image"));
}

static void on_import(BerthUiImageChooser *self)
{
    g_signal_emit(self, signals[SIGNAL_IMPORT], 0);
}

static GtkWidget *row_new(gpointer item, gpointer data)
{
    g_autofree char *subtitle = describe(item);
    GtkWidget *row = g_object_new(ADW_TYPE_ACTION_ROW, "use-markup", FALSE, "title", berth_ui_image_get_name(item),
                                  "subtitle", subtitle, "subtitle-lines", 3, "activatable", TRUE, NULL);
    g_object_set_data_full(G_OBJECT(row), "image", g_object_ref(item), g_object_unref);
    adw_action_row_add_suffix(ADW_ACTION_ROW(row), gtk_image_new_from_icon_name("go-next-symbolic"));
    g_signal_connect_object(row, "activated", G_CALLBACK(on_activated), data, G_CONNECT_SWAPPED);
    return row;
}

static gboolean has_items(BerthUiImageChooser *self, guint n_items)
{
    return n_items > 0;
}

void berth_ui_image_chooser_set_images(BerthUiImageChooser *self, GListModel *images)
{
    gtk_sort_list_model_set_model(self->sorted, images);
}

static void berth_ui_image_chooser_class_init(BerthUiImageChooserClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    signals[SIGNAL_CHOSEN] = g_signal_new("chosen", BERTH_UI_TYPE_IMAGE_CHOOSER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                          G_TYPE_NONE, 1, BERTH_UI_TYPE_IMAGE);
    signals[SIGNAL_IMPORT] =
        g_signal_new("import", BERTH_UI_TYPE_IMAGE_CHOOSER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/image-chooser.ui");
    gtk_widget_class_bind_template_child(widget_class, BerthUiImageChooser, list);
    gtk_widget_class_bind_template_child(widget_class, BerthUiImageChooser, sorted);
    gtk_widget_class_bind_template_callback(widget_class, on_activated);
    gtk_widget_class_bind_template_callback(widget_class, on_import);
    gtk_widget_class_bind_template_callback(widget_class, has_items);
}

static void berth_ui_image_chooser_init(BerthUiImageChooser *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    gtk_sort_list_model_set_sorter(self->sorted, GTK_SORTER(gtk_custom_sorter_new(compare_names, NULL, NULL)));
    gtk_list_box_bind_model(self->list, G_LIST_MODEL(self->sorted), row_new, self, NULL);
}
