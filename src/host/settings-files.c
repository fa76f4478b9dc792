/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings-files.h"

#include <errno.h>
#include <fcntl.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "durable-file.h"

#define SETTINGS_FILE_MAX (64u * 1024)

typedef struct {
    BerthSettings *settings;
    gboolean forgiving;
    GError *failure; /* the first; of one that forgives, a file that can't be read */
} Load;

static void complain(const char *file, guint line, const char *message, gpointer data)
{
    Load *load = data;
    g_autofree char *place = line > 0 ? g_strdup_printf("%s:%u: ", file, line) : g_strdup("");
    g_warning("%s%s%s", place, message, load->forgiving ? "; this is ignored" : "");
    if (!load->forgiving && !load->failure)
        load->failure = g_error_new(BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, "%s%s", place, message);
}

/* Takes @error. */
static void fail(Load *load, GError *error)
{
    if (load->failure)
        g_error_free(error);
    else
        load->failure = error;
}

static void load_file(Load *load, const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    GError *error = NULL;
    /* The administrator's own directory may well be a link. */
    BERTH_AUTOFD dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT)
        return;
    if (dir < 0) {
        berth_error_set_errno(&error, BERTH_ERROR_STORAGE_FAILED, errno, "open %s", folder);
        fail(load, error);
        return;
    }
    g_autofree char *text = berth_file_read(dir, name, SETTINGS_FILE_MAX, NULL, &error);
    if (text) {
        berth_settings_parse(load->settings, path, text, complain, load);
    } else if (g_error_matches(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND)) {
        g_error_free(error);
    } else {
        g_prefix_error(&error, "%s: ", path);
        fail(load, error);
    }
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* (transfer full): its *.conf, in order; none where there is no such directory */
static GPtrArray *list_drop_ins(Load *load, const char *folder)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    GError *error = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &error);
    const char *name;
    while (dir && (name = g_dir_read_name(dir)))
        if (g_str_has_suffix(name, ".conf"))
            g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    if (error && !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        fail(load, g_error_new_literal(BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, error->message));
    g_clear_error(&error);
    return names;
}

gboolean berth_settings_load(BerthSettings *settings, const char *file, gboolean forgiving, GError **error)
{
    Load load = {.settings = settings, .forgiving = forgiving};
    g_autofree char *folder = g_strconcat(file, ".d", NULL);
    g_autoptr(GPtrArray) names = list_drop_ins(&load, folder);
    load_file(&load, file);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename(folder, g_ptr_array_index(names, i), NULL);
        load_file(&load, path);
    }
    berth_settings_finish(settings, complain, &load);
    if (!load.failure)
        return TRUE;
    g_propagate_error(error, load.failure);
    return FALSE;
}
