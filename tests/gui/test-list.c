/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"

#include <string.h>

#include "src/core/names.h"
#include "ui-gtk/list/row.h"
#include "ui-gtk/list/selection-bar.h"
#include "ui-gtk/model/settings.h"
#include "ui-gtk/overview/uptime.h"
#include "ui-gtk/widgets/badge.h"

/* The list and the page in situations that the fake daemon makes. */

/* (transfer full): the rows that are to be seen, from above: "db web" */
static char *rows(Stage *stage)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < stage_n_rows(stage); i++)
        g_string_append_printf(names, "%s%s", i > 0 ? " " : "", stage_row_name(stage, i));
    return g_string_free(names, FALSE);
}

static gboolean are(Stage *stage, const char *expected)
{
    g_autofree char *seen = rows(stage);
    return g_str_equal(seen, expected);
}

static GtkWidget *search_entry(Stage *stage)
{
    return stage_find(GTK_WIDGET(stage->window), GTK_TYPE_SEARCH_ENTRY, NULL);
}

static GtkWidget *page_label(Stage *stage, const char *text)
{
    return stage_find(GTK_WIDGET(stage->window), GTK_TYPE_LABEL, text);
}

static void test_search(Stage *stage, gconstpointer data)
{
    fake_berth_add(stage->fake, "web", "running");
    fake_berth_add(stage->fake, "Ärger", "stopped");
    fake_berth_add(stage->fake, "db", "stopped");
    AWAIT(stage_n_rows(stage) == 3);
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.search", NULL);
    AWAIT(search_entry(stage));
    gtk_editable_set_text(GTK_EDITABLE(search_entry(stage)), "WE");
    AWAIT(are(stage, "web"));
    gtk_editable_set_text(GTK_EDITABLE(search_entry(stage)), "är");
    AWAIT(are(stage, "Ärger"));
    gtk_editable_set_text(GTK_EDITABLE(search_entry(stage)), "nobody");
    AWAIT(stage_sees(stage, "Nothing Found"));
    /* By image: the fake's all have one. */
    gtk_editable_set_text(GTK_EDITABLE(search_entry(stage)), "debian");
    AWAIT(stage_n_rows(stage) == 3);
}

static void test_sort(Stage *stage, gconstpointer data)
{
    g_autoptr(GSettings) settings = g_settings_new(BERTH_UI_SETTINGS);
    fake_berth_add(stage->fake, "b", "running");
    FakeVm *c = fake_berth_add(stage->fake, "c", "stopped");
    fake_berth_add(stage->fake, "a", "stopped");
    AWAIT(are(stage, "a b c"));
    g_settings_set_string(settings, BERTH_UI_SETTING_SORT, "state");
    AWAIT(are(stage, "b a c"));
    /* What fails comes up by itself. */
    fake_berth_change(stage->fake, c, "exited", "", "");
    AWAIT(are(stage, "c b a"));
    g_settings_reset(settings, BERTH_UI_SETTING_SORT);
    AWAIT(are(stage, "a b c"));
}

/* The selection stays with its VM, wherever that goes. */
static void test_selection_moves(Stage *stage, gconstpointer data)
{
    fake_berth_add(stage->fake, "m", "running");
    AWAIT(are(stage, "m"));
    stage_choose(stage, "m");
    fake_berth_add(stage->fake, "a", "stopped");
    AWAIT(are(stage, "a m"));
    stage_click(stage, "Pause");
    AWAIT(g_strcmp0(stage->fake->called, "Pause m") == 0);
}

static void test_several(Stage *stage, gconstpointer data)
{
    FakeVm *a = fake_berth_add(stage->fake, "a", "running");
    FakeVm *b = fake_berth_add(stage->fake, "b", "stopped");
    AWAIT(stage_n_rows(stage) == 2);
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.select-all", NULL);
    AWAIT(stage_sees(stage, "2 Selected"));
    /* It is done to those that it is of use to. */
    stage_click(stage, "Start");
    AWAIT(stage->fake->called);
    g_assert_cmpstr(stage->fake->called, ==, "Start b");
    stage_click(stage, "Remove");
    AWAIT(stage_sees(stage, "Remove 2 Virtual Machines?"));
    stage_click(stage, "_Remove");
    AWAIT(a->n_removes == 1 && b->n_removes == 1);
    g_assert_cmpuint(a->grace, ==, 10);
    AWAIT(stage_sees(stage, "2 virtual machines are going to be removed"));
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.escape", NULL);
    AWAIT(stage_sees(stage, "Machines"));
}

/* Its tooltip is @label, and what a screen reader is told is the reason, where there is one. */
static void await_reason(Stage *stage, const char *label, const char *reason)
{
    g_autofree char *tooltip = *reason ? g_strdup_printf("%s\n%s", label, reason) : g_strdup(label);
    GtkWidget *bar = stage_find(GTK_WIDGET(stage->window), BERTH_UI_TYPE_SELECTION_BAR, NULL), *button;
    AWAIT((button = stage_find(bar, GTK_TYPE_BUTTON, tooltip)));
    g_assert_cmpint(gtk_widget_is_sensitive(button), ==, !*reason);
    gtk_test_accessible_assert_property(button, GTK_ACCESSIBLE_PROPERTY_LABEL, label);
    gtk_test_accessible_assert_property(button, GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, reason);
}

/* What can't be done to any of those selected says why, and as soon as it can be, no more. */
static void test_reasons(Stage *stage, gconstpointer data)
{
    FakeVm *a = fake_berth_add(stage->fake, "a", "stopped");
    AWAIT(stage_n_rows(stage) == 1);
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.select-all", NULL);
    AWAIT(stage_sees(stage, "1 Selected"));
    await_reason(stage, "Start", "");
    await_reason(stage, "Pause", "It is not running");

    fake_berth_add(stage->fake, "b", "paused");
    fake_berth_add(stage->fake, "c", "exited");
    fake_berth_add(stage->fake, "d", "exited");
    AWAIT(stage_n_rows(stage) == 4);
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.select-all", NULL);
    await_reason(stage, "Pause", "a: It is not running\nb: It is paused already\nc: It is not running\nAnd 1 more");
    await_reason(stage, "Resume", "");
    fake_berth_change(stage->fake, a, "running", "", "");
    await_reason(stage, "Pause", "");
    gtk_selection_model_unselect_all(
        gtk_list_view_get_model(GTK_LIST_VIEW(stage_find(GTK_WIDGET(stage->window), GTK_TYPE_LIST_VIEW, NULL))));
    await_reason(stage, "Start", "Nothing is selected");
}

/* One of several is refused: that is told once, with what the daemon said behind a button. */
static void test_failures(Stage *stage, gconstpointer data)
{
    fake_berth_add(stage->fake, "a", "stopped");
    fake_berth_add(stage->fake, "b", "stopped");
    AWAIT(stage_n_rows(stage) == 2);
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.select-all", NULL);
    stage->fake->refuse = g_strdup("org.freedesktop.DBus.Error.AccessDenied");
    stage_click(stage, "Start");
    AWAIT(stage_sees(stage, "This failed for 2 virtual machines"));
    stage_click(stage, "_Details");
    GtkWidget *details = NULL;
    AWAIT((details = stage_top(stage)) != GTK_WIDGET(stage->window));
    g_assert_nonnull(
        strstr(adw_message_dialog_get_body(ADW_MESSAGE_DIALOG(details)), "You are not allowed to do that"));
    stage_click(stage, "_Close");
}

static void test_held_up(Stage *stage, gconstpointer data)
{
    FakeVm *web = fake_berth_add(stage->fake, "web", "stopped");
    stage_choose(stage, "web");
    fake_berth_change(stage->fake, web, "removing", "waiting", "…/mnt is a mount point");
    stage_await_badge(stage, "web", "Removing: held up");
    AWAIT(stage_sees(stage, "…/mnt is a mount point"));
    g_assert_cmpstr(stage_await_button(stage, "Start", FALSE), ==, "It is being removed");
    gtk_test_accessible_assert_property(stage_find(GTK_WIDGET(stage->window), GTK_TYPE_BUTTON, "Start"),
                                        GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, "It is being removed");
    /* At once, and without a question. */
    stage_click(stage, "_Try Again");
    AWAIT(web->n_removes == 1);
    g_assert_cmpuint(web->grace, ==, G_MAXUINT);
    fake_berth_change(stage->fake, web, "removing", "deleting", "");
    stage_await_badge(stage, "web", "Removing: deleting files");
    fake_berth_vanish(stage->fake, web);
    AWAIT(stage_sees(stage, "No Virtual Machines"));
}

static void tell(Stage *stage, const FakeVm *vm, const char *values)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) parsed = g_variant_parse(G_VARIANT_TYPE_VARDICT, values, NULL, NULL, &error);
    g_assert_no_error(error);
    g_dbus_connection_emit_signal(stage->fake->connection, NULL, vm->path, "org.freedesktop.DBus.Properties",
                                  "PropertiesChanged", g_variant_new("(s@a{sv}as)", BERTH_IFACE_VM, parsed, NULL),
                                  &error);
    g_assert_no_error(error);
}

#define NBSP "\302\240" /* a no-break space, as GLib has it in sizes */

/* All that is told of a VM is on its page, and what is not told has no row. */
static void test_page(Stage *stage, gconstpointer data)
{
    FakeVm *web = fake_berth_add(stage->fake, "web", "running");
    stage_choose(stage, "web");
    AWAIT(page_label(stage, "512.0" NBSP "MiB") && page_label(stage, "4711") && page_label(stage, "1000"));
    AWAIT(page_label(stage, "Guest"));
    tell(stage, web, "{'GuestOS': <''>, 'GuestStatus': <''>, 'GuestAddresses': <@as []>}");
    AWAIT(!page_label(stage, "Guest"));
    g_assert_null(page_label(stage, "Network"));
    tell(stage, web,
         "{'GuestOS': <'<b>Debian</b> & sons'>, 'GuestAddresses': <['192.0.2.17/24 eth0', '2001:db8::1/64 eth0']>,"
         " 'Unit': <'berth-x.scope'>, 'Config': <{'restart': <'always'>,"
         " 'disks': <[{'size': <@t 1073741824>, 'format': <'qcow2'>, 'bus': <'virtio'>}]>,"
         " 'networks': <[{'mode': <'user'>, 'ports': <[{'protocol': <'tcp'>, 'host-address': <'127.0.0.1'>,"
         " 'host-port': <uint32 8080>, 'guest-port': <uint32 80>}]>}]>}>}");
    AWAIT(page_label(stage, "<b>Debian</b> & sons"));
    AWAIT(page_label(stage, "192.0.2.17/24 eth0\n2001:db8::1/64 eth0"));
    AWAIT(page_label(stage, "berth-x.scope") && page_label(stage, "Whenever it ends"));
    AWAIT(page_label(stage, "1.0" NBSP "GiB, qcow2, virtio"));
    AWAIT(page_label(stage, "TCP Port 80") && page_label(stage, "127.0.0.1:8080"));
    /* An error in words, and the technical ones with them. */
    tell(stage, web, "{'LastError': <('org.berth.Berth1.Error.StorageFailed', 'Can\\'t write <x>: EIO')>}");
    AWAIT(page_label(stage, "There is a problem with its files or with the disk they are on"));
    tell(stage, web, "{'LastError': <('', '')>, 'Config': <@a{sv} {}>}");
    AWAIT(!page_label(stage, "There is a problem with its files or with the disk they are on"));
    AWAIT(!page_label(stage, "TCP Port 80"));
}

/* There is room for one only: the list, or what was opened from it. */
static void test_narrow(Stage *stage, gconstpointer data)
{
    fake_berth_add(stage->fake, "web", "running");
    gtk_window_set_default_size(GTK_WINDOW(stage->window), 360, 600);
    AWAIT(gtk_widget_get_width(GTK_WIDGET(stage->window)) <= 360);
    AWAIT(stage_n_rows(stage) == 1);
    stage_activate(stage, "web");
    AWAIT(page_label(stage, "Resources") && stage_n_rows(stage) == 0);
    stage_click(stage, "Back");
    AWAIT(stage_n_rows(stage) == 1 && !page_label(stage, "Resources"));
    /* The same one again. */
    stage_activate(stage, "web");
    AWAIT(page_label(stage, "Resources") && stage_n_rows(stage) == 0);
    g_assert_cmpint(gtk_widget_get_width(GTK_WIDGET(stage->window)), <=, 360);
}

static guint count_rows(GtkWidget *root)
{
    guint n = BERTH_UI_IS_ROW(root);
    for (GtkWidget *child = gtk_widget_get_first_child(root); child; child = gtk_widget_get_next_sibling(child))
        n += count_rows(child);
    return n;
}

/* A thousand cost as many rows as are about to be seen. */
static void test_many(Stage *stage, gconstpointer data)
{
    fake_berth_stop(stage->fake);
    for (guint i = 0; i < 1000; i++) {
        g_autofree char *name = g_strdup_printf("vm-%03u", i);
        fake_berth_add(stage->fake, name, i % 3 ? "running" : "stopped");
    }
    fake_berth_start(stage->fake);
    AWAIT(stage_badge(stage, "vm-000"));
    g_assert_cmpuint(g_list_model_get_n_items(berth_ui_service_get_vms(stage->service)), ==, 1000);
    guint n = count_rows(GTK_WIDGET(stage->window));
    g_assert_cmpuint(n, <, 300);
    GtkWidget *view = stage_find(GTK_WIDGET(stage->window), GTK_TYPE_LIST_VIEW, NULL);
    g_assert_true(gtk_widget_activate_action(view, "list.scroll-to-item", "u", 999));
    AWAIT(stage_badge(stage, "vm-999"));
    g_assert_cmpuint(count_rows(GTK_WIDGET(stage->window)), <, 300);
}

/* A badge says by its role and label what it shows. */
static void test_accessible(Stage *stage, gconstpointer data)
{
    FakeVm *web = fake_berth_add(stage->fake, "web", "running");
    stage_await_badge(stage, "web", "Running");
    GtkAccessible *badge = GTK_ACCESSIBLE(stage_find(GTK_WIDGET(stage->window), BERTH_UI_TYPE_BADGE, NULL));
    gtk_test_accessible_assert_role(badge, GTK_ACCESSIBLE_ROLE_STATUS);
    gtk_test_accessible_assert_property(badge, GTK_ACCESSIBLE_PROPERTY_LABEL, "Running");
    g_assert_true(gtk_widget_has_css_class(GTK_WIDGET(badge), "running"));
    fake_berth_change(stage->fake, web, "exited", "", "");
    stage_await_badge(stage, "web", "Failed");
    gtk_test_accessible_assert_property(badge, GTK_ACCESSIBLE_PROPERTY_LABEL, "Failed");
    g_assert_true(gtk_widget_has_css_class(GTK_WIDGET(badge), "exited"));
    g_assert_false(gtk_widget_has_css_class(GTK_WIDGET(badge), "running"));
}

static gboolean has_text(GtkWidget *button)
{
    GtkWidget *label = stage_find(button, GTK_TYPE_LABEL, NULL);
    return label && *gtk_label_get_text(GTK_LABEL(label));
}

/* Each button that is to be seen has a name: what it says, or what it is given where it only shows an icon. */
static void assert_named(GtkWidget *root)
{
    gboolean is_menu = GTK_IS_MENU_BUTTON(root);
    if ((GTK_IS_BUTTON(root) || is_menu) && gtk_widget_get_mapped(root) && !has_text(root) &&
        !gtk_test_accessible_has_property(GTK_ACCESSIBLE(root), GTK_ACCESSIBLE_PROPERTY_LABEL))
        g_error("A button has no name: its tooltip is %s", gtk_widget_get_tooltip_text(root));
    for (GtkWidget *child = gtk_widget_get_first_child(root); child; child = gtk_widget_get_next_sibling(child))
        if (!is_menu && !GTK_IS_WINDOW_CONTROLS(child))
            assert_named(child);
}

static void test_named(Stage *stage, gconstpointer data)
{
    fake_berth_add(stage->fake, "web", "running");
    stage_choose(stage, "web");
    AWAIT(page_label(stage, "Resources"));
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.search", NULL);
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.select-all", NULL);
    AWAIT(stage_sees(stage, "1 Selected"));
    assert_named(GTK_WIDGET(stage->window));
}

/* No timer where nobody looks. */
static void test_uptime(void)
{
    GtkWidget *window = gtk_window_new();
    GtkWidget *list = gtk_list_box_new();
    BerthUiUptime *uptime = g_object_new(BERTH_UI_TYPE_UPTIME, "title", "Running For", NULL);
    gtk_list_box_append(GTK_LIST_BOX(list), GTK_WIDGET(uptime));
    gtk_window_set_child(GTK_WINDOW(window), list);
    g_object_set(uptime, "since", (guint64) g_get_real_time() - 7500 * (guint64) G_USEC_PER_SEC, NULL);
    g_assert_cmpstr(berth_ui_figure_get_value(BERTH_UI_FIGURE(uptime)), ==, "2 hours 5 minutes");
    g_assert_false(berth_ui_uptime_ticks(uptime));
    gtk_window_present(GTK_WINDOW(window));
    AWAIT(gtk_widget_get_mapped(GTK_WIDGET(uptime)));
    g_assert_true(berth_ui_uptime_ticks(uptime));
    gtk_widget_hide(list);
    g_assert_false(berth_ui_uptime_ticks(uptime));
    gtk_widget_show(list);
    AWAIT(berth_ui_uptime_ticks(uptime));
    g_object_set(uptime, "since", (guint64) 0, NULL);
    g_assert_false(berth_ui_uptime_ticks(uptime));
    g_assert_false(gtk_widget_get_visible(GTK_WIDGET(uptime)));
    gtk_window_destroy(GTK_WINDOW(window));
}

static gboolean has_dialog(Stage *stage)
{
    return stage_top(stage) != GTK_WIDGET(stage->window);
}

/* All of it without a mouse. */
static void test_keyboard(Stage *stage, gconstpointer data)
{
    fake_berth_add(stage->fake, "db", "stopped");
    FakeVm *web = fake_berth_add(stage->fake, "web", "stopped");
    AWAIT(stage_n_rows(stage) == 2);
    gtk_widget_grab_focus(stage_find(GTK_WIDGET(stage->window), GTK_TYPE_LIST_VIEW, NULL));
    stage_press("Down");
    AWAIT(page_label(stage, "Resources"));
    stage_press("ctrl+Return");
    AWAIT(g_strcmp0(stage->fake->called, "Start web") == 0);
    stage_press("Delete");
    AWAIT(has_dialog(stage));
    stage_press("Escape");
    AWAIT(!has_dialog(stage));
    /* What is typed is searched for, and a text entry keeps its keys. */
    stage_press("w");
    AWAIT(are(stage, "web"));
    stage_press("Delete");
    stage_press("Escape");
    AWAIT(stage_n_rows(stage) == 2);
    g_assert_false(has_dialog(stage));
    stage_press("ctrl+f");
    AWAIT(search_entry(stage));
    stage_press("Escape");
    stage_press("ctrl+a");
    AWAIT(stage_sees(stage, "2 Selected"));
    stage_press("Escape");
    AWAIT(stage_sees(stage, "Machines"));
    g_assert_cmpuint(web->n_removes, ==, 0);
}

/* The program itself: it says which service it shows, and remembers what was chosen in its menu. */
static void test_bus(void)
{
    GApplication *application = g_application_get_default();
    g_autoptr(GSettings) settings = g_settings_new(BERTH_UI_SETTINGS);
    g_application_activate(application);
    Stage stage = {.window = BERTH_UI_WINDOW(gtk_application_get_active_window(GTK_APPLICATION(application)))};
    AWAIT(stage_sees(&stage, "The virtual machines of this computer are here again as soon as its service runs."));
    g_action_group_change_action_state(G_ACTION_GROUP(application), "bus", g_variant_new_string("user"));
    AWAIT(stage_sees(&stage, "Your virtual machines are here again as soon as your own service runs."));
    g_autofree char *chosen = g_settings_get_string(settings, BERTH_UI_SETTING_BUS);
    g_assert_cmpstr(chosen, ==, "user");
    /* Nobody can be started here: that is told. */
    stage_click(&stage, "_Start the Service");
    AWAIT(stage_find(GTK_WIDGET(stage.window), GTK_TYPE_LABEL,
                     "The name org.berth.Berth1 was not provided by any .service files"));
    g_settings_reset(settings, BERTH_UI_SETTING_BUS);
    gtk_window_destroy(GTK_WINDOW(stage.window));
}

static void add(void)
{
    STAGE_ADD_FAKE("/gui/list/search", test_search);
    STAGE_ADD_FAKE("/gui/list/sort", test_sort);
    STAGE_ADD_FAKE("/gui/list/selection-moves", test_selection_moves);
    STAGE_ADD_FAKE("/gui/list/several", test_several);
    STAGE_ADD_FAKE("/gui/list/reasons", test_reasons);
    STAGE_ADD_FAKE("/gui/list/failures", test_failures);
    STAGE_ADD_FAKE("/gui/list/held-up", test_held_up);
    STAGE_ADD_FAKE("/gui/list/page", test_page);
    STAGE_ADD_FAKE("/gui/list/narrow", test_narrow);
    STAGE_ADD_FAKE("/gui/list/many", test_many);
    STAGE_ADD_FAKE("/gui/list/accessible", test_accessible);
    STAGE_ADD_FAKE("/gui/list/named", test_named);
    STAGE_ADD_FAKE("/gui/list/keyboard", test_keyboard);
    g_test_add_func("/gui/list/bus", test_bus);
    g_test_add_func("/gui/list/uptime", test_uptime);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, add);
}
