/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scripted.h"
#include "src/core/names.h"

/* What the design's REMOVAL.md promises, under its numbers. */

#define GRACE "{'grace-seconds': <uint32 600>}"

static char *running(Fixture *fixture, const char *script)
{
    char *path = scripted_vm(fixture, "web", script);
    scripted_start(fixture, path);
    return path;
}

static pid_t qemu_of(Fixture *fixture, const char *path)
{
    pid_t pid = (pid_t) fixture_get_uint(fixture, path, "PID");
    g_assert_cmpint(pid, >, 0);
    return pid;
}

/* QEMU's is its parent. */
static pid_t keeper_of(Fixture *fixture, const char *path)
{
    g_autofree char *file = g_strdup_printf("/proc/%d/status", qemu_of(fixture, path));
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    return (pid_t) g_ascii_strtoll(strstr(text, "PPid:") + strlen("PPid:"), NULL, 10);
}

static int pidfd_of(pid_t pid)
{
    int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
    g_assert_cmpint(pidfd, >=, 0);
    return pidfd;
}

static gboolean is_dead(int pidfd)
{
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

static pid_t child_of_qemu(Fixture *fixture)
{
    scripted_await(fixture, "web", "child", 1);
    g_autofree char *log = scripted_log(fixture, "web");
    return (pid_t) g_ascii_strtoll(strstr(log, "child ") + strlen("child "), NULL, 10);
}

static void assert_gone(Fixture *fixture, const char *path)
{
    fixture_await_gone(fixture, path);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "web"), "NotFound",
                       "web");
    fixture_assert_clean(fixture);
}

static void remove_and_await(Fixture *fixture, const char *path)
{
    fixture_vm(fixture, path, "Remove");
    assert_gone(fixture, path);
}

static gboolean has_marker(Fixture *fixture, const char *path)
{
    g_autofree char *marker = scripted_vm_file(fixture, path, BERTH_FILE_MARKER);
    return g_file_test(marker, G_FILE_TEST_EXISTS) || g_file_test(marker, G_FILE_TEST_IS_SYMLINK);
}

static void await_phase(Fixture *fixture, const char *path, const char *phase)
{
    fixture_await_property(fixture, path, "RemovalPhase", g_variant_new_string(phase));
}

/* M2: no marker, no removal. */

static void refuse_marker(Fixture *fixture, const char *path, const char *state)
{
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    if (!scripted_set_immutable(dir, TRUE)) {
        g_test_skip("files can't be made immutable here");
        return;
    }
    fixture_vm_fails(fixture, path, "Remove", "StorageFailed", "");
    g_assert_false(has_marker(fixture, path));
    scripted_assert_string(fixture, path, "State", state);
    scripted_assert_string(fixture, path, "RemovalPhase", "");
    g_assert_true(scripted_set_immutable(dir, FALSE));
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", state);
}

static void test_marker_refused(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    refuse_marker(fixture, path, "stopped");
    fixture_vm(fixture, path, "Start");
}

static void test_marker_refused_running(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, NULL);
    pid_t pid = qemu_of(fixture, path);
    refuse_marker(fixture, path, "running");
    g_assert_cmpint(qemu_of(fixture, path), ==, pid);
    scripted_assert_wanted(fixture, path, TRUE);
}

/* M5: a marker that can't be read deletes nothing and starts nothing. */

static void make_garbage(const char *marker)
{
    g_assert_true(g_file_set_contents(marker, "{\"id\": ", -1, NULL));
}

static void make_directory(const char *marker)
{
    g_assert_cmpint(g_mkdir(marker, 0755), ==, 0);
}

static void make_dangling_link(const char *marker)
{
    g_assert_cmpint(symlink("/nonexistent", marker), ==, 0);
}

static void make_empty(const char *marker)
{
    g_assert_true(g_file_set_contents(marker, "", -1, NULL));
}

static void unreadable_marker(Fixture *fixture, void (*make)(const char *marker))
{
    g_autofree char *path = running(fixture, NULL);
    g_autofree char *marker = scripted_vm_file(fixture, path, BERTH_FILE_MARKER);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    g_autofree char *cgroup = scripted_cgroup(fixture, path);
    g_autofree char *booted = g_build_filename(fixture->runtime_dir, ".booted", NULL);
    fixture_stop_daemon(fixture, SIGKILL);
    test_cgroup_signal(cgroup, SIGKILL);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
    g_unlink(booted); /* the host was booted: what was wanted is started */
    make(marker);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, "marker");
    g_assert_true(g_file_test(definition, G_FILE_TEST_EXISTS));
    g_assert_true(has_marker(fixture, path));
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
    fixture_vm_fails(fixture, path, "Start", "WrongState", "broken");
    remove_and_await(fixture, path);
}

#define UNREADABLE(name)                                                                                               \
    static void test_unreadable_##name(Fixture *fixture, gconstpointer unused)                                         \
    {                                                                                                                  \
        unreadable_marker(fixture, make_##name);                                                                       \
    }
UNREADABLE(garbage)
UNREADABLE(directory)
UNREADABLE(dangling_link)
UNREADABLE(empty)

/* M6: the directory is a copy: a restored backup was never asked to go. */
static void test_copied_marker(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    scripted_remove(fixture, path, GRACE);
    fixture_stop_daemon(fixture, SIGKILL);
    g_assert_cmpint(g_rename(dir, aside), ==, 0);
    scripted_copy_tree(aside, dir);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, "copy");
    g_assert_true(has_marker(fixture, path));
    remove_and_await(fixture, path); /* now it is asked to go */
}

/* M7: whatever its processes do, they end. */

static void remove_running(Fixture *fixture, const char *script, void (*disturb)(Fixture *fixture, const char *path))
{
    g_autofree char *path = running(fixture, script);
    int pidfd = pidfd_of(qemu_of(fixture, path));
    if (disturb)
        disturb(fixture, path);
    remove_and_await(fixture, path);
    g_assert_true(is_dead(pidfd));
    close(pidfd);
}

static void stop_process(Fixture *fixture, const char *path)
{
    kill(qemu_of(fixture, path), SIGSTOP);
}

static void freeze(Fixture *fixture, const char *path)
{
    g_autofree char *cgroup = scripted_cgroup(fixture, path);
    g_autofree char *dir = test_cgroup_dir(cgroup);
    g_autofree char *file = g_build_filename(dir, "cgroup.freeze", NULL);
    FILE *stream = g_fopen(file, "w");
    g_assert_cmpint(fputs("1", stream), >=, 0);
    g_assert_cmpint(fclose(stream), ==, 0);
}

static void pause_it(Fixture *fixture, const char *path)
{
    fixture_vm(fixture, path, "Pause");
}

static void kill_keeper(Fixture *fixture, const char *path)
{
    kill(keeper_of(fixture, path), SIGKILL);
    scripted_await_last_error(fixture, path, "keeper");
}

static void test_running(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, NULL, NULL);
}

static void test_stopped_process(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, NULL, stop_process);
}

static void test_frozen(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, NULL, freeze);
}

static void test_quit_ignored(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, "on quit ignore", NULL);
}

static void test_hung(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, "on quit wait never", NULL);
}

static void test_paused(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, NULL, pause_it);
}

static void test_keeper_killed(Fixture *fixture, gconstpointer unused)
{
    remove_running(fixture, NULL, kill_keeper);
}

static void test_bus_lost(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, "on quit ignore");
    int pidfd = pidfd_of(qemu_of(fixture, path));
    fixture_vm(fixture, path, "Remove");
    fixture_restart_bus(fixture);
    assert_gone(fixture, path);
    g_assert_true(is_dead(pidfd));
    close(pidfd);
}

/* systemd is silent for a while: the processes are killed without it, and what only it can do is tried again (M8: and
 * all the while everybody sees what is going on). */
static void test_systemd_silent(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = running(fixture, "on ready fork-child");
    int child = pidfd_of(child_of_qemu(fixture));
    kill_keeper(fixture, path);
    fake_service_hold(service, "KillUnit");
    fake_service_hold(service, "StopUnit");
    fixture_vm(fixture, path, "Remove");
    scripted_assert_string(fixture, path, "RemovalPhase", "stopping");
    fixture_vm(fixture, path, "Remove"); /* no harm, and no false answer */
    scripted_assert_string(fixture, path, "State", "removing");
    await_phase(fixture, path, "releasing");
    g_assert_true(is_dead(child));
    await_phase(fixture, path, "waiting");
    scripted_assert_last_error(fixture, path, "systemd has not answered in time");
    g_autofree char *blocker = fixture_get_string(fixture, path, "RemovalBlocker");
    g_assert_nonnull(strstr(blocker, "systemd"));
    g_autoptr(GVariant) next = fixture_get(fixture, path, BERTH_IFACE_VM, "RemovalNextAttemptTimestamp");
    g_assert_cmpuint(g_variant_get_uint64(next), >, (guint64) g_get_real_time() - G_USEC_PER_SEC);
    fake_service_release(service, "KillUnit");
    fake_service_release(service, "StopUnit");
    remove_and_await(fixture, path);
    close(child);
}

/* M9 */

/* While a child lives, no file goes and the VM is seen; false words of systemd's prove nothing. */
static void test_child_lives(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = running(fixture, "on ready fork-child");
    g_autofree char *unit = fixture_unit(fixture, path);
    g_autofree char *disks = scripted_vm_file(fixture, path, BERTH_DIR_DISKS);
    int child = pidfd_of(child_of_qemu(fixture));
    kill_keeper(fixture, path);
    fake_service_hold(service, "KillUnit");
    fixture_vm(fixture, path, "Remove");
    AWAIT(fake_service_count(service, "KillUnit") > 0); /* QEMU is dead */
    fake_systemd_send_unit_removed(fixture->systemd, unit, TRUE);
    fake_systemd_send_unit_removed(fixture->systemd, unit, FALSE);
    await_silence(500);
    g_assert_false(is_dead(child));
    scripted_assert_string(fixture, path, "RemovalPhase", "stopping");
    g_autofree char *blocker = fixture_get_string(fixture, path, "RemovalBlocker");
    g_assert_nonnull(strstr(blocker, "fake-helper"));
    g_assert_true(g_file_test(disks, G_FILE_TEST_IS_DIR));
    g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), >, 0);
    fake_service_release(service, "KillUnit");
    assert_gone(fixture, path);
    g_assert_true(is_dead(child));
    close(child);
}

/* daemon-reload and daemon-reexec, seen of a VM that runs. */
static void test_false_signals(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, NULL);
    g_autofree char *unit = fixture_unit(fixture, path);
    fake_systemd_send_unit_removed(fixture->systemd, unit, TRUE);
    fake_systemd_send_unit_removed(fixture->systemd, unit, FALSE);
    fixture_vm(fixture, path, "Pause"); /* after which they have been heard */
    scripted_assert_string(fixture, path, "State", "paused");
    g_assert_cmpint(kill(qemu_of(fixture, path), 0), ==, 0);
}

/* M10: it ends by itself meanwhile. */
static void test_ends_by_itself(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, "on file go shutdown");
    scripted_remove(fixture, path, "{'grace-seconds': <uint32 2>}");
    scripted_touch(fixture, "go");
    fixture_await_property(fixture, path, "PID", g_variant_new_uint32(0));
    scripted_assert_string(fixture, path, "State", "removing");
    assert_gone(fixture, path);
}

/* M11: what can't be deleted is seen, keeps its CID, and is tried again; M13: nothing else can be done with it. */

static void assert_removing(Fixture *fixture, const char *path)
{
    static const char *const methods[] = {"Start", "Shutdown", "PowerOff", "Reset", "Pause", "Resume", "OpenConsole"};
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++)
        fixture_vm_fails(fixture, path, methods[i], "Removing", "web");
    fixture_call_fails(fixture, path, BERTH_IFACE_VM, "Configure", g_variant_new("(a{sv}a{sv})", NULL, NULL),
                       "Removing", "web");
    fixture_call_fails(fixture, path, BERTH_IFACE_VM, "OpenLog", g_variant_new("(sa{sv})", "serial", NULL), "Removing",
                       "web");
    fixture_vm_fails(fixture, path, "CancelRemoval", "WrongState", "web");
}

static char *doomed_dir(Fixture *fixture)
{
    g_autofree char *removing = g_build_filename(fixture->state_dir, BERTH_DIR_REMOVING, NULL);
    g_autoptr(GDir) dir = g_dir_open(removing, 0, NULL);
    const char *name = g_dir_read_name(dir);
    g_assert_nonnull(name);
    return g_build_filename(removing, name, NULL);
}

static GVariant *create_another(void)
{
    return g_variant_new("(sa{sv}a{sv})", "another", NULL, NULL);
}

/* (transfer full): a file of the VM that can't be deleted, where it lies when its directory is doomed; NULL: skip */
static char *stuck(Fixture *fixture, const char *path)
{
    g_autofree char *file = scripted_vm_file(fixture, path, "disks/stuck");
    g_assert_true(g_file_set_contents(file, "", -1, NULL));
    if (!scripted_set_immutable(file, TRUE)) {
        g_test_skip("files can't be made immutable here");
        return NULL;
    }
    fixture_vm(fixture, path, "Remove");
    await_phase(fixture, path, "waiting");
    g_autofree char *doomed = doomed_dir(fixture);
    return g_build_filename(doomed, "disks/stuck", NULL);
}

static void test_delete_fails(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *file = stuck(fixture, path);
    if (!file)
        return;
    scripted_assert_string(fixture, path, "State", "removing");
    scripted_assert_last_error(fixture, path, "disks/stuck");
    g_autofree char *blocker = fixture_get_string(fixture, path, "RemovalBlocker");
    g_assert_nonnull(strstr(blocker, "disks/stuck"));
    assert_removing(fixture, path);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM", create_another(), "LimitReached", "");
    /* It is tried again by itself. */
    guint attempt = fixture_get_uint(fixture, path, "RemovalAttempt");
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    AWAIT(recorder_changes(recorder, "RemovalAttempt") > 0);
    g_assert_cmpuint(fixture_get_uint(fixture, path, "RemovalAttempt"), >, attempt);
    await_phase(fixture, path, "waiting");
    g_autoptr(GVariant) next = fixture_get(fixture, path, BERTH_IFACE_VM, "RemovalNextAttemptTimestamp");
    gint64 pause = (gint64) g_variant_get_uint64(next) - g_get_real_time();
    g_assert_cmpint(pause, <=, 2 * G_USEC_PER_SEC); /* twice the first */
    g_assert_true(scripted_set_immutable(file, FALSE));
    remove_and_await(fixture, path); /* at once */
    g_variant_unref(fixture_call(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM", create_another()));
}

/* Without a second Remove; and a daemon that is killed meanwhile goes on with it (M1). */
static void test_delete_fails_restart(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *file = stuck(fixture, path);
    if (!file)
        return;
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "removing");
    scripted_assert_string(fixture, path, "Name", "web");
    assert_removing(fixture, path);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM", create_another(), "LimitReached", "");
    await_phase(fixture, path, "waiting");
    g_assert_true(scripted_set_immutable(file, FALSE));
    assert_gone(fixture, path);
}

static void test_mount_point(Fixture *fixture, gconstpointer unused)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        g_test_skip("no mount namespace can be made here");
        fixture_start_daemon(fixture);
        return;
    }
    fixture_start_daemon(fixture);
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *below = scripted_vm_file(fixture, path, "disks/mnt");
    g_assert_cmpint(g_mkdir(below, 0755), ==, 0);
    g_assert_cmpint(mount("tmpfs", below, "tmpfs", 0, NULL), ==, 0);
    g_autofree char *inside = g_build_filename(below, "precious", NULL);
    g_assert_true(g_file_set_contents(inside, "", -1, NULL));
    fixture_vm(fixture, path, "Remove");
    await_phase(fixture, path, "waiting");
    g_autofree char *doomed = doomed_dir(fixture);
    g_autofree char *moved = g_build_filename(doomed, "disks/mnt", NULL);
    g_autofree char *precious = g_build_filename(moved, "precious", NULL);
    g_autofree char *blocker = fixture_get_string(fixture, path, "RemovalBlocker");
    g_assert_nonnull(strstr(blocker, "mount point"));
    g_assert_true(g_file_test(precious, G_FILE_TEST_EXISTS)); /* it was not asked to go */
    g_assert_cmpint(umount(moved), ==, 0);
    remove_and_await(fixture, path);
}

/* M12: what can't be loaded can be removed. */
static void test_broken(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    fixture_stop_daemon(fixture, SIGTERM);
    make_garbage(definition);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, BERTH_FILE_DEFINITION);
    remove_and_await(fixture, path);
}

static void test_definition_missing(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    fixture_stop_daemon(fixture, SIGTERM);
    g_assert_cmpint(g_unlink(definition), ==, 0);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "broken");
    g_assert_cmpint(kill(qemu_of(fixture, path), 0), ==, 0); /* left alone (M24) */
    remove_and_await(fixture, path);
}

/* M17: the pool is as full as before, after any number of rounds and a crash in each. */
static void test_cids(Fixture *fixture, gconstpointer unused)
{
    for (guint round = 0; round < 3; round++) {
        g_autofree char *path = running(fixture, NULL);
        fixture_vm(fixture, path, "Remove");
        fixture_restart_daemon(fixture);
        assert_gone(fixture, path);
    }
    g_autofree char *one = scripted_vm(fixture, "one", NULL);
    g_autofree char *two = scripted_vm(fixture, "two", NULL);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM", create_another(), "LimitReached", "");
}

/* M18: what comes late from an old VM means nothing to a new one of its name. */
static void test_late(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *old = running(fixture, NULL);
    g_autofree char *unit = fixture_unit(fixture, old);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                       g_variant_new("(sa{sv}a{sv})", "web", NULL, NULL), "NameTaken", "web");
    remove_and_await(fixture, old);
    g_autofree char *path = running(fixture, NULL);
    g_assert_cmpstr(path, !=, old);
    fake_systemd_send_unit_removed(fixture->systemd, unit, FALSE);
    fake_systemd_send(fixture->systemd, "JobRemoved",
                      g_variant_new("(uoss)", 1u, "/org/freedesktop/systemd1/job/1", unit, "failed"));
    fixture_vm(fixture, path, "Pause");
    scripted_assert_string(fixture, path, "State", "paused");
    fixture_call_fails(fixture, old, BERTH_IFACE_VM, "Start", g_variant_new("(a{sv})", NULL),
                       "org.freedesktop.DBus.Error.UnknownObject", "");
}

/* M19: what clients see. */
static void test_seen(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = running(fixture, "on quit wait go");
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    fake_service_hold(service, "StopUnit");
    fixture_vm(fixture, path, "Remove");
    scripted_assert_string(fixture, path, "State", "removing");
    AWAIT(recorder_changes(recorder, "State") == 1);
    scripted_touch(fixture, "go");
    await_phase(fixture, path, "releasing");
    fake_service_release(service, "StopUnit");
    assert_gone(fixture, path);
    g_autofree char *states = recorder_words(recorder, "State");
    g_assert_cmpstr(states, ==, "removing");
    g_autofree char *phases = recorder_words(recorder, "RemovalPhase");
    g_assert_true(g_str_has_prefix(phases, "stopping releasing"));
    AWAIT(recorder_count(recorder, "InterfacesRemoved") > 0);
    g_assert_true(recorder_ends_with_removal(recorder));
}

/* M20: in whatever it comes. */

static void remove_during(Fixture *fixture, const char *path, FixtureCall *call, const char *held)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    fake_service_hold(service, "StopUnit"); /* systemd keeps the order */
    FixtureCall *removal = scripted_begin(fixture, path, "Remove");
    if (call)
        scripted_fails(call, "Cancelled", "");
    scripted_succeeds(removal);
    if (held)
        fake_service_release(service, held);
    fake_service_release(service, "StopUnit");
    assert_gone(fixture, path);
}

static void during_start_held(Fixture *fixture, const char *held)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    fake_service_hold(service, held);
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    AWAIT(fake_service_count(service, held) > 0);
    remove_during(fixture, path, start, held);
}

static void during_start_scripted(Fixture *fixture, const char *script, const char *line)
{
    g_autofree char *path = scripted_vm(fixture, "web", script);
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    scripted_await(fixture, "web", line, 1);
    remove_during(fixture, path, start, NULL);
}

static void test_start_unit(Fixture *fixture, gconstpointer unused)
{
    during_start_held(fixture, "StartTransientUnit");
}

static void test_start_job(Fixture *fixture, gconstpointer unused)
{
    during_start_held(fixture, "JobRemoved");
}

static void test_start_look(Fixture *fixture, gconstpointer unused)
{
    during_start_held(fixture, "GetUnit");
}

static void test_start_greeting(Fixture *fixture, gconstpointer unused)
{
    during_start_scripted(fixture, "on connect wait never", "start");
}

static void test_start_status(Fixture *fixture, gconstpointer unused)
{
    during_start_scripted(fixture, "on query-status wait never", "qmp query-status");
}

static void test_during_shutdown(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, "on system_powerdown wait never");
    FixtureCall *call = scripted_begin(fixture, path, "Shutdown");
    scripted_await(fixture, "web", "qmp system_powerdown", 1);
    fixture_vm(fixture, path, "Remove");
    scripted_fails(call, "Cancelled", "");
    assert_gone(fixture, path);
}

static void test_during_stopping(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, "on system_powerdown ignore");
    fixture_vm(fixture, path, "Shutdown");
    remove_and_await(fixture, path);
}

/* PowerOff gets what it asked for: no process is left. */
static void test_during_power_off(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, "on quit wait never");
    FixtureCall *call = scripted_begin(fixture, path, "PowerOff");
    scripted_await(fixture, "web", "qmp quit", 1);
    fixture_vm(fixture, path, "Remove");
    scripted_succeeds(call);
    assert_gone(fixture, path);
}

/* Sent before the other is answered: each of the two orders is fine, as long as both are answered and it goes. */
static void test_during_configure(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, NULL);
    g_autoptr(FixtureCall) configure =
        fixture_begin(fixture, path, BERTH_IFACE_VM, "Configure",
                      g_variant_new("(@a{sv}a{sv})", g_variant_new_parsed("{'description': <'x'>}"), NULL));
    scripted_succeeds(scripted_begin(fixture, path, "Remove"));
    AWAIT(configure->done);
    g_assert_no_error(configure->error);
    assert_gone(fixture, path);
}

static void test_during_reload(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, NULL);
    g_autoptr(FixtureCall) first =
        fixture_begin(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new("(a{sv})", NULL));
    FixtureCall *removal = scripted_begin(fixture, path, "Remove");
    g_autoptr(FixtureCall) second =
        fixture_begin(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new("(a{sv})", NULL));
    scripted_succeeds(removal);
    AWAIT(first->done && second->done);
    g_assert_no_error(first->error);
    g_assert_no_error(second->error);
    assert_gone(fixture, path);
}

static void test_twice(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, NULL);
    FixtureCall *first = scripted_begin(fixture, path, "Remove");
    FixtureCall *second = scripted_begin(fixture, path, "Remove");
    scripted_succeeds(first);
    scripted_succeeds(second);
    assert_gone(fixture, path);
}

static void test_during_cancel(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, NULL);
    scripted_remove(fixture, path, GRACE);
    FixtureCall *cancel = scripted_begin(fixture, path, "CancelRemoval");
    FixtureCall *removal = scripted_begin(fixture, path, "Remove");
    scripted_succeeds(cancel);
    /* A Remove that was answered is a promise, also where it was asked while the first was being taken back. */
    scripted_succeeds(removal);
    assert_gone(fixture, path);
}

static void test_during_back_off(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm_with(fixture, "web", "{'restart': <'always'>}", NULL);
    fixture_vm(fixture, path, "Start");
    kill(qemu_of(fixture, path), SIGKILL);
    fixture_await_state(fixture, path, "exited");
    remove_and_await(fixture, path);
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
}

static void test_protected(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm_with(fixture, "web", "{'protected': <true>}", NULL);
    fixture_vm_fails(fixture, path, "Remove", "WrongState", "protected");
    scripted_assert_string(fixture, path, "State", "stopped");
    g_assert_false(has_marker(fixture, path));
    g_variant_unref(fixture_call(fixture, path, BERTH_IFACE_VM, "Configure",
                                 g_variant_new("(@a{sv}a{sv})", g_variant_new_parsed("{'protected': <false>}"), NULL)));
    remove_and_await(fixture, path);
}

/* Grace */

static void take_back(Fixture *fixture, const char *path, gboolean restart, const char *state)
{
    pid_t pid = (pid_t) fixture_get_uint(fixture, path, "PID");
    scripted_remove(fixture, path, GRACE);
    scripted_assert_string(fixture, path, "RemovalPhase", "grace");
    g_assert_true(has_marker(fixture, path));
    if (restart)
        fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "removing");
    scripted_assert_string(fixture, path, "RemovalPhase", "grace");
    fixture_vm_fails(fixture, path, "Start", "Removing", "web");
    fixture_vm(fixture, path, "CancelRemoval");
    g_assert_false(has_marker(fixture, path));
    fixture_await_state(fixture, path, state);
    scripted_assert_string(fixture, path, "RemovalPhase", "");
    g_assert_cmpint((pid_t) fixture_get_uint(fixture, path, "PID"), ==, pid);
    fixture_vm_fails(fixture, path, "CancelRemoval", "WrongState", "web");
}

static void test_grace(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    take_back(fixture, path, FALSE, "stopped");
    fixture_vm(fixture, path, "Start");
    take_back(fixture, path, FALSE, "running");
    fixture_vm(fixture, path, "Pause");
    take_back(fixture, path, FALSE, "paused");
    fixture_vm(fixture, path, "Resume");
    scripted_assert_wanted(fixture, path, TRUE);
}

static void test_grace_restart(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    take_back(fixture, path, TRUE, "stopped");
    fixture_vm(fixture, path, "Start");
    take_back(fixture, path, TRUE, "running");
    fixture_vm(fixture, path, "Pause");
    take_back(fixture, path, TRUE, "paused");
    fixture_vm(fixture, path, "Resume");
}

static void test_grace_over(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, NULL);
    pid_t pid = qemu_of(fixture, path);
    scripted_remove(fixture, path, "{'grace-seconds': <uint32 1>}");
    g_assert_cmpint(kill(pid, 0), ==, 0);
    assert_gone(fixture, path);
}

/* M1, where calls show the phase: the daemon is killed in it, and the next one goes on. */

static void test_killed_stopping(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = running(fixture, "on quit wait never");
    int pidfd = pidfd_of(qemu_of(fixture, path));
    fixture_vm(fixture, path, "Remove");
    scripted_assert_string(fixture, path, "RemovalPhase", "stopping");
    fixture_restart_daemon(fixture);
    assert_gone(fixture, path);
    g_assert_true(is_dead(pidfd));
    close(pidfd);
}

static void test_killed_releasing(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = running(fixture, NULL);
    fake_service_hold(service, "StopUnit");
    fixture_vm(fixture, path, "Remove");
    await_phase(fixture, path, "releasing");
    fixture_stop_daemon(fixture, SIGKILL);
    fake_service_release(service, "StopUnit");
    fixture_start_daemon(fixture);
    assert_gone(fixture, path);
}

static void test_killed_starting(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", "on query-status wait never");
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    scripted_await(fixture, "web", "qmp query-status", 1);
    fixture_vm(fixture, path, "Remove");
    fixture_restart_daemon(fixture);
    scripted_fails(start, "Cancelled", "");
    assert_gone(fixture, path);
}

#define ADD(path, func) SCRIPTED_ADD("/removal/" path, "", func)
#define ADD_ONE_CID(path, func) SCRIPTED_ADD("/removal/" path, "[Manager]\nCIDFirst=2000\nCIDLast=2000", func)

static void add_stopping(void)
{
    ADD("M07/running", test_running);
    ADD("M07/stopped-process", test_stopped_process);
    ADD("M07/frozen", test_frozen);
    ADD("M07/quit-ignored", test_quit_ignored);
    ADD("M07/hung", test_hung);
    ADD("M07/paused", test_paused);
    ADD("M07/keeper-killed", test_keeper_killed);
    ADD("M07/bus-lost", test_bus_lost);
    ADD("M08/systemd-silent", test_systemd_silent);
    ADD("M09/child-lives", test_child_lives);
    ADD("M09/false-signals", test_false_signals);
    ADD("M10/ends-by-itself", test_ends_by_itself);
}

static void add_deleting(void)
{
    ADD_ONE_CID("M11/delete-fails", test_delete_fails);
    ADD_ONE_CID("M11/restart", test_delete_fails_restart);
    g_test_add("/removal/M11/mount-point", Fixture, "", scripted_prepare, test_mount_point, fixture_tear_down);
    ADD("M12/broken", test_broken);
    ADD("M12/definition-missing", test_definition_missing);
    SCRIPTED_ADD("/removal/M17/pool", "[Manager]\nCIDFirst=2000\nCIDLast=2001", test_cids);
    ADD("M18/late", test_late);
    ADD("M19/seen", test_seen);
}

static void add_overlaps(void)
{
    ADD("M20/start-unit", test_start_unit);
    ADD("M20/start-job", test_start_job);
    ADD("M20/start-look", test_start_look);
    ADD("M20/start-greeting", test_start_greeting);
    ADD("M20/start-status", test_start_status);
    ADD("M20/shutdown", test_during_shutdown);
    ADD("M20/stopping", test_during_stopping);
    ADD("M20/power-off", test_during_power_off);
    ADD("M20/configure", test_during_configure);
    ADD("M20/reload", test_during_reload);
    ADD("M20/twice", test_twice);
    ADD("M20/cancel", test_during_cancel);
    ADD("M20/back-off", test_during_back_off);
}

static void add(void)
{
    ADD("M01/killed-stopping", test_killed_stopping);
    ADD("M01/killed-releasing", test_killed_releasing);
    ADD("M01/killed-starting", test_killed_starting);
    ADD("M02/stopped", test_marker_refused);
    ADD("M02/running", test_marker_refused_running);
    ADD("M05/garbage", test_unreadable_garbage);
    ADD("M05/directory", test_unreadable_directory);
    ADD("M05/dangling-link", test_unreadable_dangling_link);
    ADD("M05/empty", test_unreadable_empty);
    ADD("M06/copy", test_copied_marker);
    add_stopping();
    add_deleting();
    add_overlaps();
    ADD("protected", test_protected);
    ADD("grace/taken-back", test_grace);
    ADD("grace/restart", test_grace_restart);
    ADD("grace/over", test_grace_over);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
