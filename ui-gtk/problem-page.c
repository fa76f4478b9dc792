/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "problem-page.h"

#include <glib/gi18n.h>

#include "ui-gtk/widgets/failure.h"
#include "ui-gtk/widgets/main-menu.h"

struct _BerthUiProblemPage {
    AdwBin parent_instance;
    GtkMenuButton *menu;
    AdwStatusPage *problem;
    GtkWidget *spinner, *wake, *reconnect;
    BerthUiService *service;
};

G_DEFINE_FINAL_TYPE(BerthUiProblemPage, berth_ui_problem_page, ADW_TYPE_BIN)

enum { PROPERTY_SERVICE = 1, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

static const char *title_of_problem(BerthUiServiceStatus status)
{
    switch (status) {
    case BERTH_UI_SERVICE_CONNECTING:
        return _("Connecting…");
    case BERTH_UI_SERVICE_ABSENT:
        return _("The Service Is Not Running");
    default:
        return _("The Service Can’t Be Reached");
    }
}

static const char *text_of_problem(BerthUiService *service)
{
    gboolean is_user = berth_ui_service_get_bus(service) == G_BUS_TYPE_SESSION;
    switch (berth_ui_service_get_status(service)) {
    case BERTH_UI_SERVICE_ABSENT:
        return is_user ? _("Your virtual machines are here again as soon as your own service runs.")
                       : _("The virtual machines of this computer are here again as soon as its service runs.");
    case BERTH_UI_SERVICE_UNREACHABLE:
        return berth_ui_service_get_problem(service);
    default:
        return is_user ? _("Your own service is being asked.") : _("The service of this computer is being asked.");
    }
}

static void show(BerthUiProblemPage *self)
{
    BerthUiServiceStatus status = berth_ui_service_get_status(self->service);
    g_autofree char *text = g_markup_escape_text(text_of_problem(self->service), -1);
    adw_status_page_set_title(self->problem, title_of_problem(status));
    adw_status_page_set_description(self->problem, text);
    gtk_widget_set_visible(self->spinner, status == BERTH_UI_SERVICE_CONNECTING);
    gtk_widget_set_visible(self->wake, status == BERTH_UI_SERVICE_ABSENT);
    gtk_widget_set_visible(self->reconnect, status == BERTH_UI_SERVICE_UNREACHABLE);
}

static void on_woken(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(AdwToastOverlay) toasts = data;
    g_autoptr(GError) error = NULL;
    if (berth_ui_service_wake_finish(BERTH_UI_SERVICE(source), result, &error))
        return;
    adw_toast_overlay_add_toast(toasts, berth_ui_toast_new(error->message));
}

static void on_wake(BerthUiProblemPage *self)
{
    GtkWidget *toasts = gtk_widget_get_ancestor(GTK_WIDGET(self), ADW_TYPE_TOAST_OVERLAY);
    berth_ui_service_wake_async(self->service, NULL, on_woken, g_object_ref(toasts));
}

static void on_reconnect(BerthUiProblemPage *self)
{
    berth_ui_service_reconnect(self->service);
}

static void leave_service(BerthUiProblemPage *self)
{
    if (self->service)
        g_signal_handlers_disconnect_by_data(self->service, self);
    g_clear_object(&self->service);
}

static void berth_ui_problem_page_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    BerthUiProblemPage *self = BERTH_UI_PROBLEM_PAGE(object);
    leave_service(self);
    self->service = g_value_dup_object(value);
    if (!self->service)
        return;
    g_signal_connect_swapped(self->service, "notify::status", G_CALLBACK(show), self);
    show(self);
}

static void berth_ui_problem_page_dispose(GObject *object)
{
    leave_service(BERTH_UI_PROBLEM_PAGE(object));
    G_OBJECT_CLASS(berth_ui_problem_page_parent_class)->dispose(object);
}

static void berth_ui_problem_page_class_init(BerthUiProblemPageClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    G_OBJECT_CLASS(klass)->set_property = berth_ui_problem_page_set_property;
    G_OBJECT_CLASS(klass)->dispose = berth_ui_problem_page_dispose;
    specs[PROPERTY_SERVICE] =
        g_param_spec_object("service", NULL, NULL, BERTH_UI_TYPE_SERVICE, G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(G_OBJECT_CLASS(klass), N_PROPERTIES, specs);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/problem-page.ui");
    gtk_widget_class_bind_template_child(widget_class, BerthUiProblemPage, menu);
    gtk_widget_class_bind_template_child(widget_class, BerthUiProblemPage, problem);
    gtk_widget_class_bind_template_child(widget_class, BerthUiProblemPage, spinner);
    gtk_widget_class_bind_template_child(widget_class, BerthUiProblemPage, wake);
    gtk_widget_class_bind_template_child(widget_class, BerthUiProblemPage, reconnect);
    gtk_widget_class_bind_template_callback(widget_class, on_wake);
    gtk_widget_class_bind_template_callback(widget_class, on_reconnect);
}

static void berth_ui_problem_page_init(BerthUiProblemPage *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    berth_ui_set_main_menu(self->menu);
}
