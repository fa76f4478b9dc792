/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hold.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload.h"
#include "tests/lib/await.h"

#define MOST_THAT_WAIT 64

struct Hold {
    char *dir;
    char *gate; /* NULL while nothing is held */
    int fd;
};

Hold *hold_new(const char *dir, const char *preload, char ***environ)
{
    Hold *hold = g_new0(Hold, 1);
    hold->dir = g_strdup(dir);
    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    preload_into(environ, preload);
    *environ = g_environ_setenv(*environ, HOLD_VARIABLE, dir, TRUE);
    return hold;
}

void hold_free(Hold *hold)
{
    hold_release(hold);
    g_free(hold->dir);
    g_free(hold);
}

static char *arrived(const Hold *hold, const char *point)
{
    return g_strconcat(hold->dir, "/", point, HOLD_ARRIVED, NULL);
}

void hold_at(Hold *hold, const char *point)
{
    g_autofree char *sign = arrived(hold, point);
    g_assert_null(hold->gate);
    g_unlink(sign);
    hold->gate = g_build_filename(hold->dir, point, NULL);
    g_assert_cmpint(mkfifo(hold->gate, 0600), ==, 0);
    /* Open for both, so that nobody waits in open(). */
    hold->fd = open(hold->gate, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    g_assert_cmpint(hold->fd, >=, 0);
}

static void on_file_changed(GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer data)
{
    g_main_context_wakeup(NULL); /* AWAIT looks */
}

void hold_await(Hold *hold, const char *point)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *sign = arrived(hold, point);
    g_autoptr(GFile) dir = g_file_new_for_path(hold->dir);
    g_autoptr(GFileMonitor) monitor = g_file_monitor_directory(dir, G_FILE_MONITOR_NONE, NULL, &error);
    g_assert_no_error(error);
    g_file_monitor_set_rate_limit(monitor, 1);
    g_signal_connect(monitor, "changed", G_CALLBACK(on_file_changed), NULL);
    AWAIT(g_file_test(sign, G_FILE_TEST_EXISTS));
}

void hold_release(Hold *hold)
{
    if (!hold->gate)
        return;
    g_assert_cmpint(g_unlink(hold->gate), ==, 0);
    for (guint i = 0; i < MOST_THAT_WAIT; i++)
        g_assert_cmpint(write(hold->fd, "", 1), ==, 1);
    close(hold->fd);
    g_clear_pointer(&hold->gate, g_free);
}
