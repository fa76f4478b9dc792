/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "window.h"

#include <glib/gi18n.h>

#include "actions.h"
#include "application.h"
#include "notices.h"
#include "problem-page.h"
#include "ui-gtk/console/console.h"
#include "ui-gtk/display/display-page.h"
#include "ui-gtk/form/form-dialog.h"
#include "ui-gtk/images/drop.h"
#include "ui-gtk/images/images-window.h"
#include "ui-gtk/images/import-window.h"
#include "ui-gtk/journal/journal-page.h"
#include "ui-gtk/list/vm-list.h"
#include "ui-gtk/model/settings.h"
#include "ui-gtk/overview/vm-page.h"

struct _BerthUiWindow {
    AdwApplicationWindow parent_instance;
    AdwToastOverlay *toasts;
    GtkStack *stack; /* what is wrong, or the VMs */
    AdwLeaflet *leaflet;
    BerthUiVmList *list;
    GtkWidget *bar;
    GtkStack *content; /* the views of the one chosen, or none */
    AdwViewStack *views;
    AdwViewSwitcherTitle *switcher;
    BerthUiService *service;
    BerthUiVm *vm;                        /* that the views show */
    BerthUiActions *on_one, *on_selected; /* "vm" and "selection" */
    BerthUiNotices *notices;
    char *awaited; /* (nullable): id of the VM that is to be shown when it is there */
    GSettings *settings;
};

G_DEFINE_FINAL_TYPE(BerthUiWindow, berth_ui_window, ADW_TYPE_APPLICATION_WINDOW)

/* What the views bind to. */
enum { PROPERTY_SERVICE = 1, PROPERTY_VM, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

/* The whole monitor is a guest's screen, where one is shown. All else keeps its bar, and with it a way out. */
static void show_bars(BerthUiWindow *self)
{
    GtkWidget *view = adw_view_stack_get_visible_child(self->views);
    gboolean is_whole = self->vm && gtk_window_is_fullscreen(GTK_WINDOW(self)) && BERTH_UI_IS_DISPLAY_PAGE(view);
    if (is_whole)
        g_object_get(view, "connected", &is_whole, NULL);
    if (is_whole)
        adw_leaflet_set_visible_child_name(self->leaflet, "content");
    adw_leaflet_set_can_unfold(self->leaflet, !is_whole);
    gtk_widget_set_visible(self->bar, !is_whole);
}

/* The VM that is shown. */

static void go_back(BerthUiWindow *self)
{
    adw_leaflet_set_visible_child_name(self->leaflet, "list");
}

/* Where there is nothing to choose from, the list says so. */
static void show_content(BerthUiWindow *self)
{
    gboolean any = g_list_model_get_n_items(berth_ui_service_get_vms(self->service)) > 0;
    gtk_stack_set_visible_child_name(self->content, self->vm ? "vm" : any ? "choose" : "nothing");
    adw_view_switcher_title_set_view_switcher_enabled(self->switcher, self->vm != NULL);
    /* What is bound to a VM that is gone stays as it was. */
    if (!self->vm)
        adw_view_switcher_title_set_title(self->switcher, "");
    show_bars(self);
}

static void show_vm(BerthUiWindow *self, BerthUiVm *vm)
{
    g_autoptr(GPtrArray) vms = g_ptr_array_new();
    if (vm)
        g_ptr_array_add(vms, vm);
    if (g_set_object(&self->vm, vm))
        g_object_notify_by_pspec(G_OBJECT(self), specs[PROPERTY_VM]);
    berth_ui_actions_set_vms(self->on_one, self->service, vms);
    show_content(self);
    if (!vm)
        go_back(self);
}

static void on_chosen(BerthUiVmList *list, BerthUiVm *vm, gboolean opened, BerthUiWindow *self)
{
    show_vm(self, vm);
    if (opened)
        adw_leaflet_set_visible_child_name(self->leaflet, "content");
}

static void on_selection_changed(BerthUiWindow *self)
{
    g_autoptr(GPtrArray) vms = berth_ui_vm_list_get_selected(self->list);
    berth_ui_actions_set_vms(self->on_selected, self->service, vms);
}

static void open_awaited(BerthUiWindow *self)
{
    GListModel *vms = berth_ui_service_get_vms(self->service);
    for (guint i = 0; self->awaited && i < g_list_model_get_n_items(vms); i++) {
        g_autoptr(BerthUiVm) vm = g_list_model_get_item(vms, i);
        if (!g_str_equal(berth_ui_vm_get_id(vm), self->awaited))
            continue;
        g_clear_pointer(&self->awaited, g_free);
        berth_ui_vm_list_set_selecting(self->list, FALSE);
        berth_ui_vm_list_choose(self->list, vm);
        on_chosen(self->list, vm, TRUE, self);
    }
}

void berth_ui_window_open_vm(BerthUiWindow *self, const char *id)
{
    g_free(self->awaited);
    self->awaited = g_strdup(id);
    open_awaited(self);
}

static gboolean contains(GListModel *vms, BerthUiVm *vm)
{
    for (guint i = 0; i < g_list_model_get_n_items(vms); i++) {
        g_autoptr(BerthUiVm) item = g_list_model_get_item(vms, i);
        if (item == vm)
            return TRUE;
    }
    return FALSE;
}

/* The one that is shown may be gone. */
static void on_vms_changed(GListModel *vms, guint position, guint removed, guint added, BerthUiWindow *self)
{
    if (removed > 0 && self->vm && !contains(vms, self->vm))
        show_vm(self, NULL);
    else
        show_content(self);
    open_awaited(self);
}

/* Its views. */

/* Who turns to a console wants to type; what is not to be seen any more gets no keys. */
static void on_view_shown(BerthUiWindow *self)
{
    GtkWidget *focus = gtk_window_get_focus(GTK_WINDOW(self));
    gboolean is_taken = gtk_widget_grab_focus(adw_view_stack_get_visible_child(self->views));
    if (!is_taken && focus && gtk_widget_is_ancestor(focus, GTK_WIDGET(self->views)))
        gtk_window_set_focus(GTK_WINDOW(self), NULL);
    show_bars(self);
}

static void on_turn(GtkWidget *widget, const char *name, GVariant *parameter)
{
    BerthUiWindow *self = BERTH_UI_WINDOW(widget);
    g_autoptr(GtkSelectionModel) pages = adw_view_stack_get_pages(self->views);
    g_autoptr(GtkBitset) selected = gtk_selection_model_get_selection(pages);
    guint n = g_list_model_get_n_items(G_LIST_MODEL(pages));
    guint position = gtk_bitset_get_minimum(selected) + (g_str_equal(name, "win.next-view") ? 1 : n - 1);
    if (self->vm)
        gtk_selection_model_select_item(pages, position % n, TRUE);
}

/* The service. */

static void on_status_changed(BerthUiWindow *self)
{
    gboolean is_ready = berth_ui_service_get_status(self->service) == BERTH_UI_SERVICE_READY;
    gtk_widget_action_set_enabled(GTK_WIDGET(self), "win.images", is_ready);
    gtk_widget_action_set_enabled(GTK_WIDGET(self), "win.import-image", is_ready);
    gtk_widget_action_set_enabled(GTK_WIDGET(self), "win.new-vm", is_ready);
    gtk_stack_set_visible_child_name(self->stack, is_ready ? "vms" : "problem");
}

static void leave_service(BerthUiWindow *self)
{
    if (!self->service)
        return;
    g_signal_handlers_disconnect_by_data(self->service, self);
    g_signal_handlers_disconnect_by_data(berth_ui_service_get_vms(self->service), self);
    g_clear_object(&self->notices);
    g_clear_object(&self->service);
}

void berth_ui_window_set_service(BerthUiWindow *self, BerthUiService *service)
{
    leave_service(self);
    self->service = g_object_ref(service);
    show_vm(self, NULL);
    g_object_notify_by_pspec(G_OBJECT(self), specs[PROPERTY_SERVICE]);
    GListModel *vms = berth_ui_service_get_vms(service);
    g_object_set(self->list, "subtitle",
                 berth_ui_service_get_bus(service) == G_BUS_TYPE_SESSION ? _("My Own Service") : _("This Computer"),
                 NULL);
    berth_ui_vm_list_set_vms(self->list, vms);
    self->notices = berth_ui_notices_new(GTK_WINDOW(self), service);
    g_signal_connect(vms, "items-changed", G_CALLBACK(on_vms_changed), self);
    g_signal_connect_swapped(service, "notify::status", G_CALLBACK(on_status_changed), self);
    on_status_changed(self);
}

/* A new VM is the one that is shown. */
static void on_created(BerthUiFormDialog *dialog, BerthUiVm *vm, BerthUiWindow *self)
{
    berth_ui_vm_list_choose(self->list, vm);
    on_chosen(self->list, vm, TRUE, self);
}

/* @parameter: its name */
static void on_show_vm(GtkWidget *widget, const char *name, GVariant *parameter)
{
    BerthUiWindow *self = BERTH_UI_WINDOW(widget);
    GListModel *vms = berth_ui_service_get_vms(self->service);
    for (guint i = 0; i < g_list_model_get_n_items(vms); i++) {
        g_autoptr(BerthUiVm) vm = g_list_model_get_item(vms, i);
        if (g_str_equal(berth_ui_vm_get_name(vm), g_variant_get_string(parameter, NULL)))
            on_created(NULL, vm, self);
    }
}

/* @parameter: the image that it is made from, "" where that is to be asked */
static void on_new_vm(GtkWidget *widget, const char *name, GVariant *parameter)
{
    BerthUiWindow *self = BERTH_UI_WINDOW(widget);
    const char *image = g_variant_get_string(parameter, NULL);
    BerthUiFormDialog *dialog = berth_ui_form_dialog_new(GTK_WINDOW(self), self->service, *image ? image : NULL);
    g_signal_connect_object(dialog, "created", G_CALLBACK(on_created), self, 0);
}

/* Actions of the window, and keys: what has the focus is asked first, so that a text entry keeps its own. */

static gboolean is_selecting(BerthUiWindow *self)
{
    gboolean selecting;
    g_object_get(self->list, "selecting", &selecting, NULL);
    return selecting;
}

static void on_search(GtkWidget *widget, const char *name, GVariant *parameter)
{
    BerthUiWindow *self = BERTH_UI_WINDOW(widget);
    go_back(self);
    berth_ui_vm_list_search(self->list);
}

static void on_select_all(GtkWidget *widget, const char *name, GVariant *parameter)
{
    BerthUiWindow *self = BERTH_UI_WINDOW(widget);
    go_back(self);
    berth_ui_vm_list_select_all(self->list);
}

static void on_images(GtkWidget *widget, const char *name, GVariant *parameter)
{
    BerthUiWindow *self = BERTH_UI_WINDOW(widget);
    berth_ui_images_window_present(self->toasts, self->service);
}

static void import_image(BerthUiWindow *self, GFile *file, guint n_others)
{
    berth_ui_import_window_present(GTK_WINDOW(self), self->toasts, self->service, file, n_others);
}

static void on_import_image(GtkWidget *widget, const char *name, GVariant *parameter)
{
    import_image(BERTH_UI_WINDOW(widget), NULL, 0);
}

static gboolean on_dropped(GtkWidget *widget, GFile *file, guint n_others)
{
    BerthUiWindow *self = BERTH_UI_WINDOW(widget);
    gboolean is_ready = berth_ui_service_get_status(self->service) == BERTH_UI_SERVICE_READY;
    if (is_ready)
        import_image(self, file, n_others);
    return is_ready;
}

/* From inside out: the selection, the page, and then nothing. */
static void on_escape(GtkWidget *widget, const char *name, GVariant *parameter)
{
    BerthUiWindow *self = BERTH_UI_WINDOW(widget);
    if (is_selecting(self))
        berth_ui_vm_list_set_selecting(self->list, FALSE);
    else
        go_back(self);
}

/* A key acts on what is selected, else on what is shown. */
static gboolean on_vm_key(GtkWidget *widget, GVariant *arguments, gpointer data)
{
    const char *action;
    g_variant_get(arguments, "(&s)", &action);
    g_autofree char *name =
        g_strdup_printf("%s.%s", is_selecting(BERTH_UI_WINDOW(widget)) ? "selection" : "vm", action);
    return gtk_widget_activate_action(widget, name, NULL);
}

static void class_add_keys(GtkWidgetClass *klass)
{
    static const struct {
        guint key;
        GdkModifierType modifiers;
        const char *action;
    } keys[] = {
        {GDK_KEY_Return, GDK_CONTROL_MASK, "start"},
        {GDK_KEY_Return, GDK_CONTROL_MASK | GDK_SHIFT_MASK, "shut-down"},
        {GDK_KEY_e, GDK_CONTROL_MASK, "configure"},
        {GDK_KEY_Delete, 0, "remove"},
        {GDK_KEY_z, GDK_CONTROL_MASK, "cancel-removal"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        gtk_widget_class_add_binding(klass, keys[i].key, keys[i].modifiers, on_vm_key, "(s)", keys[i].action);
    gtk_widget_class_add_binding_action(klass, GDK_KEY_Escape, 0, "win.escape", NULL);
    gtk_widget_class_add_binding_action(klass, GDK_KEY_a, GDK_CONTROL_MASK, "win.select-all", NULL);
}

/* The object. */

BerthUiWindow *berth_ui_window_new(AdwApplication *application, BerthUiService *service)
{
    BerthUiWindow *self = g_object_new(BERTH_UI_TYPE_WINDOW, "application", application, NULL);
    berth_ui_window_set_service(self, service);
    return self;
}

static void berth_ui_window_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    BerthUiWindow *self = BERTH_UI_WINDOW(object);
    g_value_set_object(value, id == PROPERTY_SERVICE ? (gpointer) self->service : (gpointer) self->vm);
}

static void berth_ui_window_dispose(GObject *object)
{
    BerthUiWindow *self = BERTH_UI_WINDOW(object);
    leave_service(self);
    g_clear_object(&self->vm);
    g_clear_object(&self->on_one);
    g_clear_object(&self->on_selected);
    g_clear_object(&self->settings);
    G_OBJECT_CLASS(berth_ui_window_parent_class)->dispose(object);
}

static void berth_ui_window_finalize(GObject *object)
{
    g_free(BERTH_UI_WINDOW(object)->awaited);
    G_OBJECT_CLASS(berth_ui_window_parent_class)->finalize(object);
}

static void class_bind_template(GtkWidgetClass *klass)
{
    gtk_widget_class_set_template_from_resource(klass, "/org/berth/Berth/window.ui");
    gtk_widget_class_bind_template_child(klass, BerthUiWindow, toasts);
    gtk_widget_class_bind_template_child(klass, BerthUiWindow, stack);
    gtk_widget_class_bind_template_child(klass, BerthUiWindow, leaflet);
    gtk_widget_class_bind_template_child(klass, BerthUiWindow, list);
    gtk_widget_class_bind_template_child(klass, BerthUiWindow, bar);
    gtk_widget_class_bind_template_child(klass, BerthUiWindow, content);
    gtk_widget_class_bind_template_child(klass, BerthUiWindow, views);
    gtk_widget_class_bind_template_child(klass, BerthUiWindow, switcher);
    gtk_widget_class_bind_template_callback(klass, on_chosen);
    gtk_widget_class_bind_template_callback(klass, on_selection_changed);
    gtk_widget_class_bind_template_callback(klass, on_view_shown);
    gtk_widget_class_bind_template_callback(klass, show_bars);
    gtk_widget_class_bind_template_callback(klass, go_back);
}

static void berth_ui_window_class_init(BerthUiWindowClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    G_OBJECT_CLASS(klass)->get_property = berth_ui_window_get_property;
    G_OBJECT_CLASS(klass)->dispose = berth_ui_window_dispose;
    G_OBJECT_CLASS(klass)->finalize = berth_ui_window_finalize;
    specs[PROPERTY_SERVICE] = g_param_spec_object("service", NULL, NULL, BERTH_UI_TYPE_SERVICE,
                                                  G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
    specs[PROPERTY_VM] = g_param_spec_object("vm", NULL, NULL, BERTH_UI_TYPE_VM,
                                             G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
    g_object_class_install_properties(G_OBJECT_CLASS(klass), N_PROPERTIES, specs);
    g_type_ensure(BERTH_UI_TYPE_DISPLAY_PAGE);
    g_type_ensure(BERTH_UI_TYPE_JOURNAL_PAGE);
    g_type_ensure(BERTH_UI_TYPE_CONSOLE);
    g_type_ensure(BERTH_UI_TYPE_PROBLEM_PAGE);
    g_type_ensure(BERTH_UI_TYPE_VM_LIST);
    g_type_ensure(BERTH_UI_TYPE_VM_PAGE);
    class_bind_template(widget_class);
    gtk_widget_class_install_action(widget_class, "win.show-vm", "s", on_show_vm);
    gtk_widget_class_install_action(widget_class, "win.new-vm", "s", on_new_vm);
    gtk_widget_class_install_action(widget_class, "win.search", NULL, on_search);
    gtk_widget_class_install_action(widget_class, "win.select-all", NULL, on_select_all);
    gtk_widget_class_install_action(widget_class, "win.escape", NULL, on_escape);
    gtk_widget_class_install_action(widget_class, "win.next-view", NULL, on_turn);
    gtk_widget_class_install_action(widget_class, "win.previous-view", NULL, on_turn);
    gtk_widget_class_install_action(widget_class, "win.images", NULL, on_images);
    gtk_widget_class_install_action(widget_class, "win.import-image", NULL, on_import_image);
    gtk_widget_class_install_property_action(widget_class, "win.fullscreen", "fullscreened");
    class_add_keys(widget_class);
}

static void berth_ui_window_init(BerthUiWindow *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    self->settings = g_settings_new(BERTH_UI_SETTINGS);
    g_settings_bind(self->settings, BERTH_UI_SETTING_WIDTH, self, "default-width", G_SETTINGS_BIND_DEFAULT);
    g_settings_bind(self->settings, BERTH_UI_SETTING_HEIGHT, self, "default-height", G_SETTINGS_BIND_DEFAULT);
    g_settings_bind(self->settings, BERTH_UI_SETTING_MAXIMIZED, self, "maximized", G_SETTINGS_BIND_DEFAULT);
    g_autoptr(GAction) sort = g_settings_create_action(self->settings, BERTH_UI_SETTING_SORT);
    g_action_map_add_action(G_ACTION_MAP(self), sort);
    self->on_one = berth_ui_actions_new(self->toasts);
    self->on_selected = berth_ui_actions_new(self->toasts);
    gtk_widget_insert_action_group(GTK_WIDGET(self), "vm", berth_ui_actions_get_group(self->on_one));
    gtk_widget_insert_action_group(GTK_WIDGET(self), "selection", berth_ui_actions_get_group(self->on_selected));
    berth_ui_vm_list_capture_search(self->list, GTK_WIDGET(self));
    berth_ui_take_drops(GTK_WIDGET(self), on_dropped);
}
