/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "terminal.h"

#include <vte/vte.h>

#include "terminal-colors.h"
#include "ui-gtk/model/settings.h"

#define SCROLLBACK_LINES 10000
#define ZOOM_STEP 1.2
#define ZOOM_MIN 0.25
#define ZOOM_MAX 4.0

struct _BerthUiTerminal {
    AdwBin parent_instance;
    VteTerminal *vte;
    GtkPopoverMenu *menu;
    GSettings *settings;
    GtkEventController *early; /* the root's, while VTE has the focus */
    char *replay;              /* the title that VTE is told behind what is replayed; NULL where nothing is */
    GByteArray *held;          /* what came since */
};

G_DEFINE_FINAL_TYPE(BerthUiTerminal, berth_ui_terminal, ADW_TYPE_BIN)

static guint typed_signal;

/* Looks. */

static void follow_style(BerthUiTerminal *self)
{
    berth_ui_terminal_set_colors(self->vte, adw_style_manager_get_dark(adw_style_manager_get_default()));
}

/* What the user has chosen for fixed width, on desktops that have such a choice; else VTE knows one. */
static void follow_font(BerthUiTerminal *self)
{
    static const char schema_id[] = "org.gnome.desktop.interface", key[] = "monospace-font-name";
    g_autoptr(GSettingsSchema) schema =
        g_settings_schema_source_lookup(g_settings_schema_source_get_default(), schema_id, TRUE);
    if (!schema || !g_settings_schema_has_key(schema, key))
        return;
    g_autoptr(GSettings) desktop = g_settings_new(schema_id);
    g_autofree char *name = g_settings_get_string(desktop, key);
    PangoFontDescription *font = pango_font_description_from_string(name);
    vte_terminal_set_font(self->vte, font);
    pango_font_description_free(font);
}

static void zoom(BerthUiTerminal *self, double factor)
{
    double scale = vte_terminal_get_font_scale(self->vte) * factor;
    vte_terminal_set_font_scale(self->vte, CLAMP(scale, ZOOM_MIN, ZOOM_MAX));
}

static gboolean on_scroll(GtkEventControllerScroll *controller, double dx, double dy, BerthUiTerminal *self)
{
    GdkModifierType state = gtk_event_controller_get_current_event_state(GTK_EVENT_CONTROLLER(controller));
    if (!(state & GDK_CONTROL_MASK))
        return GDK_EVENT_PROPAGATE;
    double factor = 1 + (ZOOM_STEP - 1) * ABS(dy); /* dy: notches, or parts of them */
    zoom(self, dy < 0 ? factor : 1 / factor);
    return GDK_EVENT_STOP;
}

/* What goes in and out. */

/* What is replayed is followed by a title that nobody else can know: until VTE tells of it, what it says answers the
 * past. */
static void on_title(BerthUiTerminal *self)
{
    g_autofree char *title = NULL;
    g_object_get(self->vte, "window-title", &title, NULL);
    if (!self->replay || g_strcmp0(title, self->replay) != 0)
        return;
    g_clear_pointer(&self->replay, g_free);
    vte_terminal_feed(self->vte, (const char *) self->held->data, self->held->len);
    g_byte_array_set_size(self->held, 0);
}

static void on_commit(VteTerminal *vte, const char *text, guint length, BerthUiTerminal *self)
{
    g_autoptr(GBytes) bytes = g_bytes_new(text, length);
    if (!self->replay)
        g_signal_emit(self, typed_signal, 0, bytes);
}

void berth_ui_terminal_feed(BerthUiTerminal *self, const char *bytes, gsize length)
{
    if (self->replay)
        g_byte_array_append(self->held, (const guint8 *) bytes, (guint) length);
    else
        vte_terminal_feed(self->vte, bytes, (gssize) length);
}

void berth_ui_terminal_replay(BerthUiTerminal *self, GBytes *bytes)
{
    gsize length;
    const char *text = g_bytes_get_data(bytes, &length);
    if (length == 0 || self->replay)
        return;
    self->replay = g_uuid_string_random();
    /* CAN ends what the text may have begun and not ended. */
    g_autofree char *end = g_strdup_printf("\030\033]2;%s\033\\", self->replay);
    vte_terminal_feed(self->vte, text, (gssize) length);
    vte_terminal_feed(self->vte, end, -1);
}

void berth_ui_terminal_begin_anew(BerthUiTerminal *self)
{
    /* Behind what is still to be shown: leave the other screen, soft reset, a new line. */
    static const char anew[] = "\030\033[?47l\033[!p\033[0m\r\n";
    berth_ui_terminal_feed(self, anew, strlen(anew));
}

void berth_ui_terminal_set_live(BerthUiTerminal *self, gboolean live)
{
    vte_terminal_set_input_enabled(self->vte, live);
    gtk_widget_action_set_enabled(GTK_WIDGET(self), "terminal.paste", live);
    if (live)
        gtk_widget_remove_css_class(GTK_WIDGET(self), "ended");
    else
        gtk_widget_add_css_class(GTK_WIDGET(self), "ended");
}

/* Actions. */

static void on_copy(GtkWidget *widget, const char *name, GVariant *parameter)
{
    vte_terminal_copy_clipboard_format(BERTH_UI_TERMINAL(widget)->vte, VTE_FORMAT_TEXT);
}

static void on_paste(GtkWidget *widget, const char *name, GVariant *parameter)
{
    vte_terminal_paste_clipboard(BERTH_UI_TERMINAL(widget)->vte);
}

static void on_select_all(GtkWidget *widget, const char *name, GVariant *parameter)
{
    vte_terminal_select_all(BERTH_UI_TERMINAL(widget)->vte);
}

static void on_zoom(GtkWidget *widget, const char *name, GVariant *parameter)
{
    zoom(BERTH_UI_TERMINAL(widget), g_str_equal(name, "terminal.zoom-in") ? ZOOM_STEP : 1 / ZOOM_STEP);
}

static void on_zoom_reset(GtkWidget *widget, const char *name, GVariant *parameter)
{
    vte_terminal_set_font_scale(BERTH_UI_TERMINAL(widget)->vte, 1);
}

static void show_menu(BerthUiTerminal *self, double x, double y)
{
    const GdkRectangle at = {(int) x, (int) y, 1, 1};
    gtk_popover_set_pointing_to(GTK_POPOVER(self->menu), &at);
    gtk_popover_popup(GTK_POPOVER(self->menu));
}

/* By keyboard: where the cursor is. */
static void on_menu(GtkWidget *widget, const char *name, GVariant *parameter)
{
    BerthUiTerminal *self = BERTH_UI_TERMINAL(widget);
    long column, row;
    vte_terminal_get_cursor_position(self->vte, &column, &row);
    row -= (long) gtk_adjustment_get_value(gtk_scrollable_get_vadjustment(GTK_SCROLLABLE(self->vte)));
    show_menu(
        self, (double) (column * vte_terminal_get_char_width(self->vte)),
        (double) (CLAMP(row, 0, vte_terminal_get_row_count(self->vte)) * vte_terminal_get_char_height(self->vte)));
}

/* Before it comes here, VTE has it, and keeps it where the other end wants to hear of the mouse. */
static void on_secondary_click(GtkGestureClick *gesture, int n_press, double x, double y, BerthUiTerminal *self)
{
    gtk_gesture_set_state(GTK_GESTURE(gesture), GTK_EVENT_SEQUENCE_CLAIMED);
    show_menu(self, x, y);
}

/* Keys. */

/* One of ours never goes to the other end, also where it can't do anything now: Ctrl+Shift+C would be Ctrl+C there. */
static gboolean on_own_key(GtkWidget *widget, GVariant *arguments, gpointer action)
{
    gtk_widget_activate_action(widget, action, NULL);
    return GDK_EVENT_STOP;
}

static void leave(BerthUiTerminal *self, GtkDirectionType direction)
{
    g_signal_emit_by_name(self->vte, "move-focus", direction);
}

static gboolean on_leave(GtkWidget *widget, GVariant *arguments, gpointer direction)
{
    leave(BERTH_UI_TERMINAL(widget), GPOINTER_TO_INT(direction));
    return GDK_EVENT_STOP;
}

/* Nobody at the other end wants it. */
static gboolean on_tab(GtkWidget *widget, GVariant *arguments, gpointer direction)
{
    if (vte_terminal_get_input_enabled(BERTH_UI_TERMINAL(widget)->vte))
        return GDK_EVENT_PROPAGATE;
    return on_leave(widget, arguments, direction);
}

static const struct {
    const char *keys;
    GtkShortcutFunc function;
    gconstpointer data;
} own_keys[] = {
    {"<Control><Shift>c", on_own_key, "terminal.copy"},
    {"<Control><Shift>v", on_own_key, "terminal.paste"},
    {"<Control><Shift>a", on_own_key, "terminal.select-all"},
    {"<Control>plus|<Control>equal|<Control>KP_Add", on_own_key, "terminal.zoom-in"},
    {"<Control>minus|<Control>KP_Subtract", on_own_key, "terminal.zoom-out"},
    {"<Control>0|<Control>KP_0", on_own_key, "terminal.zoom-reset"},
    {"<Shift>F10|Menu", on_own_key, "terminal.menu"},
    {"<Control>Page_Down", on_own_key, "win.next-view"},
    {"<Control>Page_Up", on_own_key, "win.previous-view"},
    {"<Control>Tab|<Control>KP_Tab", on_leave, GINT_TO_POINTER(GTK_DIR_TAB_FORWARD)},
    {"<Control><Shift>Tab|<Control><Shift>ISO_Left_Tab", on_leave, GINT_TO_POINTER(GTK_DIR_TAB_BACKWARD)},
    {"Tab", on_tab, GINT_TO_POINTER(GTK_DIR_TAB_FORWARD)},
    {"<Shift>Tab|<Shift>ISO_Left_Tab", on_tab, GINT_TO_POINTER(GTK_DIR_TAB_BACKWARD)},
};

/* Before VTE, which takes all. */
static void add_keys(BerthUiTerminal *self)
{
    GtkEventController *controller = gtk_shortcut_controller_new();
    gtk_event_controller_set_propagation_phase(controller, GTK_PHASE_CAPTURE);
    for (guint i = 0; i < G_N_ELEMENTS(own_keys); i++) {
        GtkShortcutTrigger *trigger = gtk_shortcut_trigger_parse_string(own_keys[i].keys);
        GtkShortcutAction *action = gtk_callback_action_new(own_keys[i].function, (gpointer) own_keys[i].data, NULL);
        gtk_shortcut_controller_add_shortcut(GTK_SHORTCUT_CONTROLLER(controller), gtk_shortcut_new(trigger, action));
    }
    gtk_widget_add_controller(GTK_WIDGET(self), controller);
}

static gboolean on_early_key(GtkEventControllerKey *controller, guint key, guint code, GdkModifierType modifiers,
                             BerthUiTerminal *self)
{
    if (!vte_terminal_get_input_enabled(self->vte) || !gtk_widget_get_mapped(GTK_WIDGET(self->vte)))
        return GDK_EVENT_PROPAGATE;
    return gtk_event_controller_key_forward(controller, GTK_WIDGET(self)) ||
           gtk_event_controller_key_forward(controller, GTK_WIDGET(self->vte));
}

/* Of the window's controllers the last one that was added is asked first: before applications, menus and mnemonics. */
static void take_keys(BerthUiTerminal *self)
{
    if (self->early)
        return;
    self->early = gtk_event_controller_key_new();
    gtk_event_controller_set_propagation_phase(self->early, GTK_PHASE_CAPTURE);
    g_signal_connect(self->early, "key-pressed", G_CALLBACK(on_early_key), self);
    gtk_widget_add_controller(GTK_WIDGET(gtk_widget_get_root(GTK_WIDGET(self))), self->early);
}

static void leave_keys(BerthUiTerminal *self)
{
    GtkEventController *early = g_steal_pointer(&self->early);
    if (early)
        gtk_widget_remove_controller(gtk_event_controller_get_widget(early), early);
}

static void follow_focus(BerthUiTerminal *self)
{
    GtkEventController *controller = gtk_event_controller_focus_new();
    g_signal_connect_swapped(controller, "enter", G_CALLBACK(take_keys), self);
    g_signal_connect_swapped(controller, "leave", G_CALLBACK(leave_keys), self);
    gtk_widget_add_controller(GTK_WIDGET(self->vte), controller);
}

static void add_pointer(BerthUiTerminal *self)
{
    GtkEventController *scroll = gtk_event_controller_scroll_new(GTK_EVENT_CONTROLLER_SCROLL_VERTICAL);
    GtkGesture *click = gtk_gesture_click_new();
    gtk_event_controller_set_propagation_phase(scroll, GTK_PHASE_CAPTURE);
    g_signal_connect(scroll, "scroll", G_CALLBACK(on_scroll), self);
    gtk_widget_add_controller(GTK_WIDGET(self), scroll);
    gtk_gesture_single_set_button(GTK_GESTURE_SINGLE(click), GDK_BUTTON_SECONDARY);
    g_signal_connect(click, "pressed", G_CALLBACK(on_secondary_click), self);
    gtk_widget_add_controller(GTK_WIDGET(self), GTK_EVENT_CONTROLLER(click));
}

/* The object. */

static void on_selection_changed(BerthUiTerminal *self)
{
    gtk_widget_action_set_enabled(GTK_WIDGET(self), "terminal.copy", vte_terminal_get_has_selection(self->vte));
}

BerthUiTerminal *berth_ui_terminal_new(void)
{
    return g_object_new(BERTH_UI_TYPE_TERMINAL, NULL);
}

static gboolean berth_ui_terminal_grab_focus(GtkWidget *widget)
{
    return gtk_widget_grab_focus(GTK_WIDGET(BERTH_UI_TERMINAL(widget)->vte));
}

static void berth_ui_terminal_unroot(GtkWidget *widget)
{
    leave_keys(BERTH_UI_TERMINAL(widget));
    GTK_WIDGET_CLASS(berth_ui_terminal_parent_class)->unroot(widget);
}

static void berth_ui_terminal_dispose(GObject *object)
{
    BerthUiTerminal *self = BERTH_UI_TERMINAL(object);
    if (self->menu)
        gtk_widget_unparent(GTK_WIDGET(g_steal_pointer(&self->menu)));
    g_clear_object(&self->settings);
    G_OBJECT_CLASS(berth_ui_terminal_parent_class)->dispose(object);
}

static void berth_ui_terminal_finalize(GObject *object)
{
    g_free(BERTH_UI_TERMINAL(object)->replay);
    g_byte_array_unref(BERTH_UI_TERMINAL(object)->held);
    G_OBJECT_CLASS(berth_ui_terminal_parent_class)->finalize(object);
}

static void class_install_actions(GtkWidgetClass *klass)
{
    gtk_widget_class_install_action(klass, "terminal.copy", NULL, on_copy);
    gtk_widget_class_install_action(klass, "terminal.paste", NULL, on_paste);
    gtk_widget_class_install_action(klass, "terminal.select-all", NULL, on_select_all);
    gtk_widget_class_install_action(klass, "terminal.zoom-in", NULL, on_zoom);
    gtk_widget_class_install_action(klass, "terminal.zoom-out", NULL, on_zoom);
    gtk_widget_class_install_action(klass, "terminal.zoom-reset", NULL, on_zoom_reset);
    gtk_widget_class_install_action(klass, "terminal.menu", NULL, on_menu);
}

static void berth_ui_terminal_class_init(BerthUiTerminalClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    G_OBJECT_CLASS(klass)->dispose = berth_ui_terminal_dispose;
    G_OBJECT_CLASS(klass)->finalize = berth_ui_terminal_finalize;
    widget_class->unroot = berth_ui_terminal_unroot;
    widget_class->grab_focus = berth_ui_terminal_grab_focus;
    typed_signal = g_signal_new("typed", BERTH_UI_TYPE_TERMINAL, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                                G_TYPE_BYTES);
    g_type_ensure(VTE_TYPE_TERMINAL);
    gtk_widget_class_set_css_name(widget_class, "terminal");
    gtk_widget_class_set_template_from_resource(widget_class, "/org/berth/Berth/terminal.ui");
    gtk_widget_class_bind_template_child(widget_class, BerthUiTerminal, vte);
    gtk_widget_class_bind_template_child(widget_class, BerthUiTerminal, menu);
    gtk_widget_class_bind_template_callback(widget_class, on_title);
    gtk_widget_class_bind_template_callback(widget_class, on_commit);
    gtk_widget_class_bind_template_callback(widget_class, on_selection_changed);
    class_install_actions(widget_class);
}

static void berth_ui_terminal_init(BerthUiTerminal *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    self->held = g_byte_array_new();
    gtk_widget_set_parent(GTK_WIDGET(self->menu), GTK_WIDGET(self));
    gtk_widget_set_direction(GTK_WIDGET(self->vte), GTK_TEXT_DIR_LTR);
    vte_terminal_set_scrollback_lines(self->vte, SCROLLBACK_LINES);
    /* VTE would ask the terminal line, which it does not have: this is what Linux has as default. */
    vte_terminal_set_backspace_binding(self->vte, VTE_ERASE_ASCII_DELETE);
    g_signal_connect_object(adw_style_manager_get_default(), "notify::dark", G_CALLBACK(follow_style), self,
                            G_CONNECT_SWAPPED);
    follow_style(self);
    follow_font(self);
    self->settings = g_settings_new(BERTH_UI_SETTINGS);
    g_settings_bind(self->settings, BERTH_UI_SETTING_CONSOLE_SCALE, self->vte, "font-scale", G_SETTINGS_BIND_DEFAULT);
    add_keys(self);
    follow_focus(self);
    add_pointer(self);
    on_selection_changed(self);
    berth_ui_terminal_set_live(self, FALSE);
}
