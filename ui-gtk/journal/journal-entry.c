/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal-entry.h"

struct _BerthUiJournalEntry {
    GObject parent_instance;
    guint64 usec;
    guint priority;
    char *who, *message;
};

G_DEFINE_FINAL_TYPE(BerthUiJournalEntry, berth_ui_journal_entry, G_TYPE_OBJECT)

BerthUiJournalEntry *berth_ui_journal_entry_new(guint64 usec, guint priority, char *who, char *message)
{
    BerthUiJournalEntry *self = g_object_new(BERTH_UI_TYPE_JOURNAL_ENTRY, NULL);
    self->usec = usec;
    self->priority = MIN(priority, 7);
    self->who = who;
    self->message = message;
    return self;
}

char *berth_ui_journal_text(const char *bytes, gsize length)
{
    g_autofree char *valid = g_utf8_make_valid(bytes, (gssize) MIN(length, BERTH_UI_JOURNAL_MESSAGE_MAX));
    GString *text = g_string_new(NULL);
    for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        g_string_append_unichar(text, g_unichar_iscntrl(c) && c != '\n' && c != '\t' ? ' ' : c);
    }
    if (length > BERTH_UI_JOURNAL_MESSAGE_MAX)
        g_string_append(text, "…");
    return g_string_free(text, FALSE);
}

guint64 berth_ui_journal_entry_get_time(BerthUiJournalEntry *self)
{
    return self->usec;
}

guint berth_ui_journal_entry_get_priority(BerthUiJournalEntry *self)
{
    return self->priority;
}

const char *berth_ui_journal_entry_get_who(BerthUiJournalEntry *self)
{
    return self->who;
}

const char *berth_ui_journal_entry_get_message(BerthUiJournalEntry *self)
{
    return self->message;
}

static void berth_ui_journal_entry_finalize(GObject *object)
{
    BerthUiJournalEntry *self = BERTH_UI_JOURNAL_ENTRY(object);
    g_free(self->who);
    g_free(self->message);
    G_OBJECT_CLASS(berth_ui_journal_entry_parent_class)->finalize(object);
}

static void berth_ui_journal_entry_class_init(BerthUiJournalEntryClass *klass)
{
    G_OBJECT_CLASS(klass)->finalize = berth_ui_journal_entry_finalize;
}

static void berth_ui_journal_entry_init(BerthUiJournalEntry *self)
{
}
