/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"

#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <vte/vte.h>

#include "ui-gtk/console/terminal.h"
#include "ui-gtk/model/settings.h"

/* The console: with the real daemon, keeper and serial port of the scripted QEMU, which echoes; and with the fake one,
 * where each byte counts. */

static gboolean shows(Stage *stage, const char *text)
{
    g_autofree char *all = stage_terminal_text(stage);
    return strstr(all, text) != NULL;
}

static guint count(Stage *stage, const char *text)
{
    g_autofree char *all = stage_terminal_text(stage);
    g_auto(GStrv) parts = g_strsplit(all, text, -1);
    return g_strv_length(parts) - 1;
}

/* Neither fewer nor more. */
static void await_count(Stage *stage, const char *text, guint n)
{
    AWAIT(count(stage, text) >= n);
    g_assert_cmpuint(count(stage, text), ==, n);
}

/* By the keyboard: then what is typed goes there. */
static void open_console(Stage *stage, const char *vm)
{
    stage_choose(stage, vm);
    AWAIT(stage_sees(stage, "Resources"));
    stage_press("ctrl+Page_Down");
    AWAIT(stage_terminal(stage) || stage_sees(stage, "Not Running"));
}

static gboolean is_live(Stage *stage)
{
    return stage_terminal(stage) && vte_terminal_get_input_enabled(VTE_TERMINAL(stage_terminal(stage)));
}

static void open_running(Stage *stage, const char *vm)
{
    open_console(stage, vm);
    AWAIT(is_live(stage) && gtk_widget_has_focus(stage_terminal(stage)));
}

static void enter(const char *line)
{
    stage_type(line);
    stage_press("Return");
}

/* With the real daemon. */

#define GREETING "once ready say welcome to the guest\non serial ping say pong\n"

static char *begin(Stage *stage, const char *script)
{
    g_autofree char *all = g_strconcat(GREETING, script, NULL);
    char *path = scripted_vm(&stage->fixture, "web", all);
    scripted_start(&stage->fixture, path);
    open_running(stage, "web");
    return path;
}

static void test_type(Stage *stage, gconstpointer data)
{
    g_autofree char *path = begin(stage, "");
    /* It was said before anybody looked. */
    AWAIT(shows(stage, "welcome to the guest"));
    stage_type("ping");
    AWAIT(shows(stage, "ping"));
    stage_press("Return");
    AWAIT(shows(stage, "pong"));
    scripted_await(&stage->fixture, "web", "serial ping", 1);
    g_assert_cmpuint(count(stage, "welcome to the guest"), ==, 1);
}

/* The guest turns itself off, and is started again. */
static void test_vm_restarts(Stage *stage, gconstpointer data)
{
    g_autofree char *path = begin(stage, "");
    AWAIT(shows(stage, "welcome"));
    enter("poweroff");
    AWAIT(stage_sees(stage, "Not Running"));
    AWAIT(stage_sees(stage, "The guest powered itself off"));
    g_assert_false(is_live(stage));
    g_assert_true(shows(stage, "welcome"));
    stage_click(stage, "_Start");
    AWAIT(is_live(stage));
    AWAIT(!stage_sees(stage, "Not Running"));
    await_count(stage, "welcome", 2);
    gtk_widget_grab_focus(stage_terminal(stage));
    enter("ping");
    AWAIT(shows(stage, "pong"));
}

/* It crashes and is started by its policy, while nobody does anything. */
static void test_policy_restarts(Stage *stage, gconstpointer data)
{
    g_autofree char *path =
        scripted_vm_with(&stage->fixture, "web", "{'restart': <'on-failure'>}", GREETING "on serial die crash\n");
    scripted_start(&stage->fixture, path);
    open_running(stage, "web");
    AWAIT(shows(stage, "welcome"));
    enter("die");
    await_count(stage, "welcome", 2);
    g_assert_true(shows(stage, "die"));
    AWAIT(is_live(stage));
    enter("ping");
    AWAIT(shows(stage, "pong"));
}

/* The stream is not the daemon's: what the guest says meanwhile is not lost. */
static void test_daemon_restarts(Stage *stage, gconstpointer data)
{
    g_autofree char *path = begin(stage, "on file go say nobody is there\n");
    AWAIT(shows(stage, "welcome"));
    fixture_stop_daemon(&stage->fixture, SIGKILL);
    AWAIT(stage_sees(stage, "The Service Is Not Running"));
    scripted_touch(&stage->fixture, "go");
    fixture_start_daemon(&stage->fixture);
    AWAIT(is_live(stage));
    AWAIT(shows(stage, "nobody is there"));
    g_assert_cmpuint(count(stage, "welcome"), ==, 1);
    gtk_widget_grab_focus(stage_terminal(stage));
    enter("ping");
    AWAIT(shows(stage, "pong"));
}

static void test_ends_without_daemon(Stage *stage, gconstpointer data)
{
    g_autofree char *path = begin(stage, "on file go shutdown\n");
    AWAIT(shows(stage, "welcome"));
    fixture_stop_daemon(&stage->fixture, SIGKILL);
    AWAIT(stage_sees(stage, "The Service Is Not Running"));
    scripted_touch(&stage->fixture, "go");
    scripted_await(&stage->fixture, "web", "end 0", 1);
    scripted_untouch(&stage->fixture, "go");
    fixture_start_daemon(&stage->fixture);
    AWAIT(stage_sees(stage, "The guest powered itself off"));
    g_assert_false(is_live(stage));
    stage_click(stage, "_Start");
    await_count(stage, "welcome", 2);
}

static void test_never_ran(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", GREETING);
    open_console(stage, "web");
    AWAIT(stage_sees(stage, "Not Running"));
    g_assert_null(stage_terminal(stage));
    stage_click(stage, "_Start");
    AWAIT(is_live(stage));
    AWAIT(shows(stage, "welcome"));
}

static void test_paused(Stage *stage, gconstpointer data)
{
    g_autofree char *path = begin(stage, "");
    fixture_vm(&stage->fixture, path, "Pause");
    AWAIT(stage_sees(stage, "Paused"));
    stage_click(stage, "_Resume");
    stage_await_badge(stage, "web", "Running");
    g_assert_true(is_live(stage));
}

/* Each VM has a terminal of its own, and what it said is there again. */
static void test_other_vm(Stage *stage, gconstpointer data)
{
    g_autofree char *path = begin(stage, "");
    g_autofree char *other = scripted_vm(&stage->fixture, "db", "once ready say I am the other\n");
    AWAIT(shows(stage, "welcome"));
    scripted_start(&stage->fixture, other);
    stage_choose(stage, "db");
    AWAIT(shows(stage, "I am the other"));
    g_assert_false(shows(stage, "welcome"));
    stage_choose(stage, "web");
    AWAIT(shows(stage, "welcome"));
    g_assert_false(shows(stage, "I am the other"));
}

/* With the fake one. */

typedef struct {
    Stage stage;
    char *log;
    GString *typed; /* what came to the guest */
    guint source;
    int fd;
} Desk;

static gboolean on_typed(int fd, GIOCondition condition, gpointer data)
{
    char buffer[4096];
    Desk *desk = data;
    gssize n = read(fd, buffer, sizeof buffer);
    if (n > 0)
        g_string_append_len(desk->typed, buffer, n);
    else
        desk->source = 0;
    return n > 0;
}

static void set_up(Desk *desk, gconstpointer history)
{
    stage_set_up_fake(&desk->stage, NULL);
    desk->log = g_strdup_printf("%s/berth-console-%d", g_get_tmp_dir(), (int) getpid());
    desk->typed = g_string_new(NULL);
    g_assert_true(g_file_set_contents(desk->log, history, -1, NULL));
    desk->stage.fake->log = g_strdup(desk->log);
}

static void tear_down(Desk *desk, gconstpointer history)
{
    g_clear_handle_id(&desk->source, g_source_remove);
    g_string_free(desk->typed, TRUE);
    g_unlink(desk->log);
    g_free(desk->log);
    stage_tear_down_fake(&desk->stage, NULL);
}

/* What is said into the console, which is this one from now on. */
static void listen(Desk *desk)
{
    AWAIT(desk->stage.fake->console >= 0 && is_live(&desk->stage));
    g_clear_handle_id(&desk->source, g_source_remove);
    desk->source = g_unix_fd_add(desk->stage.fake->console, G_IO_IN | G_IO_HUP, on_typed, desk);
}

static void say(Desk *desk, const char *text)
{
    g_assert_cmpint(write(desk->stage.fake->console, text, strlen(text)), ==, (gssize) strlen(text));
}

static void sit_down(Desk *desk)
{
    fake_berth_add(desk->stage.fake, "web", "running");
    open_running(&desk->stage, "web");
    listen(desk);
}

static void assert_typed(Desk *desk, const char *bytes)
{
    AWAIT(desk->typed->len >= strlen(bytes));
    g_assert_cmpstr(desk->typed->str, ==, bytes);
    g_string_truncate(desk->typed, 0);
}

/* All keys are the guest's, also those that mean something to the window. */
static void test_keys(Desk *desk, gconstpointer data)
{
    static const struct {
        const char *key, *bytes;
    } keys[] = {
        {"ctrl+w", "\027"}, {"ctrl+f", "\006"}, {"ctrl+q", "\021"},    {"ctrl+a", "\001"},    {"ctrl+z", "\032"},
        {"Tab", "\t"},      {"Escape", "\033"}, {"Delete", "\033[3~"}, {"ctrl+Return", "\r"}, {"x", "x"},
        {"F6", "\033[17~"}, {"alt+c", "\033c"}, {"F10", "\033[21~"},   {"BackSpace", "\177"},
    };
    Stage *stage = &desk->stage;
    sit_down(desk);
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_test_message("%s", keys[i].key);
        stage_press(keys[i].key);
        assert_typed(desk, keys[i].bytes);
    }
    g_assert_true(gtk_widget_has_focus(stage_terminal(stage)));
    g_assert_true(stage_top(stage) == GTK_WIDGET(stage->window));
    g_assert_true(stage_sees(stage, "Machines"));
    g_assert_null(stage_find(GTK_WIDGET(stage->window), GTK_TYPE_SEARCH_ENTRY, NULL));
}

/* There is a way out of it, by keyboard alone, and then the window has its keys again. */
static void test_way_out(Desk *desk, gconstpointer data)
{
    Stage *stage = &desk->stage;
    GtkWidget *window = GTK_WIDGET(stage->window);
    sit_down(desk);
    stage_press("ctrl+Tab");
    AWAIT(!gtk_widget_has_focus(stage_terminal(stage)));
    stage_press("w");
    AWAIT(stage_find(window, GTK_TYPE_SEARCH_ENTRY, NULL));
    stage_press("Escape");
    AWAIT(!stage_find(window, GTK_TYPE_SEARCH_ENTRY, NULL));
    gtk_widget_grab_focus(stage_terminal(stage));
    stage_press("ctrl+Page_Up");
    AWAIT(stage_sees(stage, "Resources"));
    stage_press("Delete");
    AWAIT(stage_top(stage) != window);
    stage_press("Escape");
    AWAIT(stage_top(stage) == window);
    stage_press("ctrl+Page_Down");
    AWAIT(stage_terminal(stage) && gtk_widget_has_focus(stage_terminal(stage)));
    stage_press("k");
    assert_typed(desk, "k");
}

/* Another view is shown meanwhile: nothing is missed, and nothing opened again. */
static void test_other_view(Desk *desk, gconstpointer data)
{
    Stage *stage = &desk->stage;
    sit_down(desk);
    int fd = stage->fake->console;
    stage_press("ctrl+Page_Up");
    AWAIT(stage_sees(stage, "Resources"));
    say(desk, "said behind your back");
    stage_press("ctrl+Page_Down");
    AWAIT(shows(stage, "said behind your back"));
    g_assert_cmpint(stage->fake->console, ==, fd);
}

static gboolean has_read(const char *text, const char *expected)
{
    return g_strcmp0(text, expected) == 0;
}

static void on_clipboard_read(GObject *source, GAsyncResult *result, gpointer data)
{
    *(char **) data = gdk_clipboard_read_text_finish(GDK_CLIPBOARD(source), result, NULL);
}

static void test_copy_and_paste(Desk *desk, gconstpointer data)
{
    Stage *stage = &desk->stage;
    g_autofree char *text = NULL;
    sit_down(desk);
    GdkClipboard *clipboard = gtk_widget_get_clipboard(stage_terminal(stage));
    say(desk, "\033[31mred\033[0m words");
    AWAIT(shows(stage, "red words"));
    /* Without a selection it is no ^C either. */
    stage_press("ctrl+shift+c");
    stage_press("ctrl+shift+a");
    AWAIT(vte_terminal_get_has_selection(VTE_TERMINAL(stage_terminal(stage))));
    stage_press("ctrl+shift+c");
    AWAIT(gdk_clipboard_is_local(clipboard)); /* before it is asked for: GDK gives up where there is nothing */
    gdk_clipboard_read_text_async(clipboard, NULL, on_clipboard_read, &text);
    AWAIT(text);
    g_assert_true(has_read(g_strstrip(text), "red words"));
    /* A line's end is what Enter sends, and no other control character is a command. */
    gdk_clipboard_set_text(clipboard, "ls\npwd\003");
    stage_press("ctrl+shift+v");
    assert_typed(desk, "ls\rpwd\342\220\203");
    /* Where the guest asks for it, it can tell what is pasted from what is typed. */
    say(desk, "\033[?2004h.");
    AWAIT(shows(stage, "words."));
    gdk_clipboard_set_text(clipboard, "rm\n");
    stage_press("ctrl+shift+v");
    assert_typed(desk, "\033[200~rm\r\033[201~");
}

static void test_zoom(Desk *desk, gconstpointer data)
{
    g_autoptr(GSettings) settings = g_settings_new(BERTH_UI_SETTINGS);
    sit_down(desk);
    long width = vte_terminal_get_char_width(VTE_TERMINAL(stage_terminal(&desk->stage)));
    stage_press("ctrl+plus");
    stage_press("ctrl+plus");
    AWAIT(g_settings_get_double(settings, BERTH_UI_SETTING_CONSOLE_SCALE) > 1.4);
    AWAIT(vte_terminal_get_char_width(VTE_TERMINAL(stage_terminal(&desk->stage))) > width);
    stage_press("ctrl+minus");
    AWAIT(g_settings_get_double(settings, BERTH_UI_SETTING_CONSOLE_SCALE) < 1.3);
    stage_press("ctrl+0");
    AWAIT(vte_terminal_get_char_width(VTE_TERMINAL(stage_terminal(&desk->stage))) == width);
    g_assert_cmpfloat(g_settings_get_double(settings, BERTH_UI_SETTING_CONSOLE_SCALE), ==, 1);
    g_assert_cmpuint(desk->typed->len, ==, 0);
}

static gboolean has_menu(Stage *stage)
{
    return stage_find(GTK_WIDGET(stage->window), GTK_TYPE_POPOVER_MENU, NULL) != NULL;
}

static void test_menu(Desk *desk, gconstpointer data)
{
    Stage *stage = &desk->stage;
    sit_down(desk);
    stage_press("shift+F10");
    AWAIT(has_menu(stage));
    stage_press("Escape");
    AWAIT(!has_menu(stage));
    AWAIT(gtk_widget_has_focus(stage_terminal(stage)));
    stage_press("Menu");
    AWAIT(has_menu(stage));
    stage_press("Escape");
    AWAIT(!has_menu(stage) && gtk_widget_has_focus(stage_terminal(stage)));
    stage_press("y");
    assert_typed(desk, "y");
}

/* What the past asks for is not answered; what the present asks for is. */
static void test_past(Desk *desk, gconstpointer history)
{
    Stage *stage = &desk->stage;
    sit_down(desk);
    AWAIT(shows(stage, "from the past"));
    say(desk, "\033[5n");
    assert_typed(desk, "\033[0n");
    g_assert_cmpuint(count(stage, "from the past"), ==, 1);
}

static void test_denied(Desk *desk, gconstpointer data)
{
    Stage *stage = &desk->stage;
    FakeVm *web = fake_berth_add(stage->fake, "web", "running");
    stage->fake->refuse = g_strdup("org.freedesktop.DBus.Error.AccessDenied");
    stage_choose(stage, "web");
    AWAIT(stage_sees(stage, "Resources"));
    stage_press("ctrl+Page_Down");
    AWAIT(stage_sees(stage, "Console Not Available"));
    AWAIT(stage_sees(stage, "You are not allowed to do that"));
    /* Who was refused is not asked again because the VM does something. */
    g_clear_pointer(&stage->fake->refuse, g_free);
    fake_berth_change(stage->fake, web, "paused", "", "");
    stage_await_badge(stage, "web", "Paused");
    g_assert_true(stage_sees(stage, "Console Not Available"));
    stage_click(stage, "_Try Again");
    listen(desk);
    say(desk, "at last");
    AWAIT(shows(stage, "at last"));
}

/* It ends while its console is asked for: what is told is that it has ended, and not that it was refused. */
static void test_ends_meanwhile(Desk *desk, gconstpointer data)
{
    Stage *stage = &desk->stage;
    fake_berth_add(stage->fake, "web", "running");
    stage->fake->refuse = g_strdup("org.berth.Berth1.Error.WrongState");
    stage->fake->ends_as = "stopped";
    open_console(stage, "web");
    AWAIT(stage_sees(stage, "Not Running"));
}

/* The stream ends, and the VM does not: nobody tries again and again. */
static void test_closed(Desk *desk, gconstpointer data)
{
    Stage *stage = &desk->stage;
    sit_down(desk);
    g_clear_handle_id(&desk->source, g_source_remove);
    close(stage->fake->console);
    stage->fake->console = -1;
    AWAIT(stage_sees(stage, "Console Closed"));
    g_assert_cmpint(stage->fake->console, ==, -1);
    stage_click(stage, "_Try Again");
    listen(desk);
    say(desk, "back");
    AWAIT(shows(stage, "back"));
}

/* Whatever a guest has left at the end of its log, the terminal listens to its user afterwards. */

static void on_answer(BerthUiTerminal *terminal, GBytes *bytes, gpointer data)
{
    gsize length;
    const char *text = g_bytes_get_data(bytes, &length);
    g_string_append_len(data, text, (gssize) length);
}

static GBytes *random_bytes(void)
{
    static const char *const pieces[] = {"\033",   "\033[", "\033]", "\033P", "\033_", "\033^",  "\033X",
                                         "\033%/", "\033(", "\233",  "\235",  "\220",  "0",      ";",
                                         "?",      "c",     "q",     "n",     "\a",    "\033\\", "\342\202",
                                         "\xff",   "\n",    "\016",  "\030",  "\032",  "5n"};
    GString *text = g_string_new(NULL);
    for (int i = g_test_rand_int_range(1, 12); i > 0; i--)
        g_string_append(text, pieces[g_test_rand_int_range(0, G_N_ELEMENTS(pieces))]);
    return g_string_free_to_bytes(text);
}

static void test_replay(void)
{
    GtkWidget *window = gtk_window_new();
    gtk_window_present(GTK_WINDOW(window));
    for (guint i = 0; i < 200; i++) {
        GString *answers = g_string_new(NULL);
        BerthUiTerminal *terminal = berth_ui_terminal_new();
        g_autoptr(GBytes) past = random_bytes();
        g_signal_connect(terminal, "typed", G_CALLBACK(on_answer), answers);
        gtk_window_set_child(GTK_WINDOW(window), GTK_WIDGET(terminal));
        berth_ui_terminal_set_live(terminal, TRUE);
        berth_ui_terminal_replay(terminal, past);
        berth_ui_terminal_feed(terminal, "\033[5n", 4);
        g_autofree char *escaped = g_strescape(g_bytes_get_data(past, NULL), NULL);
        g_test_message("%s", escaped);
        AWAIT(answers->len >= 4);
        g_assert_cmpstr(answers->str, ==, "\033[0n");
        g_signal_handlers_disconnect_by_data(terminal, answers);
        g_string_free(answers, TRUE);
    }
    gtk_window_destroy(GTK_WINDOW(window));
}

#define DESK_ADD(path, history, test) g_test_add(path, Desk, history, set_up, test, tear_down)

static void add(void)
{
    STAGE_ADD("/gui/console/type", test_type);
    STAGE_ADD("/gui/console/vm-restarts", test_vm_restarts);
    STAGE_ADD("/gui/console/policy-restarts", test_policy_restarts);
    STAGE_ADD("/gui/console/daemon-restarts", test_daemon_restarts);
    STAGE_ADD("/gui/console/ends-without-daemon", test_ends_without_daemon);
    STAGE_ADD("/gui/console/never-ran", test_never_ran);
    STAGE_ADD("/gui/console/paused", test_paused);
    STAGE_ADD("/gui/console/other-vm", test_other_vm);
    DESK_ADD("/gui/console/keys", "", test_keys);
    DESK_ADD("/gui/console/way-out", "", test_way_out);
    DESK_ADD("/gui/console/other-view", "", test_other_view);
    DESK_ADD("/gui/console/copy-and-paste", "", test_copy_and_paste);
    DESK_ADD("/gui/console/zoom", "", test_zoom);
    DESK_ADD("/gui/console/menu", "", test_menu);
    DESK_ADD("/gui/console/past", "from the past\033[5n\033[6n\033[c\033[18t\r\n", test_past);
    DESK_ADD("/gui/console/denied", "", test_denied);
    DESK_ADD("/gui/console/ends-meanwhile", "", test_ends_meanwhile);
    DESK_ADD("/gui/console/closed", "", test_closed);
    g_test_add_func("/gui/console/replay", test_replay);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, add);
}
