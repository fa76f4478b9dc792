/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "faults.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload.h"

struct Faults {
    char *file;
    FaultControl *control;
};

Faults *faults_new(const char *dir)
{
    Faults *faults = g_new0(Faults, 1);
    faults->file = g_build_filename(dir, "faults", NULL);
    int fd = open(faults->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, sizeof *faults->control), ==, 0);
    faults->control = mmap(NULL, sizeof *faults->control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(faults->control != MAP_FAILED);
    close(fd);
    return faults;
}

void faults_free(Faults *faults)
{
    munmap(faults->control, sizeof *faults->control);
    g_unlink(faults->file);
    g_free(faults->file);
    g_free(faults);
}

char **faults_environ(const Faults *faults, char **environ)
{
    preload_into(&environ, g_getenv("BERTH_FAULT_PRELOAD"));
    return g_environ_setenv(environ, FAULT_CONTROL_ENV, faults->file, TRUE);
}

void faults_arm(Faults *faults, FaultKind kind, int error, guint at)
{
    FaultControl *control = faults->control;
    control->kind = kind;
    control->error = error;
    control->at = at;
    atomic_store(&control->count, 0);
    atomic_store(&control->fired, 0);
    atomic_store(&control->armed, 1);
}

void faults_disarm(Faults *faults)
{
    atomic_store(&faults->control->armed, 0);
}

guint faults_count(const Faults *faults)
{
    return atomic_load(&faults->control->count);
}

gboolean faults_fired(const Faults *faults)
{
    return atomic_load(&faults->control->fired) != 0;
}

char *faults_describe(const Faults *faults, guint n)
{
    if (n == 0 || n > MIN(faults_count(faults), FAULT_CALLS_MAX))
        return g_strdup("no call");
    const FaultCall *call = &faults->control->calls[n - 1];
    return g_strdup_printf("%s(%s)", call->name, call->path);
}
