/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/names.h"

char *berth_runtime_read_file(const char *dir, const char *name, gsize max, gsize *length, GError **error)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autofree char *text = g_malloc(max + 1);

    BERTH_AUTOFD fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : pread(fd, text, max + 1, 0);
    if (n < 0 || (gsize) n > max) {
        const int errnum = n < 0 ? errno : EFBIG;
        berth_error_set_errno(error, errnum == ENOENT ? BERTH_ERROR_NOT_FOUND : BERTH_ERROR_STORAGE_FAILED, errnum,
                              "read %s", path);
        return NULL;
    }
    text[n] = '\0';
    *length = (gsize) n;
    return g_steal_pointer(&text);
}

static char *temporary_path(const char *dir, const char *name)
{
    return g_strconcat(dir, G_DIR_SEPARATOR_S BERTH_STAGING_PREFIX, name, NULL);
}

static gboolean fail(GError **error, const char *path)
{
    berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "write %s", path);
    return FALSE;
}

static gboolean write_file(const char *path, const char *text, GError **error)
{
    BERTH_AUTOFD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    const gsize length = strlen(text);

    if (fd < 0)
        return fail(error, path);
    const ssize_t n = write(fd, text, length);
    if (n >= 0 && (gsize) n < length)
        errno = ENOSPC;
    return (n >= 0 && (gsize) n == length) || fail(error, path);
}

gboolean berth_runtime_replace_file(const char *dir, const char *name, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autofree char *temporary = temporary_path(dir, name);

    if (write_file(temporary, text, error) && (rename(temporary, path) == 0 || fail(error, path)))
        return TRUE;
    (void) unlink(temporary); /* else the next one takes it over */
    return FALSE;
}

void berth_runtime_sweep_file(const char *dir, const char *name)
{
    g_autofree char *temporary = temporary_path(dir, name);
    (void) unlink(temporary); /* else the next one takes it over */
}
