/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

/* A message of the journal. It never changes; any thread may make one. */

#define BERTH_UI_TYPE_JOURNAL_ENTRY (berth_ui_journal_entry_get_type())
G_DECLARE_FINAL_TYPE(BerthUiJournalEntry, berth_ui_journal_entry, BERTH_UI, JOURNAL_ENTRY, GObject)

/* Longer ones are cut: bytes. */
#define BERTH_UI_JOURNAL_MESSAGE_MAX 8192

/**
 * berth_ui_journal_entry_new:
 * @usec: µs since the epoch
 * @priority: of syslog(3), 0 to 7
 * @who: (transfer full): valid UTF-8
 * @message: (transfer full): likewise
 */
BerthUiJournalEntry *berth_ui_journal_entry_new(guint64 usec, guint priority, char *who, char *message);

/* (transfer full): @bytes as they come from anybody: valid UTF-8 without control characters but tab and newline */
char *berth_ui_journal_text(const char *bytes, gsize length);

guint64 berth_ui_journal_entry_get_time(BerthUiJournalEntry *entry);
guint berth_ui_journal_entry_get_priority(BerthUiJournalEntry *entry);
/* (transfer none): which program said it: "berthd" */
const char *berth_ui_journal_entry_get_who(BerthUiJournalEntry *entry);
/* (transfer none) */
const char *berth_ui_journal_entry_get_message(BerthUiJournalEntry *entry);
