/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "open-files.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <unistd.h>

typedef struct {
    GFile *file;
    int fd;
} Opened;

static void close_opened(gpointer data)
{
    Opened *opened = data;
    g_clear_object(&opened->file);
    if (opened->fd >= 0)
        close(opened->fd);
}

/* (transfer full): for a person */
static char *name_of(GFile *file)
{
    g_autofree char *base = g_file_get_basename(file);
    return base ? g_filename_display_name(base) : g_file_get_parse_name(file);
}

/* Without blocking, should it be a pipe: the daemon refuses what is no regular file. What has no path is none that a
 * process could have open: portals and GVfs give paths to all that they can. */
static gboolean open_one(Opened *opened, GError **error)
{
    const char *path = g_file_peek_path(opened->file);
    g_autofree char *name = name_of(opened->file);
    if (!path) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    _("“%s” is not on this computer. Copy it to a folder here first"), name);
        return FALSE;
    }
    opened->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (opened->fd < 0)
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), _("“%s” could not be opened: %s"), name,
                    g_strerror(errno));
    return opened->fd >= 0;
}

static void open_all(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    GArray *all = data;
    GError *error = NULL;
    for (guint i = 0; i < all->len && !error; i++) {
        Opened *opened = &g_array_index(all, Opened, i);
        if (opened->file)
            open_one(opened, &error);
    }
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_boolean(task, TRUE);
}

void berth_ui_open_files_async(GFile *const *files, guint n_files, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    GArray *all = g_array_new(FALSE, FALSE, sizeof(Opened));
    g_array_set_clear_func(all, close_opened);
    for (guint i = 0; i < n_files; i++) {
        Opened opened = {files[i] ? g_object_ref(files[i]) : NULL, -1};
        g_array_append_val(all, opened);
    }
    g_task_set_source_tag(task, berth_ui_open_files_async);
    g_task_set_task_data(task, all, (GDestroyNotify) g_array_unref);
    g_task_run_in_thread(task, open_all);
}

gboolean berth_ui_open_files_finish(GAsyncResult *result, int *fds, GError **error)
{
    GArray *all = g_task_get_task_data(G_TASK(result));
    if (!g_task_propagate_boolean(G_TASK(result), error))
        return FALSE;
    for (guint i = 0; i < all->len; i++) {
        Opened *opened = &g_array_index(all, Opened, i);
        fds[i] = opened->fd;
        opened->fd = -1;
    }
    return TRUE;
}
