/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "complaint.h"

struct _BerthUiComplaint {
    AdwPreferencesRow parent_instance;
    GtkLabel *label;
    GtkWidget *field; /* beside it: it lives as long */
};

G_DEFINE_FINAL_TYPE(BerthUiComplaint, berth_ui_complaint, ADW_TYPE_PREFERENCES_ROW)

enum { PROPERTY_FIELD = 1, PROPERTY_TEXT, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

/* By "described by": what "error message" takes differs between versions of GTK. */
static void mark_field(BerthUiComplaint *self, gboolean is_wrong)
{
    GtkAccessible *field = GTK_ACCESSIBLE(self->field);
    if (is_wrong) {
        gtk_widget_add_css_class(self->field, "error");
        gtk_accessible_update_state(field, GTK_ACCESSIBLE_STATE_INVALID, GTK_ACCESSIBLE_INVALID_TRUE, -1);
        gtk_accessible_update_relation(field, GTK_ACCESSIBLE_RELATION_DESCRIBED_BY, self->label, NULL, -1);
    } else {
        gtk_widget_remove_css_class(self->field, "error");
        gtk_accessible_reset_state(field, GTK_ACCESSIBLE_STATE_INVALID);
        gtk_accessible_reset_relation(field, GTK_ACCESSIBLE_RELATION_DESCRIBED_BY);
    }
}

void berth_ui_complaint_set_text(BerthUiComplaint *self, const char *text)
{
    if (g_strcmp0(text ? text : "", gtk_label_get_text(self->label)) == 0)
        return;
    gtk_label_set_text(self->label, text ? text : "");
    gtk_widget_set_visible(GTK_WIDGET(self), text && *text);
    if (self->field)
        mark_field(self, text && *text);
    g_object_notify_by_pspec(G_OBJECT(self), specs[PROPERTY_TEXT]);
}

BerthUiComplaint *berth_ui_complaint_new(GtkWidget *field)
{
    return g_object_new(BERTH_UI_TYPE_COMPLAINT, "field", field, NULL);
}

static void berth_ui_complaint_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    BerthUiComplaint *self = BERTH_UI_COMPLAINT(object);
    if (id == PROPERTY_TEXT)
        berth_ui_complaint_set_text(self, g_value_get_string(value));
    else
        self->field = g_value_get_object(value);
}

static void berth_ui_complaint_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    BerthUiComplaint *self = BERTH_UI_COMPLAINT(object);
    if (id == PROPERTY_TEXT)
        g_value_set_string(value, gtk_label_get_text(self->label));
    else
        g_value_set_object(value, self->field);
}

static void berth_ui_complaint_class_init(BerthUiComplaintClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    object_class->set_property = berth_ui_complaint_set_property;
    object_class->get_property = berth_ui_complaint_get_property;
    specs[PROPERTY_FIELD] =
        g_param_spec_object("field", NULL, NULL, GTK_TYPE_WIDGET, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
    specs[PROPERTY_TEXT] = g_param_spec_string("text", NULL, NULL, "",
                                               G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
    g_object_class_install_properties(object_class, N_PROPERTIES, specs);
}

static void berth_ui_complaint_init(BerthUiComplaint *self)
{
    GtkWidget *box = g_object_new(GTK_TYPE_BOX, "spacing", 9, "margin-start", 12, "margin-end", 12, "margin-top", 9,
                                  "margin-bottom", 9, NULL);
    self->label = GTK_LABEL(g_object_new(GTK_TYPE_LABEL, "wrap", TRUE, "wrap-mode", PANGO_WRAP_WORD_CHAR, "xalign", 0.0,
                                         "hexpand", TRUE, NULL));
    gtk_box_append(GTK_BOX(box), gtk_image_new_from_icon_name("dialog-warning-symbolic"));
    gtk_box_append(GTK_BOX(box), GTK_WIDGET(self->label));
    gtk_widget_add_css_class(box, "error");
    gtk_widget_add_css_class(box, "caption");
    gtk_list_box_row_set_child(GTK_LIST_BOX_ROW(self), box);
    gtk_list_box_row_set_activatable(GTK_LIST_BOX_ROW(self), FALSE);
    gtk_widget_set_focusable(GTK_WIDGET(self), FALSE);
    gtk_widget_hide(GTK_WIDGET(self));
}
