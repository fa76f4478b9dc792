/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "src/berth-keeper/bounded-log.h"
#include "src/core/keeper-protocol.h"

typedef struct {
    char *directory, *path, *old_path;
    struct bounded_log log;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->directory = g_dir_make_tmp("berth-log-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->directory, "serial.log", NULL);
    fixture->old_path = g_build_filename(fixture->directory, "serial.log.1", NULL);
    bounded_log_init(&fixture->log, open(fixture->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600),
                     open(fixture->old_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    close(fixture->log.fd);
    close(fixture->log.old_fd);
    g_unlink(fixture->path);
    g_unlink(fixture->old_path);
    g_rmdir(fixture->directory);
    g_free(fixture->directory);
    g_free(fixture->path);
    g_free(fixture->old_path);
}

static char *contents(const char *path, gsize *length)
{
    char *text;
    g_assert_true(g_file_get_contents(path, &text, length, NULL));
    return text;
}

/* Old and new together are the end of all that was written, without a gap, in whatever pieces it came. */
static void check_tail(Fixture *fixture, gsize total, gsize piece)
{
    g_autofree char *written = g_malloc(total);
    for (gsize i = 0; i < total; i++)
        written[i] = (char) ('a' + (i * 7 + i / 1000) % 26);
    for (gsize at = 0; at < total; at += piece)
        bounded_log_write(&fixture->log, written + at, MIN(piece, total - at));

    gsize length, old_length;
    g_autofree char *now = contents(fixture->path, &length);
    g_autofree char *old = contents(fixture->old_path, &old_length);
    g_assert_cmpuint(length, <=, BERTH_LOG_SIZE_MAX);
    g_assert_cmpuint(old_length, ==, total > BERTH_LOG_SIZE_MAX ? BERTH_LOG_SIZE_MAX : 0);
    g_assert_cmpuint((total - length) % BERTH_LOG_SIZE_MAX, ==, 0);
    g_assert_cmpmem(now, length, written + total - length, length);
    g_assert_cmpmem(old, old_length, written + total - length - old_length, old_length);
}

static void test_small(Fixture *fixture, gconstpointer data)
{
    check_tail(fixture, 1000, 7);
}

static void test_rotates(Fixture *fixture, gconstpointer data)
{
    int reader = open(fixture->path, O_RDONLY | O_CLOEXEC);
    char last;

    check_tail(fixture, 3 * BERTH_LOG_SIZE_MAX + 12345, 4096);
    g_assert_cmpint(pread(reader, &last, 1, 12344), ==, 1); /* the file that a reader has open is still the log */
    close(reader);
}

static void test_large_piece(Fixture *fixture, gconstpointer data)
{
    check_tail(fixture, 2 * BERTH_LOG_SIZE_MAX + 1, 2 * BERTH_LOG_SIZE_MAX + 1);
}

/* A keeper of a later run finds the log as the one before left it. */
static void test_continues(Fixture *fixture, gconstpointer data)
{
    g_autofree char *before = g_strnfill(BERTH_LOG_SIZE_MAX - 1, 'b');
    struct bounded_log later;
    gsize length;

    g_assert_cmpint(ftruncate(fixture->log.old_fd, 2 * BERTH_LOG_SIZE_MAX), ==, 0);
    bounded_log_write(&fixture->log, before, strlen(before));
    bounded_log_init(&later, fixture->log.fd, fixture->log.old_fd);
    bounded_log_write(&later, "xyz", 3);
    g_autofree char *now = contents(fixture->path, &length);
    g_assert_cmpstr(now, ==, "yz");
    g_autofree char *old = contents(fixture->old_path, &length);
    g_assert_cmpuint(length, ==, BERTH_LOG_SIZE_MAX);
}

/* A disk that takes no more: output is lost, and that is all. */
static void test_full_disk(Fixture *fixture, gconstpointer data)
{
    struct rlimit limit, small = {.rlim_cur = 1000};
    gsize length;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    small.rlim_max = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    g_autofree char *bytes = g_strnfill(3000, 'x');
    bounded_log_write(&fixture->log, bytes, 3000);
    bounded_log_write(&fixture->log, bytes, 3000);
    setrlimit(RLIMIT_FSIZE, &limit);
    bounded_log_write(&fixture->log, "end", 3);
    g_autofree char *now = contents(fixture->path, &length);
    g_assert_cmpuint(length, ==, 1003);
    g_assert_cmpstr(now + 1000, ==, "end");
}

#define ADD(name, function) g_test_add("/bounded-log/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("small", test_small);
    ADD("rotates", test_rotates);
    ADD("large-piece", test_large_piece);
    ADD("continues", test_continues);
    ADD("full-disk", test_full_disk);
    return g_test_run();
}
