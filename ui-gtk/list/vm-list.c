/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-list.h"

#include <glib/gi18n.h>

#include "row.h"
#include "selection-bar.h"
#include "ui-gtk/model/settings.h"
#include "ui-gtk/widgets/main-menu.h"

struct _BerthUiVmList {
    AdwBin parent_instance;
    AdwWindowTitle *title;
    GtkMenuButton *menu;
    GtkSearchBar *search_bar;
    GtkSearchEntry *search_entry;
    GtkStack *stack;
    GtkListView *view;
    BerthUiSelectionBar *bar;
    GtkFilter *filter;
    GtkSorter *sorter;
    GListModel *vms; /* all */
    GtkFilterListModel *filtered;
    GtkMultiSelection *selection; /* of those found, sorted */
    GSettings *settings;
    GCompareFunc order; /* by what they are sorted first */
    char *query;        /* what is searched for, case folded */
    char *subtitle;
    BerthUiVm *chosen; /* the last that was told of */
    gboolean selecting, folded;
    guint resort; /* in this turn of the loop */
};

G_DEFINE_FINAL_TYPE(BerthUiVmList, berth_ui_vm_list, ADW_TYPE_BIN)

enum { PROPERTY_SELECTING = 1, PROPERTY_FOLDED, PROPERTY_SUBTITLE, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

enum { SIGNAL_CHOSEN, SIGNAL_SELECTION_CHANGED, N_SIGNALS };
static guint signals[N_SIGNALS];

/* Searching and sorting. */

static gboolean contains(const char *text, const char *query)
{
    g_autofree char *folded = g_utf8_casefold(text, -1);
    return strstr(folded, query) != NULL;
}

static gboolean is_found(gpointer item, gpointer data)
{
    const BerthUiVmList *self = data;
    return !*self->query || contains(berth_ui_vm_get_name(item), self->query) ||
           contains(berth_ui_vm_get_image(item), self->query) ||
           g_str_has_prefix(berth_ui_vm_get_id(item), self->query);
}

/* What wants a look comes first. */
static const guint ranks[] = {
    [BERTH_VM_BROKEN] = 0,   [BERTH_VM_EXITED] = 1,  [BERTH_VM_REMOVING] = 2,
    [BERTH_VM_STARTING] = 3, [BERTH_VM_RUNNING] = 3, [BERTH_VM_STOPPING] = 3,
    [BERTH_VM_PAUSED] = 4,   [BERTH_VM_STOPPED] = 5, [BERTH_VM_STATE_LAST] = 6,
};
G_STATIC_ASSERT(G_N_ELEMENTS(ranks) == BERTH_VM_STATE_LAST + 1);

static int compare_names(gconstpointer a, gconstpointer b)
{
    return g_utf8_collate(berth_ui_vm_get_name((gpointer) a), berth_ui_vm_get_name((gpointer) b));
}

static int compare_states(gconstpointer a, gconstpointer b)
{
    return (int) ranks[berth_ui_vm_get_state((gpointer) a)] - (int) ranks[berth_ui_vm_get_state((gpointer) b)];
}

/* The newest first. */
static int compare_ages(gconstpointer a, gconstpointer b)
{
    guint64 created_a = berth_ui_vm_get_created((gpointer) a), created_b = berth_ui_vm_get_created((gpointer) b);
    return (created_a < created_b) - (created_a > created_b);
}

/* By the words of the setting's enumeration. */
static const GCompareFunc comparisons[] = {compare_names, compare_states, compare_ages};

static int compare(gconstpointer a, gconstpointer b, gpointer data)
{
    const BerthUiVmList *self = data;
    int order = self->order(a, b);
    return order ? order : compare_names(a, b);
}

static void show_page(BerthUiVmList *self)
{
    gboolean any = self->vms && g_list_model_get_n_items(self->vms) > 0;
    gboolean found = g_list_model_get_n_items(G_LIST_MODEL(self->filtered)) > 0;
    gtk_stack_set_visible_child_name(self->stack, found ? "list" : any ? "nothing-found" : "empty");
}

static void resort(gpointer data)
{
    BerthUiVmList *self = data;
    self->resort = 0;
    gtk_filter_changed(self->filter, GTK_FILTER_CHANGE_DIFFERENT);
    gtk_sorter_changed(self->sorter, GTK_SORTER_CHANGE_DIFFERENT);
    show_page(self);
}

/* Many may change in one turn: they are sorted once. */
static void queue_resort(BerthUiVmList *self)
{
    if (!self->resort)
        self->resort = g_idle_add_once(resort, self);
}

static void follow_setting(BerthUiVmList *self)
{
    self->order = comparisons[g_settings_get_enum(self->settings, BERTH_UI_SETTING_SORT)];
    queue_resort(self);
}

static void follow(BerthUiVmList *self, GListModel *vms, guint position, guint n)
{
    static const char *const told[] = {"notify::name", "notify::image", "notify::state"};
    for (guint i = position; i < position + n; i++) {
        g_autoptr(GObject) vm = g_list_model_get_item(vms, i);
        for (guint j = 0; j < G_N_ELEMENTS(told); j++)
            g_signal_connect_object(vm, told[j], G_CALLBACK(queue_resort), self, G_CONNECT_SWAPPED);
    }
}

static void on_vms_changed(GListModel *vms, guint position, guint removed, guint added, BerthUiVmList *self)
{
    follow(self, vms, position, added);
    show_page(self);
}

void berth_ui_vm_list_set_vms(BerthUiVmList *self, GListModel *vms)
{
    if (self->vms)
        g_signal_handlers_disconnect_by_data(self->vms, self);
    g_clear_object(&self->chosen);
    g_set_object(&self->vms, vms);
    gtk_filter_list_model_set_model(self->filtered, vms);
    if (vms) {
        g_signal_connect(vms, "items-changed", G_CALLBACK(on_vms_changed), self);
        follow(self, vms, 0, g_list_model_get_n_items(vms));
    }
    show_page(self);
}

static void on_search_changed(GtkSearchEntry *entry, BerthUiVmList *self)
{
    g_free(self->query);
    self->query = g_utf8_casefold(gtk_editable_get_text(GTK_EDITABLE(entry)), -1);
    gtk_filter_changed(self->filter, GTK_FILTER_CHANGE_DIFFERENT);
    show_page(self);
}

void berth_ui_vm_list_search(BerthUiVmList *self)
{
    gtk_search_bar_set_search_mode(self->search_bar, TRUE);
    gtk_widget_grab_focus(GTK_WIDGET(self->search_entry));
}

void berth_ui_vm_list_capture_search(BerthUiVmList *self, GtkWidget *window)
{
    gtk_search_bar_set_key_capture_widget(self->search_bar, window);
}

/* Selecting. */

GPtrArray *berth_ui_vm_list_get_selected(BerthUiVmList *self)
{
    GPtrArray *vms = g_ptr_array_new_with_free_func(g_object_unref);
    g_autoptr(GtkBitset) selected = gtk_selection_model_get_selection(GTK_SELECTION_MODEL(self->selection));
    GtkBitsetIter iter;
    guint position;
    for (gboolean more = gtk_bitset_iter_init_first(&iter, selected, &position); more;
         more = gtk_bitset_iter_next(&iter, &position))
        g_ptr_array_add(vms, g_list_model_get_item(G_LIST_MODEL(self->selection), position));
    return vms;
}

static void choose(BerthUiVmList *self, BerthUiVm *vm, gboolean opened)
{
    gboolean is_new = g_set_object(&self->chosen, vm);
    if (is_new || opened)
        g_signal_emit(self, signals[SIGNAL_CHOSEN], 0, vm, opened);
}

static void show_title(BerthUiVmList *self, guint n_selected)
{
    g_autofree char *count = g_strdup_printf(ngettext("%u Selected", "%u Selected", n_selected), n_selected);
    adw_window_title_set_title(self->title, self->selecting ? count : _("Machines"));
    adw_window_title_set_subtitle(self->title, self->selecting || !self->subtitle ? "" : self->subtitle);
}

static void on_selection_changed(BerthUiVmList *self)
{
    g_autoptr(GPtrArray) selected = berth_ui_vm_list_get_selected(self);
    if (selected->len > 1)
        berth_ui_vm_list_set_selecting(self, TRUE);
    if (selected->len == 1 && !self->selecting && !self->folded)
        choose(self, selected->pdata[0], FALSE);
    show_title(self, selected->len);
    berth_ui_selection_bar_set_vms(self->bar, self->selecting ? selected : NULL);
    g_signal_emit(self, signals[SIGNAL_SELECTION_CHANGED], 0);
}

static void on_activate(GtkListView *view, guint position, BerthUiVmList *self)
{
    g_autoptr(BerthUiVm) vm = g_list_model_get_item(G_LIST_MODEL(self->selection), position);
    if (!self->selecting)
        choose(self, vm, TRUE);
}

void berth_ui_vm_list_choose(BerthUiVmList *self, BerthUiVm *vm)
{
    GtkSelectionModel *model = GTK_SELECTION_MODEL(self->selection);
    guint n = g_list_model_get_n_items(G_LIST_MODEL(model));
    gtk_selection_model_unselect_all(model);
    g_set_object(&self->chosen, vm);
    for (guint i = 0; vm && i < n; i++) {
        g_autoptr(BerthUiVm) item = g_list_model_get_item(G_LIST_MODEL(model), i);
        if (item == vm)
            gtk_selection_model_select_item(model, i, TRUE);
    }
}

void berth_ui_vm_list_select_all(BerthUiVmList *self)
{
    berth_ui_vm_list_set_selecting(self, TRUE);
    gtk_selection_model_select_all(GTK_SELECTION_MODEL(self->selection));
}

/* A click opens where the list is all that is to be seen. */
static void set_click(BerthUiVmList *self)
{
    gtk_list_view_set_single_click_activate(self->view, self->folded && !self->selecting);
}

void berth_ui_vm_list_set_selecting(BerthUiVmList *self, gboolean selecting)
{
    if (self->selecting == selecting)
        return;
    g_autoptr(BerthUiVm) chosen = self->chosen ? g_object_ref(self->chosen) : NULL;
    self->selecting = selecting;
    set_click(self);
    if (!selecting)
        berth_ui_vm_list_choose(self, chosen);
    on_selection_changed(self);
    g_object_notify_by_pspec(G_OBJECT(self), specs[PROPERTY_SELECTING]);
}

/* Rows. */

static void on_row_selected(BerthUiRow *row, GParamSpec *spec, GtkListItem *item)
{
    BerthUiVmList *self = BERTH_UI_VM_LIST(gtk_widget_get_ancestor(GTK_WIDGET(row), BERTH_UI_TYPE_VM_LIST));
    gboolean selected;
    g_object_get(row, "selected", &selected, NULL);
    if (!self || selected == gtk_list_item_get_selected(item))
        return;
    if (selected)
        gtk_selection_model_select_item(GTK_SELECTION_MODEL(self->selection), gtk_list_item_get_position(item), FALSE);
    else
        gtk_selection_model_unselect_item(GTK_SELECTION_MODEL(self->selection), gtk_list_item_get_position(item));
}

static void on_row_setup(GtkListItemFactory *factory, GtkListItem *item, BerthUiVmList *self)
{
    GtkWidget *row = berth_ui_row_new();
    g_object_bind_property(item, "item", row, "vm", G_BINDING_SYNC_CREATE);
    g_object_bind_property(item, "selected", row, "selected", G_BINDING_SYNC_CREATE);
    g_object_bind_property(self, "selecting", row, "selecting", G_BINDING_SYNC_CREATE);
    g_signal_connect(row, "notify::selected", G_CALLBACK(on_row_selected), item);
    gtk_list_item_set_child(item, row);
}

/* The object. */

static void berth_ui_vm_list_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    BerthUiVmList *self = BERTH_UI_VM_LIST(object);
    if (id == PROPERTY_SELECTING) {
        berth_ui_vm_list_set_selecting(self, g_value_get_boolean(value));
    } else if (id == PROPERTY_FOLDED) {
        self->folded = g_value_get_boolean(value);
        set_click(self);
        g_object_notify_by_pspec(object, spec);
    } else {
        g_free(self->subtitle);
        self->subtitle = g_value_dup_string(value);
        show_title(self, 0);
    }
}

static void berth_ui_vm_list_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    BerthUiVmList *self = BERTH_UI_VM_LIST(object);
    if (id == PROPERTY_SUBTITLE)
        g_value_set_string(value, self->subtitle);
    else
        g_value_set_boolean(value, id == PROPERTY_SELECTING ? self->selecting : self->folded);
}

static void berth_ui_vm_list_dispose(GObject *object)
{
    BerthUiVmList *self = BERTH_UI_VM_LIST(object);
    if (self->vms)
        g_signal_handlers_disconnect_by_data(self->vms, self);
    g_clear_handle_id(&self->resort, g_source_remove);
    g_clear_object(&self->vms);
    g_clear_object(&self->chosen);
    g_clear_object(&self->settings);
    g_clear_object(&self->selection);
    g_clear_object(&self->filtered);
    g_clear_object(&self->filter);
    g_clear_object(&self->sorter);
    G_OBJECT_CLASS(berth_ui_vm_list_parent_class)->dispose(object);
}

static void berth_ui_vm_list_finalize(GObject *object)
{
    BerthUiVmList *self = BERTH_UI_VM_LIST(object);
    g_free(self->query);
    g_free(self->subtitle);
    G_OBJECT_CLASS(berth_ui_vm_list_parent_class)->finalize(object);
}

static void class_add_properties(GObjectClass *klass)
{
    const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;
    specs[PROPERTY_SELECTING] = g_param_spec_boolean("selecting", NULL, NULL, FALSE, flags);
    specs[PROPERTY_FOLDED] = g_param_spec_boolean("folded", NULL, NULL, FALSE, flags);
    specs[PROPERTY_SUBTITLE] = g_param_spec_string("subtitle", NULL, NULL, NULL, flags);
    g_object_class_install_properties(klass, N_PROPERTIES, specs);
}

static void class_add_signals(BerthUiVmListClass *klass)
{
    signals[SIGNAL_CHOSEN] = g_signal_new("chosen", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                          G_TYPE_NONE, 2, BERTH_UI_TYPE_VM, G_TYPE_BOOLEAN);
    signals[SIGNAL_SELECTION_CHANGED] = g_signal_new("selection-changed", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST,
                                                     0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void berth_ui_vm_list_class_init(BerthUiVmListClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    object_class->set_property = berth_ui_vm_list_set_property;
    object_class->get_property = berth_ui_vm_list_get_property;
    object_class->dispose = berth_ui_vm_list_dispose;
    object_class->finalize = berth_ui_vm_list_finalize;
    class_add_properties(object_class);
    class_add_signals(klass);
    g_type_ensure(BERTH_UI_TYPE_SELECTION_BAR);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/vm-list.ui");
    gtk_widget_class_bind_template_child(widget_class, BerthUiVmList, title);
    gtk_widget_class_bind_template_child(widget_class, BerthUiVmList, menu);
    gtk_widget_class_bind_template_child(widget_class, BerthUiVmList, search_bar);
    gtk_widget_class_bind_template_child(widget_class, BerthUiVmList, search_entry);
    gtk_widget_class_bind_template_child(widget_class, BerthUiVmList, stack);
    gtk_widget_class_bind_template_child(widget_class, BerthUiVmList, view);
    gtk_widget_class_bind_template_child(widget_class, BerthUiVmList, bar);
    gtk_widget_class_bind_template_callback(widget_class, on_search_changed);
    gtk_widget_class_bind_template_callback(widget_class, on_activate);
    gtk_widget_class_bind_template_callback(widget_class, on_row_setup);
}

static void berth_ui_vm_list_init(BerthUiVmList *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    self->query = g_strdup("");
    self->settings = g_settings_new(BERTH_UI_SETTINGS);
    self->order = comparisons[g_settings_get_enum(self->settings, BERTH_UI_SETTING_SORT)];
    self->filter = GTK_FILTER(gtk_custom_filter_new(is_found, self, NULL));
    self->sorter = GTK_SORTER(gtk_custom_sorter_new(compare, self, NULL));
    self->filtered = gtk_filter_list_model_new(NULL, g_object_ref(self->filter));
    GtkSortListModel *sorted =
        gtk_sort_list_model_new(g_object_ref(G_LIST_MODEL(self->filtered)), g_object_ref(self->sorter));
    self->selection = gtk_multi_selection_new(G_LIST_MODEL(sorted));
    g_signal_connect_swapped(self->selection, "selection-changed", G_CALLBACK(on_selection_changed), self);
    g_signal_connect_swapped(self->selection, "items-changed", G_CALLBACK(on_selection_changed), self);
    g_signal_connect_object(self->settings, "changed::" BERTH_UI_SETTING_SORT, G_CALLBACK(follow_setting), self,
                            G_CONNECT_SWAPPED);
    gtk_list_view_set_model(self->view, GTK_SELECTION_MODEL(self->selection));
    berth_ui_set_main_menu(self->menu);
    show_title(self, 0);
    show_page(self);
}
