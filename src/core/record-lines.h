/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Small records of lines "key=value" that end with the line "end", so that half of one is never taken for a whole. */

/**
 * berth_record_lines_parse:
 * @text: hostile until checked, not necessarily NUL-terminated
 * @max: the largest @length that is taken
 * @keys: NULL-terminated: each must be there, once. Other keys are ignored, so that a record of a later version
 *   can be read after a downgrade.
 *
 * Returns: (transfer full) (element-type utf8 utf8): key → value, values in whatever encoding they had;
 *   %NULL with InvalidArgs
 */
GHashTable *berth_record_lines_parse(const char *text, gsize length, gsize max, const char *const *keys,
                                     GError **error);

/* The latest time, in µs: some can be added to it, or to another that is as late. */
#define BERTH_RECORD_TIME_MAX (G_MAXINT64 / 2)

/* A decimal number in [@min, @max], without sign, blanks or anything after it. */
gboolean berth_record_lines_number(GHashTable *record, const char *key, gint64 min, gint64 max, gint64 *number,
                                   GError **error);
