/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* Cuts QMP's byte stream into messages. QEMU is hostile until checked: a line has a bound in length and
 * nesting, and what breaks it ends the stream. Pure: the caller does the reading. */
#define BERTH_QMP_LINE_MAX (256u * 1024u)

typedef struct BerthQmpFramer BerthQmpFramer;

BerthQmpFramer *berth_qmp_framer_new(void);
void berth_qmp_framer_free(BerthQmpFramer *framer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthQmpFramer, berth_qmp_framer_free)

/* Takes @length bytes over. FALSE (InvalidArgs) where a line grows past its bound; then the stream is dead. */
gboolean berth_qmp_framer_push(BerthQmpFramer *framer, const char *bytes, gsize length, GError **error);

/**
 * berth_qmp_framer_next:
 * @message: (out) (transfer full) (nullable): the next whole message, %NULL where none is there yet
 *
 * Returns: FALSE where the next line is no JSON object within the bounds; then the stream is dead
 */
gboolean berth_qmp_framer_next(BerthQmpFramer *framer, JsonObject **message, GError **error);

/* (transfer full): one line, newline included, for @command; @arguments (nullable) (transfer none); @id is left out where it
 * is negative, as guest agents want it. */
char *berth_qmp_command(const char *command, JsonObject *arguments, gint64 id);
