/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "import-window.h"

#include <glib/gi18n.h>
#include <unistd.h>

#include "drop.h"
#include "file-row.h"
#include "images-window.h"
#include "ui-gtk/model/image-name.h"
#include "ui-gtk/model/names.h"
#include "ui-gtk/model/open-files.h"
#include "ui-gtk/model/words.h"
#include "ui-gtk/widgets/complaint.h"
#include "ui-gtk/widgets/failure.h"
#include "ui-gtk/widgets/job-row.h"

struct _BerthUiImportWindow {
    AdwWindow parent_instance;
    AdwHeaderBar *header;
    GtkStack *stack; /* "form", "progress", "done" */
    GtkWidget *cancel, *import, *create;
    BerthUiFileRow *disk, *kernel, *initrd;
    GtkEditable *name, *description, *version, *sha256, *cmdline;
    BerthUiComplaint *name_complaint, *sha256_complaint;
    GtkLabel *problem; /* of the whole */
    GtkListBox *jobs;  /* has the one */
    AdwStatusPage *done;
    AdwToastOverlay *toasts;
    BerthUiService *service;
    BerthUiJob *job;
    char *proposed; /* what we have put into the name ourselves */
    gboolean is_begun;
};

G_DEFINE_FINAL_TYPE(BerthUiImportWindow, berth_ui_import_window, ADW_TYPE_WINDOW)

/* What is filled in. */

static void show_problem(BerthUiImportWindow *self, const char *text, gboolean is_failure)
{
    gtk_label_set_text(self->problem, text ? text : "");
    gtk_widget_set_visible(GTK_WIDGET(self->problem), text != NULL);
    if (is_failure)
        gtk_widget_add_css_class(GTK_WIDGET(self->problem), "error");
    else
        gtk_widget_remove_css_class(GTK_WIDGET(self->problem), "error");
}

static void check(BerthUiImportWindow *self)
{
    gboolean has_disk = berth_ui_file_row_get_file(self->disk) != NULL;
    gboolean has_kernel = berth_ui_file_row_get_file(self->kernel) != NULL;
    const char *name = gtk_editable_get_text(self->name);
    const char *problem = berth_ui_check_name(name, berth_ui_service_get_images(self->service));
    const char *sum_problem = berth_ui_check_sha256(gtk_editable_get_text(self->sha256));
    /* Nobody has failed to name what is not there yet. */
    berth_ui_complaint_set_text(self->name_complaint, *name || has_disk || has_kernel ? problem : NULL);
    berth_ui_complaint_set_text(self->sha256_complaint, sum_problem);
    gtk_widget_set_sensitive(GTK_WIDGET(self->initrd), has_kernel);
    gtk_widget_set_sensitive(GTK_WIDGET(self->cmdline), has_kernel);
    gtk_widget_set_sensitive(self->import, !self->is_begun && !problem && !sum_problem && (has_disk || has_kernel));
}

/* What the user has written stays. */
static void on_file(BerthUiFileRow *row, GParamSpec *spec, BerthUiImportWindow *self)
{
    GFile *file = berth_ui_file_row_get_file(row);
    g_autofree char *base = file ? g_file_get_basename(file) : NULL;
    g_autofree char *shown = base ? g_filename_display_name(base) : NULL;
    show_problem(self, NULL, FALSE);
    if (shown && g_str_equal(gtk_editable_get_text(self->name), self->proposed)) {
        g_free(self->proposed);
        self->proposed = berth_ui_propose_image_name(shown, berth_ui_service_get_images(self->service));
        gtk_editable_set_text(self->name, self->proposed);
    }
    check(self);
}

/* Files that were dropped with the one that counts. */
static void tell_others(BerthUiImportWindow *self, guint n)
{
    g_autofree char *text =
        g_strdup_printf(ngettext("%u more file was dropped. Import it afterwards, by itself.",
                                 "%u more files were dropped. Import each afterwards, by itself.", n),
                        n);
    if (n > 0)
        show_problem(self, text, FALSE);
}

/* @parameter: how many were dropped on a row */
static void on_tell_others(GtkWidget *widget, const char *name, GVariant *parameter)
{
    tell_others(BERTH_UI_IMPORT_WINDOW(widget), g_variant_get_uint32(parameter));
}

static void take_disk(BerthUiImportWindow *self, GFile *file, guint n_others)
{
    berth_ui_file_row_set_file(self->disk, file);
    tell_others(self, n_others);
}

static gboolean on_dropped(GtkWidget *widget, GFile *file, guint n_others)
{
    BerthUiImportWindow *self = BERTH_UI_IMPORT_WINDOW(widget);
    gboolean takes = !self->is_begun;
    if (takes)
        take_disk(self, file, n_others);
    return takes;
}

/* How it goes on. */

static void show_page(BerthUiImportWindow *self, const char *page)
{
    gboolean is_form = g_str_equal(page, "form");
    gtk_stack_set_visible_child_name(self->stack, page);
    gtk_widget_set_visible(self->cancel, is_form);
    gtk_widget_set_visible(self->import, is_form);
    adw_header_bar_set_show_start_title_buttons(self->header, !is_form);
    adw_header_bar_set_show_end_title_buttons(self->header, !is_form);
}

/* Whoever cancelled it. */
static void show_cancelled(BerthUiImportWindow *self)
{
    self->is_begun = FALSE;
    show_page(self, "form");
    check(self);
    show_problem(self, _("The import was cancelled"), FALSE);
}

/* Where it is: beside the name, where that is taken; what else makes a good one was checked as it was typed. */
static void show_failure(BerthUiImportWindow *self, const GError *error)
{
    g_autofree char *text = berth_ui_failure_details(error);
    self->is_begun = FALSE;
    show_page(self, "form");
    check(self);
    if (g_error_matches(error, BERTH_ERROR, BERTH_ERROR_NAME_TAKEN))
        berth_ui_complaint_set_text(self->name_complaint, text);
    else
        show_problem(self, text, TRUE);
    gtk_widget_grab_focus(GTK_WIDGET(self->name));
}

static void show_done(BerthUiImportWindow *self)
{
    g_autofree char *title = g_strdup_printf(_("“%s” Is Imported"), berth_ui_job_get_name(self->job));
    g_autofree char *markup = g_markup_escape_text(title, -1);
    adw_status_page_set_title(self->done, markup);
    show_page(self, "done");
    gtk_window_set_default_widget(GTK_WINDOW(self), self->create);
    gtk_widget_grab_focus(self->create);
}

static void show_end(BerthUiImportWindow *self)
{
    g_autoptr(BerthUiJob) job = g_object_ref(self->job);
    const GError *error = berth_ui_job_get_error(job);
    if (error)
        g_clear_object(&self->job);
    if (g_error_matches(error, BERTH_ERROR, BERTH_ERROR_CANCELLED))
        show_cancelled(self);
    else if (error)
        show_failure(self, error);
    else
        show_done(self);
}

/* By a toast, where there is no dialog to tell it. */

static void tell_end(BerthUiJob *job, AdwToastOverlay *toasts)
{
    const char *image = berth_ui_job_get_name(job);
    const GError *error = berth_ui_job_get_error(job);
    if (g_error_matches(error, BERTH_ERROR, BERTH_ERROR_CANCELLED))
        return;
    g_autofree char *title = g_strdup_printf(error ? _("“%s” could not be imported") : _("“%s” is imported"), image);
    if (error) {
        g_autofree char *details = berth_ui_failure_details(error);
        berth_ui_tell_failure(toasts, title, details);
        return;
    }
    AdwToast *toast = berth_ui_toast_new(title);
    adw_toast_set_button_label(toast, _("_Create Virtual Machine"));
    adw_toast_set_action_name(toast, "win.new-vm");
    adw_toast_set_action_target_value(toast, g_variant_new_string(image));
    adw_toast_overlay_add_toast(toasts, toast);
}

/* The import. */

static void take_job(BerthUiImportWindow *self, BerthUiJob *job)
{
    g_autoptr(GtkWidget) row = g_object_ref_sink(berth_ui_job_row_new(self->service, job));
    GtkListBoxRow *last = gtk_list_box_get_row_at_index(self->jobs, 0);
    if (last)
        gtk_list_box_remove(self->jobs, GTK_WIDGET(last));
    gtk_list_box_append(self->jobs, row);
    self->job = g_object_ref(job);
    show_page(self, "progress");
    if (berth_ui_job_is_ended(job))
        show_end(self);
    else
        g_signal_connect_object(job, "ended", G_CALLBACK(show_end), self, G_CONNECT_SWAPPED);
}

/* What is under way has a reference to a window that was closed: by "Cancel", as long as nothing has begun. */
static gboolean is_open(BerthUiImportWindow *self)
{
    return gtk_widget_get_visible(GTK_WIDGET(self));
}

static void on_begun(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(BerthUiImportWindow) self = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthUiJob) job = berth_ui_service_job_finish(BERTH_UI_SERVICE(source), result, &error);
    if (job && is_open(self))
        take_job(self, job);
    else if (job)
        berth_ui_service_call_object_async(self->service, BERTH_UI_OBJECT(job), "Cancel", NULL, NULL, NULL, NULL);
    else if (is_open(self))
        show_failure(self, error);
}

enum { DISK, KERNEL, INITRD, N_FILES };

static void on_files_opened(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(BerthUiImportWindow) self = data;
    g_autoptr(GError) error = NULL;
    int fds[N_FILES];
    if (!berth_ui_open_files_finish(result, fds, &error)) {
        if (is_open(self))
            show_failure(self, error);
        return;
    }
    BerthUiImport import = {
        .name = gtk_editable_get_text(self->name),
        .description = gtk_editable_get_text(self->description),
        .version = gtk_editable_get_text(self->version),
        .sha256 = gtk_editable_get_text(self->sha256),
        .cmdline = fds[KERNEL] >= 0 ? gtk_editable_get_text(self->cmdline) : NULL,
        .disk = fds[DISK],
        .kernel = fds[KERNEL],
        .initrd = fds[INITRD],
    };
    if (is_open(self))
        berth_ui_service_import_async(self->service, &import, on_begun, g_object_ref(self));
    for (guint i = 0; i < N_FILES; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void on_import(BerthUiImportWindow *self)
{
    GFile *kernel = berth_ui_file_row_get_file(self->kernel);
    GFile *files[N_FILES] = {berth_ui_file_row_get_file(self->disk), kernel,
                             kernel ? berth_ui_file_row_get_file(self->initrd) : NULL};
    if (!gtk_widget_is_sensitive(self->import))
        return;
    self->is_begun = TRUE;
    show_problem(self, NULL, FALSE);
    check(self);
    berth_ui_open_files_async(files, N_FILES, NULL, on_files_opened, g_object_ref(self));
}

/* The dialog below, if that is what it is, has done its part too. */
static void on_create(BerthUiImportWindow *self)
{
    g_autoptr(AdwToastOverlay) toasts = g_object_ref(self->toasts);
    g_autofree char *image = g_strdup(berth_ui_job_get_name(self->job));
    GtkWindow *parent = gtk_window_get_transient_for(GTK_WINDOW(self));
    gtk_window_close(BERTH_UI_IS_IMAGES_WINDOW(parent) ? parent : GTK_WINDOW(self));
    gtk_widget_activate_action(GTK_WIDGET(toasts), "win.new-vm", "s", image);
}

static void on_close(BerthUiImportWindow *self)
{
    gtk_window_close(GTK_WINDOW(self));
}

/* The object. */

void berth_ui_import_window_present(GtkWindow *parent, AdwToastOverlay *toasts, BerthUiService *service, GFile *file,
                                    guint n_others)
{
    BerthUiImportWindow *self = g_object_new(BERTH_UI_TYPE_IMPORT_WINDOW, "transient-for", parent, NULL);
    self->toasts = g_object_ref(toasts);
    self->service = g_object_ref(service);
    take_disk(self, file, n_others);
    check(self);
    gtk_window_present(GTK_WINDOW(self));
}

static void berth_ui_import_window_dispose(GObject *object)
{
    BerthUiImportWindow *self = BERTH_UI_IMPORT_WINDOW(object);
    if (self->job && !berth_ui_job_is_ended(self->job))
        g_signal_connect_object(self->job, "ended", G_CALLBACK(tell_end), self->toasts, 0);
    if (self->job)
        g_signal_handlers_disconnect_by_data(self->job, self);
    g_clear_object(&self->job);
    G_OBJECT_CLASS(berth_ui_import_window_parent_class)->dispose(object);
}

/* What is still under way when it is closed needs them. */
static void berth_ui_import_window_finalize(GObject *object)
{
    BerthUiImportWindow *self = BERTH_UI_IMPORT_WINDOW(object);
    g_object_unref(self->toasts);
    g_object_unref(self->service);
    g_free(self->proposed);
    G_OBJECT_CLASS(berth_ui_import_window_parent_class)->finalize(object);
}

static void class_bind_template(GtkWidgetClass *klass)
{
    gtk_widget_class_set_template_from_resource(klass, "/org/berth/Berth/import-window.ui");
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, header);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, stack);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, cancel);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, import);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, create);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, disk);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, kernel);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, initrd);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, name);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, description);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, version);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, sha256);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, sha256_complaint);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, cmdline);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, name_complaint);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, problem);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, jobs);
    gtk_widget_class_bind_template_child(klass, BerthUiImportWindow, done);
    gtk_widget_class_bind_template_callback(klass, check);
    gtk_widget_class_bind_template_callback(klass, on_file);
    gtk_widget_class_bind_template_callback(klass, on_import);
    gtk_widget_class_bind_template_callback(klass, on_create);
    gtk_widget_class_bind_template_callback(klass, on_close);
}

static void berth_ui_import_window_class_init(BerthUiImportWindowClass *klass)
{
    G_OBJECT_CLASS(klass)->dispose = berth_ui_import_window_dispose;
    G_OBJECT_CLASS(klass)->finalize = berth_ui_import_window_finalize;
    g_type_ensure(BERTH_UI_TYPE_COMPLAINT);
    g_type_ensure(BERTH_UI_TYPE_FILE_ROW);
    class_bind_template(GTK_WIDGET_CLASS(klass));
    gtk_widget_class_install_action(GTK_WIDGET_CLASS(klass), "import.tell-others", "u", on_tell_others);
    gtk_widget_class_add_binding_action(GTK_WIDGET_CLASS(klass), GDK_KEY_Escape, 0, "window.close", NULL);
}

static void berth_ui_import_window_init(BerthUiImportWindow *self)
{
    self->proposed = g_strdup("");
    gtk_widget_init_template(GTK_WIDGET(self));
    berth_ui_take_drops(GTK_WIDGET(self), on_dropped);
}
