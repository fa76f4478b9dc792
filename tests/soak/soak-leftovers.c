/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "soak.h"

#define WARM_UP_VMS 3u
#define STATE_DIR "/var/lib/berth"
#define RUNTIME_DIR "/run/berth"

/* (transfer full) (element-type utf8) */
static GPtrArray *objects_below(const char *prefix)
{
    g_autoptr(GVariant) answer =
        client_call(scene_bus, BERTH_PATH_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
    return client_paths_below(answer, prefix);
}

static void on_removed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer data)
{
    (*(guint *) data)++;
}

/* One that goes while the answer is on its way would not be waited for any more. */
static guint n_objects_below(const char *prefix, const guint *n_removed)
{
    for (;;) {
        const guint before = *n_removed;
        g_autoptr(GPtrArray) paths = objects_below(prefix);
        if (before == *n_removed)
            return paths->len;
    }
}

/* One may go by itself meanwhile. */
static void remove_objects(const char *prefix, const char *interface)
{
    g_autoptr(GPtrArray) paths = objects_below(prefix);
    for (guint i = 0; i < paths->len; i++) {
        const char *path = paths->pdata[i];
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) answer = NULL;
        if (!g_str_equal(path, BERTH_PATH_IMAGE "/guest"))
            answer = client_try(scene_bus, path, interface, "Remove", g_variant_new("(a{sv})", NULL), &error);
        g_autofree char *name = error ? g_dbus_error_get_remote_error(error) : NULL;
        if (error && g_strcmp0(name, "org.freedesktop.DBus.Error.UnknownObject") != 0)
            g_error("%s can't be removed: %s", path, error->message);
    }
}

static void remove_everything(void)
{
    guint n_removed = 0;
    guint subscription = g_dbus_connection_signal_subscribe(
        scene_bus, BERTH_BUS_NAME, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", NULL, NULL,
        G_DBUS_SIGNAL_FLAGS_NONE, on_removed, &n_removed, NULL);
    CLIENT_AWAIT(n_objects_below(BERTH_PATH_JOB "/", &n_removed) == 0, "A job has not ended");
    remove_objects(BERTH_PATH_VM "/", BERTH_IFACE_VM);
    CLIENT_AWAIT(n_objects_below(BERTH_PATH_VM "/", &n_removed) == 0, "VMs have not gone: %s",
                 scene_run("berthctl", "list", NULL));
    remove_objects(BERTH_PATH_IMAGE "/", BERTH_IFACE_IMAGE);
    CLIENT_AWAIT(n_objects_below(BERTH_PATH_IMAGE "/", &n_removed) == 1, "Images have not gone");
    g_dbus_connection_signal_unsubscribe(scene_bus, subscription);
}

/* Figures */

static guint count_entries(const char *dir, const char *except)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) entries = g_dir_open(dir, 0, &error);
    g_assert_no_error(error);
    guint n = 0;
    for (const char *name; (name = g_dir_read_name(entries));)
        n += g_strcmp0(name, except) == 0 ? 0 : 1;
    return n;
}

static guint64 read_pss(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/smaps_rollup", (int) pid);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    const char *line = strstr(text, "\nPss:");
    g_assert_nonnull(line);
    return g_ascii_strtoull(line + strlen("\nPss:"), NULL, 10) * 1024;
}

Figures figures_of_daemon(void)
{
    for (guint i = 0; i < WARM_UP_VMS; i++) {
        g_autoptr(Guest) guest = guest_new_bare("warm");
        client_vm(scene_bus, guest->path, "Start");
    }
    g_free(scene_run("berthctl", "reload", NULL));
    g_free(scene_run("berthctl", "audit", NULL));
    g_autofree char *fds = g_strdup_printf("/proc/%d/fd", (int) scene_daemon_pid());
    return (Figures){.n_fds = count_entries(fds, NULL), .pss = read_pss(scene_daemon_pid())};
}

/* What is left */

static void assert_nothing(const char *command, const char *words)
{
    g_autofree char *found = scene_run("sh", "-c", command, NULL);
    if (*found)
        g_error("%s: %s", words, found);
}

static gboolean is_nothing(const char *command)
{
    g_autofree char *found = scene_run("sh", "-c", command, NULL);
    return *found == '\0';
}

/* An answer that nobody waits for is one too many. What the bus rejects, it tells; of the clients that were killed it
 * has forgotten what they waited for, and rejects nothing. */
void journal_assert_good(void)
{
    g_free(scene_run("journalctl", "--sync", NULL));
    /* What is told of a VM may be QEMU's last words: an assertion of its own. */
    assert_nothing("journalctl --quiet --boot --output=json --unit=berthd.service | grep -v '\"BERTH_VM\"' |"
                   " grep -E 'no edge from|assertion|CRITICAL|runtime error:' || :",
                   "The daemon has told of a bug of its own");
    assert_nothing("journalctl --quiet --boot --output=cat --unit=berthd.service |"
                   " grep 'Main process exited' | grep -v 'status=9/KILL' || :",
                   "The daemon has come to a bad end");
    assert_nothing("journalctl --quiet --boot --output=cat --unit=dbus.service |"
                   " grep -E 'Rejected send message.*sender=.*berthd.*requested_reply=\"?0' || :",
                   "A call was answered twice");
}

/* The dead are their parent's affair; those of the daemon are its own. */
static void assert_no_process(void)
{
    g_autofree char *children =
        g_strdup_printf("ps --ppid %d -o pid= -o stat= -o comm= || :", (int) scene_daemon_pid());
    assert_nothing("ps -A -o pid= -o stat= -o comm= -o cgroup= | grep -E 'qemu-system|berth-keeper' |"
                   " grep -v '^ *[0-9]* Z' || :",
                   "A process is left");
    assert_nothing(children, "The daemon has not reaped");
}

/* machined is not waited for by a removal. */
static void await_no_machine(void)
{
    static const char machines[] = "machinectl list --no-legend 2>/dev/null | grep berth || :";
    guint subscription = scene_listen("org.freedesktop.machine1", "/org/freedesktop/machine1");
    CLIENT_AWAIT(is_nothing(machines), "A machine is left: %s", scene_run("sh", "-c", machines, NULL));
    g_dbus_connection_signal_unsubscribe(scene_bus, subscription);
}

void leftovers_assert_none(void)
{
    remove_everything();
    scene_await_unit_gone(BERTH_UNIT_PREFIX "*" BERTH_UNIT_SUFFIX);
    await_no_machine();
    assert_no_process();
    assert_nothing("ls -A " RUNTIME_DIR " | grep -vx '[.]booted' || :", "In the runtime directory is left");
    assert_nothing("ls -A " STATE_DIR "/vms " STATE_DIR "/removing | grep -v ':$' || :", "Of VMs is left");
    assert_nothing("ls -A " STATE_DIR "/images | grep -vx guest || :", "Of images is left");
    assert_nothing("ip -o link | grep -E '\\bbt-' || :", "A tap is left");
    if (scene_status("berthctl", "audit", NULL) != 0)
        g_error("The audit finds %s", scene_run("sh", "-c", "berthctl audit || :", NULL));
}
