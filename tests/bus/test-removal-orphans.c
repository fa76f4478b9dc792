/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include "removal-scene.h"
#include "tests/lib/preloads/preload.h"
#include "tests/lib/preloads/stale.h"

/* M22 to M27: what vanishes was not removed, what is not ours is left alone, and what belongs to nobody goes. */

#define OTHER_ID "6b1c9f0e-3c1e-4f2a-9a52-0d7e5c1b8a44"
#define OTHER_PATH "/org/berth/Berth1/vm/_36b1c9f0e_2d3c1e_2d4f2a_2d9a52_2d0d7e5c1b8a44"

/* M22: @hide takes the state directory away, @show brings it back. */

typedef void (*StateFunc)(Fixture *fixture, const char *vms, const char *aside);

static void vanish(Fixture *fixture, StateFunc hide, StateFunc show)
{
    g_autofree char *running = scripted_running(fixture, "{}", NULL);
    g_autofree char *stopped = scripted_vm(fixture, "stopped", NULL);
    g_autofree char *removing = scripted_vm(fixture, "going", NULL);
    g_autofree char *vms = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, NULL);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, removing, BERTH_FILE_DEFINITION);
    pid_t pid = scripted_qemu(fixture, running);
    scripted_remove(fixture, removing, "{'grace-seconds': <uint32 1>}");
    hide(fixture, vms, aside);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new("(a{sv})", NULL),
                       "StorageFailed", "");
    fixture_vm_fails(fixture, running, "Remove", "StorageFailed", "");
    scripted_assert_string(fixture, running, "State", "running");
    fixture_vm(fixture, running, "Pause");
    fixture_vm(fixture, running, "Resume");
    g_assert_cmpint(scripted_qemu(fixture, running), ==, pid);
    fixture_vm_fails(fixture, stopped, "Remove", "StorageFailed", "");
    scripted_assert_string(fixture, stopped, "State", "stopped");
    /* Whose directory can't be found is not deleted either. */
    removal_await_phase(fixture, removing, "waiting");
    show(fixture, vms, aside);
    scripted_reload(fixture, 0, 0, 0);
    scripted_assert_string(fixture, running, "State", "running");
    fixture_await_gone(fixture, removing);
    g_assert_false(g_file_test(definition, G_FILE_TEST_EXISTS));
    fixture_vm(fixture, stopped, "Start");
}

static void rename_away(Fixture *fixture, const char *vms, const char *aside)
{
    g_assert_cmpint(g_rename(vms, aside), ==, 0);
}

static void rename_back(Fixture *fixture, const char *vms, const char *aside)
{
    g_assert_cmpint(g_rename(aside, vms), ==, 0);
}

static void replace(Fixture *fixture, const char *vms, const char *aside)
{
    rename_away(fixture, vms, aside);
    removal_make_directory(vms); /* as an empty mount point is */
}

static void put_back(Fixture *fixture, const char *vms, const char *aside)
{
    g_assert_cmpint(g_rmdir(vms), ==, 0);
    rename_back(fixture, vms, aside);
}

static void cover(Fixture *fixture, const char *vms, const char *aside)
{
    g_assert_cmpint(mount("tmpfs", vms, "tmpfs", 0, NULL), ==, 0);
}

static void uncover(Fixture *fixture, const char *vms, const char *aside)
{
    g_assert_cmpint(umount(vms), ==, 0);
}

static void test_renamed_away(Fixture *fixture, gconstpointer unused)
{
    vanish(fixture, rename_away, rename_back);
}

static void test_replaced(Fixture *fixture, gconstpointer unused)
{
    vanish(fixture, replace, put_back);
}

static void test_covered(Fixture *fixture, gconstpointer unused)
{
    if (removal_start_apart(fixture))
        vanish(fixture, cover, uncover);
}

/* One file can't be read (EIO) when Reload looks: its guest is left alone, and well when the file can be read again. */
static void test_eio(Fixture *fixture, gconstpointer unused)
{
    if (!removal_start_apart(fixture))
        return;
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    pid_t pid = scripted_qemu(fixture, path);
    g_assert_cmpint(mount("/proc/self/mem", definition, NULL, MS_BIND, NULL), ==, 0);
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_string(fixture, path, "State", "broken");
    g_assert_cmpint(scripted_qemu(fixture, path), ==, pid);
    g_assert_cmpint(umount(definition), ==, 0);
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_string(fixture, path, "State", "running");
    g_assert_cmpint(scripted_qemu(fixture, path), ==, pid);
}

/* It is there, and can't be reached: a server has gone, say. */

static char *stale_file(Fixture *fixture)
{
    return g_build_filename(fixture->dir, "stale", NULL);
}

static void set_up_stale(Fixture *fixture, gconstpointer config)
{
    scripted_prepare(fixture, config);
    g_autofree char *file = stale_file(fixture);
    preload_into(&fixture->environ, g_getenv("BERTH_STALE_PRELOAD"));
    fixture->environ = g_environ_setenv(fixture->environ, STALE_VARIABLE, file, TRUE);
    fixture->environ = g_environ_setenv(fixture->environ, STALE_DIRECTORY, fixture->state_dir, TRUE);
    fixture_start_daemon(fixture);
}

static void fail_with(Fixture *fixture, int errnum)
{
    g_autofree char *file = stale_file(fixture);
    g_autofree char *text = g_strdup_printf("%d", errnum);
    removal_write(file, text);
}

static void be_stale(Fixture *fixture, const char *vms, const char *aside)
{
    fail_with(fixture, ESTALE);
}

static void be_forbidden(Fixture *fixture, const char *vms, const char *aside)
{
    fail_with(fixture, EACCES);
}

static void be_damaged(Fixture *fixture, const char *vms, const char *aside)
{
    fail_with(fixture, EIO);
}

static void be_well(Fixture *fixture, const char *vms, const char *aside)
{
    g_autofree char *file = stale_file(fixture);
    removal_delete(file);
}

static void test_stale(Fixture *fixture, gconstpointer unused)
{
    vanish(fixture, be_stale, be_well);
}

static void test_forbidden(Fixture *fixture, gconstpointer unused)
{
    vanish(fixture, be_forbidden, be_well);
}

static void test_damaged(Fixture *fixture, gconstpointer unused)
{
    vanish(fixture, be_damaged, be_well);
}

/* A daemon that starts without it refuses to, and the guests run on. */
static void test_gone_at_start(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *vms = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, NULL);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    int pidfd = scripted_pidfd(scripted_qemu(fixture, path));
    fixture_stop_daemon(fixture, SIGKILL);
    rename_away(fixture, vms, aside);
    removal_make_empty(vms); /* no directory */
    fixture_spawn_daemon(fixture);
    AWAIT(fixture->daemon == 0);
    g_assert_false(scripted_is_dead(pidfd));
    close(pidfd);
    g_assert_cmpint(g_unlink(vms), ==, 0);
    rename_back(fixture, vms, aside);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "running");
}

/* Another one is there instead, as where its file system is not mounted yet: what runs was not started from that one, is
 * no orphan, and is a VM again when the right one is back. */
static void test_another_at_start(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *vms = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, NULL);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    g_autofree char *wrong = g_build_filename(fixture->dir, "wrong", NULL);
    pid_t pid = scripted_qemu(fixture, path);
    fixture_stop_daemon(fixture, SIGKILL);
    rename_away(fixture, vms, aside);
    fixture_start_daemon(fixture);
    g_autofree char *other = scripted_vm(fixture, "other", NULL);
    scripted_start(fixture, other); /* it has long looked around by then */
    g_assert_cmpuint(fake_service_count(service, "StopUnit"), ==, 0);
    fixture_vm(fixture, other, "Remove");
    fixture_await_gone(fixture, other);
    fixture_stop_daemon(fixture, SIGTERM);
    rename_away(fixture, vms, wrong);
    rename_back(fixture, vms, aside);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "running");
    g_assert_cmpint(scripted_qemu(fixture, path), ==, pid);
}

/* M23 */

static void test_name_is_not_id(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *other = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, OTHER_ID, NULL);
    g_autofree char *stray = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, "lost+found", NULL);
    fixture_stop_daemon(fixture, SIGTERM);
    g_assert_cmpint(g_rename(dir, other), ==, 0);
    removal_make_directory(stray);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, OTHER_PATH, "State", "broken");
    scripted_assert_last_error(fixture, OTHER_PATH, "name is not the id");
    g_autoptr(GPtrArray) vms = fixture_vms(fixture);
    g_assert_cmpuint(vms->len, ==, 1); /* what is no VM's is nobody's business */
    g_assert_true(g_file_test(stray, G_FILE_TEST_IS_DIR));
    fixture_vm_fails(fixture, OTHER_PATH, "Start", "WrongState", "broken");
    g_assert_cmpint(g_rename(other, dir), ==, 0);
    scripted_reload(fixture, 1, 1, 0);
    scripted_assert_string(fixture, path, "State", "stopped");
    fixture_vm(fixture, OTHER_PATH, "Remove");
    fixture_await_gone(fixture, OTHER_PATH);
    scripted_assert_string(fixture, path, "State", "stopped");
    g_assert_true(g_file_test(stray, G_FILE_TEST_IS_DIR));
    removal_delete(stray);
}

/* M24: a guest whose files can't be loaded. */

static char *running_broken(Fixture *fixture, void (*damage)(const char *file), pid_t *pid)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    *pid = scripted_qemu(fixture, path);
    fixture_stop_daemon(fixture, SIGKILL);
    damage(definition);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "broken");
    g_assert_cmpint(scripted_qemu(fixture, path), ==, *pid);
    g_assert_cmpint(kill(*pid, 0), ==, 0);
    return g_steal_pointer(&path);
}

static void remove_running_broken(Fixture *fixture, void (*damage)(const char *file))
{
    pid_t pid;
    g_autofree char *path = running_broken(fixture, damage, &pid);
    int pidfd = scripted_pidfd(pid);
    g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), ==, 2000); /* whose it is until it is dead */
    fixture_vm(fixture, path, "Remove");
    fixture_await_gone(fixture, path);
    g_assert_true(scripted_is_dead(pidfd));
    close(pidfd);
    fixture_assert_clean(fixture);
    removal_assert_cids_free(fixture);
}

static void test_running_garbage(Fixture *fixture, gconstpointer unused)
{
    remove_running_broken(fixture, removal_make_garbage);
}

static void test_running_missing(Fixture *fixture, gconstpointer unused)
{
    remove_running_broken(fixture, removal_delete);
}

static void test_running_taken_back(Fixture *fixture, gconstpointer unused)
{
    pid_t pid;
    g_autofree char *path = running_broken(fixture, removal_make_garbage, &pid);
    scripted_remove(fixture, path, REMOVAL_GRACE);
    scripted_assert_string(fixture, path, "State", "removing");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "removing");
    g_assert_cmpint(scripted_qemu(fixture, path), ==, pid);
    fixture_vm(fixture, path, "CancelRemoval");
    scripted_assert_string(fixture, path, "State", "broken");
    g_assert_cmpint(scripted_qemu(fixture, path), ==, pid);
    g_assert_cmpint(kill(pid, 0), ==, 0);
}

/* M25 */

/* While it lives its CID is its own. */
static void test_orphan(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *runtime = scripted_runtime_dir(fixture, path);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    int pidfd = scripted_pidfd(scripted_qemu(fixture, path));
    fixture_stop_daemon(fixture, SIGKILL);
    g_assert_cmpint(g_rename(dir, aside), ==, 0);
    fake_service_hold(service, "StopUnit");
    fixture_start_daemon(fixture);
    AWAIT(fake_service_count(service, "StopUnit") > 0);
    g_assert_false(scripted_is_dead(pidfd));
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                       g_variant_new("(sa{sv}a{sv})", "web", NULL, NULL), "LimitReached", "in use");
    g_autoptr(GFile) file = g_file_new_for_path(fixture->runtime_dir);
    g_autoptr(GFileMonitor) monitor = g_file_monitor_directory(file, G_FILE_MONITOR_NONE, NULL, NULL);
    fake_service_release(service, "StopUnit");
    AWAIT(!g_file_test(runtime, G_FILE_TEST_EXISTS));
    g_assert_true(scripted_is_dead(pidfd));
    close(pidfd);
    fixture_assert_clean(fixture);
    g_autoptr(GPtrArray) vms = fixture_vms(fixture);
    g_assert_cmpuint(vms->len, ==, 0);
    g_free(fixture_create(fixture, "web", NULL));
}

/* systemd has given its scope up, and does not kill any more. */
static void test_orphan_given_up(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *unit = fixture_unit(fixture, path);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *runtime = scripted_runtime_dir(fixture, path);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    int pidfd = scripted_pidfd(scripted_qemu(fixture, path));
    fixture_stop_daemon(fixture, SIGKILL);
    g_assert_cmpint(g_rename(dir, aside), ==, 0);
    fake_systemd_forget(fixture->systemd, unit);
    g_autoptr(GFile) file = g_file_new_for_path(fixture->runtime_dir);
    g_autoptr(GFileMonitor) monitor = g_file_monitor_directory(file, G_FILE_MONITOR_NONE, NULL, NULL);
    fixture_start_daemon(fixture);
    AWAIT(!g_file_test(runtime, G_FILE_TEST_EXISTS));
    g_assert_true(scripted_is_dead(pidfd));
    close(pidfd);
    g_free(fixture_create(fixture, "web", NULL));
}

/* systemd does not do it at once. */
static void test_orphan_tried_again(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    int pidfd = scripted_pidfd(scripted_qemu(fixture, path));
    fixture_stop_daemon(fixture, SIGKILL);
    g_assert_cmpint(g_rename(dir, aside), ==, 0);
    fake_service_fail(service, "StopUnit", "org.freedesktop.DBus.Error.NoReply", 2);
    fixture_start_daemon(fixture);
    scripted_await_dead(pidfd);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
    AWAIT(fake_service_count(service, "StopUnit") == 3);
}

/* A scope that only looks like ours: there is no runtime directory of that name. */
static void test_foreign_scope(Fixture *fixture, gconstpointer unused)
{
    static const char unit[] = "berth-" OTHER_ID ".scope";
    pid_t other = removal_bystander();
    scripted_start_scope(fixture, unit, other);
    fixture_restart_daemon(fixture);
    g_autofree char *path = scripted_running(fixture, "{}", NULL); /* it has long looked around by then */
    fixture_vm(fixture, path, "PowerOff");
    g_autofree char *state = fake_systemd_state(fixture->systemd, unit);
    g_assert_cmpstr(state, ==, "active");
    removal_end_bystander(other);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
}

/* M26 */
static void test_second_daemon(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    removal_refuse_second_daemon(fixture);
    fixture_vm(fixture, path, "Pause"); /* the first one is as it was */
    removal_and_await(fixture, path);
}

/* M27: the host goes down in the middle, and everything of /run and every process with it. */

static void test_down_stopping(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on quit wait never");
    fixture_vm(fixture, path, "Remove");
    scripted_assert_string(fixture, path, "RemovalPhase", "stopping");
    removal_reboot(fixture);
    removal_assert_gone(fixture, path);
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
}

static void test_down_releasing(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    fake_service_hold(service, "StopUnit");
    fixture_vm(fixture, path, "Remove");
    removal_await_phase(fixture, path, "releasing");
    removal_reboot(fixture);
    fake_service_release(service, "StopUnit");
    removal_assert_gone(fixture, path);
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
}

/* What stands in the way of it before the boot still does after it. */
static void test_down_deleting(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *stuck = scripted_vm_file(fixture, path, "disks/stuck");
    removal_make_empty(stuck);
    if (!scripted_set_immutable(stuck, TRUE)) {
        g_test_skip("files can't be made immutable here");
        return;
    }
    fixture_vm(fixture, path, "Remove");
    removal_await_phase(fixture, path, "waiting");
    g_autofree char *doomed = removal_doomed_dir(fixture);
    g_autofree char *moved = g_build_filename(doomed, "disks/stuck", NULL);
    removal_reboot(fixture);
    removal_await_phase(fixture, path, "waiting");
    g_assert_true(scripted_set_immutable(moved, FALSE));
    removal_assert_gone(fixture, path);
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
}

/* In its grace time it waits on, and does not run meanwhile; taken back, it was wanted when the host went down. */
static void test_down_grace(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    scripted_remove(fixture, path, REMOVAL_GRACE);
    removal_reboot(fixture);
    scripted_assert_string(fixture, path, "State", "removing");
    scripted_assert_string(fixture, path, "RemovalPhase", "grace");
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
    removal_and_await(fixture, path);
}

#define ADD_STALE(path, func) g_test_add("/removal/" path, Fixture, "", set_up_stale, func, fixture_tear_down)

static void add(void)
{
    REMOVAL_ADD("M22/renamed-away", test_renamed_away);
    REMOVAL_ADD("M22/replaced", test_replaced);
    REMOVAL_ADD_APART("M22/covered", test_covered);
    REMOVAL_ADD_APART("M22/eio", test_eio);
    ADD_STALE("M22/ESTALE", test_stale);
    ADD_STALE("M22/EACCES", test_forbidden);
    ADD_STALE("M22/EIO", test_damaged);
    REMOVAL_ADD("M22/gone-at-start", test_gone_at_start);
    REMOVAL_ADD("M22/another-at-start", test_another_at_start);
    REMOVAL_ADD("M23/name-is-not-id", test_name_is_not_id);
    REMOVAL_ADD_TWO_CIDS("M24/garbage", test_running_garbage);
    REMOVAL_ADD_TWO_CIDS("M24/missing", test_running_missing);
    REMOVAL_ADD("M24/taken-back", test_running_taken_back);
    SCRIPTED_ADD("/removal/M25/orphan", "[Manager]\nCIDFirst=2000\nCIDLast=2000", test_orphan);
    SCRIPTED_ADD("/removal/M25/orphan-given-up", "[Manager]\nCIDFirst=2000\nCIDLast=2000", test_orphan_given_up);
    REMOVAL_ADD("M25/tried-again", test_orphan_tried_again);
    REMOVAL_ADD("M25/foreign-scope", test_foreign_scope);
    REMOVAL_ADD("M26/second-daemon", test_second_daemon);
    REMOVAL_ADD_PATIENT("M27/stopping", test_down_stopping);
    REMOVAL_ADD("M27/releasing", test_down_releasing);
    REMOVAL_ADD("M27/deleting", test_down_deleting);
    REMOVAL_ADD("M27/grace", test_down_grace);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
