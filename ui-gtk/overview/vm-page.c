/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-page.h"

#include <glib/gi18n.h>

#include "monitor.h"
#include "ui-gtk/model/format.h"
#include "ui-gtk/model/words.h"
#include "ui-gtk/widgets/badge.h"
#include "ui-gtk/widgets/hardware.h"
#include "ui-gtk/widgets/reason.h"
#include "uptime.h"

struct _BerthUiVmPage {
    BerthUiVmView parent_instance;
    GtkFlowBox *buttons;
    GtkBox *removing;
    GPtrArray *action_buttons; /* all that are there, which are the template's */
    AdwExpanderRow *error;
    GtkLabel *error_text;
    AdwActionRow *removal;
    GtkWidget *error_group, *removal_group;
    GtkButton *undo, *try_again;
    AdwPreferencesGroup *disks, *networks;
    BerthUiVm *vm; /* the parent's */
};

G_DEFINE_FINAL_TYPE(BerthUiVmPage, berth_ui_vm_page, BERTH_UI_TYPE_VM_VIEW)

/* For the template's bindings. */

static char *format_bytes(BerthUiVmPage *self, guint64 bytes)
{
    return bytes ? berth_ui_format_bytes(bytes) : g_strdup("");
}

static char *format_time(BerthUiVmPage *self, guint64 usec)
{
    return berth_ui_format_time(usec);
}

static char *format_number(BerthUiVmPage *self, guint number)
{
    return number ? g_strdup_printf("%u", number) : g_strdup("");
}

/* @reason is what it depends on. */
static char *format_exit(BerthUiVmPage *self, BerthUiVm *vm, const char *reason)
{
    return g_strdup(vm ? berth_ui_describe_exit(vm) : NULL);
}

static char *format_restart(BerthUiVmPage *self, GVariant *config)
{
    const char *policy = "";
    if (config)
        g_variant_lookup(config, "restart", "&s", &policy);
    if (g_str_equal(policy, "always"))
        return g_strdup(_("Whenever it ends"));
    return g_strdup(g_str_equal(policy, "on-failure") ? _("After a failure") : _("Never"));
}

static char *join_lines(BerthUiVmPage *self, GVariant *lines)
{
    g_autofree const char **words = lines ? g_variant_get_strv(lines, NULL) : NULL;
    return words ? g_strjoinv("\n", (char **) words) : g_strdup("");
}

static gboolean has_process(BerthUiVmPage *self, guint pid)
{
    return pid != 0;
}

/* A group has a title only with something below it. */
static gboolean has_guest(BerthUiVmPage *self, const char *os, const char *status, GVariant *addresses)
{
    return (os && *os) || (status && *status) || (addresses && g_variant_n_children(addresses) > 0);
}

/* What is wrong, in words for a person, with the technical ones behind them. A removal that is held up says so. */
static void show_error(BerthUiVmPage *self)
{
    const char *text;
    BerthError code = berth_ui_vm_get_last_error(self->vm, &text);
    gboolean is_removing = berth_ui_vm_get_state(self->vm) == BERTH_VM_REMOVING;
    gtk_widget_set_visible(self->error_group, *text && !is_removing);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(self->error), berth_ui_error_words(code));
    gtk_label_set_text(self->error_text, text);
}

static void show_removal(BerthUiVmPage *self)
{
    BerthRemovalPhase phase = berth_ui_vm_get_phase(self->vm);
    const char *text, *blocker = berth_ui_vm_get_blocker(self->vm);
    berth_ui_vm_get_last_error(self->vm, &text);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(self->removal), berth_ui_describe_removal(self->vm));
    adw_action_row_set_subtitle(self->removal, *blocker ? blocker : text);
    gtk_widget_set_visible(self->removal_group, berth_ui_vm_get_state(self->vm) == BERTH_VM_REMOVING);
    gtk_widget_set_visible(GTK_WIDGET(self->undo), phase == BERTH_PHASE_GRACE);
    gtk_widget_set_visible(GTK_WIDGET(self->try_again), phase == BERTH_PHASE_WAITING);
}

/* An action that can't be had says why. */
static void show_actions(BerthUiVmPage *self)
{
    for (guint i = 0; i < self->action_buttons->len; i++) {
        GtkWidget *button = self->action_buttons->pdata[i];
        const BerthUiActionWords *words = g_object_get_data(G_OBJECT(button), "words");
        berth_ui_show_reason(button, NULL, berth_ui_why_not(self->vm, words->method));
    }
}

static void show_state(BerthUiVmPage *self)
{
    if (!self->vm)
        return;
    show_error(self);
    show_removal(self);
    show_actions(self);
}

static void show_config(BerthUiVmPage *self)
{
    GVariant *config = self->vm ? berth_ui_vm_get_config(self->vm) : NULL;
    berth_ui_show_disks(self->disks, config);
    berth_ui_show_networks(self->networks, config);
}

static GtkWidget *button_new(const BerthUiActionWords *words)
{
    g_autofree char *action = g_strconcat("vm.", words->action, NULL);
    GtkWidget *button = gtk_button_new();
    GtkWidget *content = adw_button_content_new();
    adw_button_content_set_icon_name(ADW_BUTTON_CONTENT(content), words->icon);
    adw_button_content_set_label(ADW_BUTTON_CONTENT(content), _(words->label));
    gtk_widget_set_halign(content, GTK_ALIGN_CENTER);
    gtk_button_set_child(GTK_BUTTON(button), content);
    gtk_actionable_set_action_name(GTK_ACTIONABLE(button), action);
    g_object_set_data(G_OBJECT(button), "words", (gpointer) words);
    return button;
}

/* Removing is apart, at the end of the page; undoing it stands where it says that it is removed. */
static void add_buttons(BerthUiVmPage *self)
{
    guint n;
    const BerthUiActionWords *words = berth_ui_actions(&n);
    for (guint i = 0; i < n; i++) {
        if (words[i].method == BERTH_METHOD_CANCEL_REMOVAL)
            continue;
        GtkWidget *button = button_new(&words[i]);
        g_ptr_array_add(self->action_buttons, button);
        if (words[i].method == BERTH_METHOD_REMOVE) {
            gtk_widget_add_css_class(button, "destructive-action");
            gtk_box_append(self->removing, button);
        } else {
            gtk_flow_box_append(self->buttons, button);
            gtk_widget_set_focusable(gtk_widget_get_parent(button), FALSE);
        }
    }
}

/* The object. */

static void berth_ui_vm_page_changed(BerthUiVmView *view, BerthUiService *service, BerthUiVm *vm)
{
    BerthUiVmPage *self = BERTH_UI_VM_PAGE(view);
    self->vm = vm;
    show_state(self);
    show_config(self);
}

static void berth_ui_vm_page_finalize(GObject *object)
{
    g_ptr_array_unref(BERTH_UI_VM_PAGE(object)->action_buttons);
    G_OBJECT_CLASS(berth_ui_vm_page_parent_class)->finalize(object);
}

static void class_bind_children(GtkWidgetClass *klass)
{
    gtk_widget_class_bind_template_child(klass, BerthUiVmPage, buttons);
    gtk_widget_class_bind_template_child(klass, BerthUiVmPage, removing);
    gtk_widget_class_bind_template_child(klass, BerthUiVmPage, error);
    gtk_widget_class_bind_template_child(klass, BerthUiVmPage, error_text);
    gtk_widget_class_bind_template_child(klass, BerthUiVmPage, error_group);
    gtk_widget_class_bind_template_child(klass, BerthUiVmPage, removal);
    gtk_widget_class_bind_template_child(klass, BerthUiVmPage, removal_group);
    gtk_widget_class_bind_template_child(klass, BerthUiVmPage, undo);
    gtk_widget_class_bind_template_child(klass, BerthUiVmPage, try_again);
    gtk_widget_class_bind_template_child(klass, BerthUiVmPage, disks);
    gtk_widget_class_bind_template_child(klass, BerthUiVmPage, networks);
    gtk_widget_class_bind_template_callback(klass, format_bytes);
    gtk_widget_class_bind_template_callback(klass, format_time);
    gtk_widget_class_bind_template_callback(klass, format_number);
    gtk_widget_class_bind_template_callback(klass, format_exit);
    gtk_widget_class_bind_template_callback(klass, format_restart);
    gtk_widget_class_bind_template_callback(klass, join_lines);
    gtk_widget_class_bind_template_callback(klass, has_guest);
    gtk_widget_class_bind_template_callback(klass, has_process);
}

static void berth_ui_vm_page_class_init(BerthUiVmPageClass *klass)
{
    G_OBJECT_CLASS(klass)->finalize = berth_ui_vm_page_finalize;
    BERTH_UI_VM_VIEW_CLASS(klass)->changed = berth_ui_vm_page_changed;
    g_type_ensure(BERTH_UI_TYPE_BADGE);
    g_type_ensure(BERTH_UI_TYPE_FIGURE);
    g_type_ensure(BERTH_UI_TYPE_MONITOR);
    g_type_ensure(BERTH_UI_TYPE_UPTIME);
    gtk_widget_class_set_template_from_resource(GTK_WIDGET_CLASS(klass), "/org/berth/Berth/vm-page.ui");
    class_bind_children(GTK_WIDGET_CLASS(klass));
}

static void berth_ui_vm_page_init(BerthUiVmPage *self)
{
    BerthUiVmView *view = BERTH_UI_VM_VIEW(self);
    gtk_widget_init_template(GTK_WIDGET(self));
    self->action_buttons = g_ptr_array_new();
    add_buttons(self);
    for (const char *const *told = berth_ui_why_not_signals(); *told; told++)
        berth_ui_vm_view_follow_vm(view, *told, G_CALLBACK(show_state));
    berth_ui_vm_view_follow_vm(view, "notify::last-error", G_CALLBACK(show_state));
    berth_ui_vm_view_follow_vm(view, "notify::removal-blocker", G_CALLBACK(show_state));
    berth_ui_vm_view_follow_vm(view, "notify::config", G_CALLBACK(show_config));
}
