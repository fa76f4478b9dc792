/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib-unix.h>
#include <limits.h>
#include <sys/inotify.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "cgroup.h"
#include "process.h"

/* All watches share one inotify instance: the kernel gives a user only 128 of them.
 *
 * A change of `populated` or `frozen` is an IN_MODIFY of cgroup.events. That a cgroup is removed is told to its parent
 * directory alone (seen on Linux 6.18), and a change that came within 10 ms before it may never be told: so the parent
 * is watched as well, and its events find the watch by the name in them. */
static struct {
    int fd;
    guint source;
    guint n_watches;
    GHashTable *by_key;  /* see make_key() → GPtrArray of watches */
    GHashTable *parents; /* watch descriptors of parent directories, a set */
} shared = {.fd = -1};

struct BerthCgroupWatch {
    char *file_key;
    char *parent_key;
    int file_wd;
    guint notify; /* the idle source that calls @changed */
    void (*changed)(gpointer data);
    gpointer data;
};

/* (transfer full): @name is "" for the watched file itself. */
static char *make_key(int wd, const char *name)
{
    return g_strdup_printf("%d/%s", wd, name);
}

static gboolean on_notify(gpointer user_data)
{
    BerthCgroupWatch *watch = user_data;

    watch->notify = 0;
    watch->changed(watch->data); /* may free the watch, and others */
    return G_SOURCE_REMOVE;
}

/* Each watch is told by a source of its own, so that a callback may free any of them; many events become one call. */
static void notify_all(GPtrArray *watches)
{
    for (guint i = 0; watches && i < watches->len; i++) {
        BerthCgroupWatch *watch = g_ptr_array_index(watches, i);
        if (!watch->notify)
            watch->notify = g_idle_add_full(G_PRIORITY_DEFAULT, on_notify, watch, NULL);
    }
}

static void notify_everybody(void)
{
    GHashTableIter iter;
    gpointer watches;

    g_hash_table_iter_init(&iter, shared.by_key);
    while (g_hash_table_iter_next(&iter, NULL, &watches))
        notify_all(watches);
}

static void on_event(const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW) {
        notify_everybody();
        return;
    }
    g_autofree char *key = make_key(event->wd, event->len > 0 ? event->name : "");
    notify_all(g_hash_table_lookup(shared.by_key, key));
}

static gboolean on_inotify(int fd, GIOCondition condition, gpointer user_data)
{
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n = read(fd, buffer, sizeof buffer);

    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *event = (const struct inotify_event *) (buffer + at);
        on_event(event);
        at += (ssize_t) (sizeof *event + event->len);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean shared_ref(GError **error)
{
    if (shared.fd < 0) {
        shared.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (shared.fd < 0) {
            berth_error_set_errno(error, BERTH_ERROR_UNSUPPORTED, errno, "watch cgroups");
            return FALSE;
        }
        shared.source = g_unix_fd_add(shared.fd, G_IO_IN, on_inotify, NULL);
        shared.by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
        shared.parents = g_hash_table_new(NULL, NULL);
    }
    shared.n_watches++;
    return TRUE;
}

/* The last one takes the parents' watches along, so that nothing wakes us for others' cgroups. The instance stays: to close
 * it would wait for the kernel's readers of it, on the main loop, for up to 20 ms. */
static void shared_unref(void)
{
    GHashTableIter iter;
    gpointer wd;

    if (--shared.n_watches > 0)
        return;
    g_hash_table_iter_init(&iter, shared.parents);
    while (g_hash_table_iter_next(&iter, &wd, NULL))
        (void) inotify_rm_watch(shared.fd, GPOINTER_TO_INT(wd)); /* EINVAL: the directory itself is gone */
    g_hash_table_remove_all(shared.parents);
}

static void shared_add(const char *key, BerthCgroupWatch *watch)
{
    GPtrArray *watches = g_hash_table_lookup(shared.by_key, key);

    if (!watches) {
        watches = g_ptr_array_new();
        g_hash_table_insert(shared.by_key, g_strdup(key), watches);
    }
    g_ptr_array_add(watches, watch);
}

/* Whether it was the last one with @key. */
static gboolean shared_remove(const char *key, BerthCgroupWatch *watch)
{
    GPtrArray *watches = g_hash_table_lookup(shared.by_key, key);

    g_ptr_array_remove_fast(watches, watch);
    return watches->len == 0 && g_hash_table_remove(shared.by_key, key);
}

static int add_watch(const char *name, uint32_t mask, GError **error)
{
    int wd = inotify_add_watch(shared.fd, name, mask);
    if (wd < 0)
        berth_error_set_errno(error, errno == ENOENT ? BERTH_ERROR_NOT_FOUND : BERTH_ERROR_UNSUPPORTED, errno,
                              "watch %s", name);
    return wd;
}

BerthCgroupWatch *berth_cgroup_watch_new(const char *path, void (*changed)(gpointer data), gpointer data,
                                         GError **error)
{
    g_autofree char *directory = berth_cgroup_directory(path, error);
    if (!directory || !shared_ref(error))
        return NULL;

    g_autofree char *parent = g_path_get_dirname(directory);
    g_autofree char *base = g_path_get_basename(directory);
    g_autofree char *file = g_build_filename(directory, "cgroup.events", NULL);
    /* The parent first: what is there when the file is found can't go unseen then. */
    int parent_wd = add_watch(parent, IN_DELETE | IN_ONLYDIR, error);
    if (parent_wd >= 0)
        g_hash_table_add(shared.parents, GINT_TO_POINTER(parent_wd));
    int file_wd = parent_wd < 0 ? -1 : add_watch(file, IN_MODIFY, error);
    if (file_wd < 0) {
        shared_unref();
        return NULL;
    }

    BerthCgroupWatch *watch = g_new0(BerthCgroupWatch, 1);
    watch->changed = changed;
    watch->data = data;
    watch->file_wd = file_wd;
    watch->file_key = make_key(file_wd, "");
    watch->parent_key = make_key(parent_wd, base);
    shared_add(watch->file_key, watch);
    shared_add(watch->parent_key, watch);
    return watch;
}

void berth_cgroup_watch_free(BerthCgroupWatch **watch)
{
    BerthCgroupWatch *w = g_steal_pointer(watch);

    if (!w)
        return;
    if (w->notify)
        g_source_remove(w->notify);
    if (shared_remove(w->file_key, w))
        (void) inotify_rm_watch(shared.fd, w->file_wd); /* the kernel has dropped it where the cgroup went */
    shared_remove(w->parent_key, w);
    shared_unref();
    g_free(w->file_key);
    g_free(w->parent_key);
    g_free(w);
}
