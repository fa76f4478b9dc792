/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "src/core/autofd.h"
#include "src/core/error.h"
#include "src/host/file-watch.h"
#include "test-dir.h"
#include "tests/lib/await.h"

static void count_up(gpointer data)
{
    (*(guint *) data)++;
}

static char *make_file(const char *dir, const char *name)
{
    char *path = g_build_filename(dir, name, NULL);
    BERTH_AUTOFD fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    return path;
}

/* What a keeper does: it changes nothing, and is heard. */
static void touch(const char *path)
{
    BERTH_AUTOFD fd = open(path, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
}

static void test_file(TestDir *dir, gconstpointer unused)
{
    g_autofree char *path = make_file(dir->path, "one");
    g_autofree char *other = make_file(dir->path, "two");
    g_autoptr(GError) error = NULL;
    guint first = 0, second = 0, others = 0;
    BerthFileWatch *watch = berth_file_watch_new(path, IN_MODIFY, "", count_up, &first, &error);
    g_assert_no_error(error);
    BerthFileWatch *same = berth_file_watch_new(path, IN_MODIFY, "", count_up, &second, NULL);
    BerthFileWatch *another = berth_file_watch_new(other, IN_MODIFY, "", count_up, &others, NULL);

    touch(path);
    AWAIT(first >= 1);
    AWAIT(second >= 1);
    g_assert_cmpuint(others, ==, 0);
    /* Who is left hears it still. */
    berth_file_watch_free(&watch);
    g_assert_null(watch);
    touch(path);
    AWAIT(second >= 2);
    g_assert_cmpuint(first, ==, 1);
    berth_file_watch_free(&same);
    touch(path);
    touch(other);
    AWAIT(others >= 1);
    g_assert_cmpuint(second, ==, 2);
    berth_file_watch_free(&another);
    berth_file_watch_free(&another);

    g_assert_null(berth_file_watch_new("/nowhere/at/all", IN_MODIFY, "", count_up, &first, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND);
}

/* Of a directory, one entry alone. */
static void test_entry(TestDir *dir, gconstpointer unused)
{
    g_autofree char *path = make_file(dir->path, "one");
    g_autofree char *other = make_file(dir->path, "two");
    guint first = 0, second = 0;
    BerthFileWatch *one = berth_file_watch_new(dir->path, IN_DELETE, "one", count_up, &first, NULL);
    BerthFileWatch *two = berth_file_watch_new(dir->path, IN_DELETE, "two", count_up, &second, NULL);

    g_assert_cmpint(g_unlink(path), ==, 0);
    AWAIT(first >= 1);
    g_assert_cmpuint(second, ==, 0);
    berth_file_watch_free(&one);
    g_assert_cmpint(g_unlink(other), ==, 0);
    AWAIT(second >= 1);
    berth_file_watch_free(&two);
}

typedef struct {
    BerthFileWatch *own, *other;
    guint calls;
} Pair;

static void free_both(gpointer data)
{
    Pair *pair = data;
    pair->calls++;
    berth_file_watch_free(&pair->own);
    berth_file_watch_free(&pair->other);
}

static void test_freed(TestDir *dir, gconstpointer unused)
{
    g_autofree char *path = make_file(dir->path, "one");
    Pair pair = {0};
    guint kept = 0;
    pair.own = berth_file_watch_new(path, IN_MODIFY, "", free_both, &pair, NULL);
    pair.other = berth_file_watch_new(path, IN_MODIFY, "", free_both, &pair, NULL);
    BerthFileWatch *keep = berth_file_watch_new(path, IN_MODIFY, "", count_up, &kept, NULL);

    touch(path);
    AWAIT(kept >= 1);
    g_assert_cmpuint(pair.calls, ==, 1);
    touch(path);
    AWAIT(kept >= 2);
    berth_file_watch_free(&keep);
}

#define ADD(name, func) g_test_add("/file-watch/" name, TestDir, NULL, test_dir_open, func, test_dir_close)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("file", test_file);
    ADD("entry", test_entry);
    ADD("freed", test_freed);
    return g_test_run();
}
