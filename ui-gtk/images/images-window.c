/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "images-window.h"

#include <glib/gi18n.h>

#include "drop.h"
#include "image-row.h"
#include "import-window.h"
#include "ui-gtk/widgets/failure.h"
#include "ui-gtk/widgets/job-row.h"

struct _BerthUiImagesWindow {
    AdwWindow parent_instance;
    AdwToastOverlay *own_toasts;
    GtkStack *stack;
    GtkListBox *images, *jobs;
    GtkWidget *jobs_group, *images_group;
    AdwToastOverlay *toasts; /* of the window below */
    BerthUiService *service;
};

G_DEFINE_FINAL_TYPE(BerthUiImagesWindow, berth_ui_images_window, ADW_TYPE_WINDOW)

static void show_lists(BerthUiImagesWindow *self)
{
    gboolean any_job = g_list_model_get_n_items(berth_ui_service_get_jobs(self->service)) > 0;
    gboolean any_image = g_list_model_get_n_items(berth_ui_service_get_images(self->service)) > 0;
    gtk_widget_set_visible(self->jobs_group, any_job);
    gtk_widget_set_visible(self->images_group, any_image);
    gtk_stack_set_visible_child_name(self->stack, any_job || any_image ? "list" : "empty");
}

static void import(BerthUiImagesWindow *self, GFile *file, guint n_others)
{
    berth_ui_import_window_present(GTK_WINDOW(self), self->toasts, self->service, file, n_others);
}

static void on_import(BerthUiImagesWindow *self)
{
    import(self, NULL, 0);
}

static gboolean on_dropped(GtkWidget *widget, GFile *file, guint n_others)
{
    import(BERTH_UI_IMAGES_WINDOW(widget), file, n_others);
    return TRUE;
}

static void on_create(BerthUiImageRow *row, BerthUiImagesWindow *self)
{
    g_autofree char *name = g_strdup(berth_ui_image_get_name(berth_ui_image_row_get_image(row)));
    g_autoptr(AdwToastOverlay) toasts = g_object_ref(self->toasts);
    gtk_window_close(GTK_WINDOW(self));
    gtk_widget_activate_action(GTK_WIDGET(toasts), "win.new-vm", "s", name);
}

/* Removing. */

/* A window that was closed is not kept: GTK wants it to go before the one that it belongs to. */
typedef struct {
    BerthUiImagesWindow *window; /* weak */
    AdwToastOverlay *toasts;     /* where it is told when that is closed */
    BerthUiImage *image;
} Removal;

static void removal_free(gpointer data)
{
    Removal *removal = data;
    g_clear_weak_pointer(&removal->window);
    g_object_unref(removal->toasts);
    g_object_unref(removal->image);
    g_free(removal);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Removal, removal_free)

static void on_removed(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(Removal) removal = data;
    g_autoptr(GError) error = NULL;
    if (berth_ui_service_call_finish(BERTH_UI_SERVICE(source), result, &error))
        return;
    g_autofree char *details = berth_ui_failure_details(error);
    g_autofree char *title = g_strdup_printf(_("“%s” could not be removed"), berth_ui_image_get_name(removal->image));
    gboolean is_open = removal->window && gtk_widget_get_visible(GTK_WIDGET(removal->window));
    berth_ui_tell_failure(is_open ? removal->window->own_toasts : removal->toasts, title, details);
}

static void on_response(AdwMessageDialog *dialog, const char *response, BerthUiImagesWindow *self)
{
    BerthUiImage *image = g_object_get_data(G_OBJECT(dialog), "image");
    if (!g_str_equal(response, "remove"))
        return;
    Removal *removal = g_new0(Removal, 1);
    g_set_weak_pointer(&removal->window, self);
    removal->toasts = g_object_ref(self->toasts);
    removal->image = g_object_ref(image);
    berth_ui_service_call_object_async(self->service, BERTH_UI_OBJECT(image), "Remove", NULL, NULL, on_removed,
                                       removal);
}

static void on_remove(BerthUiImageRow *row, BerthUiImagesWindow *self)
{
    BerthUiImage *image = berth_ui_image_row_get_image(row);
    g_autofree char *heading = g_strdup_printf(_("Remove “%s”?"), berth_ui_image_get_name(image));
    GtkWidget *dialog =
        adw_message_dialog_new(GTK_WINDOW(self), heading, _("Its files are deleted. This can’t be undone."));
    AdwMessageDialog *message = ADW_MESSAGE_DIALOG(dialog);
    gtk_window_set_destroy_with_parent(GTK_WINDOW(dialog), TRUE);
    adw_message_dialog_add_responses(message, "cancel", _("_Cancel"), "remove", _("_Remove"), NULL);
    adw_message_dialog_set_response_appearance(message, "remove", ADW_RESPONSE_DESTRUCTIVE);
    adw_message_dialog_set_default_response(message, "cancel");
    adw_message_dialog_set_close_response(message, "cancel");
    g_object_set_data_full(G_OBJECT(dialog), "image", g_object_ref(image), g_object_unref);
    /* Without a reference: the dialog goes with this window, which has to go first. */
    g_signal_connect_object(dialog, "response", G_CALLBACK(on_response), self, 0);
    gtk_window_present(GTK_WINDOW(dialog));
}

/* The lists. */

static GtkWidget *make_image_row(gpointer image, gpointer data)
{
    GtkWidget *row = berth_ui_image_row_new(image);
    g_signal_connect(row, "create", G_CALLBACK(on_create), data);
    g_signal_connect(row, "remove", G_CALLBACK(on_remove), data);
    return row;
}

static GtkWidget *make_job_row(gpointer job, gpointer data)
{
    return berth_ui_job_row_new(BERTH_UI_IMAGES_WINDOW(data)->service, job);
}

static void set_service(BerthUiImagesWindow *self, BerthUiService *service)
{
    GListModel *lists[] = {berth_ui_service_get_images(service), berth_ui_service_get_jobs(service)};
    GtkExpression *name = gtk_property_expression_new(BERTH_UI_TYPE_IMAGE, NULL, "name");
    GtkSortListModel *sorted = gtk_sort_list_model_new(g_object_ref(lists[0]), GTK_SORTER(gtk_string_sorter_new(name)));
    self->service = g_object_ref(service);
    gtk_list_box_bind_model(self->images, G_LIST_MODEL(sorted), make_image_row, self, NULL);
    gtk_list_box_bind_model(self->jobs, lists[1], make_job_row, self, NULL);
    g_object_unref(sorted);
    for (guint i = 0; i < G_N_ELEMENTS(lists); i++)
        g_signal_connect_object(lists[i], "items-changed", G_CALLBACK(show_lists), self, G_CONNECT_SWAPPED);
    show_lists(self);
}

void berth_ui_images_window_present(AdwToastOverlay *toasts, BerthUiService *service)
{
    GtkWindow *parent = GTK_WINDOW(gtk_widget_get_root(GTK_WIDGET(toasts)));
    BerthUiImagesWindow *self = g_object_new(BERTH_UI_TYPE_IMAGES_WINDOW, "transient-for", parent, NULL);
    self->toasts = g_object_ref(toasts);
    set_service(self, service);
    gtk_window_present(GTK_WINDOW(self));
}

static void berth_ui_images_window_dispose(GObject *object)
{
    BerthUiImagesWindow *self = BERTH_UI_IMAGES_WINDOW(object);
    if (self->service) {
        gtk_list_box_bind_model(self->images, NULL, NULL, NULL, NULL);
        gtk_list_box_bind_model(self->jobs, NULL, NULL, NULL, NULL);
    }
    g_clear_object(&self->service);
    g_clear_object(&self->toasts);
    G_OBJECT_CLASS(berth_ui_images_window_parent_class)->dispose(object);
}

static void berth_ui_images_window_class_init(BerthUiImagesWindowClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    G_OBJECT_CLASS(klass)->dispose = berth_ui_images_window_dispose;
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/images-window.ui");
    gtk_widget_class_bind_template_child(widget_class, BerthUiImagesWindow, own_toasts);
    gtk_widget_class_bind_template_child(widget_class, BerthUiImagesWindow, stack);
    gtk_widget_class_bind_template_child(widget_class, BerthUiImagesWindow, images);
    gtk_widget_class_bind_template_child(widget_class, BerthUiImagesWindow, jobs);
    gtk_widget_class_bind_template_child(widget_class, BerthUiImagesWindow, images_group);
    gtk_widget_class_bind_template_child(widget_class, BerthUiImagesWindow, jobs_group);
    gtk_widget_class_bind_template_callback(widget_class, on_import);
    gtk_widget_class_add_binding_action(widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
}

static void berth_ui_images_window_init(BerthUiImagesWindow *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    berth_ui_take_drops(GTK_WIDGET(self), on_dropped);
}
