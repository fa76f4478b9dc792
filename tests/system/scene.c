/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVICE "berthd.service"
#define CONF_DIR "/etc/berth/berth.conf.d"

GDBusConnection *scene_bus;

/* Commands */

static GStrv collect(const char *word, va_list args)
{
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();
    for (; word; word = va_arg(args, const char *))
        g_strv_builder_add(words, word);
    return g_strv_builder_end(words);
}

static int run(GStrv argv, char **out)
{
    g_autoptr(GError) error = NULL;
    int wait_status;
    g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, out, NULL, &wait_status, &error);
    g_assert_no_error(error);
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
}

char *scene_run(const char *word, ...)
{
    va_list args;
    va_start(args, word);
    g_auto(GStrv) argv = collect(word, args);
    va_end(args);
    char *out = NULL;
    int status = run(argv, &out);
    if (status != 0) {
        g_autofree char *line = g_strjoinv(" ", argv);
        g_error("“%s” ended with status %d: %s", line, status, out);
    }
    return g_strchomp(out);
}

int scene_status(const char *word, ...)
{
    va_list args;
    va_start(args, word);
    g_auto(GStrv) argv = collect(word, args);
    va_end(args);
    g_autofree char *out = NULL;
    return run(argv, &out);
}

char *scene_unit_property(const char *unit, const char *property)
{
    return scene_run("systemctl", "show", "--value", "-p", property, unit, NULL);
}

void scene_install(const char *path, const char *script)
{
    g_autoptr(GError) error = NULL;
    g_file_set_contents(path, script, -1, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_chmod(path, 0755), ==, 0);
}

/* Processes */

char *scene_process_status(pid_t pid, const char *key)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int) pid);
    g_autofree char *contents = NULL;
    if (!g_file_get_contents(path, &contents, NULL, NULL))
        return g_strdup("");
    g_autofree char *text = g_strconcat("\n", contents, NULL);
    g_autofree char *prefix = g_strdup_printf("\n%s:", key);
    const char *line = strstr(text, prefix);
    g_assert_nonnull(line);
    line += strlen(prefix);
    return g_strstrip(g_strndup(line, strcspn(line, "\n")));
}

int scene_pidfd(pid_t pid)
{
    int fd = (int) syscall(SYS_pidfd_open, pid, 0);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static gboolean on_dead(int fd, GIOCondition condition, gpointer data)
{
    *(gboolean *) data = TRUE;
    return G_SOURCE_REMOVE;
}

void scene_await_death(int pidfd)
{
    gboolean dead = FALSE;
    g_unix_fd_add(pidfd, G_IO_IN, on_dead, &dead);
    CLIENT_AWAIT(dead, "A process has not ended");
    close(pidfd);
}

static void on_told(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                    const char *signal, GVariant *parameters, gpointer data)
{
    /* That it came has woken the main context. */
}

/* The bus has answered a call that it got after the rule. */
guint scene_listen(const char *name, const char *path)
{
    g_autoptr(GError) error = NULL;
    guint subscription = g_dbus_connection_signal_subscribe(scene_bus, name, NULL, NULL, path, NULL,
                                                            G_DBUS_SIGNAL_FLAGS_NONE, on_told, NULL, NULL);
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        scene_bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", NULL, NULL,
        G_DBUS_CALL_FLAGS_NONE, (int) CLIENT_SECONDS * 1000, NULL, &error);
    g_assert_no_error(error);
    return subscription;
}

static gboolean is_listed(const char *unit)
{
    g_autofree char *listed = scene_run("systemctl", "list-units", "--all", "--plain", "--no-legend", unit, NULL);
    return *listed != '\0';
}

void scene_await_unit_gone(const char *unit)
{
    static const char name[] = "org.freedesktop.systemd1", path[] = "/org/freedesktop/systemd1";
    guint subscription = scene_listen(name, path);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_sync(scene_bus, name, path, "org.freedesktop.systemd1.Manager", "Subscribe", NULL, NULL,
                                    G_DBUS_CALL_FLAGS_NONE, (int) CLIENT_SECONDS * 1000, NULL, &error);
    g_autofree char *remote = error ? g_dbus_error_get_remote_error(error) : NULL;
    if (g_strcmp0(remote, "org.freedesktop.systemd1.AlreadySubscribed") != 0)
        g_assert_no_error(error);
    CLIENT_AWAIT(!is_listed(unit), "%s is still there", unit);
    g_dbus_connection_signal_unsubscribe(scene_bus, subscription);
}

/* The monitor wakes the main context at each change beside it. */
void scene_await_absent(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_path_get_dirname(path);
    g_autoptr(GFile) parent = g_file_new_for_path(dir);
    g_autoptr(GFileMonitor) monitor = g_file_monitor_directory(parent, G_FILE_MONITOR_NONE, NULL, &error);
    g_assert_no_error(error);
    CLIENT_AWAIT(!g_file_test(path, G_FILE_TEST_EXISTS), "%s is still there", path);
}

/* The daemon */

/* No test comes and goes so often by itself as a row of them does: systemd's count of starts begins anew. A unit that is not
 * loaded has none, and systemctl then says so and fails. */
static void forget_starts(void)
{
    (void) scene_status("systemctl", "--quiet", "reset-failed", SERVICE, NULL);
}

/* systemctl waits for Type=notify's word, which comes when the name is owned. */
void scene_start_daemon(void)
{
    forget_starts();
    g_free(scene_run("systemctl", "start", SERVICE, NULL));
}

void scene_stop_daemon(void)
{
    g_free(scene_run("systemctl", "stop", SERVICE, NULL));
}

void scene_restart_daemon(void)
{
    forget_starts();
    g_free(scene_run("systemctl", "restart", SERVICE, NULL));
}

pid_t scene_daemon_pid(void)
{
    g_autofree char *pid = scene_unit_property(SERVICE, "MainPID");
    return (pid_t) g_ascii_strtoll(pid, NULL, 10);
}

void scene_kill_daemon(void)
{
    scene_kill_daemon_at(scene_pidfd(scene_daemon_pid()));
}

void scene_kill_daemon_at(int pidfd)
{
    g_assert_cmpint(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0), ==, 0);
    scene_await_death(pidfd);
    g_assert_cmpint(scene_status("systemctl", "stop", SERVICE, NULL), ==, 0); /* no Restart= before the test wants it */
}

/* A drop-in for all units whose names begin like a VM's has the last word on what the daemon has asked for. */
void scene_have_patience(void)
{
    static const char dir[] = "/run/systemd/system/" BERTH_UNIT_PREFIX BERTH_UNIT_SUFFIX ".d";
    g_autoptr(GError) error = NULL;
    g_autofree char *file = g_build_filename(dir, "50-patience.conf", NULL);
    g_assert_cmpint(g_mkdir_with_parents(dir, 0755), ==, 0);
    g_file_set_contents(file, "[Scope]\nTimeoutStopSec=1h\n", -1, &error);
    g_assert_no_error(error);
    g_free(scene_run("systemctl", "daemon-reload", NULL));
}

static void write_configuration(const char *name, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(CONF_DIR, name, NULL);
    g_assert_cmpint(g_mkdir_with_parents(CONF_DIR, 0755), ==, 0);
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

void scene_configure(const char *text)
{
    write_configuration("50-test.conf", text ? text : "");
    scene_restart_daemon();
}

/* Images */

typedef struct {
    char *job;         /* path; NULL until it is known */
    GHashTable *ended; /* path → parameters of Completed */
} Import;

static void on_completed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                         const char *signal, GVariant *parameters, gpointer data)
{
    g_hash_table_insert(data, g_strdup(path), g_variant_ref(parameters));
}

/* The disk is the handle 0; no disk is an empty file. */
static GUnixFDList *open_files(const char *const *paths)
{
    g_autoptr(GError) error = NULL;
    GUnixFDList *fds = g_unix_fd_list_new();
    for (guint i = 0; i == 0 || paths[i]; i++) {
        int fd = paths[i] ? open(paths[i], O_RDONLY | O_CLOEXEC) : memfd_create("no-disk", MFD_CLOEXEC);
        if (fd < 0)
            g_error("Can't open %s: %s", paths[i], g_strerror(errno));
        g_unix_fd_list_append(fds, fd, &error);
        g_assert_no_error(error);
        close(fd);
        if (!paths[i] && !paths[i + 1])
            break;
    }
    return fds;
}

static char *await_import(const char *job, GHashTable *ended, char **text)
{
    GVariant *parameters;
    CLIENT_AWAIT((parameters = g_hash_table_lookup(ended, job)), "%s has not ended", job);
    const char *result;
    char *name;
    g_autofree char *words = NULL;
    g_variant_get(parameters, "(&o(ss))", &result, &name, &words);
    g_assert_cmpint(g_str_equal(result, "/"), ==, *name != '\0');
    if (text)
        *text = g_steal_pointer(&words);
    return name;
}

char *scene_import(const char *name, GVariant *options, const char *const *paths, char **text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GUnixFDList) fds = open_files(paths);
    g_autoptr(GHashTable) ended =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
    guint subscription =
        g_dbus_connection_signal_subscribe(scene_bus, BERTH_BUS_NAME, BERTH_IFACE_JOB, "Completed", NULL, NULL,
                                           G_DBUS_SIGNAL_FLAGS_NONE, on_completed, ended, NULL);
    g_autoptr(GVariant) answer = g_dbus_connection_call_with_unix_fd_list_sync(
        scene_bus, BERTH_BUS_NAME, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "ImportImage",
        g_variant_new("(sh@a{sv})", name, 0, options ? options : g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0)),
        G_VARIANT_TYPE("(o)"), G_DBUS_CALL_FLAGS_NONE, (int) CLIENT_SECONDS * 1000, fds, NULL, NULL, &error);
    char *failure;
    if (answer) {
        const char *job;
        g_variant_get(answer, "(&o)", &job);
        failure = await_import(job, ended, text);
    } else {
        failure = g_dbus_error_get_remote_error(error);
        if (text)
            *text = g_strdup(error->message);
    }
    g_dbus_connection_signal_unsubscribe(scene_bus, subscription);
    return failure;
}

/* What make-guest.sh makes, whose files are called PREFIXvmlinuz and PREFIXinitrd.img. */
static void import_guest(const char *name, const char *prefix)
{
    const char *dir = g_getenv("BERTH_GUEST");
    g_assert_nonnull(dir);
    g_autofree char *kernel = g_strconcat(dir, "/", prefix, "vmlinuz", NULL);
    g_autofree char *initrd = g_strconcat(dir, "/", prefix, "initrd.img", NULL);
    const char *const paths[] = {NULL, kernel, initrd, NULL};
    g_autofree char *text = NULL;
    g_autofree char *failure = scene_import(
        name, g_variant_new_parsed("{'kernel': <handle 1>, 'initrd': <handle 2>, 'cmdline': <%s>}", SCENE_CMDLINE),
        paths, &text);
    if (*failure)
        g_error("The guest can't be imported: %s", text);
}

char *scene_microvm_cmdline(void)
{
    g_autofree char *khz = scene_run("awk", "/^cpu MHz/ { printf \"%d\", $4 * 1000; exit }", "/proc/cpuinfo", NULL);
    return g_strconcat(SCENE_CMDLINE " tsc_early_khz=", khz, NULL);
}

void scene_import_screen_guest(void)
{
    import_guest("screen", "screen-");
}

/* The bus lets a call wait for who can be activated, and is up already. */
void scene_reconnect(void)
{
    g_clear_object(&scene_bus);
    scene_bus = client_connect(G_BUS_TYPE_SYSTEM);
    g_variant_unref(client_get(scene_bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Version"));
}

void scene_begin(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    write_configuration("10-scene.conf", "[QEMU]\nAccelerator=tcg\n[Manager]\nCIDLast=1999\n");
    scene_bus = client_connect(G_BUS_TYPE_SYSTEM);
    scene_start_daemon();
    import_guest("guest", "");
}
