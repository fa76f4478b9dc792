/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/inotify.h>

#include "cgroup.h"
#include "file-watch.h"
#include "process.h"

/* A change of `populated` or `frozen` is an IN_MODIFY of cgroup.events. That a cgroup is removed is told to its parent
 * directory alone (seen on Linux 6.18), and a change that came within 10 ms before it may never be told: so the parent
 * is watched as well. */
struct BerthCgroupWatch {
    BerthFileWatch *parent, *file;
};

BerthCgroupWatch *berth_cgroup_watch_new(const char *path, void (*changed)(gpointer data), gpointer data,
                                         GError **error)
{
    g_autofree char *directory = berth_cgroup_directory(path, error);
    if (!directory)
        return NULL;

    g_autofree char *parent = g_path_get_dirname(directory);
    g_autofree char *base = g_path_get_basename(directory);
    g_autofree char *file = g_build_filename(directory, "cgroup.events", NULL);
    BerthCgroupWatch *watch = g_new0(BerthCgroupWatch, 1);
    /* The parent first: what is there when the file is found can't go unseen then. */
    watch->parent = berth_file_watch_new(parent, IN_DELETE | IN_ONLYDIR, base, changed, data, error);
    if (watch->parent)
        watch->file = berth_file_watch_new(file, IN_MODIFY, "", changed, data, error);
    if (!watch->file)
        berth_cgroup_watch_free(&watch);
    return watch;
}

void berth_cgroup_watch_free(BerthCgroupWatch **watch)
{
    BerthCgroupWatch *w = g_steal_pointer(watch);

    if (!w)
        return;
    berth_file_watch_free(&w->file);
    berth_file_watch_free(&w->parent);
    g_free(w);
}
