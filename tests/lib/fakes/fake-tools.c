/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-tools.h"

#include <fcntl.h>
#include <ftw.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* It may run as nobody, who writes no files: pipes are all that it needs. */
static const char qemu_img_script[] = "#!/bin/sh\n"
                                      "dir=${0%/*}\n"
                                      "if [ -e \"$dir/fail\" ]; then echo 'made to fail' >&2; exit 1; fi\n"
                                      "if [ -e \"$dir/closed\" ]; then\n"
                                      "  echo here > \"$dir/arrivals\"\n"
                                      "  read -r _ < \"$dir/gate\"\n"
                                      "fi\n"
                                      "exec /usr/bin/qemu-img \"$@\"\n";

static char *in_dir(const FakeTools *tools, const char *name)
{
    return g_build_filename(tools->dir, name, NULL);
}

static void write_file(FakeTools *tools, const char *name, const char *text, mode_t mode)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = in_dir(tools, name);
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_chmod(path, mode), ==, 0);
}

static int make_pipe(FakeTools *tools, const char *name)
{
    g_autofree char *path = in_dir(tools, name);
    g_assert_cmpint(mkfifo(path, 0666), ==, 0);
    g_assert_cmpint(g_chmod(path, 0666), ==, 0);
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static gboolean on_arrival(int fd, GIOCondition condition, gpointer data)
{
    FakeTools *tools = data;
    char words[256];
    ssize_t n = read(fd, words, sizeof words);
    for (ssize_t i = 0; i < n; i++)
        tools->n_held += words[i] == '\n' ? 1 : 0;
    return G_SOURCE_CONTINUE;
}

FakeTools *fake_tools_new(const char *more)
{
    g_autoptr(GError) error = NULL;
    FakeTools *tools = g_new0(FakeTools, 1);
    tools->dir = g_dir_make_tmp("berth-tools-XXXXXX", &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_chmod(tools->dir, 0755), ==, 0);
    g_autofree char *qemu = in_dir(tools, "qemu");
    g_assert_nonnull(g_getenv("BERTH_FAKE_QEMU"));
    g_assert_cmpint(symlink(g_getenv("BERTH_FAKE_QEMU"), qemu), ==, 0);
    write_file(tools, "qemu-img", qemu_img_script, 0755);
    tools->gate = make_pipe(tools, "gate");
    tools->arrivals = make_pipe(tools, "arrivals");
    tools->watch = g_unix_fd_add(tools->arrivals, G_IO_IN, on_arrival, tools);
    /* fixture_prepare() ends its own text within [QEMU]. */
    tools->config = g_strdup_printf("QEMUPath=%s\nQEMUImgPath=%s/qemu-img\n%s", qemu, tools->dir, more ? more : "");
    return tools;
}

static int delete_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    return remove(path);
}

void fake_tools_free(FakeTools *tools)
{
    g_source_remove(tools->watch);
    close(tools->gate);
    close(tools->arrivals);
    g_assert_cmpint(nftw(tools->dir, delete_entry, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
    g_free(tools->config);
    g_free(tools->dir);
    g_free(tools);
}

void fake_tools_script(FakeTools *tools, const char *name, const char *script)
{
    g_autofree char *file = g_strconcat(name, ".script", NULL);
    write_file(tools, file, script, 0644);
}

void fake_tools_touch(FakeTools *tools, const char *name)
{
    write_file(tools, name, "", 0644);
}

static void take_away(FakeTools *tools, const char *name)
{
    g_autofree char *path = in_dir(tools, name);
    g_assert_cmpint(g_unlink(path), ==, 0);
}

void fake_tools_hold(FakeTools *tools)
{
    write_file(tools, "closed", "", 0644);
    tools->n_held = 0;
}

/* Those that saw the gate closed a moment ago come through too: each takes one line, and there are enough. */
void fake_tools_release(FakeTools *tools)
{
    take_away(tools, "closed");
    for (guint i = 0; i < 64; i++)
        g_assert_cmpint(write(tools->gate, "\n", 1), ==, 1);
}

void fake_tools_fail(FakeTools *tools, gboolean fail)
{
    if (fail)
        write_file(tools, "fail", "", 0644);
    else
        take_away(tools, "fail");
}
