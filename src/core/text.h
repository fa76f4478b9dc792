/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Small things about what people type and read. */

/**
 * berth_text_clean:
 * @text: any string, valid UTF-8 or not
 * @max: how many bytes of it are kept
 *
 * Returns: (transfer full): @text, fit to be shown: where it is longer, "…" stands for the rest; what is no printable
 *   character becomes "?"
 */
char *berth_text_clean(const char *text, gsize max);

/**
 * berth_text_quote:
 * @text: any string, valid UTF-8 or not
 *
 * Returns: (transfer full): @text in double quotes, fit for a message: at most 64 bytes of it, then "…"; what is no
 *   printable character becomes "?"
 */
char *berth_text_quote(const char *text);

/* Whether every character of @text (valid UTF-8) is printable or a space, or one of @also. */
gboolean berth_text_is_printable(const char *text, const char *also);

/**
 * berth_size_parse:
 * @text: digits, then nothing or one of K M G T, to the base of 1024, itself followed by nothing, "B" or "iB"; case
 *   does not count
 *
 * Returns: FALSE where @text is none of that; a size past 64 bits is G_MAXUINT64, which is in no bounds
 */
gboolean berth_size_parse(const char *text, guint64 *bytes);

/* (transfer full): @bytes with the largest suffix that leaves a whole number, e.g. "512M", "1000". */
char *berth_size_format(guint64 bytes);

/**
 * berth_span_parse:
 * @text: a time span as in systemd.time(7): "90" (seconds), "1min 30s", "500ms", "1.5h"; no "infinity"
 *
 * Returns: FALSE where @text is no time span; one past 64 bits of µs is G_MAXUINT64, which is in no bounds
 */
gboolean berth_span_parse(const char *text, guint64 *usec);

/* (transfer full): @usec as such a time span, e.g. "1min 30s", "0". */
char *berth_span_format(guint64 usec);
