/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job-row.h"

#include <glib/gi18n.h>

#include "failure.h"
#include "ui-gtk/model/format.h"

struct _BerthUiJobRow {
    GtkListBoxRow parent_instance;
    GtkLabel *title, *bytes, *problem;
    GtkProgressBar *bar;
    GtkWidget *cancel;
    BerthUiService *service;
    BerthUiJob *job;
};

G_DEFINE_FINAL_TYPE(BerthUiJobRow, berth_ui_job_row, GTK_TYPE_LIST_BOX_ROW)

static void show_progress(BerthUiJobRow *self)
{
    guint64 total = berth_ui_job_get_total(self->job);
    g_autofree char *done = berth_ui_format_bytes(berth_ui_job_get_done(self->job));
    g_autofree char *all = berth_ui_format_bytes(total);
    /* Translators: how much is done: “12 MiB of 2 GiB” */
    g_autofree char *text = total ? g_strdup_printf(_("%s of %s"), done, all) : g_strdup(_("Beginning…"));
    gtk_label_set_text(self->bytes, text);
    gtk_progress_bar_set_fraction(self->bar, berth_ui_job_get_progress(self->job));
}

static char *title_of_import(const char *image)
{
    return image ? g_strdup_printf(_("Importing “%s”"), image) : g_strdup(_("Importing an image"));
}

static char *title_of_clone(const char *vm)
{
    return vm ? g_strdup_printf(_("Copying to “%s”"), vm) : g_strdup(_("Copying a virtual machine"));
}

static void show_title(BerthUiJobRow *self)
{
    const char *name = berth_ui_job_get_name(self->job);
    g_autofree char *title = berth_ui_job_is_clone(self->job) ? title_of_clone(name) : title_of_import(name);
    const char *cancel = berth_ui_job_is_clone(self->job) ? _("Cancel the Copy") : _("Cancel the Import");
    gtk_label_set_text(self->title, title);
    gtk_widget_set_tooltip_text(self->cancel, cancel);
    gtk_accessible_update_property(GTK_ACCESSIBLE(self->cancel), GTK_ACCESSIBLE_PROPERTY_LABEL, cancel, -1);
    gtk_accessible_update_property(GTK_ACCESSIBLE(self->bar), GTK_ACCESSIBLE_PROPERTY_LABEL, title, -1);
}

/* That it is cancelled is told by its end; only that it can't be is told by the answer. */
static void on_cancelled(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(BerthUiJobRow) self = data;
    g_autoptr(GError) error = NULL;
    if (berth_ui_service_call_finish(BERTH_UI_SERVICE(source), result, &error))
        return;
    g_autofree char *text = berth_ui_failure_details(error);
    gtk_label_set_text(self->problem, text);
    gtk_widget_set_visible(GTK_WIDGET(self->problem), TRUE);
    gtk_widget_set_sensitive(self->cancel, TRUE);
}

static void on_cancel(BerthUiJobRow *self)
{
    gtk_widget_set_sensitive(self->cancel, FALSE);
    berth_ui_service_call_object_async(self->service, BERTH_UI_OBJECT(self->job), "Cancel", NULL, NULL, on_cancelled,
                                       g_object_ref(self));
}

GtkWidget *berth_ui_job_row_new(BerthUiService *service, BerthUiJob *job)
{
    BerthUiJobRow *self = g_object_new(BERTH_UI_TYPE_JOB_ROW, NULL);
    self->service = g_object_ref(service);
    self->job = g_object_ref(job);
    g_signal_connect_swapped(job, "notify", G_CALLBACK(show_progress), self);
    g_signal_connect_swapped(job, "named", G_CALLBACK(show_title), self);
    g_signal_connect_swapped(job, "notify::operation", G_CALLBACK(show_title), self);
    show_progress(self);
    show_title(self);
    return GTK_WIDGET(self);
}

static void berth_ui_job_row_dispose(GObject *object)
{
    BerthUiJobRow *self = BERTH_UI_JOB_ROW(object);
    if (self->job)
        g_signal_handlers_disconnect_by_data(self->job, self);
    g_clear_object(&self->job);
    g_clear_object(&self->service);
    G_OBJECT_CLASS(berth_ui_job_row_parent_class)->dispose(object);
}

static void berth_ui_job_row_class_init(BerthUiJobRowClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    G_OBJECT_CLASS(klass)->dispose = berth_ui_job_row_dispose;
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/job-row.ui");
    gtk_widget_class_bind_template_child(widget_class, BerthUiJobRow, title);
    gtk_widget_class_bind_template_child(widget_class, BerthUiJobRow, bytes);
    gtk_widget_class_bind_template_child(widget_class, BerthUiJobRow, problem);
    gtk_widget_class_bind_template_child(widget_class, BerthUiJobRow, bar);
    gtk_widget_class_bind_template_child(widget_class, BerthUiJobRow, cancel);
    gtk_widget_class_bind_template_callback(widget_class, on_cancel);
}

static void berth_ui_job_row_init(BerthUiJobRow *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
}
