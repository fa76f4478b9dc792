/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image-row.h"

#include <glib/gi18n.h>

#include "ui-gtk/model/format.h"

struct _BerthUiImageRow {
    AdwExpanderRow parent_instance;
    GtkWidget *remove;
    GtkLabel *sha256;
    BerthUiImage *image;
};

G_DEFINE_FINAL_TYPE(BerthUiImageRow, berth_ui_image_row, ADW_TYPE_EXPANDER_ROW)

enum { CREATE, REMOVE, N_SIGNALS };
static guint signals[N_SIGNALS];

static char *describe_use(guint n)
{
    return n == 0 ? g_strdup(_("Not used"))
                  : g_strdup_printf(ngettext("Used by %u virtual machine", "Used by %u virtual machines", n), n);
}

/* What somebody said of it, where somebody did, and in a line of its own what is counted. */
static char *describe(BerthUiImage *image)
{
    const char *said[] = {berth_ui_image_get_description(image), berth_ui_image_get_version(image)};
    g_autofree char *size = berth_ui_format_bytes(berth_ui_image_get_size(image));
    g_autofree char *use = describe_use(berth_ui_image_get_n_users(image));
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(said); i++)
        if (*said[i])
            g_string_append_printf(text, "%s%s", text->len > 0 ? " · " : "", said[i]);
    g_string_append_printf(text, "%s%s · %s", text->len > 0 ? "\n" : "", size, use);
    return g_string_free(text, FALSE);
}

static void show(BerthUiImageRow *self)
{
    g_autofree char *subtitle = describe(self->image);
    gboolean is_used = berth_ui_image_get_n_users(self->image) > 0;
    adw_expander_row_set_subtitle(ADW_EXPANDER_ROW(self), subtitle);
    gtk_widget_set_sensitive(self->remove, !is_used && !berth_ui_object_is_busy(BERTH_UI_OBJECT(self->image)));
    gtk_widget_set_tooltip_text(self->remove,
                                is_used ? _("There are virtual machines that are made from it") : _("Remove"));
}

static void on_create(BerthUiImageRow *self)
{
    g_signal_emit(self, signals[CREATE], 0);
}

static void on_remove(BerthUiImageRow *self)
{
    g_signal_emit(self, signals[REMOVE], 0);
}

GtkWidget *berth_ui_image_row_new(BerthUiImage *image)
{
    BerthUiImageRow *self = g_object_new(BERTH_UI_TYPE_IMAGE_ROW, "title", berth_ui_image_get_name(image), NULL);
    self->image = g_object_ref(image);
    g_signal_connect_swapped(image, "notify", G_CALLBACK(show), self);
    gtk_label_set_text(self->sha256, berth_ui_image_get_sha256(image));
    show(self);
    return GTK_WIDGET(self);
}

BerthUiImage *berth_ui_image_row_get_image(BerthUiImageRow *self)
{
    return self->image;
}

static void berth_ui_image_row_dispose(GObject *object)
{
    BerthUiImageRow *self = BERTH_UI_IMAGE_ROW(object);
    if (self->image)
        g_signal_handlers_disconnect_by_data(self->image, self);
    g_clear_object(&self->image);
    G_OBJECT_CLASS(berth_ui_image_row_parent_class)->dispose(object);
}

static void berth_ui_image_row_class_init(BerthUiImageRowClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    GType type = BERTH_UI_TYPE_IMAGE_ROW;
    G_OBJECT_CLASS(klass)->dispose = berth_ui_image_row_dispose;
    signals[CREATE] = g_signal_new("create", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
    signals[REMOVE] = g_signal_new("remove", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/image-row.ui");
    gtk_widget_class_bind_template_child(widget_class, BerthUiImageRow, remove);
    gtk_widget_class_bind_template_child(widget_class, BerthUiImageRow, sha256);
    gtk_widget_class_bind_template_callback(widget_class, on_create);
    gtk_widget_class_bind_template_callback(widget_class, on_remove);
}

static void berth_ui_image_row_init(BerthUiImageRow *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
}
