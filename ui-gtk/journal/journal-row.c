/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal-row.h"

#include <glib/gi18n.h>

#include "ui-gtk/model/format.h"
#include "ui-gtk/model/words.h"

struct _BerthUiJournalRow {
    GtkBox parent_instance;
    GtkImage *icon;
    GtkLabel *origin, *message;
};

G_DEFINE_FINAL_TYPE(BerthUiJournalRow, berth_ui_journal_row, GTK_TYPE_BOX)

GtkWidget *berth_ui_journal_row_new(void)
{
    return g_object_new(BERTH_UI_TYPE_JOURNAL_ROW, NULL);
}

/* (transfer full): "14:05:09 · berthd · Warning"; a usual message does not say that it is one. */
static char *describe_origin(BerthUiJournalEntry *entry, const BerthUiStateWords *words)
{
    const char *parts[4] = {NULL}, *who = berth_ui_journal_entry_get_who(entry);
    g_autofree char *moment = berth_ui_format_moment(berth_ui_journal_entry_get_time(entry));
    guint n = 0;
    parts[n++] = moment;
    if (*who)
        parts[n++] = who;
    if (words->style)
        parts[n++] = _(words->label);
    return g_strjoinv(" · ", (char **) parts);
}

/* GTK's own widget around the row has the focus: a screen reader says its name. */
static void name_item(BerthUiJournalRow *self)
{
    GtkWidget *item = gtk_widget_get_parent(GTK_WIDGET(self));
    g_autofree char *name =
        g_strconcat(gtk_label_get_text(self->message), "\n", gtk_label_get_text(self->origin), NULL);
    gtk_accessible_update_property(GTK_ACCESSIBLE(item), GTK_ACCESSIBLE_PROPERTY_LABEL, name, -1);
}

void berth_ui_journal_row_set_entry(BerthUiJournalRow *self, BerthUiJournalEntry *entry)
{
    const BerthUiStateWords *words = berth_ui_priority_words(berth_ui_journal_entry_get_priority(entry));
    const char *classes[] = {words->style, NULL};
    g_autofree char *origin = describe_origin(entry, words);
    gtk_image_set_from_icon_name(self->icon, words->icon);
    gtk_widget_set_css_classes(GTK_WIDGET(self->icon), classes);
    gtk_label_set_text(self->origin, origin);
    gtk_label_set_text(self->message, berth_ui_journal_entry_get_message(entry));
    name_item(self);
}

static void berth_ui_journal_row_class_init(BerthUiJournalRowClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/journal-row.ui");
    gtk_widget_class_bind_template_child(widget_class, BerthUiJournalRow, icon);
    gtk_widget_class_bind_template_child(widget_class, BerthUiJournalRow, origin);
    gtk_widget_class_bind_template_child(widget_class, BerthUiJournalRow, message);
}

static void berth_ui_journal_row_init(BerthUiJournalRow *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
}
