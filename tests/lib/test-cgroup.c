/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "await.h"

/* Mount point of the unified hierarchy: the first cgroup2 in mountinfo, whose fields after " - " are type, source ...
 */
static char *unified_mount(void)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
        return NULL;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) fields = g_strsplit(*line, " ", -1);
        if (strstr(*line, " - cgroup2 ") && g_strv_length(fields) > 4)
            return g_strdup(fields[4]);
    }
    return NULL;
}

static char *own_cgroup(void)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/self/cgroup", &text, NULL, NULL))
        return NULL;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, "0::/"))
            return g_strdup(*line + strlen("0::"));
    return NULL;
}

char *test_cgroup_dir(const char *cgroup)
{
    g_autofree char *mount = unified_mount();
    return g_build_filename(mount, cgroup, NULL);
}

static char *name_new(void)
{
    static guint n;
    g_autofree char *own = own_cgroup();
    g_autofree char *name = g_strdup_printf("berth-test-%d-%u", getpid(), ++n);
    return own ? g_build_filename(own, name, NULL) : NULL;
}

char *test_cgroup_missing(void)
{
    g_autofree char *mount = unified_mount();
    g_autofree char *cgroup = name_new();
    if (!mount || !cgroup)
        return g_strdup("no cgroup2 hierarchy is mounted");
    g_autofree char *dir = test_cgroup_dir(cgroup);
    if (g_mkdir(dir, 0755) < 0)
        return g_strdup_printf("%s can't be made: %s", dir, g_strerror(errno));
    g_rmdir(dir);
    return NULL;
}

void test_cgroup_make(const char *cgroup)
{
    g_autofree char *dir = test_cgroup_dir(cgroup);
    if (g_mkdir_with_parents(dir, 0755) < 0)
        g_error("%s can't be made: %s", dir, g_strerror(errno));
}

char *test_cgroup_new(void)
{
    char *cgroup = name_new();
    test_cgroup_make(cgroup);
    return cgroup;
}

gboolean test_cgroup_add(const char *cgroup, pid_t pid)
{
    g_autofree char *dir = test_cgroup_dir(cgroup);
    g_autofree char *file = g_build_filename(dir, "cgroup.procs", NULL);
    g_autofree char *text = g_strdup_printf("%d", (int) pid);
    int fd = g_open(file, O_WRONLY | O_CLOEXEC);
    gboolean added = fd >= 0 && write(fd, text, strlen(text)) > 0;
    if (fd >= 0)
        close(fd);
    return added;
}

static void collect_pids(const char *dir, GArray *pids)
{
    g_autofree char *file = g_build_filename(dir, "cgroup.procs", NULL);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(file, &text, NULL, NULL))
        return;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        int pid = (int) g_ascii_strtoll(*line, NULL, 10);
        if (pid > 0)
            g_array_append_val(pids, pid);
    }
}

static void walk(const char *dir, void (*visit)(const char *dir, GArray *pids), GArray *pids)
{
    g_autoptr(GDir) list = g_dir_open(dir, 0, NULL);
    for (const char *name; list && (name = g_dir_read_name(list));) {
        g_autofree char *child = g_build_filename(dir, name, NULL);
        if (g_file_test(child, G_FILE_TEST_IS_DIR))
            walk(child, visit, pids);
    }
    visit(dir, pids); /* children first, so that rmdir works */
}

GArray *test_cgroup_pids(const char *cgroup)
{
    GArray *pids = g_array_new(FALSE, FALSE, sizeof(int));
    g_autofree char *dir = test_cgroup_dir(cgroup);
    walk(dir, collect_pids, pids);
    return pids;
}

void test_cgroup_signal(const char *cgroup, int signal)
{
    g_autoptr(GArray) pids = test_cgroup_pids(cgroup);
    for (guint i = 0; i < pids->len; i++)
        kill(g_array_index(pids, int, i), signal);
}

/* `populated` counts what lives; a zombie still stands in cgroup.procs. */
gboolean test_cgroup_is_empty(const char *cgroup)
{
    g_autofree char *dir = test_cgroup_dir(cgroup);
    g_autofree char *file = g_build_filename(dir, "cgroup.events", NULL);
    g_autofree char *text = NULL;
    return !g_file_get_contents(file, &text, NULL, NULL) || strstr(text, "populated 0") != NULL;
}

static void remove_dir(const char *dir, GArray *unused)
{
    g_rmdir(dir);
}

gboolean test_cgroup_remove(const char *cgroup)
{
    g_autofree char *dir = test_cgroup_dir(cgroup);
    walk(dir, remove_dir, NULL);
    return !g_file_test(dir, G_FILE_TEST_EXISTS);
}

void test_cgroup_destroy(const char *cgroup)
{
    g_autofree char *dir = test_cgroup_dir(cgroup);
    g_autofree char *file = g_build_filename(dir, "cgroup.events", NULL);
    int fd = g_open(file, O_RDONLY | O_CLOEXEC);
    while (!test_cgroup_is_empty(cgroup)) {
        char buffer[256];
        struct pollfd poll_fd = {.fd = fd, .events = POLLPRI};
        test_cgroup_signal(cgroup, SIGKILL);
        g_assert_cmpint(pread(fd, buffer, sizeof buffer, 0), >, 0); /* arms the next poll */
        if (!test_cgroup_is_empty(cgroup) && poll(&poll_fd, 1, AWAIT_SECONDS * 1000) == 0)
            g_error("Processes in %s do not die", cgroup);
    }
    if (fd >= 0)
        close(fd);
    if (!test_cgroup_remove(cgroup))
        g_error("%s can't be taken away: %s", dir, g_strerror(errno));
}

typedef struct {
    int fd;
    void (*changed)(gpointer data);
    gpointer data;
} Watch;

static gboolean on_event(int fd, GIOCondition condition, gpointer data)
{
    Watch *watch = data;
    char buffer[256];
    if (pread(fd, buffer, sizeof buffer, 0) < 0) /* else it would be ready for ever */
        return G_SOURCE_REMOVE;                  /* the cgroup is gone */
    watch->changed(watch->data);
    return G_SOURCE_CONTINUE;
}

static void watch_free(gpointer data)
{
    Watch *watch = data;
    close(watch->fd);
    g_free(watch);
}

GSource *test_cgroup_watch(const char *cgroup, GMainContext *context, void (*changed)(gpointer data), gpointer data)
{
    g_autofree char *dir = test_cgroup_dir(cgroup);
    g_autofree char *file = g_build_filename(dir, "cgroup.events", NULL);
    char buffer[256];
    Watch *watch = g_new(Watch, 1);
    *watch = (Watch){g_open(file, O_RDONLY | O_CLOEXEC), changed, data};
    g_assert_cmpint(pread(watch->fd, buffer, sizeof buffer, 0), >, 0); /* changes from here on count */
    GSource *source = g_unix_fd_source_new(watch->fd, G_IO_PRI);
    g_source_set_callback(source, (GSourceFunc) (void (*)(void)) on_event, watch, watch_free);
    g_source_attach(source, context);
    return source;
}
