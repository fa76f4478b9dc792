/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>

#include "picture.h"

/* The window in the language that LANGUAGE names: its words are that language's, and fit on a narrow screen, too. */

static void test_words(Stage *stage, gconstpointer unused)
{
    static const char *const words[] = {N_("Choose a Virtual Machine"), N_("Virtual Machines"), N_("Running"),
                                        N_("_Try Again")};
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        g_assert_cmpstr(gettext(words[i]), !=, words[i]);
    AWAIT(stage_sees(stage, gettext("Virtual Machines")) || stage_sees(stage, gettext("No Virtual Machines")));
}

static void take(Stage *stage, const char *name)
{
    picture_take(stage, name, g_getenv("LANGUAGE"));
}

/* @action: opens a window of its own */
static void take_dialog(Stage *stage, const char *action, const char *argument, const char *name)
{
    GVariant *parameter = argument ? g_variant_new_string(argument) : NULL;
    g_assert_true(gtk_widget_activate_action_variant(GTK_WIDGET(stage->window), action, parameter));
    AWAIT(stage_top(stage) != GTK_WIDGET(stage->window));
    gtk_window_set_default_size(GTK_WINDOW(stage_top(stage)), PICTURE_NARROW, 700);
    take(stage, name);
    gtk_window_destroy(GTK_WINDOW(stage_top(stage)));
    AWAIT(stage_top(stage) == GTK_WIDGET(stage->window));
}

static void test_pages(Stage *stage, gconstpointer unused)
{
    static const char *const views[] = {"overview", "display", "console", "journal"};
    g_autofree char *running = scripted_running(&stage->fixture, "{'display': <'vga'>}", NULL);
    g_autofree char *removing = scripted_vm(&stage->fixture, "old", NULL);
    scripted_remove(&stage->fixture, removing, "{'grace-seconds': <uint32 600>}");
    gtk_widget_remove_css_class(GTK_WIDGET(stage->window), PICTURE_FRAME);
    gtk_window_set_default_size(GTK_WINDOW(stage->window), PICTURE_NARROW, 700);
    AWAIT(gtk_widget_get_width(GTK_WIDGET(stage->window)) == PICTURE_NARROW);
    AWAIT(stage_n_rows(stage) == 2);
    take(stage, "list");
    take_dialog(stage, "win.new-vm", "", "new");
    take_dialog(stage, "win.images", NULL, "images");
    take_dialog(stage, "app.preferences", NULL, "preferences");
    stage_activate(stage, "web");
    for (guint i = 0; i < G_N_ELEMENTS(views); i++) {
        stage_view(stage, views[i]);
        take(stage, views[i]);
    }
    take_dialog(stage, "vm.configure", NULL, "change");
    take_dialog(stage, "vm.remove", NULL, "remove");
}

static void add(void)
{
    STAGE_ADD("/gui/languages/words", test_words);
    STAGE_ADD("/gui/languages/pages", test_pages);
}

int main(int argc, char **argv)
{
    g_assert_cmpint(g_mkdir_with_parents(g_getenv("BERTH_SCREENSHOTS"), 0755), ==, 0);
    bindtextdomain(GETTEXT_PACKAGE, g_getenv("BERTH_TRANSLATIONS"));
    bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
    textdomain(GETTEXT_PACKAGE);
    return stage_main(argc, argv, add);
}
