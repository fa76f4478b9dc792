/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

#include "journal-entry.h"

/* A message in the list of them: when, who, how grave, and what. */

#define BERTH_UI_TYPE_JOURNAL_ROW (berth_ui_journal_row_get_type())
G_DECLARE_FINAL_TYPE(BerthUiJournalRow, berth_ui_journal_row, BERTH_UI, JOURNAL_ROW, GtkBox)

GtkWidget *berth_ui_journal_row_new(void);
/* @row is the child of a list item. */
void berth_ui_journal_row_set_entry(BerthUiJournalRow *row, BerthUiJournalEntry *entry);
