/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/core/error.h"
#include "src/host/end-record.h"
#include "test-dir.h"

#define ID "6b1c9f0e-3c1e-4f2a-9a52-0d7e5c1b8a44"

static char *path_in(TestDir *dir)
{
    return g_build_filename(dir->path, ID ".ended", NULL);
}

static void write_one(TestDir *dir, const char *words)
{
    g_autoptr(GError) error = NULL;
    const BerthEndRecord record = {
        .reason = BERTH_EXIT_CRASHED,
        .wait_status = 11,
        .restarts = {.n_restarts = 4, .n_in_interval = 3, .interval_began = 17},
        .start_due = 123456789,
        .limit_reached = TRUE,
        .words = (char *) words,
    };
    g_assert_true(berth_end_record_write(dir->path, ID, &record, &error));
    g_assert_no_error(error);
}

static void assert_words(TestDir *dir, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthEndRecord) record = berth_end_record_read(dir->path, ID, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(record->words, ==, words);
}

static void assert_none(TestDir *dir, int code)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(berth_end_record_read(dir->path, ID, &error));
    g_assert_error(error, BERTH_ERROR, code);
}

static void test_round(TestDir *dir, gconstpointer unused)
{
    assert_none(dir, BERTH_ERROR_NOT_FOUND);
    write_one(dir, "first");
    write_one(dir, "It ended: Grüße");
    g_autoptr(BerthEndRecord) record = berth_end_record_read(dir->path, ID, NULL);
    g_assert_cmpuint(record->reason, ==, BERTH_EXIT_CRASHED);
    g_assert_cmpint(record->wait_status, ==, 11);
    g_assert_cmpuint(record->restarts.n_restarts, ==, 4);
    g_assert_cmpuint(record->restarts.n_in_interval, ==, 3);
    g_assert_cmpint(record->restarts.interval_began, ==, 17);
    g_assert_cmpint(record->start_due, ==, 123456789);
    g_assert_true(record->limit_reached);
    g_assert_cmpstr(record->words, ==, "It ended: Grüße");
    g_assert_true(berth_end_record_remove(dir->path, ID, NULL));
    assert_none(dir, BERTH_ERROR_NOT_FOUND);
    g_assert_true(berth_end_record_remove(dir->path, ID, NULL));
}

/* Whatever LastError says is one line, and not too long. */
static void test_words(TestDir *dir, gconstpointer unused)
{
    write_one(dir, "two\nlines\tand \x1b[2J");
    assert_words(dir, "two lines and  [2J");
    write_one(dir, "");
    assert_words(dir, "");
    g_autofree char *flood = g_strnfill(100000, 'x'), *kept = g_strnfill(4096, 'x');
    write_one(dir, flood);
    assert_words(dir, kept);
}

static void change(TestDir *dir, const char *old, const char *new)
{
    g_autofree char *path = path_in(dir), *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, old));
    g_autoptr(GString) changed = g_string_new(text);
    g_string_replace(changed, old, new, 1);
    g_assert_true(g_file_set_contents(path, changed->str, -1, NULL));
}

/* Where the directory outlives the boot, what it says of an earlier one is nothing. */
static void test_other_boot(TestDir *dir, gconstpointer unused)
{
    g_autofree char *path = path_in(dir), *text = NULL;
    write_one(dir, "");
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    const char *id = strstr(text, "boot-id=") + strlen("boot-id=");
    g_assert_cmpuint(strspn(id, "0123456789abcdef"), ==, 32);
    g_autofree char *line = g_strndup(id, 32);
    change(dir, line, "00000000000000000000000000000001");
    assert_none(dir, BERTH_ERROR_NOT_FOUND);
}

static void test_damaged(TestDir *dir, gconstpointer unused)
{
    static const char *const changes[][2] = {
        {"end\n", ""},
        {"reason=crashed", "reason=bored"},
        {"wait-status=11", "wait-status=65536"},
        {"wait-status=11", "wait-status=-2"},
        {"restarts=4", "restarts=-1"},
        {"restarts-in-interval=3", "restarts-in-interval=99999999999"},
        {"start-due=123456789", "start-due="},
        {"start-due=123456789", "start-due=9223372036854775807"}, /* no time can be added to that */
        {"limit-reached=1", "limit-reached=2"},
        {"words=", "word="},
    };
    for (guint i = 0; i < G_N_ELEMENTS(changes); i++) {
        write_one(dir, "");
        change(dir, changes[i][0], changes[i][1]);
        assert_none(dir, BERTH_ERROR_INVALID_ARGS);
    }
}

/* A write that can't be ends with an error, and the one before it stands. What it left goes with the record. */
static void test_failures(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *temporary = g_build_filename(dir->path, ".new-" ID ".ended", NULL), *path = path_in(dir);
    const BerthEndRecord record = {.words = (char *) ""};
    write_one(dir, "stands");
    g_assert_cmpint(g_mkdir(temporary, 0700), ==, 0);
    g_assert_false(berth_end_record_write(dir->path, ID, &record, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    assert_words(dir, "stands");
    g_clear_error(&error);
    g_assert_false(berth_end_record_remove(dir->path, ID, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    g_assert_cmpint(g_rmdir(temporary), ==, 0);
    g_assert_true(g_file_set_contents(temporary, "half", -1, NULL));
    g_assert_true(berth_end_record_remove(dir->path, ID, NULL));
    g_assert_false(g_file_test(temporary, G_FILE_TEST_EXISTS));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_no_directory(TestDir *dir, gconstpointer unused)
{
    g_autofree char *runtime = g_build_filename(dir->path, "run", NULL);
    const BerthEndRecord record = {.words = (char *) ""};
    g_assert_true(berth_end_record_remove(runtime, ID, NULL));
    g_assert_true(berth_end_record_write(runtime, ID, &record, NULL));
    g_autoptr(BerthEndRecord) read = berth_end_record_read(runtime, ID, NULL);
    g_assert_cmpuint(read->reason, ==, BERTH_EXIT_NONE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST_DIR_ADD("/end-record/round", test_round);
    TEST_DIR_ADD("/end-record/words", test_words);
    TEST_DIR_ADD("/end-record/other-boot", test_other_boot);
    TEST_DIR_ADD("/end-record/damaged", test_damaged);
    TEST_DIR_ADD("/end-record/failures", test_failures);
    TEST_DIR_ADD("/end-record/no-directory", test_no_directory);
    return g_test_run();
}
