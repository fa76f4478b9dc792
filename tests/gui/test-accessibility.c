/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"

#include <signal.h>

#include "ui-gtk/overview/graph.h"

/* What a screen reader finds in the window, and does there: screen-reader.py asks for it over the real accessibility bus,
 * in a process of its own.
 *
 * From the environment: BERTH_AT_SPI, the program that starts that bus; BERTH_SCREEN_READER, the script. */

#define LOOKS_MIN 5

static GSubprocess *launcher;

static void on_bus(GDBusConnection *connection, const char *name, const char *owner, gpointer data)
{
    *(gboolean *) data = TRUE;
}

static void start_bus(void)
{
    g_autoptr(GError) error = NULL;
    gboolean there = FALSE;
    /* The registry that it starts prints to the output that it is given: that has the results alone. */
    launcher = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error,
                                g_getenv("BERTH_AT_SPI"), "--launch-immediately", NULL);
    g_assert_no_error(error);
    guint watch = g_bus_watch_name(G_BUS_TYPE_SESSION, "org.a11y.Bus", 0, on_bus, NULL, &there, NULL);
    AWAIT(there);
    g_bus_unwatch_name(watch);
}

static void stop_bus(void)
{
    if (!launcher)
        return;
    g_subprocess_send_signal(launcher, SIGTERM);
    g_subprocess_wait(launcher, NULL, NULL);
    g_object_unref(launcher);
}

static void on_told(GObject *source, GAsyncResult *result, gpointer data)
{
    char **output = data;
    g_autoptr(GError) error = NULL;
    g_subprocess_communicate_utf8_finish(G_SUBPROCESS(source), result, output, NULL, &error);
    g_assert_no_error(error);
}

/* (transfer full): what it says; nothing where it finds all as told */
static char *read_screen(const char *command, const char *first, const char *second)
{
    g_autoptr(GError) error = NULL;
    char *output = NULL;
    const char *argv[] = {"/usr/bin/python3", g_getenv("BERTH_SCREEN_READER"), command, first, second, NULL};
    g_autoptr(GSubprocess) reader = g_subprocess_newv(argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
    g_assert_no_error(error);
    g_subprocess_communicate_utf8_async(reader, NULL, NULL, on_told, &output);
    while (!output)
        g_main_context_iteration(NULL, TRUE); /* it asks two thousand times, and has a deadline for each of them */
    g_assert_true(g_subprocess_get_successful(reader));
    return output;
}

/* Nobody tells when the window has come to the accessibility bus, and what has changed in it: it is looked at again, and
 * more than once also where a look takes longer than all of them should. */
static void reader_holds(const char *command, const char *first, const char *second)
{
    AwaitDeadline deadline;
    g_autofree char *output = read_screen(command, first, second);
    await_begin(&deadline, AWAIT_SECONDS * 1000);
    for (guint n = 1; *output && (n < LOOKS_MIN || !deadline.expired); n++) {
        g_free(output);
        output = read_screen(command, first, second);
    }
    await_end(&deadline);
    g_assert_cmpstr(output, ==, "");
}

/* By what is heard, and by what it can press alone. */
static void test_start_and_stop(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    stage_choose(stage, "web");
    reader_holds("vm", "web", "Stopped");
    reader_holds("disabled", "Pause", NULL);
    reader_holds("press", "Start", NULL);
    stage_await_badge(stage, "web", "Running");
    reader_holds("vm", "web", "Running");
    reader_holds("press", "Power Off", NULL);
    stage_await_badge(stage, "web", "Stopped");
    reader_holds("vm", "web", "Stopped");
}

/* What others see in a graph. */
static void test_usage(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    GtkWidget *graph;
    scripted_start(&stage->fixture, path);
    stage_choose(stage, "web");
    AWAIT((graph = stage_find(GTK_WIDGET(stage->window), BERTH_UI_TYPE_GRAPH, NULL)) &&
          berth_ui_graph_get_last(BERTH_UI_GRAPH(graph), NULL) >= 0);
    reader_holds("meter", "Processors", "%");
    reader_holds("meter", "Memory", " of 64.0");
}

static void test_names(Stage *stage, gconstpointer data)
{
    reader_holds("names", NULL, NULL);
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    stage_choose(stage, "web");
    reader_holds("names", NULL, NULL);
    g_autoptr(GtkSelectionModel) views =
        adw_view_stack_get_pages(ADW_VIEW_STACK(stage_find(GTK_WIDGET(stage->window), ADW_TYPE_VIEW_STACK, NULL)));
    for (guint i = 1; i < g_list_model_get_n_items(G_LIST_MODEL(views)); i++) {
        gtk_selection_model_select_item(views, i, TRUE);
        reader_holds("names", NULL, NULL);
    }
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.select-all", NULL);
    reader_holds("names", NULL, NULL);
}

/* Actions that open a window. */
static void test_windows(Stage *stage, gconstpointer data)
{
    static const char *const actions[] = {"app.preferences", "win.new-vm::", "win.images", "win.import-image"};
    for (guint i = 0; i < G_N_ELEMENTS(actions); i++) {
        g_autofree char *action = NULL;
        g_autoptr(GVariant) target = NULL;
        g_assert_true(g_action_parse_detailed_name(actions[i], &action, &target, NULL));
        gtk_widget_activate_action_variant(GTK_WIDGET(stage->window), action, target);
        AWAIT(stage_top(stage) != GTK_WIDGET(stage->window));
        reader_holds("names", NULL, NULL);
        gtk_window_destroy(GTK_WINDOW(stage_top(stage)));
    }
}

static void add(void)
{
    start_bus();
    STAGE_ADD("/gui/accessibility/start-and-stop", test_start_and_stop);
    STAGE_ADD("/gui/accessibility/usage", test_usage);
    STAGE_ADD("/gui/accessibility/names", test_names);
    STAGE_ADD("/gui/accessibility/windows", test_windows);
}

int main(int argc, char **argv)
{
    if (!g_file_test(g_getenv("BERTH_AT_SPI"), G_FILE_TEST_IS_EXECUTABLE)) {
        g_print("1..0 # SKIP at-spi2-core is missing\n");
        return 0;
    }
    int status = stage_main(argc, argv, add);
    stop_bus();
    return status;
}
