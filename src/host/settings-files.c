/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings-files.h"

#include <errno.h>
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

/* TRUE where it is not there. */
static gboolean load_file(BerthSettings *settings, const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    g_autoptr(GError) failure = NULL;
    /* The administrator's own directory may well be a link. */
    BERTH_AUTOFD dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT)
        return TRUE;
    if (dir < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "open %s", folder);
        return FALSE;
    }
    g_autofree char *text = berth_file_read(dir, name, SETTINGS_FILE_MAX, NULL, &failure);
    if (text)
        berth_settings_parse(settings, path, text, complain, NULL);
    if (text || g_error_matches(failure, BERTH_ERROR, BERTH_ERROR_NOT_FOUND))
        return TRUE;
    g_propagate_prefixed_error(error, g_steal_pointer(&failure), "%s: ", path);
    return FALSE;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* (transfer full) (nullable): its *.conf, in order; none where there is no such directory */
static GPtrArray *list_drop_ins(const char *folder, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) failure = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &failure);
    const char *name;
    if (failure && !g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_set_error_literal(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, failure->message);
        return NULL;
    }
    while (dir && (name = g_dir_read_name(dir)))
        if (g_str_has_suffix(name, ".conf"))
            g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    return g_steal_pointer(&names);
}

gboolean berth_settings_load(BerthSettings *settings, const char *file, GError **error)
{
    g_autofree char *folder = g_strconcat(file, ".d", NULL);
    g_autoptr(GPtrArray) names = list_drop_ins(folder, error);
    gboolean all_read = load_file(settings, file, names ? error : NULL) && names;
    for (guint i = 0; names && i < names->len; i++) {
        g_autofree char *path = g_build_filename(folder, g_ptr_array_index(names, i), NULL);
        all_read = load_file(settings, path, all_read ? error : NULL) && all_read;
    }
    berth_settings_finish(settings, complain, NULL);
    return all_read;
}
