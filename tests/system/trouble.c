/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trouble.h"

#include <glib/gstdio.h>
#include <string.h>

#define FREEZER "/run/berth-bed-freezer"

/* Disks */

/* The file has no name any more as soon as the loop device holds it, and the device frees itself with the mount. */
gboolean trouble_mount_disk(const char *dir, const char *size)
{
    static const char script[] = "mkdir -p \"$0\"; file=$(mktemp /var/tmp/disk-XXXXXX); truncate -s \"$1\" \"$file\"\n"
                                 "mkfs.ext4 -q -E lazy_itable_init=1,lazy_journal_init=1 -J size=16 \"$file\"\n"
                                 "mount -o loop,noinit_itable \"$file\" \"$0\" || status=$?\n"
                                 "rm \"$file\"; exit ${status:-0}";
    if (!g_file_test("/dev/loop-control", G_FILE_TEST_EXISTS)) {
        g_test_skip("this machine has no loop devices");
        return FALSE;
    }
    g_free(scene_run("sh", "-euc", script, dir, size, NULL));
    return TRUE;
}

void trouble_unmount_disk(const char *dir)
{
    g_free(scene_run("umount", dir, NULL));
}

char *trouble_unmount_lazily(const char *dir)
{
    char *device = scene_run("findmnt", "--noheadings", "--output", "SOURCE", dir, NULL);
    g_free(scene_run("umount", "--lazy", dir, NULL));
    return device;
}

void trouble_mount_again(const char *dir, const char *device)
{
    g_free(scene_run("mount", device, dir, NULL));
}

void trouble_freeze_disk(const char *dir)
{
    g_free(scene_run("fsfreeze", "--freeze", dir, NULL));
}

void trouble_thaw_disk(const char *dir)
{
    g_free(scene_run("fsfreeze", "--unfreeze", dir, NULL));
}

/* Processes */

static void write_freezer(const char *file, const char *text)
{
    g_autofree char *path = g_build_filename(FREEZER, file, NULL);
    g_autoptr(GError) error = NULL;
    g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, &error);
    g_assert_no_error(error);
}

gboolean trouble_freeze_process(pid_t pid)
{
    if (!g_file_test(FREEZER "/freezer.state", G_FILE_TEST_EXISTS)) {
        g_test_skip("this kernel has no freezer of the old hierarchy, the only one that holds against SIGKILL");
        return FALSE;
    }
    g_autofree char *number = g_strdup_printf("%d", (int) pid);
    write_freezer("cgroup.procs", number);
    write_freezer("freezer.state", "FROZEN");
    return TRUE;
}

void trouble_thaw_process(void)
{
    write_freezer("freezer.state", "THAWED");
}

/* Answers */

Latency *latency_new(void)
{
    Latency *latency = g_new0(Latency, 1);
    latency->usec = g_array_new(FALSE, FALSE, sizeof(gint64));
    return latency;
}

void latency_free(Latency *latency)
{
    g_array_unref(latency->usec);
    g_free(latency);
}

gboolean latency_ask(Latency *latency, const char *name)
{
    g_autoptr(GError) error = NULL;
    gint64 began = g_get_monotonic_time();
    /* Not client_try(), which would also run what has come in of signals. */
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        scene_bus, BERTH_BUS_NAME, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", name), NULL,
        G_DBUS_CALL_FLAGS_NONE, (int) CLIENT_SECONDS * 1000, NULL, &error);
    gint64 took = g_get_monotonic_time() - began;
    g_autofree char *remote = error ? g_dbus_error_get_remote_error(error) : NULL;
    if (g_strcmp0(remote, BERTH_ERROR_PREFIX "NotFound") != 0)
        g_assert_no_error(error);
    g_array_append_val(latency->usec, took);
    return answer != NULL;
}

Latency *latency_idle(const char *name, guint n)
{
    Latency *latency = latency_new();
    for (guint i = 0; i < n; i++)
        g_assert_true(latency_ask(latency, name));
    return latency;
}

static gint compare_usec(gconstpointer a, gconstpointer b)
{
    const gint64 *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

static gint64 percentile(GArray *sorted, guint percent)
{
    return g_array_index(sorted, gint64, (sorted->len - 1) * percent / 100);
}

static char *describe(const Latency *latency)
{
    g_array_sort(latency->usec, compare_usec);
    return g_strdup_printf("%u calls, 50 %% %.2f ms, 99 %% %.2f ms, 100 %% %.2f ms", latency->usec->len,
                           (double) percentile(latency->usec, 50) / 1000, (double) percentile(latency->usec, 99) / 1000,
                           (double) percentile(latency->usec, 100) / 1000);
}

void latency_report(const Latency *latency, const Latency *idle, const char *meanwhile, guint bound_msec)
{
    g_assert_cmpuint(latency->usec->len, >, 0);
    g_autofree char *figures = describe(latency), *usual = describe(idle);
    g_test_message("GetVM while %s: %s; idle: %s", meanwhile, figures, usual);
    g_assert_cmpint(percentile(latency->usec, 50), <, (gint64) bound_msec * 1000);
}
