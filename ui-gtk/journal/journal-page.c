/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal-page.h"

#include <glib/gi18n.h>

#include "journal-row.h"
#include "journal.h"

/* So many messages are shown. */
#define MESSAGES_MAX 500

/* Who is so near to the end of the list follows what comes: pixels. */
#define END_NEAR 48

struct _BerthUiJournalPage {
    BerthUiVmView parent_instance;
    GtkDropDown *filter;
    GtkStack *stack;
    GtkScrolledWindow *scrolled;
    GtkListView *view;
    AdwStatusPage *problem;
    BerthUiService *service; /* the parent's, as the VM is */
    BerthUiVm *vm;
    char *directory;
    BerthUiJournal *journal; /* NULL while nobody sees it */
    GtkMultiSelection *selection;
    gboolean follows; /* the end of the list is what is seen of it */
    guint scroll;     /* to the end, when the list has its size */
};

G_DEFINE_FINAL_TYPE(BerthUiJournalPage, berth_ui_journal_page, BERTH_UI_TYPE_VM_VIEW)

enum { PROPERTY_DIRECTORY = 1, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

/* The least urgent priority that each choice of the filter shows; the console's lines have 6. */
static const guint priorities[] = {7, 5, 4};

/* What is seen. */

static void show_problem(BerthUiJournalPage *self, gboolean denied)
{
    g_autofree char *text = g_markup_escape_text(
        denied ? _("Your account may not read the journal of this computer. An administrator can add it to the group "
                   "“systemd-journal”; you have to log in again after that.")
               : berth_ui_journal_get_problem(self->journal),
        -1);
    adw_status_page_set_icon_name(self->problem, denied ? "dialog-password-symbolic" : "dialog-error-symbolic");
    adw_status_page_set_description(self->problem, text);
    gtk_stack_set_visible_child_name(self->stack, "problem");
}

static void show_status(BerthUiJournalPage *self)
{
    BerthUiJournalStatus status = berth_ui_journal_get_status(self->journal);
    gboolean any = g_list_model_get_n_items(berth_ui_journal_get_entries(self->journal)) > 0;
    if (status == BERTH_UI_JOURNAL_DENIED || status == BERTH_UI_JOURNAL_FAILED)
        show_problem(self, status == BERTH_UI_JOURNAL_DENIED);
    else if (any)
        gtk_stack_set_visible_child_name(self->stack, "list");
    else
        gtk_stack_set_visible_child_name(self->stack, status == BERTH_UI_JOURNAL_READING ? "reading" : "empty");
}

/* Who reads at the end goes on reading there. Where the end is changes as the list measures its rows: until it is
 * reached, what the list does is not the user's doing. */

static void scroll_to_end(gpointer data)
{
    BerthUiJournalPage *self = data;
    GtkAdjustment *adjustment = gtk_scrolled_window_get_vadjustment(self->scrolled);
    gtk_adjustment_set_value(adjustment, gtk_adjustment_get_upper(adjustment));
    self->scroll = 0;
}

static void on_extent_changed(BerthUiJournalPage *self)
{
    if (self->follows && !self->scroll)
        self->scroll = g_idle_add_once(scroll_to_end, self);
}

static void on_scrolled(BerthUiJournalPage *self, GtkAdjustment *adjustment)
{
    if (!self->scroll)
        self->follows = gtk_adjustment_get_value(adjustment) + gtk_adjustment_get_page_size(adjustment) + END_NEAR >=
                        gtk_adjustment_get_upper(adjustment);
}

/* Copying. */

static void append_line(GString *text, BerthUiJournalEntry *entry)
{
    g_autoptr(GDateTime) time =
        g_date_time_new_from_unix_local((gint64) (berth_ui_journal_entry_get_time(entry) / G_USEC_PER_SEC));
    g_autofree char *moment = time ? g_date_time_format(time, "%F %T") : g_strdup("");
    g_string_append_printf(text, "%s %s: %s\n", moment, berth_ui_journal_entry_get_who(entry),
                           berth_ui_journal_entry_get_message(entry));
}

static void copy(GtkWidget *widget, const char *name, GVariant *parameter)
{
    BerthUiJournalPage *self = BERTH_UI_JOURNAL_PAGE(widget);
    g_autoptr(GtkBitset) selected = gtk_selection_model_get_selection(GTK_SELECTION_MODEL(self->selection));
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < gtk_bitset_get_size(selected); i++) {
        g_autoptr(BerthUiJournalEntry) entry =
            g_list_model_get_item(G_LIST_MODEL(self->selection), gtk_bitset_get_nth(selected, i));
        append_line(text, entry);
    }
    gdk_clipboard_set_text(gtk_widget_get_clipboard(widget), text->str);
}

static void on_selection_changed(BerthUiJournalPage *self)
{
    g_autoptr(GtkBitset) selected = gtk_selection_model_get_selection(GTK_SELECTION_MODEL(self->selection));
    gtk_widget_action_set_enabled(GTK_WIDGET(self), "journal.copy", !gtk_bitset_is_empty(selected));
}

/* Rows. */

static void on_row_setup(GtkListItemFactory *factory, GtkListItem *item)
{
    gtk_list_item_set_child(item, berth_ui_journal_row_new());
}

static void on_row_bind(GtkListItemFactory *factory, GtkListItem *item)
{
    berth_ui_journal_row_set_entry(BERTH_UI_JOURNAL_ROW(gtk_list_item_get_child(item)), gtk_list_item_get_item(item));
}

/* Reading, while somebody looks. */

static void close_journal(BerthUiJournalPage *self)
{
    if (!self->journal)
        return;
    g_signal_handlers_disconnect_by_data(self->journal, self);
    g_signal_handlers_disconnect_by_data(berth_ui_journal_get_entries(self->journal), self);
    gtk_multi_selection_set_model(self->selection, NULL);
    g_clear_object(&self->journal);
    gtk_stack_set_visible_child_name(self->stack, "reading");
}

static void reopen(BerthUiJournalPage *self)
{
    close_journal(self);
    if (!self->vm || !self->service || !gtk_widget_get_mapped(GTK_WIDGET(self)))
        return;
    BerthUiJournalQuery query = {
        .id = berth_ui_vm_get_id(self->vm),
        .is_user = berth_ui_service_get_bus(self->service) == G_BUS_TYPE_SESSION,
        .priority = priorities[gtk_drop_down_get_selected(self->filter)],
        .n_max = MESSAGES_MAX,
        .directory = self->directory,
    };
    self->follows = TRUE;
    self->journal = berth_ui_journal_new(&query);
    GListModel *entries = berth_ui_journal_get_entries(self->journal);
    gtk_multi_selection_set_model(self->selection, entries);
    g_signal_connect_swapped(self->journal, "notify::status", G_CALLBACK(show_status), self);
    g_signal_connect_swapped(entries, "items-changed", G_CALLBACK(show_status), self);
}

static void berth_ui_journal_page_map(GtkWidget *widget)
{
    GTK_WIDGET_CLASS(berth_ui_journal_page_parent_class)->map(widget);
    reopen(BERTH_UI_JOURNAL_PAGE(widget));
}

static void berth_ui_journal_page_unmap(GtkWidget *widget)
{
    close_journal(BERTH_UI_JOURNAL_PAGE(widget));
    GTK_WIDGET_CLASS(berth_ui_journal_page_parent_class)->unmap(widget);
}

/* The object. */

static void berth_ui_journal_page_changed(BerthUiVmView *view, BerthUiService *service, BerthUiVm *vm)
{
    BerthUiJournalPage *self = BERTH_UI_JOURNAL_PAGE(view);
    self->service = service;
    self->vm = vm;
    reopen(self);
}

static void berth_ui_journal_page_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    BerthUiJournalPage *self = BERTH_UI_JOURNAL_PAGE(object);
    g_free(self->directory);
    self->directory = g_value_dup_string(value);
    reopen(self);
}

static void berth_ui_journal_page_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    g_value_set_string(value, BERTH_UI_JOURNAL_PAGE(object)->directory);
}

static void berth_ui_journal_page_dispose(GObject *object)
{
    BerthUiJournalPage *self = BERTH_UI_JOURNAL_PAGE(object);
    if (self->selection)
        close_journal(self);
    g_clear_handle_id(&self->scroll, g_source_remove);
    g_clear_object(&self->selection);
    G_OBJECT_CLASS(berth_ui_journal_page_parent_class)->dispose(object);
}

static void berth_ui_journal_page_finalize(GObject *object)
{
    g_free(BERTH_UI_JOURNAL_PAGE(object)->directory);
    G_OBJECT_CLASS(berth_ui_journal_page_parent_class)->finalize(object);
}

static void class_bind_template(GtkWidgetClass *klass)
{
    gtk_widget_class_set_template_from_resource(klass, "/org/berth/Berth/journal-page.ui");
    gtk_widget_class_bind_template_child(klass, BerthUiJournalPage, filter);
    gtk_widget_class_bind_template_child(klass, BerthUiJournalPage, stack);
    gtk_widget_class_bind_template_child(klass, BerthUiJournalPage, scrolled);
    gtk_widget_class_bind_template_child(klass, BerthUiJournalPage, view);
    gtk_widget_class_bind_template_child(klass, BerthUiJournalPage, problem);
    gtk_widget_class_bind_template_callback(klass, reopen);
    gtk_widget_class_bind_template_callback(klass, on_row_setup);
    gtk_widget_class_bind_template_callback(klass, on_row_bind);
}

static void berth_ui_journal_page_class_init(BerthUiJournalPageClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    object_class->set_property = berth_ui_journal_page_set_property;
    object_class->get_property = berth_ui_journal_page_get_property;
    object_class->dispose = berth_ui_journal_page_dispose;
    object_class->finalize = berth_ui_journal_page_finalize;
    BERTH_UI_VM_VIEW_CLASS(klass)->changed = berth_ui_journal_page_changed;
    widget_class->map = berth_ui_journal_page_map;
    widget_class->unmap = berth_ui_journal_page_unmap;
    specs[PROPERTY_DIRECTORY] =
        g_param_spec_string("directory", NULL, NULL, NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(object_class, N_PROPERTIES, specs);
    class_bind_template(widget_class);
    gtk_widget_class_install_action(widget_class, "journal.copy", NULL, copy);
    gtk_widget_class_add_binding_action(widget_class, GDK_KEY_c, GDK_CONTROL_MASK, "journal.copy", NULL);
}

static void berth_ui_journal_page_init(BerthUiJournalPage *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    self->selection = gtk_multi_selection_new(NULL);
    gtk_list_view_set_model(self->view, GTK_SELECTION_MODEL(self->selection));
    g_signal_connect_object(self->selection, "selection-changed", G_CALLBACK(on_selection_changed), self,
                            G_CONNECT_SWAPPED);
    g_signal_connect_object(self->selection, "items-changed", G_CALLBACK(on_selection_changed), self,
                            G_CONNECT_SWAPPED);
    on_selection_changed(self);
    GtkAdjustment *adjustment = gtk_scrolled_window_get_vadjustment(self->scrolled);
    g_signal_connect_object(adjustment, "changed", G_CALLBACK(on_extent_changed), self, G_CONNECT_SWAPPED);
    g_signal_connect_object(adjustment, "value-changed", G_CALLBACK(on_scrolled), self, G_CONNECT_SWAPPED);
}
