/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scripted.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/core/names.h"

#define QEMU_DIR "qemu"

static char *qemu_file(Fixture *fixture, const char *name, const char *suffix)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);
    return g_build_filename(fixture->dir, QEMU_DIR, file, NULL);
}

void scripted_configure(Fixture *fixture, const char *text)
{
    int fd = open(fixture->config, O_WRONLY | O_APPEND | O_CLOEXEC);
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (gssize) strlen(text));
    close(fd);
}

void scripted_prepare(Fixture *fixture, gconstpointer config)
{
    fixture_prepare(fixture, NULL);
    g_autofree char *dir = g_build_filename(fixture->dir, QEMU_DIR, NULL);
    g_autofree char *qemu = g_build_filename(dir, "qemu", NULL);
    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    g_assert_cmpint(g_chmod(dir, 0777), ==, 0); /* QEMU's user writes its log there */
    g_assert_cmpint(symlink(g_getenv("BERTH_FAKE_QEMU"), qemu), ==, 0);
    g_autofree char *text = g_strdup_printf("[QEMU]\nQEMUPath=%s\n[VM]\nRestart=no\nStartTimeoutSec=120\n"
                                            "ShutdownTimeoutSec=120\nPowerOffTimeoutSec=500ms\n%s\n",
                                            qemu, (const char *) config);
    scripted_configure(fixture, text);
}

void scripted_set_up(Fixture *fixture, gconstpointer config)
{
    scripted_prepare(fixture, config);
    fixture_start_daemon(fixture);
}

int scripted_main(int argc, char **argv, void (*add)(void))
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *missing = g_getenv("BERTH_FAKE_QEMU") ? fixture_missing() : g_strdup("BERTH_FAKE_QEMU is not set");
    if (missing) {
        g_print("1..0 # SKIP %s\n", missing);
        return 0;
    }
    add();
    return g_test_run();
}

/* VMs and their scripts */

void scripted_write(Fixture *fixture, const char *name, const char *script)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *file = qemu_file(fixture, name, ".script");
    g_file_set_contents(file, script ? script : "", -1, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_chmod(file, 0644), ==, 0);
}

char *scripted_vm_with(Fixture *fixture, const char *name, const char *config, const char *script)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) parsed = g_variant_parse(G_VARIANT_TYPE_VARDICT, config, NULL, NULL, &error);
    g_assert_no_error(error);
    GVariantDict dict;
    g_variant_dict_init(&dict, parsed);
    g_variant_dict_insert(&dict, "memory", "t", (guint64) 64 << 20);
    scripted_write(fixture, name, script);
    return fixture_create(fixture, name, g_variant_dict_end(&dict));
}

char *scripted_vm(Fixture *fixture, const char *name, const char *script)
{
    return scripted_vm_with(fixture, name, "{}", script);
}

void scripted_touch(Fixture *fixture, const char *file)
{
    g_autofree char *path = qemu_file(fixture, file, "");
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
}

void scripted_untouch(Fixture *fixture, const char *file)
{
    g_autofree char *path = qemu_file(fixture, file, "");
    g_unlink(path);
}

char *scripted_log(Fixture *fixture, const char *name)
{
    g_autofree char *file = qemu_file(fixture, name, ".log");
    char *text = NULL;
    return g_file_get_contents(file, &text, NULL, NULL) ? text : g_strdup("");
}

void scripted_forget(Fixture *fixture, const char *name)
{
    g_autofree char *file = qemu_file(fixture, name, ".log");
    g_unlink(file);
}

guint scripted_count(Fixture *fixture, const char *name, const char *line)
{
    g_autofree char *text = scripted_log(fixture, name);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint n = 0;
    for (char **at = lines; *at; at++)
        n += g_str_has_prefix(*at, line);
    return n;
}

static void on_file_changed(GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer data)
{
    g_main_context_wakeup(NULL); /* AWAIT looks */
}

void scripted_await(Fixture *fixture, const char *name, const char *line, guint count)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(fixture->dir, QEMU_DIR, NULL);
    g_autoptr(GFile) dir = g_file_new_for_path(path);
    g_autoptr(GFileMonitor) monitor = g_file_monitor_directory(dir, G_FILE_MONITOR_NONE, NULL, &error);
    g_assert_no_error(error);
    g_file_monitor_set_rate_limit(monitor, 1);
    g_signal_connect(monitor, "changed", G_CALLBACK(on_file_changed), NULL);
    AWAIT(scripted_count(fixture, name, line) >= count);
}

/* Calls */

static GVariant *no_options(void)
{
    return g_variant_new("(a{sv})", NULL);
}

FixtureCall *scripted_begin(Fixture *fixture, const char *path, const char *method)
{
    return fixture_begin(fixture, path, BERTH_IFACE_VM, method, no_options());
}

static gboolean was_told(const Recorder *recorder, const char *property, const char *words)
{
    g_autofree char *told = recorder_words(recorder, property);
    return g_str_has_suffix(told, words);
}

void scripted_await_told(const Recorder *recorder, const char *property, const char *words)
{
    AWAIT(was_told(recorder, property, words));
}

void scripted_start(Fixture *fixture, const char *path)
{
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    fixture_vm(fixture, path, "Start");
    scripted_await_told(recorder, "State", "running");
    g_autofree char *name = fixture_get_string(fixture, path, "Name");
    scripted_await(fixture, name, "keeper qmp_capabilities", 1);
}

char *scripted_running(Fixture *fixture, const char *config, const char *script)
{
    char *path = scripted_vm_with(fixture, "web", config, script);
    scripted_start(fixture, path);
    return path;
}

void scripted_succeeds(FixtureCall *call)
{
    g_autoptr(FixtureCall) taken = call;
    AWAIT(taken->done);
    g_assert_no_error(taken->error);
}

void scripted_fails(FixtureCall *call, const char *error_name, const char *words)
{
    g_autoptr(FixtureCall) taken = call;
    AWAIT(taken->done);
    g_assert_nonnull(taken->error);
    g_autofree char *name = fixture_error_name(taken->error);
    g_autofree char *wanted =
        strchr(error_name, '.') ? g_strdup(error_name) : g_strconcat(BERTH_ERROR_PREFIX, error_name, NULL);
    if (!g_str_equal(name, wanted) || !strstr(taken->error->message, words))
        g_error("Got “%s”, expected %s with “%s”", taken->error->message, wanted, words);
}

void scripted_reload(Fixture *fixture, guint loaded, guint updated, guint removed)
{
    g_autoptr(GVariant) answer = fixture_call(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", no_options());
    g_autoptr(GVariant) expected = g_variant_ref_sink(g_variant_new("(uuu)", loaded, updated, removed));
    g_autofree char *got = g_variant_print(answer, FALSE);
    g_autofree char *wanted = g_variant_print(expected, FALSE);
    g_assert_cmpstr(got, ==, wanted);
}

void scripted_remove(Fixture *fixture, const char *path, const char *options)
{
    g_autoptr(GVariant) parsed = g_variant_ref_sink(g_variant_new_parsed(options));
    g_variant_unref(fixture_call(fixture, path, BERTH_IFACE_VM, "Remove", g_variant_new("(@a{sv})", parsed)));
}

/* Scopes */

void scripted_start_scope(Fixture *fixture, const char *unit, pid_t pid)
{
    g_autoptr(GError) error = NULL;
    GVariantBuilder properties;
    g_variant_builder_init(&properties, G_VARIANT_TYPE("a(sv)"));
    g_variant_builder_add(&properties, "(sv)", "Slice", g_variant_new_string(BERTH_SLICE));
    g_variant_builder_add(&properties, "(sv)", "PIDs", g_variant_new_parsed("[%u]", (guint32) pid));
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        fixture->client, "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
        "StartTransientUnit", g_variant_new("(ssa(sv)a(sa(sv)))", unit, "fail", &properties, NULL), NULL,
        G_DBUS_CALL_FLAGS_NONE, FIXTURE_CALL_MSEC, NULL, &error);
    g_assert_no_error(error);
}

void scripted_start_ghost(Fixture *fixture, const char *unit)
{
    const char *argv[] = {"true", NULL};
    GPid pid = 0;
    g_assert_true(g_spawn_async(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                                &pid, NULL));
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    scripted_start_scope(fixture, unit, pid);
    g_autofree char *state = fake_systemd_state(fixture->systemd, unit);
    g_assert_cmpstr(state, ==, "active");
}

/* Paths */

char *scripted_vm_dir(Fixture *fixture, const char *path)
{
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    return g_build_filename(fixture->state_dir, BERTH_DIR_VMS, id, NULL);
}

char *scripted_vm_file(Fixture *fixture, const char *path, const char *file)
{
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    return g_build_filename(dir, file, NULL);
}

char *scripted_runtime_dir(Fixture *fixture, const char *path)
{
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    return g_build_filename(fixture->runtime_dir, id, NULL);
}

char *scripted_cgroup(Fixture *fixture, const char *path)
{
    g_autofree char *unit = fixture_unit(fixture, path);
    return fake_systemd_cgroup(fixture->systemd, unit);
}

/* Assertions */

void scripted_assert_nobody(Fixture *fixture, const char *path)
{
    g_autofree char *cgroup = scripted_cgroup(fixture, path);
    g_autofree char *runtime = scripted_runtime_dir(fixture, path);
    g_assert_true(test_cgroup_is_empty(cgroup));
    static const char *const sockets[] = {BERTH_FILE_QMP_SOCKET, BERTH_FILE_CONSOLE_SOCKET, BERTH_FILE_AGENT_SOCKET};
    for (guint i = 0; i < G_N_ELEMENTS(sockets); i++) {
        g_autofree char *socket = g_build_filename(runtime, sockets[i], NULL);
        g_assert_false(g_file_test(socket, G_FILE_TEST_EXISTS));
    }
    g_assert_cmpuint(fixture_get_uint(fixture, path, "PID"), ==, 0);
}

void scripted_assert_string(Fixture *fixture, const char *path, const char *property, const char *value)
{
    g_autofree char *text = fixture_get_string(fixture, path, property);
    g_assert_cmpstr(text, ==, value);
}

void scripted_assert_wanted(Fixture *fixture, const char *path, gboolean wanted)
{
    g_autoptr(GVariant) value = fixture_get(fixture, path, BERTH_IFACE_VM, "WantRunning");
    g_assert_cmpint(g_variant_get_boolean(value), ==, wanted);
    g_autofree char *file = scripted_vm_file(fixture, path, BERTH_FILE_WANTED);
    g_assert_cmpint(g_file_test(file, G_FILE_TEST_EXISTS), ==, wanted);
}

static char *last_error(Fixture *fixture, const char *path)
{
    g_autoptr(GVariant) value = fixture_get(fixture, path, BERTH_IFACE_VM, "LastError");
    char *text;
    g_variant_get(value, "(ss)", NULL, &text);
    return text;
}

static gboolean fits(const char *text, const char *words)
{
    return *words ? strstr(text, words) != NULL : !*text;
}

void scripted_assert_last_error(Fixture *fixture, const char *path, const char *words)
{
    g_autofree char *text = last_error(fixture, path);
    if (!fits(text, words))
        g_error("LastError is “%s”, not “%s”", text, words);
}

void scripted_await_last_error(Fixture *fixture, const char *path, const char *words)
{
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    g_autofree char *text = last_error(fixture, path);
    for (guint seen = 0; !fits(text, words);) {
        AWAIT(recorder_changes(recorder, "LastError") > seen);
        seen = recorder_changes(recorder, "LastError");
        g_free(text);
        text = last_error(fixture, path);
    }
}

/* Files */

gboolean scripted_set_immutable(const char *path, gboolean immutable)
{
    int flags = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    gboolean done = fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
    flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    done = done && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    if (fd >= 0)
        close(fd);
    return done;
}

void scripted_copy_tree(const char *from, const char *to)
{
    const char *argv[] = {"cp", "-a", from, to, NULL};
    g_autoptr(GError) error = NULL;
    int status = -1;
    g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
}

void scripted_replace(const char *file, const char *old, const char *new)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_file_get_contents(file, &text, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(strstr(text, old));
    GString *changed = g_string_new(text);
    g_string_replace(changed, old, new, 0);
    g_file_set_contents(file, changed->str, -1, &error);
    g_assert_no_error(error);
    g_string_free(changed, TRUE);
}

pid_t scripted_qemu(Fixture *fixture, const char *path)
{
    pid_t pid = (pid_t) fixture_get_uint(fixture, path, "PID");
    g_assert_cmpint(pid, >, 0);
    return pid;
}

pid_t scripted_keeper(Fixture *fixture, const char *path)
{
    g_autofree char *file = g_strdup_printf("/proc/%d/stat", (int) scripted_qemu(fixture, path));
    g_autofree char *text = NULL;
    int parent = 0;
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    g_assert_cmpint(sscanf(strrchr(text, ')') + 1, " %*c %d", &parent), ==, 1);
    return parent;
}

int scripted_pidfd(pid_t pid)
{
    int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
    g_assert_cmpint(pidfd, >=, 0);
    return pidfd;
}

gboolean scripted_is_dead(int pidfd)
{
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

void scripted_await_dead(int pidfd)
{
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    g_assert_cmpint(poll(&poll_fd, 1, AWAIT_SECONDS * 1000), ==, 1);
    close(pidfd);
}

/* How long the daemon has had a processor, and how often: that also finds one that does not even go to sleep. (transfer full) */
static char *time_had(Fixture *fixture)
{
    g_autofree char *file = g_strdup_printf("/proc/%d/schedstat", fixture->daemon);
    char *text = NULL;
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    return text;
}

static gboolean sleeps(Fixture *fixture)
{
    g_autofree char *before = time_had(fixture);
    await_silence(2000);
    g_autofree char *after = time_had(fixture);
    return g_str_equal(after, before);
}

void scripted_assert_idle(Fixture *fixture)
{
    guint tries = 0;
    while (!sleeps(fixture))
        g_assert_cmpuint(++tries, <, 10);
}

int scripted_notify_socket(Fixture *fixture)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", fixture->dir);
    g_assert_cmpint(bind(fd, (const struct sockaddr *) &address, sizeof address), ==, 0);
    fixture->environ = g_environ_setenv(fixture->environ, "NOTIFY_SOCKET", address.sun_path, TRUE);
    return fd;
}

static gboolean has_notified(int fd, const char *words)
{
    char text[256];
    ssize_t length;
    while ((length = recv(fd, text, sizeof text - 1, 0)) >= 0) {
        text[length] = '\0';
        if (g_str_equal(text, words))
            return TRUE;
    }
    return FALSE;
}

static gboolean wake(int fd, GIOCondition condition, gpointer data)
{
    return G_SOURCE_CONTINUE;
}

void scripted_await_notified(int fd, const char *words)
{
    const guint source = g_unix_fd_add(fd, G_IO_IN, wake, NULL);
    AWAIT(has_notified(fd, words));
    g_source_remove(source);
}
