/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "key-table.h"

/* Between the files key-*.c only: one value of a kind, checked and put into its field. */

gboolean berth_key_set_number(const BerthKey *key, const char *place, guint64 number, gpointer field, GError **error);
gboolean berth_key_set_word(const BerthKey *key, const char *place, const char *text, gpointer field, GError **error);
gboolean berth_key_set_text(const BerthKey *key, const char *place, const char *text, gpointer field, GError **error);
/* Whether a list, or labels, may have so many entries. */
gboolean berth_key_check_count(const BerthKey *key, const char *place, gsize count, GError **error);
/* One more of the labels. */
gboolean berth_key_add_label(const BerthKey *key, const char *place, const char *name, const char *text, gpointer field,
                             GError **error);
