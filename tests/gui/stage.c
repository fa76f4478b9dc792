/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"

#include <vte/vte.h>

#include "tests/lib/fakes/fake-desktop.h"
#include "ui-gtk/list/row.h"
#include "ui-gtk/widgets/badge.h"
#include "ui-gtk/widgets/figure.h"

static BerthUiApplication *application;
static PrivateBus *session; /* GTK's, and the fake daemon's */

static BerthUiApplication *application_new(void)
{
    g_autoptr(GError) error = NULL;
    BerthUiApplication *made = berth_ui_application_new();
    g_application_set_default(G_APPLICATION(made));
    g_application_register(G_APPLICATION(made), NULL, &error);
    g_assert_no_error(error);
    g_object_set(gtk_settings_get_default(), "gtk-enable-animations", FALSE, "gtk-decoration-layout", ":close",
                 "gtk-font-name", "Cantarell 11", NULL);
    if (g_getenv("BERTH_ICONS"))
        gtk_icon_theme_add_search_path(gtk_icon_theme_get_for_display(gdk_display_get_default()),
                                       g_getenv("BERTH_ICONS"));
    return made;
}

void stage_begin(void)
{
    session = private_bus_new(NULL);
    fake_desktop_begin();
    application = application_new();
}

void stage_end(void)
{
    g_object_unref(application);
    fake_desktop_end();
    private_bus_free(session);
}

int stage_main(int argc, char **argv, void (*add)(void))
{
    g_autofree char *missing = fixture_missing();
    g_test_init(&argc, &argv, NULL);
    if (missing) {
        g_print("1..0 # SKIP %s\n", missing);
        return 0;
    }
    stage_begin();
    add();
    int status = g_test_run();
    stage_end();
    return status;
}

void stage_open(Stage *stage, const char *address)
{
    stage->service = berth_ui_service_new(G_BUS_TYPE_SYSTEM, address);
    stage->window = berth_ui_window_new(ADW_APPLICATION(application), stage->service);
    gtk_window_set_default_size(GTK_WINDOW(stage->window), 1000, 700);
    gtk_window_present(GTK_WINDOW(stage->window));
    AWAIT(gtk_widget_get_mapped(GTK_WIDGET(stage->window)));
}

void stage_close(Stage *stage)
{
    gpointer window = stage->window, service = stage->service;
    g_object_add_weak_pointer(window, &window);
    g_object_add_weak_pointer(service, &service);
    gtk_window_destroy(window);
    g_object_unref(service);
    AWAIT(!window && !service); /* the last answers are on their way */
}

void stage_set_up(Stage *stage, gconstpointer config)
{
    scripted_set_up(&stage->fixture, config);
    stage_open(stage, private_bus_address(stage->fixture.bus));
}

void stage_tear_down(Stage *stage, gconstpointer config)
{
    stage_close(stage);
    fixture_tear_down(&stage->fixture, config);
}

void stage_set_up_fake(Stage *stage, gconstpointer unused)
{
    g_autoptr(GDBusConnection) connection = private_bus_connect(session);
    stage->fake = fake_berth_new(connection);
    stage_open(stage, private_bus_address(session));
}

void stage_tear_down_fake(Stage *stage, gconstpointer unused)
{
    stage_close(stage);
    fake_berth_free(stage->fake);
}

/* Looking. */

static GtkWidget *top_of(gpointer window)
{
    g_autoptr(GList) windows = gtk_window_list_toplevels();
    for (GList *at = windows; at; at = at->next)
        if (gtk_window_get_transient_for(at->data) == window && gtk_widget_get_mapped(at->data))
            return top_of(at->data);
    return window;
}

GtkWidget *stage_top(Stage *stage)
{
    return top_of(stage->window);
}

static gboolean shows(GtkWidget *widget, const char *text)
{
    const char *words[2] = {gtk_widget_get_tooltip_text(widget), NULL};
    if (GTK_IS_LABEL(widget))
        words[1] = gtk_label_get_text(GTK_LABEL(widget));
    else if (GTK_IS_BUTTON(widget) && ADW_IS_BUTTON_CONTENT(gtk_button_get_child(GTK_BUTTON(widget))))
        words[1] = adw_button_content_get_label(ADW_BUTTON_CONTENT(gtk_button_get_child(GTK_BUTTON(widget))));
    else if (GTK_IS_BUTTON(widget))
        words[1] = gtk_button_get_label(GTK_BUTTON(widget));
    else if (BERTH_UI_IS_BADGE(widget))
        words[1] = berth_ui_badge_get_text(BERTH_UI_BADGE(widget));
    return g_strcmp0(words[0], text) == 0 || g_strcmp0(words[1], text) == 0;
}

static gboolean matches(GtkWidget *widget, GType type, const char *text)
{
    return G_TYPE_CHECK_INSTANCE_TYPE(widget, type) && (!text || shows(widget, text));
}

static GtkWidget *find(GtkWidget *root, GType type, const char *text, guint *n)
{
    if (!gtk_widget_get_mapped(root))
        return NULL;
    if (matches(root, type, text) && (*n)-- == 0)
        return root;
    GtkWidget *found = NULL;
    for (GtkWidget *child = gtk_widget_get_first_child(root); child && !found;
         child = gtk_widget_get_next_sibling(child))
        found = find(child, type, text, n);
    return found;
}

GtkWidget *stage_find(GtkWidget *root, GType type, const char *text)
{
    guint n = 0;
    return find(root, type, text, &n);
}

GtkWidget *stage_find_nth(GtkWidget *root, GType type, guint n)
{
    return find(root, type, NULL, &n);
}

gboolean stage_sees(Stage *stage, const char *text)
{
    return stage_find(stage_top(stage), GTK_TYPE_WIDGET, text) != NULL;
}

static GtkWidget *button(Stage *stage, const char *label)
{
    return stage_find(stage_top(stage), GTK_TYPE_BUTTON, label);
}

const char *stage_await_button(Stage *stage, const char *label, gboolean sensitive)
{
    AWAIT(button(stage, label) && gtk_widget_is_sensitive(button(stage, label)) == sensitive);
    return gtk_widget_get_tooltip_text(button(stage, label));
}

void stage_click(Stage *stage, const char *label)
{
    stage_await_button(stage, label, TRUE);
    g_signal_emit_by_name(button(stage, label), "clicked");
}

/* Rows. */

static GtkWidget *row_at(Stage *stage, guint n)
{
    return find(GTK_WIDGET(stage->window), BERTH_UI_TYPE_ROW, NULL, &n);
}

guint stage_n_rows(Stage *stage)
{
    guint n = 0;
    while (row_at(stage, n))
        n++;
    return n;
}

const char *stage_row_name(Stage *stage, guint n)
{
    g_autoptr(BerthUiVm) vm = NULL;
    g_object_get(row_at(stage, n), "vm", &vm, NULL);
    return vm ? berth_ui_vm_get_name(vm) : "";
}

static GtkWidget *row_of(Stage *stage, const char *name)
{
    for (guint i = 0; row_at(stage, i); i++)
        if (g_str_equal(stage_row_name(stage, i), name))
            return row_at(stage, i);
    return NULL;
}

const char *stage_badge(Stage *stage, const char *vm)
{
    GtkWidget *row = row_of(stage, vm);
    GtkWidget *badge = row ? stage_find(row, BERTH_UI_TYPE_BADGE, NULL) : NULL;
    return badge ? berth_ui_badge_get_text(BERTH_UI_BADGE(badge)) : NULL;
}

void stage_await_badge(Stage *stage, const char *vm, const char *text)
{
    AWAIT(g_strcmp0(stage_badge(stage, vm), text) == 0);
}

void stage_choose(Stage *stage, const char *vm)
{
    AWAIT(row_of(stage, vm));
    /* GTK's own widget for an item is the row's parent, and this its action for a click. */
    gtk_widget_activate_action(gtk_widget_get_parent(row_of(stage, vm)), "listitem.select", "(bb)", FALSE, FALSE);
}

void stage_activate(Stage *stage, const char *vm)
{
    AWAIT(row_of(stage, vm));
    gtk_widget_activate(gtk_widget_get_parent(row_of(stage, vm)));
}

void stage_view(Stage *stage, const char *view)
{
    GtkWidget *views;
    AWAIT((views = stage_find(GTK_WIDGET(stage->window), ADW_TYPE_VIEW_STACK, NULL)));
    adw_view_stack_set_visible_child_name(ADW_VIEW_STACK(views), view);
}

/* Keys. */

/* What GTK has asked the server for is done before the key comes: no window that is closed gets it. */
static void xdotool(const char *command, const char *argument)
{
    gdk_display_sync(gdk_display_get_default());
    const char *argv[] = {"xdotool", "mousemove", "300", "300", command, argument, NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) process = g_subprocess_newv(argv, G_SUBPROCESS_FLAGS_NONE, &error);
    g_assert_no_error(error);
    g_assert_true(g_subprocess_wait_check(process, NULL, &error));
}

void stage_press(const char *key)
{
    xdotool("key", key);
}

void stage_type(const char *text)
{
    xdotool("type", text);
}

/* The console. */

GtkWidget *stage_terminal(Stage *stage)
{
    return stage_find(GTK_WIDGET(stage->window), VTE_TYPE_TERMINAL, NULL);
}

char *stage_terminal_text(Stage *stage)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GOutputStream) stream = g_memory_output_stream_new_resizable();
    if (!stage_terminal(stage))
        return g_strdup("");
    vte_terminal_write_contents_sync(VTE_TERMINAL(stage_terminal(stage)), stream, VTE_WRITE_DEFAULT, NULL, &error);
    g_assert_no_error(error);
    GMemoryOutputStream *memory = G_MEMORY_OUTPUT_STREAM(stream);
    GString *text = g_string_new_len(g_memory_output_stream_get_data(memory),
                                     (gssize) g_memory_output_stream_get_data_size(memory));
    for (gsize i = 0; i < text->len; i++)
        if (text->str[i] == '\0') /* where nothing was ever written */
            text->str[i] = ' ';
    return g_string_free(text, FALSE);
}
