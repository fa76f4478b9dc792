/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "form.h"

#include <glib/gi18n.h>

#include "network-group.h"
#include "size-spin.h"
#include "ui-gtk/model/draft.h"
#include "ui-gtk/model/format.h"
#include "ui-gtk/model/names.h"
#include "ui-gtk/model/words.h"
#include "ui-gtk/widgets/complaint.h"
#include "ui-gtk/widgets/hardware.h"

struct _BerthUiForm {
    AdwBin parent_instance;
    GtkWidget *error_group, *name_group, *disk_row, *start_row, *protected_row;
    AdwActionRow *error, *note, *vcpus_row, *memory_row;
    AdwEntryRow *name;
    GtkSpinButton *vcpus, *memory, *disk;
    AdwComboRow *display, *restart;
    GtkSwitch *start, *protected_;
    AdwPreferencesGroup *disks;
    BerthUiNetworkGroup *networks;
    BerthUiComplaint *name_complaint, *vcpus_complaint, *memory_complaint, *disk_complaint, *display_complaint;
    BerthUiHost host;
    GListModel *vms;  /* (nullable): for a new one */
    char *image;      /* (nullable): what a new one is made from */
    GVariant *config; /* (nullable): of the one that there is */
    gboolean valid, filling;
};

G_DEFINE_FINAL_TYPE(BerthUiForm, berth_ui_form, ADW_TYPE_BIN)

enum { PROPERTY_VALID = 1, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];
static guint changed_signal;

/* In the order in which the template has them. */
static const char *const displays[] = {"none", "vga", "virtio", NULL};
static const char *const restarts[] = {"no", "on-failure", "always", NULL};

static void select_word(AdwComboRow *row, const char *const *words, GVariant *config, const char *key)
{
    const char *word = NULL;
    g_variant_lookup(config, key, "&s", &word);
    for (guint i = 0; word && words[i]; i++)
        if (g_str_equal(words[i], word))
            adw_combo_row_set_selected(row, i);
}

static void add_word(AdwComboRow *row, const char *const *words, GVariantDict *draft, const char *key)
{
    guint selected = adw_combo_row_get_selected(row);
    if (selected != GTK_INVALID_LIST_POSITION)
        g_variant_dict_insert(draft, key, "s", words[selected]);
}

/* Complaints. */

static BerthUiComplaint *complaint_at(BerthUiForm *self, const char *place)
{
    if (g_str_equal(place, "name"))
        return self->vms ? self->name_complaint : NULL;
    if (g_str_equal(place, "vcpus"))
        return self->vcpus_complaint;
    if (g_str_equal(place, "memory"))
        return self->memory_complaint;
    if (g_str_equal(place, "display"))
        return self->display_complaint;
    return self->vms && g_str_has_prefix(place, "disks") ? self->disk_complaint : NULL;
}

static gboolean show_at_field(BerthUiForm *self, const BerthUiProblem *problem)
{
    BerthUiComplaint *complaint = complaint_at(self, problem->place);
    if (complaint)
        berth_ui_complaint_set_text(complaint, problem->text);
    return complaint || berth_ui_network_group_complain(self->networks, problem->place, problem->text);
}

/* What is about no field. */
static void show_error(BerthUiForm *self, const char *title, const char *text)
{
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(self->error), title);
    adw_action_row_set_subtitle(self->error, text);
    gtk_widget_set_visible(self->error_group, *title);
}

static void clear_complaints(BerthUiForm *self)
{
    static const char *const places[] = {"name", "vcpus", "memory", "disks", "display"};
    for (guint i = 0; i < G_N_ELEMENTS(places); i++)
        if (complaint_at(self, places[i]))
            berth_ui_complaint_set_text(complaint_at(self, places[i]), NULL);
    berth_ui_network_group_clear_complaints(self->networks);
    show_error(self, "", "");
}

void berth_ui_form_complain(BerthUiForm *self, const GError *error)
{
    g_autoptr(BerthUiProblem) problem = berth_ui_problem_of(error);
    clear_complaints(self);
    if (!show_at_field(self, problem))
        show_error(self, berth_ui_describe_error(error), problem->text);
}

/* Checks. */

static void set_valid(BerthUiForm *self, gboolean valid)
{
    if (self->valid == valid)
        return;
    self->valid = valid;
    g_object_notify_by_pspec(G_OBJECT(self), specs[PROPERTY_VALID]);
}

static void check(BerthUiForm *self)
{
    g_autoptr(GVariant) draft = berth_ui_form_get_draft(self);
    g_autoptr(BerthUiProblem) problem = berth_ui_check_draft(draft, self->config);
    const char *name = self->vms ? berth_ui_check_name(berth_ui_form_get_name(self), self->vms) : NULL;
    clear_complaints(self);
    berth_ui_complaint_set_text(self->name_complaint, name);
    if (problem && !show_at_field(self, problem))
        show_error(self, problem->text, "");
    set_valid(self, !name && !problem);
}

static void on_changed(BerthUiForm *self)
{
    if (self->filling)
        return;
    check(self);
    g_signal_emit(self, changed_signal, 0);
}

/* More than there is can be had, but is seldom meant. */
static void show_plenty(AdwActionRow *row, gboolean is_plenty)
{
    if (is_plenty)
        gtk_widget_add_css_class(GTK_WIDGET(row), "warning");
    else
        gtk_widget_remove_css_class(GTK_WIDGET(row), "warning");
}

static void on_capacity_changed(BerthUiForm *self)
{
    show_plenty(self->vcpus_row, gtk_spin_button_get_value_as_int(self->vcpus) > (int) self->host.processors);
    show_plenty(self->memory_row, berth_ui_size_spin_get(self->memory) > self->host.memory);
    on_changed(self);
}

/* What is filled in. */

const char *berth_ui_form_get_name(BerthUiForm *self)
{
    return gtk_editable_get_text(GTK_EDITABLE(self->name));
}

gboolean berth_ui_form_get_start(BerthUiForm *self)
{
    return gtk_switch_get_active(self->start);
}

/* For a new one berth.conf says when it is restarted, and nothing is worth protecting yet. */
static void add_old(BerthUiForm *self, GVariantDict *draft)
{
    add_word(self->restart, restarts, draft, "restart");
    g_variant_dict_insert(draft, "protected", "b", gtk_switch_get_active(self->protected_));
}

/* Without an own size the first disk is as large as the image, which may have none. */
static void add_new(BerthUiForm *self, GVariantDict *draft)
{
    guint64 size = berth_ui_size_spin_get(self->disk);
    if (self->image)
        g_variant_dict_insert(draft, "image", "s", self->image);
    if (size > 0)
        g_variant_dict_insert_value(draft, "disks", g_variant_new_parsed("[{'size': <%t>}]", size));
}

GVariant *berth_ui_form_get_draft(BerthUiForm *self)
{
    GVariantDict draft = G_VARIANT_DICT_INIT(NULL);
    gtk_spin_button_update(self->vcpus);
    g_variant_dict_insert(&draft, "vcpus", "u", (guint32) gtk_spin_button_get_value_as_int(self->vcpus));
    g_variant_dict_insert(&draft, "memory", "t", berth_ui_size_spin_get(self->memory));
    g_variant_dict_insert_value(&draft, "networks", berth_ui_network_group_get(self->networks));
    add_word(self->display, displays, &draft, "display");
    if (self->config)
        add_old(self, &draft);
    else
        add_new(self, &draft);
    return g_variant_ref_sink(g_variant_dict_end(&draft));
}

/* What is shown. */

static void show_values(BerthUiForm *self, GVariant *config)
{
    guint32 vcpus = 1;
    guint64 memory = 0;
    gboolean is_protected = FALSE;
    g_autoptr(GVariant) networks = g_variant_lookup_value(config, "networks", G_VARIANT_TYPE("aa{sv}"));
    g_variant_lookup(config, "vcpus", "u", &vcpus);
    g_variant_lookup(config, "memory", "t", &memory);
    g_variant_lookup(config, "protected", "b", &is_protected);
    gtk_spin_button_set_value(self->vcpus, vcpus);
    berth_ui_size_spin_set(self->memory, memory);
    select_word(self->display, displays, config, "display");
    select_word(self->restart, restarts, config, "restart");
    gtk_switch_set_active(self->protected_, is_protected);
    if (networks)
        berth_ui_network_group_show(self->networks, networks);
}

static void show(BerthUiForm *self, GVariant *config, gboolean is_new)
{
    self->filling = TRUE;
    show_values(self, config);
    gtk_widget_set_visible(self->name_group, is_new);
    gtk_widget_set_visible(self->disk_row, is_new);
    gtk_widget_set_visible(self->start_row, is_new);
    gtk_widget_set_visible(GTK_WIDGET(self->restart), !is_new);
    gtk_widget_set_visible(self->protected_row, !is_new);
    if (!is_new)
        berth_ui_show_disks(self->disks, config);
    self->filling = FALSE;
    on_capacity_changed(self);
}

#define EMPTY_DISK (G_GUINT64_CONSTANT(20) << 30)

void berth_ui_form_show_new(BerthUiForm *self, const char *image, GListModel *vms)
{
    g_autofree char *name = berth_ui_propose_name(image ? image : "vm", vms);
    g_autoptr(GVariant) proposal = g_variant_ref_sink(
        g_variant_new_parsed("{'vcpus': <%u>, 'memory': <%t>, 'display': <'vga'>, 'networks': <[{'mode': <'user'>}]>}",
                             berth_ui_propose_vcpus(&self->host), berth_ui_propose_memory(&self->host)));
    self->filling = TRUE;
    g_clear_pointer(&self->config, g_variant_unref);
    g_set_object(&self->vms, vms);
    g_free(self->image);
    self->image = g_strdup(image);
    berth_ui_size_spin_set_up(self->disk, 0, 64u << 20, 1024, image ? _("As the image") : C_("disk", "None"));
    berth_ui_size_spin_set(self->disk, image ? 0 : EMPTY_DISK);
    gtk_editable_set_text(GTK_EDITABLE(self->name), name);
    show(self, proposal, TRUE);
}

void berth_ui_form_show_config(BerthUiForm *self, GVariant *config)
{
    g_clear_object(&self->vms);
    g_clear_pointer(&self->config, g_variant_unref);
    self->config = g_variant_ref(config);
    show(self, config, FALSE);
}

void berth_ui_form_set_note(BerthUiForm *self, const char *note)
{
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(self->note), note ? note : "");
    gtk_widget_set_visible(gtk_widget_get_ancestor(GTK_WIDGET(self->note), ADW_TYPE_PREFERENCES_GROUP), note != NULL);
}

/* The object. */

static void berth_ui_form_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    g_value_set_boolean(value, BERTH_UI_FORM(object)->valid);
}

static void berth_ui_form_finalize(GObject *object)
{
    BerthUiForm *self = BERTH_UI_FORM(object);
    g_clear_object(&self->vms);
    g_clear_pointer(&self->config, g_variant_unref);
    g_free(self->image);
    G_OBJECT_CLASS(berth_ui_form_parent_class)->finalize(object);
}

static void class_bind_children(GtkWidgetClass *klass)
{
    gtk_widget_class_bind_template_child(klass, BerthUiForm, error_group);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, error);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, note);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, name_group);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, name);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, name_complaint);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, vcpus_row);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, vcpus);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, vcpus_complaint);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, memory_row);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, memory);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, memory_complaint);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, disk_row);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, disk);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, disk_complaint);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, disks);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, networks);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, display);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, display_complaint);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, restart);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, protected_);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, protected_row);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, start_row);
    gtk_widget_class_bind_template_child(klass, BerthUiForm, start);
}

static void berth_ui_form_class_init(BerthUiFormClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    G_OBJECT_CLASS(klass)->get_property = berth_ui_form_get_property;
    G_OBJECT_CLASS(klass)->finalize = berth_ui_form_finalize;
    specs[PROPERTY_VALID] = g_param_spec_boolean("valid", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
    g_object_class_install_properties(G_OBJECT_CLASS(klass), N_PROPERTIES, specs);
    changed_signal =
        g_signal_new("changed", BERTH_UI_TYPE_FORM, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
    g_type_ensure(BERTH_UI_TYPE_COMPLAINT);
    g_type_ensure(BERTH_UI_TYPE_NETWORK_GROUP);
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/form.ui");
    class_bind_children(widget_class);
    gtk_widget_class_bind_template_callback(widget_class, on_changed);
    gtk_widget_class_bind_template_callback(widget_class, on_capacity_changed);
}

/* A spin button has no property for it before GTK 4.14; what is in it has. */
static void activate_default(GtkSpinButton *spin)
{
    GtkEditable *text = gtk_editable_get_delegate(GTK_EDITABLE(spin));
    if (GTK_IS_TEXT(text))
        gtk_text_set_activates_default(GTK_TEXT(text), TRUE);
}

static void berth_ui_form_init(BerthUiForm *self)
{
    self->filling = TRUE;
    gtk_widget_init_template(GTK_WIDGET(self));
    berth_ui_host_look(&self->host);
    g_autofree char *processors = g_strdup_printf(
        ngettext("This computer has %u", "This computer has %u", self->host.processors), self->host.processors);
    g_autofree char *bytes = berth_ui_format_bytes(self->host.memory);
    g_autofree char *memory = g_strdup_printf(_("This computer has %s"), bytes);
    adw_action_row_set_subtitle(self->vcpus_row, processors);
    adw_action_row_set_subtitle(self->memory_row, memory);
    berth_ui_size_spin_set_up(self->memory, 16, 1u << 20, 256, NULL);
    berth_ui_form_set_note(self, NULL);
    activate_default(self->vcpus);
    activate_default(self->memory);
    activate_default(self->disk);
    self->filling = FALSE;
}
