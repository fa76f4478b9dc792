/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/core/names.h"
#include "tests/lib/client.h"
#include "world-private.h"

/* systemd's units, and the kernel's processes and interfaces. */

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"

static SeenVm *owner_of(World *world, const char *unit)
{
    for (guint i = 0; i < world->seen->len; i++) {
        SeenVm *vm = world->seen->pdata[i];
        if (g_str_equal(vm->unit, unit))
            return vm;
    }
    return NULL;
}

/* (transfer full) (nullable): what is wrong with the loaded scopes. A scope goes a moment after its last process. */
static char *problem_of_units(World *world)
{
    guint n = 0, n_live = 0;
    g_autoptr(GVariant) answer =
        world_call(world, SYSTEMD, SYSTEMD_PATH, SYSTEMD ".Manager", "ListUnitsByPatterns",
                   g_variant_new_parsed("(@as [], [%s])", BERTH_UNIT_PREFIX "*" BERTH_UNIT_SUFFIX));
    g_autoptr(GVariantIter) units = NULL;
    const char *unit, *state;
    g_variant_get(answer, "(a(ssssssouso))", &units);
    while (
        g_variant_iter_next(units, "(&sss&sssouso)", &unit, NULL, NULL, &state, NULL, NULL, NULL, NULL, NULL, NULL)) {
        const SeenVm *vm = owner_of(world, unit);
        if (!vm || !g_str_equal(state, "active"))
            return g_strdup_printf("%s is %s, and belongs to %s", unit, state, vm ? vm->name : "no VM");
        n++;
    }
    for (guint i = 0; i < world->seen->len; i++)
        n_live += world_seen_is_live(world->seen->pdata[i]) ? 1 : 0;
    return n == n_live ? NULL : g_strdup_printf("%u VMs run, and there are %u scopes", n_live, n);
}

static void check_units(World *world)
{
    AwaitDeadline deadline;
    g_autofree char *problem = NULL;
    await_begin(&deadline, CLIENT_SECONDS * 1000);
    for (guint seen; seen = world_signals_count(world->signals), (problem = problem_of_units(world));) {
        while (seen == world_signals_count(world->signals))
            if (!await_step(&deadline))
                g_error("%s", problem);
        g_clear_pointer(&problem, g_free);
    }
    await_end(&deadline);
}

/* Processes: the daemon's children, which become ours when it is killed. */

GHashTable *world_list_children(void)
{
    GHashTable *children = g_hash_table_new(NULL, NULL);
    g_autoptr(GDir) tasks = g_dir_open("/proc/self/task", 0, NULL);
    for (const char *task; (task = g_dir_read_name(tasks));) {
        g_autofree char *file = g_strdup_printf("/proc/self/task/%s/children", task);
        g_autofree char *text = NULL;
        g_file_get_contents(file, &text, NULL, NULL);
        g_auto(GStrv) pids = g_strsplit(text ? text : "", " ", -1);
        for (char **pid = pids; *pid; pid++)
            if (**pid)
                g_hash_table_add(children, GINT_TO_POINTER(atoi(*pid)));
    }
    return children;
}

/* In the scope of a VM that runs. */
static gboolean is_a_vms(World *world, pid_t pid)
{
    g_autofree char *file = g_strdup_printf("/proc/%d/cgroup", pid);
    g_autofree char *text = NULL;
    g_file_get_contents(file, &text, NULL, NULL);
    const char *slash = text ? strrchr(g_strchomp(text), '/') : NULL;
    return slash && owner_of(world, slash + 1);
}

static void check_child(World *world, pid_t pid)
{
    if (waitpid(pid, NULL, WNOHANG) == pid || is_a_vms(world, pid))
        return;
    g_autofree char *file = g_strdup_printf("/proc/%d/cmdline", pid);
    g_autofree char *text = NULL;
    gsize length = 0;
    g_file_get_contents(file, &text, &length, NULL);
    for (gsize i = 0; i + 1 < length; i++)
        text[i] = text[i] ? text[i] : ' ';
    /* What was to end with the daemon may be a moment behind it. */
    struct pollfd end = {.fd = (int) syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    if (poll(&end, 1, (int) CLIENT_SECONDS * 1000) != 1)
        g_error("Process %d is left: %s", pid, text ? text : "?");
    close(end.fd);
    waitpid(pid, NULL, 0);
}

static void check_processes(World *world)
{
    if (!world->place.daemon)
        return;
    g_autoptr(GHashTable) children = world_list_children();
    GHashTableIter iter;
    gpointer pid;
    g_hash_table_iter_init(&iter, children);
    while (g_hash_table_iter_next(&iter, &pid, NULL))
        if (GPOINTER_TO_INT(pid) != *world->place.daemon && !g_hash_table_contains(world->children, pid))
            check_child(world, GPOINTER_TO_INT(pid));
}

static void check_live(World *world, const SeenVm *vm)
{
    if (kill((pid_t) vm->pid, 0) < 0 || !is_a_vms(world, (pid_t) vm->pid))
        g_error("QEMU of %s (process %u) is not in %s", vm->name, vm->pid, vm->unit);
}

/* A tap of ours bears that in its name, and goes with its last descriptor. None of these VMs has one. */
static void check_taps(void)
{
    g_autoptr(GDir) links = g_dir_open("/sys/class/net", 0, NULL);
    for (const char *name; links && (name = g_dir_read_name(links));) {
        g_autofree char *alias_file = g_build_filename("/sys/class/net", name, "ifalias", NULL);
        g_autofree char *alias = NULL;
        if (g_file_get_contents(alias_file, &alias, NULL, NULL) && g_str_has_prefix(alias, "berth"))
            g_error("The interface %s is left (%s)", name, alias);
    }
}

void world_check_host(World *world)
{
    for (guint i = 0; i < world->seen->len; i++)
        if (world_seen_is_live(world->seen->pdata[i]))
            check_live(world, world->seen->pdata[i]);
    check_units(world);
    check_taps();
    check_processes(world);
}
