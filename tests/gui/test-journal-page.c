/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"

#include <glib/gstdio.h>
#include <unistd.h>

#include "journal-files.h"
#include "picture.h"
#include "ui-gtk/journal/journal-page.h"
#include "ui-gtk/journal/journal-row.h"

/* The journal of a VM as a person sees it. */

#define NOON 1700000000000000u /* a moment, in µs since the epoch */

typedef struct {
    Stage stage;
    char *dir, *file;
    BerthUiJournalPage *page;
    guint64 now; /* of the next message */
} Scene;

static void say(Scene *s, const char *vm, guint priority, const char *message)
{
    g_autofree char *fields =
        g_strdup_printf("BERTH_VM_ID=%s\n_UID=0\nPRIORITY=%u\nSYSLOG_IDENTIFIER=berthd\n", vm, priority);
    JournalMessage one = {s->now++, fields, message, -1};
    journal_files_write(s->file, &one, 1);
}

/* Two VMs, "web" shown, with its journal. */
static void set_up(Scene *s, gconstpointer data)
{
    GtkWidget *page;
    stage_set_up_fake(&s->stage, data);
    fake_berth_add(s->stage.fake, "web", "running");
    fake_berth_add(s->stage.fake, "db", "stopped");
    s->now = NOON;
    s->dir = g_dir_make_tmp("berth-journal-XXXXXX", NULL);
    s->file = g_build_filename(s->dir, "system.journal", NULL);
    say(s, "nobody", 6, "so that there is a journal");
    stage_choose(&s->stage, "web");
    stage_view(&s->stage, "journal");
    AWAIT((page = stage_find(GTK_WIDGET(s->stage.window), BERTH_UI_TYPE_JOURNAL_PAGE, NULL)));
    s->page = BERTH_UI_JOURNAL_PAGE(page);
    g_object_set(page, "directory", s->dir, NULL);
}

static void tear_down(Scene *s, gconstpointer data)
{
    stage_tear_down_fake(&s->stage, data);
    g_unlink(s->file);
    g_rmdir(s->dir);
    g_free(s->file);
    g_free(s->dir);
}

static const char *id(Scene *s, const char *name)
{
    for (guint i = 0; i < s->stage.fake->vms->len; i++) {
        FakeVm *vm = s->stage.fake->vms->pdata[i];
        if (g_str_equal(vm->name, name))
            return vm->id;
    }
    return NULL;
}

static gboolean sees(Scene *s, const char *message)
{
    return stage_find(GTK_WIDGET(s->page), GTK_TYPE_LABEL, message) != NULL;
}

static void choose_filter(Scene *s, guint choice)
{
    GtkWidget *filter = stage_find(GTK_WIDGET(s->page), GTK_TYPE_DROP_DOWN, NULL);
    gtk_drop_down_set_selected(GTK_DROP_DOWN(filter), choice);
}

static void test_follows(Scene *s, gconstpointer data)
{
    AWAIT(sees(s, "No Messages"));
    say(s, id(s, "web"), 4, "the first");
    AWAIT(sees(s, "the first"));
    g_assert_true(sees(s, "14 Nov 2023, 22:13:20 · berthd · Warning"));
    say(s, id(s, "db"), 4, "of the other");
    say(s, id(s, "web"), 6, "the second");
    AWAIT(sees(s, "the second"));
    g_assert_false(sees(s, "of the other"));
    stage_choose(&s->stage, "db");
    AWAIT(sees(s, "of the other"));
    g_assert_false(sees(s, "the second"));
}

static void test_filter(Scene *s, gconstpointer data)
{
    say(s, id(s, "web"), 4, "a warning");
    say(s, id(s, "web"), 5, "a notice");
    say(s, id(s, "web"), 6, "a line of the console");
    AWAIT(sees(s, "a line of the console"));
    choose_filter(s, 1);
    AWAIT(sees(s, "a notice") && !sees(s, "a line of the console"));
    choose_filter(s, 2);
    AWAIT(sees(s, "a warning") && !sees(s, "a notice"));
    choose_filter(s, 0);
    AWAIT(sees(s, "a line of the console"));
}

static GtkSelectionModel *selection(Scene *s)
{
    return gtk_list_view_get_model(GTK_LIST_VIEW(stage_find(GTK_WIDGET(s->page), GTK_TYPE_LIST_VIEW, NULL)));
}

/* Its files are watched only while somebody looks. */
static void test_only_while_seen(Scene *s, gconstpointer data)
{
    say(s, id(s, "web"), 4, "the first");
    AWAIT(sees(s, "the first"));
    GtkMultiSelection *shown = GTK_MULTI_SELECTION(selection(s));
    stage_view(&s->stage, "overview");
    AWAIT(!gtk_widget_get_mapped(GTK_WIDGET(s->page)));
    g_assert_null(gtk_multi_selection_get_model(shown));
    say(s, id(s, "web"), 4, "meanwhile");
    stage_view(&s->stage, "journal");
    AWAIT(sees(s, "meanwhile"));
}

static void on_text(GObject *source, GAsyncResult *result, gpointer data)
{
    char **text = data;
    g_autoptr(GError) error = NULL;
    *text = gdk_clipboard_read_text_finish(GDK_CLIPBOARD(source), result, &error);
    g_assert_no_error(error);
}

static void test_copy(Scene *s, gconstpointer data)
{
    g_autofree char *text = NULL;
    say(s, id(s, "web"), 4, "left out");
    say(s, id(s, "web"), 4, "the first");
    say(s, id(s, "web"), 6, "two\nlines");
    AWAIT(sees(s, "two\nlines"));
    stage_await_button(&s->stage, "Copy the Selected Messages", FALSE);
    gtk_selection_model_select_item(selection(s), 1, TRUE);
    gtk_selection_model_select_item(selection(s), 2, FALSE);
    stage_click(&s->stage, "Copy the Selected Messages");
    gdk_clipboard_read_text_async(gtk_widget_get_clipboard(GTK_WIDGET(s->page)), NULL, on_text, &text);
    AWAIT(text);
    g_assert_cmpstr(text, ==, "2023-11-14 22:13:20 berthd: the first\n2023-11-14 22:13:20 berthd: two\nlines\n");
}

static gboolean is_at_end(GtkAdjustment *at)
{
    return gtk_adjustment_get_value(at) + gtk_adjustment_get_page_size(at) == gtk_adjustment_get_upper(at);
}

/* Until the list has its place for it. */
static void say_and_await(Scene *s, GtkAdjustment *at, const char *message)
{
    double upper = gtk_adjustment_get_upper(at);
    say(s, id(s, "web"), 6, message);
    AWAIT(gtk_adjustment_get_upper(at) > upper);
}

/* It stands at the end, and nothing is under way that would go there. */
static void await_end_of_list(Scene *s, GtkAdjustment *at)
{
    double before;
    do {
        before = gtk_adjustment_get_value(at);
        picture_await_frames(GTK_WIDGET(s->page));
        while (g_main_context_iteration(NULL, FALSE))
            continue;
    } while (gtk_adjustment_get_value(at) != before || !is_at_end(at));
}

/* Who reads at the end goes on reading there; who looks at what was before is left in peace. */
static void test_end(Scene *s, gconstpointer data)
{
    for (guint i = 0; i < 40; i++)
        say(s, id(s, "web"), 6, "a line\nof\nsome\nheight");
    say(s, id(s, "web"), 6, "the last");
    AWAIT(sees(s, "the last"));
    GtkWidget *scrolled = stage_find(GTK_WIDGET(s->page), GTK_TYPE_SCROLLED_WINDOW, NULL);
    GtkAdjustment *at = gtk_scrolled_window_get_vadjustment(GTK_SCROLLED_WINDOW(scrolled));
    AWAIT(gtk_adjustment_get_value(at) > 0 && is_at_end(at));
    say_and_await(s, at, "one more");
    await_end_of_list(s, at);
    gtk_adjustment_set_value(at, 0);
    say_and_await(s, at, "far below");
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    g_assert_cmpfloat(gtk_adjustment_get_value(at), ==, 0);
}

static void test_problem(Scene *s, gconstpointer data)
{
    g_object_set(s->page, "directory", "/nowhere", NULL);
    AWAIT(sees(s, "The Journal Can’t Be Read"));
    g_assert_true(sees(s, "No such file or directory"));
}

#define ADD(path, func) g_test_add("/gui/journal-page/" path, Scene, NULL, set_up, func, tear_down)

static void add(void)
{
    g_autofree char *missing = journal_files_missing();
    if (missing)
        g_test_message("Nothing to be seen of the journal: %s", missing);
    if (missing)
        return;
    g_setenv("TZ", "UTC", TRUE);
    ADD("follows", test_follows);
    ADD("filter", test_filter);
    ADD("only-while-seen", test_only_while_seen);
    ADD("copy", test_copy);
    ADD("end", test_end);
    ADD("problem", test_problem);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, add);
}
