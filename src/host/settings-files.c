/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings-files.h"

#include <fcntl.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "durable-file.h"

#define SETTINGS_FILE_MAX (64u * 1024)

static void complain(const char *file, guint line, const char *message, gpointer data)
{
    if (line > 0)
        g_warning("%s:%u: %s", file, line, message);
    else
        g_warning("%s", message);
}

static void load_file(BerthSettings *settings, const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    /* The administrator's own directory may well be a link. */
    BERTH_AUTOFD dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return;
    text = berth_file_read(dir, name, SETTINGS_FILE_MAX, NULL, &error);
    if (text)
        berth_settings_parse(settings, path, text, complain, NULL);
    else if (!g_error_matches(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND))
        g_warning("%s", error->message);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

void berth_settings_load(BerthSettings *settings, const char *file)
{
    load_file(settings, file);

    g_autofree char *folder = g_strconcat(file, ".d", NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir)))
        if (g_str_has_suffix(name, ".conf"))
            g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename(folder, g_ptr_array_index(names, i), NULL);
        load_file(settings, path);
    }
    berth_settings_finish(settings, complain, NULL);
}
