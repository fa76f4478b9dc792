/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "size-spin.h"

#include <math.h>

#include "ui-gtk/model/format.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define GIB (G_GUINT64_CONSTANT(1) << 30)

static const char *word_for_nothing(GtkSpinButton *spin)
{
    return g_object_get_data(G_OBJECT(spin), "berth-nothing");
}

static guint64 shown_bytes(GtkSpinButton *spin)
{
    return (guint64) (gtk_adjustment_get_value(gtk_spin_button_get_adjustment(spin)) * (double) MIB);
}

static gboolean on_output(GtkSpinButton *spin, gpointer unused)
{
    guint64 bytes = shown_bytes(spin);
    const char *nothing = bytes == 0 ? word_for_nothing(spin) : NULL;
    g_autofree char *text = nothing ? g_strdup(nothing) : berth_ui_format_bytes(bytes);
    if (!g_str_equal(gtk_editable_get_text(GTK_EDITABLE(spin)), text))
        gtk_editable_set_text(GTK_EDITABLE(spin), text);
    return TRUE;
}

/* A bare number is in the unit that stood there. What is just as it was written stays what it is: writing rounds. */
static int on_input(GtkSpinButton *spin, double *value, gpointer unused)
{
    const char *text = gtk_editable_get_text(GTK_EDITABLE(spin)), *nothing = word_for_nothing(spin);
    guint64 shown = shown_bytes(spin), bytes = 0;
    g_autofree char *written = berth_ui_format_bytes(shown);
    if (g_str_equal(text, written) || g_strcmp0(text, nothing) == 0)
        *value = g_str_equal(text, written) ? (double) shown / (double) MIB : 0;
    else if (berth_ui_parse_bytes(text, shown && shown < GIB ? MIB : GIB, &bytes))
        *value = ceil((double) bytes / (double) MIB);
    else
        return GTK_INPUT_ERROR;
    return TRUE;
}

void berth_ui_size_spin_set_up(GtkSpinButton *spin, guint min, guint max, guint step, const char *nothing)
{
    g_object_set_data_full(G_OBJECT(spin), "berth-nothing", g_strdup(nothing), g_free);
    g_signal_connect(spin, "input", G_CALLBACK(on_input), NULL);
    g_signal_connect(spin, "output", G_CALLBACK(on_output), NULL);
    gtk_spin_button_set_range(spin, min, max);
    gtk_spin_button_set_increments(spin, step, 4.0 * step);
    gtk_editable_set_width_chars(GTK_EDITABLE(spin), 9);
}

guint64 berth_ui_size_spin_get(GtkSpinButton *spin)
{
    gtk_spin_button_update(spin);
    return shown_bytes(spin);
}

void berth_ui_size_spin_set(GtkSpinButton *spin, guint64 bytes)
{
    gtk_spin_button_set_value(spin, (double) bytes / (double) MIB);
}
