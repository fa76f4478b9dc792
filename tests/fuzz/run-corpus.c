/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>

/* Stands in for libFuzzer's main where the compiler has none: every file of a directory once, and each cut short at
 * every byte, which finds the ends that a parser forgot to look for. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exact size, so that ASan sees a read past the end. */
static void run(const char *data, gsize size)
{
    g_autofree uint8_t *exact = g_memdup2(data, size);
    LLVMFuzzerTestOneInput(exact, size);
}

static void run_file(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *data = NULL;
    gsize size;
    g_file_get_contents(path, &data, &size, &error);
    g_assert_no_error(error);
    for (gsize end = 0; end <= size; end++)
        run(data, end);
}

int main(int argc, char **argv)
{
    guint n_files = 0;
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
    g_assert_cmpint(argc, ==, 2);
    g_autoptr(GDir) dir = g_dir_open(argv[1], 0, NULL);
    g_assert_nonnull(dir);
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(argv[1], name, NULL);
        g_print("%s\n", path);
        run_file(path);
        n_files++;
    }
    g_assert_cmpuint(n_files, >, 0);
    return EXIT_SUCCESS;
}
