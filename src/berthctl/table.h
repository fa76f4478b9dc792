/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A table on standard output: aligned columns, a header like systemctl's. */
typedef struct CtlTable CtlTable;

/* @alignments: a character for each column: '<' to the left, '>' to the right; then the columns' headers, %NULL at the
 * end. */
CtlTable *ctl_table_new(const char *alignments, ...) G_GNUC_NULL_TERMINATED;
void ctl_table_free(CtlTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlTable, ctl_table_free)

/* The next cell, row by row. @text: (transfer full), made printable; "" is shown as "-". @colour: a sequence or "". */
void ctl_table_add(CtlTable *table, char *text, const char *colour);
void ctl_table_print(const CtlTable *table, gboolean legend);
