/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "journal-reader.h"

/* What the journal says of a VM: the newest messages that there are, and those that come, as long as this lives. */

typedef enum {
    BERTH_UI_JOURNAL_READING, /* the first look is not over */
    BERTH_UI_JOURNAL_READY,
    BERTH_UI_JOURNAL_DENIED, /* the user has not the right to read it */
    BERTH_UI_JOURNAL_FAILED, /* berth_ui_journal_get_problem() says why */
} BerthUiJournalStatus;

#define BERTH_UI_TYPE_JOURNAL (berth_ui_journal_get_type())
G_DECLARE_FINAL_TYPE(BerthUiJournal, berth_ui_journal, BERTH_UI, JOURNAL, GObject)

/* Properties: "status" (a BerthUiJournalStatus) notifies. The query's n_max is also how many messages are kept. */
BerthUiJournal *berth_ui_journal_new(const BerthUiJournalQuery *query);

BerthUiJournalStatus berth_ui_journal_get_status(BerthUiJournal *journal);
/* (transfer none): in technical words; "" where it did not fail */
const char *berth_ui_journal_get_problem(BerthUiJournal *journal);
/* (transfer none): of BerthUiJournalEntry, oldest first */
GListModel *berth_ui_journal_get_entries(BerthUiJournal *journal);
