/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Journal files made by systemd's own writer, from its export format (systemd.io/JOURNAL_EXPORT_FORMATS): a test says
 * what journald itself would vouch for, which nobody else can.
 *
 * From the environment: BERTH_JOURNAL_REMOTE, the writer. */

typedef struct {
    guint64 usec;       /* µs since the epoch; later than all before it in the file */
    const char *fields; /* "FIELD=value\n" each */
    const char *message;
    gssize length; /* of the message: -1 for a string */
} JournalMessage;

/* (nullable) (transfer full): what is missing here for such tests */
char *journal_files_missing(void);

/* Appends to a journal file, and makes it where there is none. */
void journal_files_write(const char *file, const JournalMessage *messages, guint n_messages);
