/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "journal-files.h"
#include "tests/lib/await.h"
#include "ui-gtk/journal/journal.h"

/* What is read of a journal, in a directory of the test's own. */

#define ID "8c5d0a5c-2f0e-4c1a-9d5e-3a4f5b6c7d8e"
#define UNIT "berth-" ID ".scope"
#define NOON 1700000000000000u /* a moment, in µs since the epoch */
#define BY_DAEMON "BERTH_VM_ID=" ID "\n_UID=0\nSYSLOG_IDENTIFIER=berthd\n"
#define NOBODY 65534

typedef struct {
    char *dir, *file;
    BerthUiJournal *journal;
} Scene;

static void set_up(Scene *s, gconstpointer data)
{
    s->dir = g_dir_make_tmp("berth-journal-XXXXXX", NULL);
    s->file = g_build_filename(s->dir, "system.journal", NULL);
}

static void tear_down(Scene *s, gconstpointer data)
{
    g_clear_object(&s->journal);
    g_unlink(s->file);
    g_rmdir(s->dir);
    g_free(s->file);
    g_free(s->dir);
}

static void say(Scene *s, guint second, const char *fields, const char *message)
{
    JournalMessage one = {NOON + second * G_USEC_PER_SEC, fields, message, -1};
    journal_files_write(s->file, &one, 1);
}

static void look(Scene *s, BerthUiJournalQuery query)
{
    query.id = ID;
    query.directory = s->dir;
    query.n_max = query.n_max ? query.n_max : 10;
    query.priority = query.priority ? query.priority : 7;
    s->journal = berth_ui_journal_new(&query);
}

/* (transfer full): what is seen, oldest first: "one, two" */
static char *seen(Scene *s)
{
    GListModel *entries = berth_ui_journal_get_entries(s->journal);
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < g_list_model_get_n_items(entries); i++) {
        g_autoptr(BerthUiJournalEntry) entry = g_list_model_get_item(entries, i);
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", berth_ui_journal_entry_get_message(entry));
    }
    return g_string_free(text, FALSE);
}

static gboolean sees(Scene *s, const char *expected)
{
    g_autofree char *text = seen(s);
    return g_str_equal(text, expected);
}

/* All that there is, and nothing else. */
static void assert_finds(Scene *s, const char *expected)
{
    AWAIT(berth_ui_journal_get_status(s->journal) != BERTH_UI_JOURNAL_READING);
    g_assert_cmpstr(berth_ui_journal_get_problem(s->journal), ==, "");
    g_autofree char *text = seen(s);
    g_assert_cmpstr(text, ==, expected);
}

static void test_follows(Scene *s, gconstpointer data)
{
    say(s, 0, BY_DAEMON "PRIORITY=4\n", "first");
    say(s, 1, BY_DAEMON, "second");
    look(s, (BerthUiJournalQuery){0});
    assert_finds(s, "first, second");
    g_autoptr(BerthUiJournalEntry) entry = g_list_model_get_item(berth_ui_journal_get_entries(s->journal), 0);
    g_assert_cmpuint(berth_ui_journal_entry_get_time(entry), ==, NOON);
    g_assert_cmpuint(berth_ui_journal_entry_get_priority(entry), ==, 4);
    g_assert_cmpstr(berth_ui_journal_entry_get_who(entry), ==, "berthd");
    say(s, 2, BY_DAEMON, "third");
    AWAIT(sees(s, "first, second, third"));
    say(s, 3, "_UID=0\nSYSLOG_IDENTIFIER=berthd\n", "of no VM");
    say(s, 4, BY_DAEMON, "fourth");
    AWAIT(sees(s, "first, second, third, fourth"));
}

/* Nothing at first: what comes then is not passed over. */
static void test_begins_empty(Scene *s, gconstpointer data)
{
    say(s, 0, "_UID=0\n", "of no VM");
    look(s, (BerthUiJournalQuery){0});
    assert_finds(s, "");
    say(s, 1, BY_DAEMON, "first");
    AWAIT(sees(s, "first"));
}

/* Other files come when journald rotates. */
static void test_new_file(Scene *s, gconstpointer data)
{
    say(s, 0, BY_DAEMON, "old");
    look(s, (BerthUiJournalQuery){0});
    assert_finds(s, "old");
    g_autofree char *file = g_build_filename(s->dir, "other.journal", NULL);
    JournalMessage message = {NOON + G_USEC_PER_SEC, BY_DAEMON, "new", -1};
    journal_files_write(file, &message, 1);
    AWAIT(sees(s, "old, new"));
    g_unlink(file);
}

static void write_many(Scene *s, guint first, guint n)
{
    g_autofree JournalMessage *messages = g_new(JournalMessage, n);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < n; i++) {
        g_ptr_array_add(texts, g_strdup_printf("%u", first + i));
        messages[i] = (JournalMessage){NOON + (first + i) * G_USEC_PER_SEC, BY_DAEMON, texts->pdata[i], -1};
    }
    journal_files_write(s->file, messages, n);
}

static void test_bounded(Scene *s, gconstpointer data)
{
    write_many(s, 0, 300);
    look(s, (BerthUiJournalQuery){.n_max = 3});
    assert_finds(s, "297, 298, 299");
    write_many(s, 300, 250);
    AWAIT(sees(s, "547, 548, 549"));
    g_clear_object(&s->journal);
    look(s, (BerthUiJournalQuery){.n_max = 550});
    AWAIT(g_list_model_get_n_items(berth_ui_journal_get_entries(s->journal)) == 550);
    g_clear_object(&s->journal);
    look(s, (BerthUiJournalQuery){.n_max = 1000});
    AWAIT(berth_ui_journal_get_status(s->journal) == BERTH_UI_JOURNAL_READY &&
          g_list_model_get_n_items(berth_ui_journal_get_entries(s->journal)) == 550);
}

/* Who is no part of the VM can write its id too, and is not believed. */
static void test_whose(Scene *s, gconstpointer data)
{
    say(s, 0, BY_DAEMON, "daemon");
    say(s, 1, "_SYSTEMD_UNIT=" UNIT "\n_UID=4711\n", "inside");
    say(s, 2, "UNIT=" UNIT "\n_PID=1\n", "systemd");
    say(s, 3, "BERTH_VM_ID=" ID "\n_UID=1000\n", "forged by id");
    say(s, 4, "UNIT=" UNIT "\n_PID=4711\n_UID=1000\n", "forged by unit");
    say(s, 5, "BERTH_VM_ID=another\n_UID=0\n", "another's");
    say(s, 6, "_SYSTEMD_USER_UNIT=" UNIT "\n_UID=1000\n", "another user's own");
    say(s, 7, BY_DAEMON, "last");
    look(s, (BerthUiJournalQuery){0});
    assert_finds(s, "daemon, inside, systemd, last");
}

static void test_users_own(Scene *s, gconstpointer data)
{
    g_autofree char *uid = g_strdup_printf("_UID=%u\n", getuid());
    g_autofree char *daemon = g_strconcat("BERTH_VM_ID=" ID "\n", uid, NULL);
    g_autofree char *inside = g_strconcat("_SYSTEMD_USER_UNIT=" UNIT "\n", uid, NULL);
    g_autofree char *about = g_strconcat("USER_UNIT=" UNIT "\n", uid, NULL);
    say(s, 0, daemon, "daemon");
    say(s, 1, inside, "inside");
    say(s, 2, about, "systemd");
    say(s, 3, "USER_UNIT=" UNIT "\n_UID=4711\n", "another user's");
    say(s, 4, "_SYSTEMD_USER_UNIT=" UNIT "\n_UID=4711\n", "another user's");
    look(s, (BerthUiJournalQuery){.is_user = TRUE});
    assert_finds(s, "daemon, inside, systemd");
}

static void test_priority(Scene *s, gconstpointer data)
{
    say(s, 0, BY_DAEMON "PRIORITY=3\n", "error");
    say(s, 1, BY_DAEMON "PRIORITY=4\n", "warning");
    say(s, 2, BY_DAEMON "PRIORITY=5\n", "notice");
    say(s, 3, "_SYSTEMD_UNIT=" UNIT "\nPRIORITY=6\n", "console");
    say(s, 4, "_SYSTEMD_UNIT=" UNIT "\n", "without");
    look(s, (BerthUiJournalQuery){.priority = 4, .n_max = 2});
    assert_finds(s, "error, warning");
    g_clear_object(&s->journal);
    look(s, (BerthUiJournalQuery){.priority = 5});
    assert_finds(s, "error, warning, notice");
    g_clear_object(&s->journal);
    look(s, (BerthUiJournalQuery){.priority = 7});
    assert_finds(s, "error, warning, notice, console, without");
}

/* A guest may write what it likes. */
static void test_hostile(Scene *s, gconstpointer data)
{
    g_autofree char *large = g_strnfill(100000, 'x');
    JournalMessage messages[] = {
        {NOON, BY_DAEMON, "nul\0and \xff\x1b[2J", 11},
        {NOON + 1, BY_DAEMON "PRIORITY=none\n", "two\nlines\tand", -1},
        {NOON + 2, BY_DAEMON "PRIORITY=99\n", large, -1},
    };
    journal_files_write(s->file, messages, G_N_ELEMENTS(messages));
    look(s, (BerthUiJournalQuery){0});
    AWAIT(g_list_model_get_n_items(berth_ui_journal_get_entries(s->journal)) == 3);
    for (guint i = 1; i < 3; i++) {
        g_autoptr(BerthUiJournalEntry) entry = g_list_model_get_item(berth_ui_journal_get_entries(s->journal), i);
        g_assert_cmpuint(berth_ui_journal_entry_get_priority(entry), ==, 6);
    }
    g_autofree char *text = seen(s);
    g_assert_true(g_utf8_validate(text, -1, NULL));
    g_assert_true(g_str_has_prefix(text, "nul\xef\xbf\xbd"
                                         "and \xef\xbf\xbd [, two\nlines\tand, xxx"));
    g_assert_true(g_str_has_suffix(text, "xxx…"));
    g_assert_cmpuint(strlen(text), <, 2 * BERTH_UI_JOURNAL_MESSAGE_MAX);
}

/* Freed at any moment: what was under way is nobody's any more. */
static void test_left(Scene *s, gconstpointer data)
{
    write_many(s, 0, 200);
    for (guint i = 0; i < 50; i++) {
        look(s, (BerthUiJournalQuery){.n_max = 1000});
        for (guint n = 0; n < i % 5; n++)
            g_main_context_iteration(NULL, FALSE);
        g_assert_finalize_object(g_steal_pointer(&s->journal));
    }
    look(s, (BerthUiJournalQuery){.n_max = 2});
    assert_finds(s, "198, 199");
}

/* As a user who may look into the directory, and at nothing in it. */
static void test_denied(Scene *s, gconstpointer data)
{
    if (getuid() != 0) {
        g_test_skip("only root can become somebody else");
        return;
    }
    say(s, 0, BY_DAEMON, "secret");
    g_assert_cmpint(g_chmod(s->dir, 0755), ==, 0);
    g_assert_cmpint(g_chmod(s->file, 0600), ==, 0);
    g_assert_cmpint(seteuid(NOBODY), ==, 0);
    look(s, (BerthUiJournalQuery){0});
    AWAIT(berth_ui_journal_get_status(s->journal) != BERTH_UI_JOURNAL_READING);
    g_assert_cmpint(seteuid(0), ==, 0);
    g_assert_cmpuint(berth_ui_journal_get_status(s->journal), ==, BERTH_UI_JOURNAL_DENIED);
    g_assert_cmpuint(g_list_model_get_n_items(berth_ui_journal_get_entries(s->journal)), ==, 0);
}

static void test_fails(Scene *s, gconstpointer data)
{
    BerthUiJournalQuery query = {.id = ID, .priority = 7, .n_max = 10, .directory = "/nowhere"};
    s->journal = berth_ui_journal_new(&query);
    AWAIT(berth_ui_journal_get_status(s->journal) != BERTH_UI_JOURNAL_READING);
    g_assert_cmpuint(berth_ui_journal_get_status(s->journal), ==, BERTH_UI_JOURNAL_FAILED);
    g_assert_cmpstr(berth_ui_journal_get_problem(s->journal), ==, "No such file or directory");
}

#define ADD(path, func) g_test_add("/gui/journal/" path, Scene, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_autofree char *missing = journal_files_missing();
    g_test_init(&argc, &argv, NULL);
    if (missing) {
        g_print("1..0 # SKIP %s\n", missing);
        return 0;
    }
    ADD("follows", test_follows);
    ADD("begins-empty", test_begins_empty);
    ADD("new-file", test_new_file);
    ADD("bounded", test_bounded);
    ADD("whose", test_whose);
    ADD("users-own", test_users_own);
    ADD("priority", test_priority);
    ADD("hostile", test_hostile);
    ADD("left", test_left);
    ADD("denied", test_denied);
    ADD("fails", test_fails);
    return g_test_run();
}
