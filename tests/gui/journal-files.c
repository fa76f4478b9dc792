/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal-files.h"

#include <gio/gio.h>
#include <string.h>

char *journal_files_missing(void)
{
    const char *writer = g_getenv("BERTH_JOURNAL_REMOTE");
    if (writer && g_file_test(writer, G_FILE_TEST_IS_EXECUTABLE))
        return NULL;
    return g_strdup("systemd-journal-remote is missing");
}

/* A message may hold anything: its length goes before it. */
static void append(GString *stream, const JournalMessage *message)
{
    gsize length = message->length < 0 ? strlen(message->message) : (gsize) message->length;
    guint64 size = GUINT64_TO_LE((guint64) length);
    g_string_append_printf(stream,
                           "__REALTIME_TIMESTAMP=%" G_GUINT64_FORMAT "\n__MONOTONIC_TIMESTAMP=%" G_GUINT64_FORMAT
                           "\n_BOOT_ID=0123456789abcdef0123456789abcdef\n%sMESSAGE\n",
                           message->usec, message->usec, message->fields);
    g_string_append_len(stream, (const char *) &size, sizeof size);
    g_string_append_len(stream, message->message, (gssize) length);
    g_string_append(stream, "\n\n");
}

void journal_files_write(const char *file, const JournalMessage *messages, guint n_messages)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *output = g_strconcat("--output=", file, NULL);
    GString *stream = g_string_new(NULL);
    for (guint i = 0; i < n_messages; i++)
        append(stream, &messages[i]);
    g_autoptr(GBytes) bytes = g_string_free_to_bytes(stream);
    g_autoptr(GSubprocess) writer = g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE,
                                                     &error, g_getenv("BERTH_JOURNAL_REMOTE"), output, "-", NULL);
    g_assert_no_error(error);
    g_assert_true(g_subprocess_communicate(writer, bytes, NULL, NULL, NULL, &error));
    g_assert_no_error(error);
    g_assert_true(g_subprocess_get_successful(writer));
}
