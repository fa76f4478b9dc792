/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "journal-entry.h"

/* Reads the journal in a thread of its own: its files lie on a disk, and libsystemd wants one thread for all that is
 * done with a journal. It sleeps until journald writes. */

typedef struct {
    const char *id;        /* of the VM */
    gboolean is_user;      /* the VM of the user's own service, not of the system's */
    guint priority;        /* no message that is less urgent: 7 for all */
    guint n_max;           /* so many of what is there already, the newest */
    const char *directory; /* (nullable): journal files elsewhere than where journald has them */
} BerthUiJournalQuery;

/* Called on the main context that the reader was made in. @entries (element-type BerthUiJournalEntry): oldest first;
 * none where all that there was at first has been handed over. @error: (nullable): with it all is over;
 * G_IO_ERROR_PERMISSION_DENIED where the user may not read the journal. */
typedef void (*BerthUiJournalFunc)(GPtrArray *entries, const GError *error, gpointer data);

typedef struct BerthUiJournalReader BerthUiJournalReader;

BerthUiJournalReader *berth_ui_journal_reader_new(const BerthUiJournalQuery *query, BerthUiJournalFunc func,
                                                  gpointer data);
/* Never waits; its function is not called any more. */
void berth_ui_journal_reader_free(BerthUiJournalReader *reader);
