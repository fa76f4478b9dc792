/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <ftw.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "await.h"
#include "src/core/names.h"
#include "test-cgroup.h"

/* Set-up, the daemon's life, tear-down. */

/* Waits until the test's end of the pipe is closed, then kills what is in the cgroup: QEMU outlives the daemon by
 * design, and must not outlive a test that crashes. There is nothing left to do after a test that does not. */
static const char guard_script[] = "cat > /dev/null\n"
                                   "while [ -d \"$1\" ]; do\n"
                                   "  find \"$1\" -name cgroup.procs -exec cat '{}' + | xargs -r kill -9\n"
                                   "  find \"$1\" -depth -type d -exec rmdir '{}' ';'\n"
                                   "done\n";

static int spawn_guard(const char *cgroup)
{
    g_autofree char *dir = test_cgroup_dir(cgroup);
    const char *argv[] = {"setsid", "--fork", "sh", "-c", guard_script, "guard", dir, NULL};
    g_autoptr(GError) error = NULL;
    int fd;
    g_spawn_async_with_pipes(NULL, (char **) argv, NULL,
                             G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                             NULL, &fd, NULL, NULL, &error);
    g_assert_no_error(error);
    return fd;
}

char *fixture_missing(void)
{
    if (geteuid() != 0)
        return g_strdup("only root can make cgroups and run processes as other users");
    if (!g_getenv("BERTHD") || !g_getenv("BERTH_KEEPER"))
        return g_strdup("BERTHD and BERTH_KEEPER do not say where the programs are");
    return test_cgroup_missing();
}

static void on_name_appeared(GDBusConnection *client, const char *name, const char *owner, gpointer data)
{
    Fixture *fixture = data;
    g_free(fixture->owner);
    fixture->owner = g_strdup(owner);
}

static void on_name_vanished(GDBusConnection *client, const char *name, gpointer data)
{
    Fixture *fixture = data;
    g_clear_pointer(&fixture->owner, g_free);
}

static void connect_client(Fixture *fixture)
{
    fixture->client = private_bus_connect(fixture->bus);
    fixture->watch = g_bus_watch_name_on_connection(fixture->client, BERTH_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                    on_name_appeared, on_name_vanished, fixture, NULL);
}

static void disconnect_client(Fixture *fixture)
{
    g_clear_handle_id(&fixture->watch, g_bus_unwatch_name);
    g_clear_object(&fixture->client);
    g_clear_pointer(&fixture->owner, g_free);
}

/* Of this program's own, as far as can be: an audit that looks at the processes of its VMs' users must not find those of a test
 * that runs beside it. */
static guint uid_base(void)
{
    return 65536u * (1u + (guint) getpid() % 32000u);
}

static void write_config(Fixture *fixture, const char *config)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdup_printf("[Manager]\n"
                                            "StateDirectory=%s\n"
                                            "RuntimeDirectory=%s\n"
                                            "UIDBase=%u\n"
                                            "[QEMU]\n"
                                            "Accelerator=tcg\n"
                                            "%s",
                                            fixture->state_dir, fixture->runtime_dir, uid_base(), config ? config : "");
    g_file_set_contents(fixture->config, text, -1, &error);
    g_assert_no_error(error);
}

void fixture_prepare(Fixture *fixture, const char *config)
{
    g_autoptr(GError) error = NULL;
    fixture->dir = g_dir_make_tmp("berth-test-XXXXXX", &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_chmod(fixture->dir, 0755), ==, 0);
    fixture->state_dir = g_build_filename(fixture->dir, "state", NULL);
    fixture->runtime_dir = g_build_filename(fixture->dir, "run", NULL);
    fixture->config = g_build_filename(fixture->dir, "berth.conf", NULL);
    g_assert_cmpint(g_mkdir(fixture->state_dir, 0755), ==, 0);
    g_assert_cmpint(g_mkdir(fixture->runtime_dir, 0755), ==, 0);
    write_config(fixture, config);
    fixture->cgroup = test_cgroup_new();
    fixture->guard = spawn_guard(fixture->cgroup);
    fixture->bus = private_bus_new(fixture->dir);
    fixture->environ =
        g_environ_setenv(g_get_environ(), "DBUS_SYSTEM_BUS_ADDRESS", private_bus_address(fixture->bus), TRUE);
    fixture->systemd = fake_systemd_new(private_bus_address(fixture->bus), fixture->cgroup);
    fixture->polkit = fake_polkit_new(private_bus_address(fixture->bus), FAKE_POLKIT_YES);
    connect_client(fixture);
}

static void on_daemon_end(GPid pid, int status, gpointer data)
{
    Fixture *fixture = data;
    g_spawn_close_pid(pid);
    fixture->daemon = 0;
    fixture->daemon_status = status;
    fixture->child_watch = 0;
}

static void die_with_the_test(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void fixture_spawn_daemon(Fixture *fixture)
{
    g_assert_cmpint(fixture->daemon, ==, 0);
    g_autoptr(GError) error = NULL;
    g_autofree char *config = g_strconcat("--config=", fixture->config, NULL);
    const char *argv[] = {g_getenv("BERTHD"), config, NULL};
    g_spawn_async(NULL, (char **) argv, fixture->environ, G_SPAWN_DO_NOT_REAP_CHILD, die_with_the_test, NULL,
                  &fixture->daemon, &error);
    g_assert_no_error(error);
    fixture->child_watch = g_child_watch_add(fixture->daemon, on_daemon_end, fixture);
}

/* It does, and not one before it: of a daemon that was killed when it had just come to the name, the word of that may come
 * after the word of its end. */
static gboolean daemon_has_name(Fixture *fixture)
{
    guint32 pid = 0;
    g_autoptr(GVariant) answer =
        !fixture->owner ? NULL
                        : g_dbus_connection_call_sync(fixture->client, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                                      "org.freedesktop.DBus", "GetConnectionUnixProcessID",
                                                      g_variant_new("(s)", fixture->owner), G_VARIANT_TYPE("(u)"),
                                                      G_DBUS_CALL_FLAGS_NONE, FIXTURE_CALL_MSEC, NULL, NULL);
    if (answer)
        g_variant_get(answer, "(u)", &pid);
    return pid > 0 && (GPid) pid == fixture->daemon;
}

static void await_name(Fixture *fixture)
{
    AWAIT(daemon_has_name(fixture) || fixture->daemon == 0);
    if (fixture->daemon == 0)
        g_error("berthd ended with wait status %#x", (guint) fixture->daemon_status);
}

void fixture_start_daemon(Fixture *fixture)
{
    fixture_spawn_daemon(fixture);
    await_name(fixture);
}

void fixture_set_up(Fixture *fixture, gconstpointer data)
{
    fixture_prepare(fixture, data);
    fixture_start_daemon(fixture);
}

int fixture_stop_daemon(Fixture *fixture, int signal)
{
    g_assert_cmpint(fixture->daemon, >, 0);
    kill(fixture->daemon, signal);
    AWAIT(fixture->daemon == 0 && !fixture->owner);
    return fixture->daemon_status;
}

void fixture_restart_daemon(Fixture *fixture)
{
    int status = fixture_stop_daemon(fixture, SIGKILL);
    g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    fixture_start_daemon(fixture);
}

void fixture_restart_bus(Fixture *fixture)
{
    private_bus_stop(fixture->bus);
    disconnect_client(fixture);
    fake_service_vanish(fake_systemd_service(fixture->systemd));
    fake_service_vanish(fake_polkit_service(fixture->polkit));
    private_bus_start(fixture->bus);
    fake_service_come_back(fake_systemd_service(fixture->systemd));
    fake_service_come_back(fake_polkit_service(fixture->polkit));
    connect_client(fixture);
    await_name(fixture);
}

static void assert_empty(const char *base, const char *name, const char *except)
{
    g_autofree char *path = g_build_filename(base, name, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *entry; dir && (entry = g_dir_read_name(dir));)
        if (g_strcmp0(entry, except) != 0)
            g_error("%s/%s is left", path, entry);
}

void fixture_forget_boot(Fixture *fixture)
{
    g_autoptr(GDir) dir = g_dir_open(fixture->runtime_dir, 0, NULL);
    for (const char *entry; dir && (entry = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(fixture->runtime_dir, entry, NULL);
        if (g_str_has_suffix(entry, BERTH_ENDED_SUFFIX) || g_str_equal(entry, ".booted"))
            g_unlink(path);
    }
}

void fixture_assert_clean(Fixture *fixture)
{
    assert_empty(fixture->state_dir, BERTH_DIR_VMS, NULL);
    assert_empty(fixture->state_dir, BERTH_DIR_REMOVING, NULL);
    assert_empty(fixture->runtime_dir, NULL, ".booted"); /* says to the next daemon that the host is still up */
    if (!test_cgroup_is_empty(fixture->cgroup)) {
        g_autoptr(GArray) pids = test_cgroup_pids(fixture->cgroup);
        g_error("%u processes are left, first %d", pids->len, pids->len > 0 ? g_array_index(pids, int, 0) : 0);
    }
    /* The last process is gone, and the scope when systemd, a thread of ours, has seen that. */
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
}

static void remove_all_vms(Fixture *fixture)
{
    g_autoptr(GPtrArray) vms = fixture_vms(fixture);
    for (guint i = 0; i < vms->len; i++)
        fixture_vm(fixture, vms->pdata[i], "Remove");
    for (guint i = 0; i < vms->len; i++)
        fixture_await_gone(fixture, vms->pdata[i]);
}

/* What the daemon itself finds, beside what is looked for here. */
static void assert_audit_is_clean(Fixture *fixture)
{
    g_autoptr(GVariant) answer =
        fixture_call(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Audit", g_variant_new("(a{sv})", NULL));
    g_autoptr(GVariant) findings = g_variant_get_child_value(answer, 0);
    if (g_variant_n_children(findings) > 0) {
        g_autofree char *text = g_variant_print(findings, FALSE);
        g_error("The audit finds %s", text);
    }
}

static int delete_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    return remove(path);
}

static void end_daemon(Fixture *fixture)
{
    if (fixture->daemon > 0 && !fixture->may_leave)
        remove_all_vms(fixture);
    if (fixture->daemon > 0 && !fixture->may_leave)
        assert_audit_is_clean(fixture);
    if (fixture->daemon > 0) {
        int status = fixture_stop_daemon(fixture, SIGTERM);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            g_error("berthd ended with wait status %#x", (guint) status);
    }
    if (!fixture->may_leave)
        fixture_assert_clean(fixture);
}

void fixture_tear_down(Fixture *fixture, gconstpointer data)
{
    end_daemon(fixture);
    disconnect_client(fixture);
    fake_polkit_free(fixture->polkit);
    fake_systemd_free(fixture->systemd);
    test_cgroup_destroy(fixture->cgroup);
    private_bus_free(fixture->bus);
    g_assert_cmpint(nftw(fixture->dir, delete_entry, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
    close(fixture->guard);
    g_strfreev(fixture->environ);
    g_free(fixture->cgroup);
    g_free(fixture->config);
    g_free(fixture->runtime_dir);
    g_free(fixture->state_dir);
    g_free(fixture->dir);
}
