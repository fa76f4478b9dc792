/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file-watch.h"

#include <errno.h>
#include <glib-unix.h>
#include <limits.h>
#include <sys/inotify.h>

#include "../core/error.h"

/* All watches share one inotify instance: the kernel gives a user only 128 of them. It is never closed: that would wait
 * for the kernel's readers of it, on the main loop, for up to 20 ms. */
static struct {
    int fd;
    GHashTable *by_key;  /* see make_key() → GPtrArray of watches */
    GHashTable *n_by_wd; /* the kernel's watch descriptor → how many of our watches it serves */
} shared = {.fd = -1};

struct BerthFileWatch {
    int wd;
    char *key;
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
    BerthFileWatch *watch = user_data;

    watch->notify = 0;
    watch->changed(watch->data); /* may free the watch, and others */
    return G_SOURCE_REMOVE;
}

/* Each watch is told by a source of its own, so that a callback may free any of them; many events become one call. */
static void notify_all(GPtrArray *watches)
{
    for (guint i = 0; watches && i < watches->len; i++) {
        BerthFileWatch *watch = g_ptr_array_index(watches, i);
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

static gboolean open_shared(GError **error)
{
    if (shared.fd >= 0)
        return TRUE;
    shared.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (shared.fd < 0) {
        berth_error_set_errno(error, BERTH_ERROR_UNSUPPORTED, errno, "watch files");
        return FALSE;
    }
    g_unix_fd_add(shared.fd, G_IO_IN, on_inotify, NULL);
    shared.by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
    shared.n_by_wd = g_hash_table_new(NULL, NULL);
    return TRUE;
}

static guint count_of(int wd)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(shared.n_by_wd, GINT_TO_POINTER(wd)));
}

static void set_count(int wd, guint count)
{
    if (count > 0)
        g_hash_table_insert(shared.n_by_wd, GINT_TO_POINTER(wd), GUINT_TO_POINTER(count));
    else
        g_hash_table_remove(shared.n_by_wd, GINT_TO_POINTER(wd));
}

static void shared_add(BerthFileWatch *watch)
{
    GPtrArray *watches = g_hash_table_lookup(shared.by_key, watch->key);

    if (!watches) {
        watches = g_ptr_array_new();
        g_hash_table_insert(shared.by_key, g_strdup(watch->key), watches);
    }
    g_ptr_array_add(watches, watch);
    set_count(watch->wd, count_of(watch->wd) + 1);
}

/* The last one takes the kernel's watch along, so that nothing wakes us for what is of no interest any more. */
static void shared_remove(BerthFileWatch *watch)
{
    GPtrArray *watches = g_hash_table_lookup(shared.by_key, watch->key);

    g_ptr_array_remove_fast(watches, watch);
    if (watches->len == 0)
        g_hash_table_remove(shared.by_key, watch->key);
    set_count(watch->wd, count_of(watch->wd) - 1);
    if (count_of(watch->wd) == 0)
        (void) inotify_rm_watch(shared.fd, watch->wd); /* EINVAL: the kernel has dropped it, where the file went */
}

BerthFileWatch *berth_file_watch_new(const char *path, guint32 mask, const char *name, void (*changed)(gpointer data),
                                     gpointer data, GError **error)
{
    if (!open_shared(error))
        return NULL;
    const int wd = inotify_add_watch(shared.fd, path, mask);
    if (wd < 0) {
        berth_error_set_errno(error, errno == ENOENT ? BERTH_ERROR_NOT_FOUND : BERTH_ERROR_UNSUPPORTED, errno,
                              "watch %s", path);
        return NULL;
    }
    BerthFileWatch *watch = g_new0(BerthFileWatch, 1);
    watch->wd = wd;
    watch->key = make_key(wd, name);
    watch->changed = changed;
    watch->data = data;
    shared_add(watch);
    return watch;
}

void berth_file_watch_free(BerthFileWatch **watch)
{
    BerthFileWatch *w = g_steal_pointer(watch);

    if (!w)
        return;
    g_clear_handle_id(&w->notify, g_source_remove);
    shared_remove(w);
    g_free(w->key);
    g_free(w);
}
