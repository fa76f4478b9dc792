/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "application.h"

#include <glib/gi18n.h>

#include "config.h"
#include "ui-gtk/model/settings.h"
#include "window.h"

struct _BerthUiApplication {
    AdwApplication parent_instance;
    GSettings *settings;
    BerthUiService *service;
};

G_DEFINE_FINAL_TYPE(BerthUiApplication, berth_ui_application, ADW_TYPE_APPLICATION)

/* (transfer none) (nullable): a dialog may be in front of it. */
static BerthUiWindow *main_window(BerthUiApplication *self)
{
    for (GList *at = gtk_application_get_windows(GTK_APPLICATION(self)); at; at = at->next)
        if (BERTH_UI_IS_WINDOW(at->data))
            return at->data;
    return NULL;
}

/* Which service: a stateful action, "system" or "user". */

static void use_bus(BerthUiApplication *self, const char *word)
{
    GBusType bus = g_str_equal(word, "user") ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM;
    GAction *action = g_action_map_lookup_action(G_ACTION_MAP(self), "bus");
    BerthUiWindow *window = main_window(self);
    g_simple_action_set_state(G_SIMPLE_ACTION(action), g_variant_new_string(word));
    g_clear_object(&self->service);
    self->service = berth_ui_service_new(bus, NULL);
    if (window)
        berth_ui_window_set_service(window, self->service);
}

/* What is chosen in the menu is chosen for the next time too; the options are not. */
static void on_bus(GSimpleAction *action, GVariant *state, gpointer data)
{
    BerthUiApplication *self = data;
    const char *word = g_variant_get_string(state, NULL);
    if (!g_str_equal(word, "user") && !g_str_equal(word, "system"))
        return;
    g_settings_set_string(self->settings, BERTH_UI_SETTING_BUS, word);
    use_bus(self, word);
}

static void on_about(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    GtkWindow *window = gtk_application_get_active_window(data);
    adw_show_about_window(window, "application-name", _("Berth"), "application-icon", BERTH_UI_APPLICATION_ID,
                          "version", BERTH_VERSION, "comments", _("Virtual machines on this computer"),
                          "developer-name", _("The Berth developers"), "license-type", GTK_LICENSE_LGPL_2_1,
                          /* Translators: your names, a line each */
                          "translator-credits", _("translator-credits"), NULL);
}

static void on_preferences(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    BerthUiApplication *self = data;
    g_autoptr(GtkBuilder) builder = gtk_builder_new_from_resource("/org/berth/Berth/preferences.ui");
    GtkWindow *preferences = GTK_WINDOW(gtk_builder_get_object(builder, "preferences"));
    g_settings_bind(self->settings, BERTH_UI_SETTING_UNDO_SECONDS, gtk_builder_get_object(builder, "undo_seconds"),
                    "value", G_SETTINGS_BIND_DEFAULT);
    gtk_window_set_transient_for(preferences, gtk_application_get_active_window(GTK_APPLICATION(self)));
    gtk_window_present(preferences);
}

/* Of a notification, which may be older than this process. */
static void on_show_vm(GSimpleAction *action, GVariant *id, gpointer data)
{
    g_application_activate(data);
    berth_ui_window_open_vm(main_window(data), g_variant_get_string(id, NULL));
}

static void on_quit(GSimpleAction *action, GVariant *parameter, gpointer data)
{
    g_application_quit(data);
}

static const GActionEntry actions[] = {
    {"about", on_about, NULL, NULL, NULL, {0}},  {"preferences", on_preferences, NULL, NULL, NULL, {0}},
    {"quit", on_quit, NULL, NULL, NULL, {0}},    {"show-vm", on_show_vm, "s", NULL, NULL, {0}},
    {"bus", NULL, "s", "'system'", on_bus, {0}},
};

/* Those that no text entry wants for itself; the window has the others. */
static const struct {
    const char *action, *accelerator;
} shortcuts[] = {
    {"app.quit", "<Control>q"},
    {"app.preferences", "<Control>comma"},
    {"window.close", "<Control>w"},
    {"win.new-vm::", "<Control>n"},
    {"win.search", "<Control>f"},
    {"win.next-view", "<Control>Page_Down"},
    {"win.previous-view", "<Control>Page_Up"},
    {"win.images", "<Control>i"},
    {"win.fullscreen", "F11"},
};

static void add_shortcuts(GtkApplication *application)
{
    for (guint i = 0; i < G_N_ELEMENTS(shortcuts); i++) {
        const char *accelerators[] = {shortcuts[i].accelerator, NULL};
        gtk_application_set_accels_for_action(application, shortcuts[i].action, accelerators);
    }
}

/* The options are those of the first one that is started. */
static int on_local_options(GApplication *application, GVariantDict *options, gpointer data)
{
    BerthUiApplication *self = BERTH_UI_APPLICATION(application);
    if (g_variant_dict_contains(options, "version")) {
        g_print("berth %s\n", BERTH_VERSION);
        return 0;
    }
    g_autofree char *chosen = g_settings_get_string(self->settings, BERTH_UI_SETTING_BUS);
    const char *word = g_variant_dict_contains(options, "user")     ? "user"
                       : g_variant_dict_contains(options, "system") ? "system"
                                                                    : chosen;
    GAction *action = g_action_map_lookup_action(G_ACTION_MAP(self), "bus");
    g_simple_action_set_state(G_SIMPLE_ACTION(action), g_variant_new_string(word));
    return -1;
}

static void berth_ui_application_startup(GApplication *application)
{
    G_APPLICATION_CLASS(berth_ui_application_parent_class)->startup(application);
    add_shortcuts(GTK_APPLICATION(application));
}

static void berth_ui_application_activate(GApplication *application)
{
    BerthUiApplication *self = BERTH_UI_APPLICATION(application);
    BerthUiWindow *window = main_window(self);
    if (!window) {
        g_autoptr(GVariant) bus = g_action_group_get_action_state(G_ACTION_GROUP(self), "bus");
        use_bus(self, g_variant_get_string(bus, NULL));
        window = berth_ui_window_new(ADW_APPLICATION(self), self->service);
    }
    gtk_window_present(GTK_WINDOW(window));
}

static void berth_ui_application_dispose(GObject *object)
{
    BerthUiApplication *self = BERTH_UI_APPLICATION(object);
    g_clear_object(&self->service);
    g_clear_object(&self->settings);
    G_OBJECT_CLASS(berth_ui_application_parent_class)->dispose(object);
}

static void berth_ui_application_class_init(BerthUiApplicationClass *klass)
{
    G_OBJECT_CLASS(klass)->dispose = berth_ui_application_dispose;
    G_APPLICATION_CLASS(klass)->startup = berth_ui_application_startup;
    G_APPLICATION_CLASS(klass)->activate = berth_ui_application_activate;
}

static void berth_ui_application_init(BerthUiApplication *self)
{
    static const GOptionEntry options[] = {
        {"user", 0, 0, G_OPTION_ARG_NONE, NULL, N_("Show the virtual machines of your own service"), NULL},
        {"system", 0, 0, G_OPTION_ARG_NONE, NULL, N_("Show the virtual machines of this computer"), NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, NULL, N_("Show the version"), NULL},
        G_OPTION_ENTRY_NULL,
    };
    self->settings = g_settings_new(BERTH_UI_SETTINGS);
    g_application_add_main_option_entries(G_APPLICATION(self), options);
    g_signal_connect(self, "handle-local-options", G_CALLBACK(on_local_options), NULL);
    g_action_map_add_action_entries(G_ACTION_MAP(self), actions, G_N_ELEMENTS(actions), self);
}

BerthUiApplication *berth_ui_application_new(void)
{
    return g_object_new(BERTH_UI_TYPE_APPLICATION, "application-id", BERTH_UI_APPLICATION_ID, "resource-base-path",
                        "/org/berth/Berth", NULL);
}
