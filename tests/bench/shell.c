/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shell.h"

static int run(const char *line)
{
    const char *argv[] = {"sh", "-euc", line, NULL};
    g_autoptr(GError) error = NULL;
    int status = -1;
    if (!g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL,
                      NULL, &status, &error))
        g_error("%s: %s", line, error->message);
    return status;
}

gboolean shell_succeeds(const char *line)
{
    return run(line) == 0;
}

void shell_run(const char *line)
{
    if (!shell_succeeds(line))
        g_error("failed: %s", line);
}

void shell_write(const char *path, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_path_get_dirname(path);
    g_mkdir_with_parents(dir, 0755);
    if (!g_file_set_contents(path, text, -1, &error))
        g_error("%s", error->message);
}
