/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "process-figures.h"

#include <string.h>

static char *read_file(gsize *length, const char *format, ...) G_GNUC_PRINTF(2, 3);
static char *read_file(gsize *length, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *path = g_strdup_vprintf(format, args);
    va_end(args);
    g_autoptr(GError) error = NULL;
    char *text = NULL;
    if (!g_file_get_contents(path, &text, length, &error))
        g_error("%s", error->message);
    return text;
}

/* The sum of the numbers in the lines "@key:  <number> ...", which must be there. */
static guint64 sum_of(const char *text, const char *key)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *prefix = g_strconcat(key, ":", NULL);
    guint64 sum = 0;
    gboolean found = FALSE;
    for (guint i = 0; lines[i]; i++) {
        if (!g_str_has_prefix(lines[i], prefix))
            continue;
        sum += g_ascii_strtoull(lines[i] + strlen(prefix), NULL, 10);
        found = TRUE;
    }
    if (!found)
        g_error("the kernel tells no %s", key);
    return sum;
}

guint64 process_private_bytes(pid_t pid)
{
    g_autofree char *text = read_file(NULL, "/proc/%d/smaps_rollup", (int) pid);
    return (sum_of(text, "Private_Clean") + sum_of(text, "Private_Dirty")) * 1024;
}

guint64 process_resident_bytes(pid_t pid)
{
    g_autofree char *text = read_file(NULL, "/proc/%d/status", (int) pid);
    return sum_of(text, "VmRSS") * 1024;
}

guint64 process_peak_bytes(pid_t pid)
{
    g_autofree char *text = read_file(NULL, "/proc/%d/status", (int) pid);
    return sum_of(text, "VmHWM") * 1024;
}

static GDir *open_threads(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task", (int) pid);
    g_autoptr(GError) error = NULL;
    GDir *dir = g_dir_open(path, 0, &error);
    if (!dir)
        g_error("%s", error->message);
    return dir;
}

guint64 process_wakeups(pid_t pid)
{
    g_autoptr(GDir) dir = open_threads(pid);
    guint64 sum = 0;
    for (const char *thread; (thread = g_dir_read_name(dir));) {
        g_autofree char *text = read_file(NULL, "/proc/%d/task/%s/status", (int) pid, thread);
        sum += sum_of(text, "voluntary_ctxt_switches");
    }
    return sum;
}

pid_t process_parent(pid_t pid)
{
    g_autofree char *text = read_file(NULL, "/proc/%d/status", (int) pid);
    return (pid_t) sum_of(text, "PPid");
}

GStrv process_argv(pid_t pid)
{
    gsize length = 0;
    g_autofree char *text = read_file(&length, "/proc/%d/cmdline", (int) pid);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    for (const char *at = text; at < text + length; at += strlen(at) + 1)
        g_ptr_array_add(argv, g_strdup(at));
    g_ptr_array_add(argv, NULL);
    return (GStrv) g_ptr_array_free(g_steal_pointer(&argv), FALSE);
}
