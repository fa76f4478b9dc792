/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A QEMU that the kernel kills for want of memory: its cgroup tells the keeper. Here that is a file, in the place of the real one
 * for this program and its keepers alone: whether the kernel counts memory there is each machine's affair. */

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "keeper-scene.h"

static char *events; /* path */

static void write_events(const char *text)
{
    g_autoptr(GError) error = NULL;
    /* In its place, as the kernel does: the keeper has it open. */
    g_file_set_contents_full(events, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, &error);
    g_assert_no_error(error);
}

static gboolean is_oom_killed(KeeperScene *vm, int number, const char *at_the_end)
{
    write_events("low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n");
    START(vm, "greet", "await", "bye", "exit", "0");
    write_events(at_the_end);
    kill(vm->qemu, number);
    g_autoptr(BerthExitRecord) record = keeper_wait_record(vm);
    g_assert_cmpint(record->wait_status & 0x7f, ==, number);
    return record->oom_killed;
}

static void test_oom(KeeperScene *vm, gconstpointer unused)
{
    g_assert_true(is_oom_killed(vm, SIGKILL, "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n"));
}

/* The kernel was short of memory, and found some. */
static void test_no_kill(KeeperScene *vm, gconstpointer unused)
{
    g_assert_false(is_oom_killed(vm, SIGKILL, "low 0\nhigh 0\nmax 12\noom 1\noom_kill 0\noom_group_kill 0\n"));
}

static void test_garbage(KeeperScene *vm, gconstpointer unused)
{
    g_assert_false(is_oom_killed(vm, SIGKILL, ""));
}

static void test_not_counted(KeeperScene *vm, gconstpointer unused)
{
    g_assert_cmpint(unlink(events), ==, 0);
    START(vm, "greet", "await", "bye", "exit", "0");
    kill(vm->qemu, SIGKILL);
    g_autoptr(BerthExitRecord) record = keeper_wait_record(vm);
    g_assert_false(record->oom_killed);
}

/* (nullable) (transfer full): of the unified hierarchy */
static char *own_cgroup(void)
{
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents("/proc/self/cgroup", &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++)
        if (g_str_has_prefix(lines[i], "0::/"))
            return g_strdup(lines[i] + strlen("0::"));
    return NULL;
}

static gboolean make_cgroup(void)
{
    g_autofree char *cgroup = own_cgroup();
    if (!cgroup || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, NULL) < 0)
        return FALSE;
    g_autofree char *dir = g_build_filename("/sys/fs/cgroup", cgroup, NULL);
    g_assert_cmpint(g_mkdir_with_parents(dir, 0755), ==, 0);
    events = g_build_filename(dir, "memory.events", NULL);
    return TRUE;
}

static void add(void)
{
    KEEPER_ADD("memory/oom-killed", test_oom);
    KEEPER_ADD("memory/not-killed", test_no_kill);
    KEEPER_ADD("memory/garbage", test_garbage);
    KEEPER_ADD("memory/not-counted", test_not_counted);
}

int main(int argc, char **argv)
{
    if (!make_cgroup()) {
        g_print("1..0 # SKIP it takes root, and a kernel with the unified hierarchy, to put a file in place of the "
                "cgroup's\n");
        return 0;
    }
    return keeper_main(&argc, &argv, add);
}
