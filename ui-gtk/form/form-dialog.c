/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "form-dialog.h"

#include <glib/gi18n.h>

#include "form.h"
#include "image-chooser.h"
#include "ui-gtk/model/draft.h"

struct _BerthUiFormDialog {
    AdwWindow parent_instance;
    AdwWindowTitle *title;
    GtkStack *stack;
    BerthUiImageChooser *images;
    BerthUiForm *form;
    GtkWidget *back, *submit;
    GtkSpinner *spinner;
    BerthUiService *service;
    BerthUiVm *vm;             /* (nullable): that is changed */
    GCancellable *cancellable; /* (nullable): of the call under way */
};

G_DEFINE_FINAL_TYPE(BerthUiFormDialog, berth_ui_form_dialog, ADW_TYPE_WINDOW)

static guint created_signal;

/* (transfer full): what the daemon is to be told of a VM that there is */
static GVariant *changes_of(BerthUiFormDialog *self)
{
    g_autoptr(GVariant) draft = berth_ui_form_get_draft(self->form);
    return berth_ui_draft_changes(draft, berth_ui_vm_get_config(self->vm));
}

/* Whether there is anything to submit, now. */
static void show_submit(BerthUiFormDialog *self)
{
    gboolean valid, on_form = g_str_equal(gtk_stack_get_visible_child_name(self->stack), "form");
    g_autoptr(GVariant) changes = self->vm ? changes_of(self) : NULL;
    g_object_get(self->form, "valid", &valid, NULL);
    gtk_widget_set_visible(self->submit, on_form);
    gtk_widget_set_visible(self->back, on_form && !self->vm);
    gtk_widget_set_sensitive(self->back, !self->cancellable);
    gtk_widget_set_sensitive(self->submit,
                             valid && !self->cancellable && (!changes || g_variant_n_children(changes) > 0));
    gtk_widget_set_sensitive(GTK_WIDGET(self->form), !self->cancellable);
    gtk_spinner_set_spinning(self->spinner, self->cancellable != NULL);
}

/* A VM that runs takes some of it only when it starts again. */
static void show_note(BerthUiFormDialog *self)
{
    if (!self->vm)
        return;
    g_autoptr(GVariant) changes = changes_of(self);
    gboolean waits = berth_vm_state_has_process(berth_ui_vm_get_state(self->vm)) && berth_ui_changes_wait(changes);
    berth_ui_form_set_note(self->form, waits ? _("This takes effect when it is started the next time.") : NULL);
}

static void on_changed(BerthUiFormDialog *self)
{
    show_note(self);
    show_submit(self);
}

/* Steps. */

static void show_form(BerthUiFormDialog *self, const char *name)
{
    berth_ui_form_show_new(self->form, name, berth_ui_service_get_vms(self->service));
    adw_window_title_set_subtitle(self->title, name ? name : _("Without an Image"));
    gtk_stack_set_visible_child_name(self->stack, "form");
    show_submit(self);
    gtk_widget_child_focus(GTK_WIDGET(self->form), GTK_DIR_TAB_FORWARD);
}

static void on_image_chosen(BerthUiFormDialog *self, BerthUiImage *image)
{
    show_form(self, image ? berth_ui_image_get_name(image) : NULL);
}

/* When that is done, it offers to go on with what it brought. */
static void on_import(BerthUiFormDialog *self)
{
    GtkWidget *window = GTK_WIDGET(gtk_window_get_transient_for(GTK_WINDOW(self)));
    gtk_window_close(GTK_WINDOW(self));
    gtk_widget_activate_action(window, "win.import-image", NULL);
}

static void on_back(BerthUiFormDialog *self)
{
    adw_window_title_set_subtitle(self->title, "");
    gtk_stack_set_visible_child_name(self->stack, "images");
    show_submit(self);
}

/* Calls. The dialog lives until they are answered, though it may be closed. */

static void begin_call(BerthUiFormDialog *self)
{
    self->cancellable = g_cancellable_new();
    show_submit(self);
}

/* TRUE where it went well, and somebody still waits for it. */
static gboolean end_call(BerthUiFormDialog *self, const GError *error)
{
    gboolean is_closed = g_cancellable_is_cancelled(self->cancellable);
    g_clear_object(&self->cancellable);
    if (is_closed)
        return FALSE;
    show_submit(self);
    if (error)
        berth_ui_form_complain(self->form, error);
    return !error;
}

static void on_created(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(BerthUiFormDialog) self = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthUiVm) vm = berth_ui_service_create_finish(BERTH_UI_SERVICE(source), result, &error);
    if (!end_call(self, error))
        return;
    g_signal_emit(self, created_signal, 0, vm);
    gtk_window_close(GTK_WINDOW(self));
}

static void on_configured(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(BerthUiFormDialog) self = data;
    g_autoptr(GError) error = NULL;
    berth_ui_service_configure_finish(BERTH_UI_SERVICE(source), result, &error);
    if (end_call(self, error))
        gtk_window_close(GTK_WINDOW(self));
}

static void on_submit(BerthUiFormDialog *self)
{
    g_autoptr(GVariant) values = self->vm ? changes_of(self) : berth_ui_form_get_draft(self->form);
    begin_call(self);
    if (self->vm)
        berth_ui_service_configure_async(self->service, self->vm, values, self->cancellable, on_configured,
                                         g_object_ref(self));
    else
        berth_ui_service_create_async(self->service, berth_ui_form_get_name(self->form), values,
                                      berth_ui_form_get_start(self->form), self->cancellable, on_created,
                                      g_object_ref(self));
}

/* What is under way is left to itself; what the daemon makes of it is seen in the window behind. */
static gboolean on_close_request(BerthUiFormDialog *self)
{
    if (self->cancellable)
        g_cancellable_cancel(self->cancellable);
    return GDK_EVENT_PROPAGATE;
}

/* The object. */

static BerthUiFormDialog *dialog_new(GtkWindow *parent, BerthUiService *service)
{
    BerthUiFormDialog *self = g_object_new(BERTH_UI_TYPE_FORM_DIALOG, "transient-for", parent, NULL);
    self->service = g_object_ref(service);
    berth_ui_image_chooser_set_images(self->images, berth_ui_service_get_images(service));
    return self;
}

BerthUiFormDialog *berth_ui_form_dialog_new(GtkWindow *parent, BerthUiService *service, const char *image)
{
    BerthUiFormDialog *self = dialog_new(parent, service);
    if (image)
        show_form(self, image);
    else
        show_submit(self);
    gtk_window_present(GTK_WINDOW(self));
    return self;
}

/* It goes with its VM; what else changes it in the meantime is taken into account, and not shown. */
static void on_vm_changed(BerthUiFormDialog *self)
{
    BerthVmState state = berth_ui_vm_get_state(self->vm);
    if (state == BERTH_VM_REMOVING || state == BERTH_VM_BROKEN)
        gtk_window_close(GTK_WINDOW(self));
    else
        on_changed(self);
}

BerthUiFormDialog *berth_ui_form_dialog_new_for(GtkWindow *parent, BerthUiService *service, BerthUiVm *vm)
{
    BerthUiFormDialog *self = dialog_new(parent, service);
    g_autofree char *title = g_strdup_printf(_("Change “%s”"), berth_ui_vm_get_name(vm));
    self->vm = g_object_ref(vm);
    adw_window_title_set_title(self->title, title);
    gtk_window_set_title(GTK_WINDOW(self), title);
    gtk_button_set_label(GTK_BUTTON(self->submit), _("_Apply"));
    gtk_stack_set_visible_child_name(self->stack, "form");
    berth_ui_form_show_config(self->form, berth_ui_vm_get_config(vm));
    g_signal_connect_object(vm, "notify::state", G_CALLBACK(on_vm_changed), self, G_CONNECT_SWAPPED);
    g_signal_connect_object(vm, "notify::config", G_CALLBACK(on_vm_changed), self, G_CONNECT_SWAPPED);
    on_changed(self);
    gtk_window_present(GTK_WINDOW(self));
    return self;
}

static void berth_ui_form_dialog_dispose(GObject *object)
{
    BerthUiFormDialog *self = BERTH_UI_FORM_DIALOG(object);
    on_close_request(self); /* it may go with the window behind, too */
    g_clear_object(&self->service);
    g_clear_object(&self->vm);
    G_OBJECT_CLASS(berth_ui_form_dialog_parent_class)->dispose(object);
}

static void berth_ui_form_dialog_finalize(GObject *object)
{
    g_clear_object(&BERTH_UI_FORM_DIALOG(object)->cancellable);
    G_OBJECT_CLASS(berth_ui_form_dialog_parent_class)->finalize(object);
}

static void berth_ui_form_dialog_class_init(BerthUiFormDialogClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    G_OBJECT_CLASS(klass)->dispose = berth_ui_form_dialog_dispose;
    G_OBJECT_CLASS(klass)->finalize = berth_ui_form_dialog_finalize;
    created_signal = g_signal_new("created", BERTH_UI_TYPE_FORM_DIALOG, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                  G_TYPE_NONE, 1, BERTH_UI_TYPE_VM);
    g_type_ensure(BERTH_UI_TYPE_FORM);
    g_type_ensure(BERTH_UI_TYPE_IMAGE_CHOOSER);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/form-dialog.ui");
    gtk_widget_class_bind_template_child(widget_class, BerthUiFormDialog, title);
    gtk_widget_class_bind_template_child(widget_class, BerthUiFormDialog, stack);
    gtk_widget_class_bind_template_child(widget_class, BerthUiFormDialog, images);
    gtk_widget_class_bind_template_child(widget_class, BerthUiFormDialog, form);
    gtk_widget_class_bind_template_child(widget_class, BerthUiFormDialog, back);
    gtk_widget_class_bind_template_child(widget_class, BerthUiFormDialog, submit);
    gtk_widget_class_bind_template_child(widget_class, BerthUiFormDialog, spinner);
    gtk_widget_class_bind_template_callback(widget_class, on_import);
    gtk_widget_class_bind_template_callback(widget_class, on_image_chosen);
    gtk_widget_class_bind_template_callback(widget_class, on_back);
    gtk_widget_class_bind_template_callback(widget_class, on_submit);
    gtk_widget_class_bind_template_callback(widget_class, on_changed);
    gtk_widget_class_bind_template_callback(widget_class, on_close_request);
    gtk_widget_class_add_binding_action(widget_class, GDK_KEY_Escape, 0, "window.close", NULL);
}

static void berth_ui_form_dialog_init(BerthUiFormDialog *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
}
