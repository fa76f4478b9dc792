/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file-row.h"

#include <glib/gi18n.h>

#include "drop.h"

struct _BerthUiFileRow {
    AdwActionRow parent_instance;
    GtkWidget *clear;
    GFile *file;
    gboolean is_disk;
    GtkFileChooserNative *chooser; /* while it is open */
};

G_DEFINE_FINAL_TYPE(BerthUiFileRow, berth_ui_file_row, ADW_TYPE_ACTION_ROW)

enum { PROPERTY_FILE = 1, PROPERTY_IS_DISK, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

GFile *berth_ui_file_row_get_file(BerthUiFileRow *self)
{
    return self->file;
}

void berth_ui_file_row_set_file(BerthUiFileRow *self, GFile *file)
{
    g_autofree char *base = file ? g_file_get_basename(file) : NULL;
    g_autofree char *name = base ? g_filename_display_name(base) : NULL;
    if (!g_set_object(&self->file, file))
        return;
    adw_action_row_set_subtitle(ADW_ACTION_ROW(self), name ? name : _("None chosen"));
    gtk_widget_set_visible(self->clear, file != NULL);
    g_object_notify_by_pspec(G_OBJECT(self), specs[PROPERTY_FILE]);
}

static void on_chosen(GtkNativeDialog *chooser, int response, BerthUiFileRow *self)
{
    if (response == GTK_RESPONSE_ACCEPT) {
        g_autoptr(GFile) file = gtk_file_chooser_get_file(GTK_FILE_CHOOSER(chooser));
        berth_ui_file_row_set_file(self, file);
    }
    g_clear_object(&self->chooser);
}

static void add_filter(GtkFileChooser *chooser, const char *name, const char *const *suffixes)
{
    g_autoptr(GtkFileFilter) filter = gtk_file_filter_new();
    gtk_file_filter_set_name(filter, name);
    for (guint i = 0; suffixes[i]; i++)
        gtk_file_filter_add_suffix(filter, suffixes[i]);
    if (!*suffixes)
        gtk_file_filter_add_pattern(filter, "*");
    gtk_file_chooser_add_filter(chooser, filter);
}

static void on_choose(BerthUiFileRow *self)
{
    static const char *const disks[] = {"qcow2", "qcow", "img", "raw", NULL}, *const all[] = {NULL};
    GtkWindow *window = GTK_WINDOW(gtk_widget_get_root(GTK_WIDGET(self)));
    const char *title = adw_preferences_row_get_title(ADW_PREFERENCES_ROW(self));
    if (self->chooser)
        return;
    self->chooser = gtk_file_chooser_native_new(title, window, GTK_FILE_CHOOSER_ACTION_OPEN, NULL, NULL);
    gtk_native_dialog_set_modal(GTK_NATIVE_DIALOG(self->chooser), TRUE);
    if (self->is_disk)
        add_filter(GTK_FILE_CHOOSER(self->chooser), _("Disk Images"), disks);
    add_filter(GTK_FILE_CHOOSER(self->chooser), _("All Files"), all);
    g_signal_connect(self->chooser, "response", G_CALLBACK(on_chosen), self);
    gtk_native_dialog_show(GTK_NATIVE_DIALOG(self->chooser));
}

static void on_clear(BerthUiFileRow *self)
{
    berth_ui_file_row_set_file(self, NULL);
}

static gboolean on_dropped(GtkWidget *widget, GFile *file, guint n_others)
{
    berth_ui_file_row_set_file(BERTH_UI_FILE_ROW(widget), file);
    gtk_widget_activate_action(widget, "import.tell-others", "u", n_others);
    return TRUE;
}

static void berth_ui_file_row_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    BerthUiFileRow *self = BERTH_UI_FILE_ROW(object);
    if (id == PROPERTY_FILE)
        berth_ui_file_row_set_file(self, g_value_get_object(value));
    else
        self->is_disk = g_value_get_boolean(value);
}

static void berth_ui_file_row_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    BerthUiFileRow *self = BERTH_UI_FILE_ROW(object);
    if (id == PROPERTY_FILE)
        g_value_set_object(value, self->file);
    else
        g_value_set_boolean(value, self->is_disk);
}

static void berth_ui_file_row_dispose(GObject *object)
{
    BerthUiFileRow *self = BERTH_UI_FILE_ROW(object);
    if (self->chooser)
        gtk_native_dialog_destroy(GTK_NATIVE_DIALOG(self->chooser));
    g_clear_object(&self->chooser);
    g_clear_object(&self->file);
    G_OBJECT_CLASS(berth_ui_file_row_parent_class)->dispose(object);
}

static void berth_ui_file_row_class_init(BerthUiFileRowClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    object_class->set_property = berth_ui_file_row_set_property;
    object_class->get_property = berth_ui_file_row_get_property;
    object_class->dispose = berth_ui_file_row_dispose;
    specs[PROPERTY_FILE] = g_param_spec_object("file", NULL, NULL, G_TYPE_FILE,
                                               G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
    specs[PROPERTY_IS_DISK] =
        g_param_spec_boolean("is-disk", NULL, NULL, FALSE, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(object_class, N_PROPERTIES, specs);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/file-row.ui");
    gtk_widget_class_bind_template_child(widget_class, BerthUiFileRow, clear);
    gtk_widget_class_bind_template_callback(widget_class, on_choose);
    gtk_widget_class_bind_template_callback(widget_class, on_clear);
}

static void berth_ui_file_row_init(BerthUiFileRow *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    berth_ui_take_drops(GTK_WIDGET(self), on_dropped);
}
