/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clone-dialog.h"

#include <glib/gi18n.h>

#include "ui-gtk/model/draft.h"
#include "ui-gtk/model/names.h"
#include "ui-gtk/widgets/complaint.h"
#include "ui-gtk/widgets/failure.h"
#include "ui-gtk/widgets/job-row.h"

struct _BerthUiCloneDialog {
    AdwWindow parent_instance;
    AdwWindowTitle *title;
    GtkStack *stack; /* the name, or how far it is */
    AdwEntryRow *name;
    BerthUiComplaint *complaint;
    GtkListBox *progress;
    GtkWidget *submit;
    GtkSpinner *spinner;
    BerthUiService *service;
    BerthUiVm *vm;
    BerthUiJob *job;     /* (nullable) */
    gboolean is_waiting; /* for the answer that names the job */
    gboolean is_closed;
};

G_DEFINE_FINAL_TYPE(BerthUiCloneDialog, berth_ui_clone_dialog, ADW_TYPE_WINDOW)

static const char *chosen_name(BerthUiCloneDialog *self)
{
    return gtk_editable_get_text(GTK_EDITABLE(self->name));
}

static void show_state(BerthUiCloneDialog *self)
{
    const char *problem = berth_ui_check_name(chosen_name(self), berth_ui_service_get_vms(self->service));
    gtk_stack_set_visible_child_name(self->stack, self->job ? "progress" : "name");
    gtk_widget_set_visible(self->submit, !self->job);
    gtk_widget_set_sensitive(self->submit, !problem && !self->is_waiting);
    gtk_widget_set_sensitive(GTK_WIDGET(self->name), !self->is_waiting);
    gtk_spinner_set_spinning(self->spinner, self->is_waiting);
}

static void on_name_changed(BerthUiCloneDialog *self)
{
    const char *problem = berth_ui_check_name(chosen_name(self), berth_ui_service_get_vms(self->service));
    berth_ui_complaint_set_text(self->complaint, problem);
    show_state(self);
}

static void show_failure(BerthUiCloneDialog *self, const GError *error)
{
    g_autofree char *text = berth_ui_failure_details(error);
    show_state(self);
    berth_ui_complaint_set_text(self->complaint, text);
}

static void on_cancel_answered(GObject *source, GAsyncResult *result, gpointer data)
{
    /* That it is over is told by its end; a job that has ended already can't be found. */
    berth_ui_service_call_finish(BERTH_UI_SERVICE(source), result, NULL);
}

static void cancel(BerthUiCloneDialog *self, BerthUiJob *job)
{
    if (!berth_ui_job_is_ended(job))
        berth_ui_service_call_object_async(self->service, BERTH_UI_OBJECT(job), "Cancel", NULL, NULL,
                                           on_cancel_answered, NULL);
}

static void on_ended(BerthUiCloneDialog *self)
{
    g_autoptr(BerthUiJob) job = g_steal_pointer(&self->job);
    const GError *error = berth_ui_job_get_error(job);
    if (self->is_closed)
        return;
    if (error && !g_error_matches(error, BERTH_ERROR, BERTH_ERROR_CANCELLED)) {
        show_failure(self, error);
        return;
    }
    if (!error)
        gtk_widget_activate_action(GTK_WIDGET(gtk_window_get_transient_for(GTK_WINDOW(self))), "win.show-vm", "s",
                                   chosen_name(self));
    gtk_window_close(GTK_WINDOW(self));
}

static void show_job(BerthUiCloneDialog *self, BerthUiJob *job)
{
    GtkListBoxRow *last = gtk_list_box_get_row_at_index(self->progress, 0);
    if (last)
        gtk_list_box_remove(self->progress, GTK_WIDGET(last));
    gtk_list_box_append(self->progress, berth_ui_job_row_new(self->service, job));
    self->job = g_object_ref(job);
    show_state(self);
    if (berth_ui_job_is_ended(job))
        on_ended(self);
    else
        g_signal_connect_object(job, "ended", G_CALLBACK(on_ended), self, G_CONNECT_SWAPPED);
}

/* The dialog may have been closed since it was asked for. */
static void on_begun(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(BerthUiCloneDialog) self = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthUiJob) job = berth_ui_service_job_finish(BERTH_UI_SERVICE(source), result, &error);
    self->is_waiting = FALSE;
    if (self->is_closed && job)
        cancel(self, job);
    else if (!self->is_closed && job)
        show_job(self, job);
    else if (!self->is_closed)
        show_failure(self, error);
}

static void on_submit(BerthUiCloneDialog *self)
{
    self->is_waiting = TRUE;
    show_state(self);
    berth_ui_service_clone_async(self->service, self->vm, chosen_name(self), on_begun, g_object_ref(self));
}

/* Whoever closes it does not want it any more. */
static gboolean on_close_request(BerthUiCloneDialog *self)
{
    self->is_closed = TRUE;
    if (self->job)
        cancel(self, self->job);
    return GDK_EVENT_PROPAGATE;
}

void berth_ui_clone_dialog_present(GtkWindow *parent, BerthUiService *service, BerthUiVm *vm)
{
    BerthUiCloneDialog *self = g_object_new(BERTH_UI_TYPE_CLONE_DIALOG, "transient-for", parent, NULL);
    g_autofree char *title = g_strdup_printf(_("Clone “%s”"), berth_ui_vm_get_name(vm));
    g_autofree char *name = berth_ui_propose_name(berth_ui_vm_get_name(vm), berth_ui_service_get_vms(service));
    self->service = g_object_ref(service);
    self->vm = g_object_ref(vm);
    adw_window_title_set_title(self->title, title);
    gtk_window_set_title(GTK_WINDOW(self), title);
    gtk_editable_set_text(GTK_EDITABLE(self->name), name);
    gtk_window_present(GTK_WINDOW(self));
}

static void berth_ui_clone_dialog_dispose(GObject *object)
{
    BerthUiCloneDialog *self = BERTH_UI_CLONE_DIALOG(object);
    self->is_closed = TRUE;
    g_clear_object(&self->job);
    g_clear_object(&self->vm);
    G_OBJECT_CLASS(berth_ui_clone_dialog_parent_class)->dispose(object);
}

static void berth_ui_clone_dialog_finalize(GObject *object)
{
    g_clear_object(&BERTH_UI_CLONE_DIALOG(object)->service); /* an answer may come after all else is gone */
    G_OBJECT_CLASS(berth_ui_clone_dialog_parent_class)->finalize(object);
}

static void berth_ui_clone_dialog_class_init(BerthUiCloneDialogClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    G_OBJECT_CLASS(klass)->dispose = berth_ui_clone_dialog_dispose;
    G_OBJECT_CLASS(klass)->finalize = berth_ui_clone_dialog_finalize;
    g_type_ensure(BERTH_UI_TYPE_COMPLAINT);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/clone-dialog.ui");
    gtk_widget_class_bind_template_child(widget_class, BerthUiCloneDialog, title);
    gtk_widget_class_bind_template_child(widget_class, BerthUiCloneDialog, stack);
    gtk_widget_class_bind_template_child(widget_class, BerthUiCloneDialog, name);
    gtk_widget_class_bind_template_child(widget_class, BerthUiCloneDialog, complaint);
    gtk_widget_class_bind_template_child(widget_class, BerthUiCloneDialog, progress);
    gtk_widget_class_bind_template_child(widget_class, BerthUiCloneDialog, submit);
    gtk_widget_class_bind_template_child(widget_class, BerthUiCloneDialog, spinner);
    gtk_widget_class_bind_template_callback(widget_class, on_name_changed);
    gtk_widget_class_bind_template_callback(widget_class, on_submit);
    gtk_widget_class_bind_template_callback(widget_class, on_close_request);
    gtk_widget_class_add_binding_action(widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
}

static void berth_ui_clone_dialog_init(BerthUiCloneDialog *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
}
