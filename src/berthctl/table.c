/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include <stdio.h>

#include "text.h"

typedef struct {
    char *text;
    const char *colour;
} Cell;

struct CtlTable {
    GArray *cells; /* (element-type Cell): the first row is the headers */
    GArray *right; /* (element-type gboolean): by column */
};

static void clear_cell(gpointer cell)
{
    g_free(((Cell *) cell)->text);
}

void ctl_table_add(CtlTable *table, char *text, const char *colour)
{
    Cell cell = {.text = ctl_printable(text[0] != '\0' ? text : "-"), .colour = colour};
    g_array_append_val(table->cells, cell);
    g_free(text);
}

CtlTable *ctl_table_new(const char *alignments, ...)
{
    CtlTable *table = g_new0(CtlTable, 1);
    table->cells = g_array_new(FALSE, FALSE, sizeof(Cell));
    g_array_set_clear_func(table->cells, clear_cell);
    table->right = g_array_new(FALSE, FALSE, sizeof(gboolean));

    va_list headers;
    va_start(headers, alignments);
    for (const char *text; (text = va_arg(headers, const char *)) != NULL;) {
        gboolean right = alignments[table->right->len] == '>';
        g_array_append_val(table->right, right);
        ctl_table_add(table, g_strdup(text), ctl_colour_header());
    }
    va_end(headers);
    return table;
}

void ctl_table_free(CtlTable *table)
{
    if (table == NULL)
        return;
    g_array_unref(table->cells);
    g_array_unref(table->right);
    g_free(table);
}

static guint *measure(const CtlTable *table, guint first)
{
    guint columns = table->right->len;
    guint *widths = g_new0(guint, columns);
    for (guint i = first; i < table->cells->len; i++) {
        guint width = ctl_columns(g_array_index(table->cells, Cell, i).text);
        widths[i % columns] = MAX(widths[i % columns], width);
    }
    return widths;
}

static void print_cell(const Cell *cell, guint width, gboolean right, gboolean last)
{
    guint padding = width - ctl_columns(cell->text);
    if (right)
        printf("%*s", (int) padding, "");
    printf("%s%s%s", cell->colour, cell->text, ctl_colour_end(cell->colour));
    if (last)
        putchar('\n');
    else
        printf("%*s", right ? 1 : (int) padding + 1, "");
}

void ctl_table_print(const CtlTable *table, gboolean legend)
{
    guint columns = table->right->len;
    guint first = legend ? 0 : columns;
    g_autofree guint *widths = measure(table, first);
    for (guint i = first; i < table->cells->len; i++) {
        guint column = i % columns;
        print_cell(&g_array_index(table->cells, Cell, i), widths[column], g_array_index(table->right, gboolean, column),
                   column == columns - 1);
    }
}
