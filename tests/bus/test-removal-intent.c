/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include "removal-scene.h"
#include "tests/lib/preloads/hold.h"

/* M1 to M6: what was asked to go goes, whatever happens next; what was not asked to go stays. */

/* M1, where calls show the phase: the daemon is killed in it, and the next one goes on. */

static void test_killed_stopping(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on quit wait go");
    int pidfd = scripted_pidfd(scripted_qemu(fixture, path));
    fixture_vm(fixture, path, "Remove");
    scripted_assert_string(fixture, path, "RemovalPhase", "stopping");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "removing");
    scripted_touch(fixture, "go");
    removal_assert_gone(fixture, path);
    g_assert_true(scripted_is_dead(pidfd));
    close(pidfd);
}

static void test_killed_releasing(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    fake_service_hold(service, "StopUnit");
    fixture_vm(fixture, path, "Remove");
    removal_await_phase(fixture, path, "releasing");
    fixture_stop_daemon(fixture, SIGKILL);
    fake_service_release(service, "StopUnit");
    fixture_start_daemon(fixture);
    removal_assert_gone(fixture, path);
}

static void test_killed_starting(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", "on query-status wait never");
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    scripted_await(fixture, "web", "qmp query-status", 1);
    fixture_vm(fixture, path, "Remove");
    fixture_restart_daemon(fixture);
    scripted_fails(start, "Cancelled", "");
    removal_assert_gone(fixture, path);
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
    g_assert_false(removal_has_marker(fixture, path));
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
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    pid_t pid = scripted_qemu(fixture, path);
    refuse_marker(fixture, path, "running");
    g_assert_cmpint(scripted_qemu(fixture, path), ==, pid);
    scripted_assert_wanted(fixture, path, TRUE);
}

/* @path runs, and its marker can't be written. */
static void assert_not_removed(Fixture *fixture, const char *path)
{
    fixture_vm_fails(fixture, path, "Remove", "StorageFailed", "");
    g_assert_false(removal_has_marker(fixture, path));
    scripted_assert_string(fixture, path, "State", "running");
    scripted_assert_string(fixture, path, "RemovalPhase", "");
}

static void test_disk_full(Fixture *fixture, gconstpointer unused)
{
    if (!removal_start_apart(fixture))
        return;
    fixture_stop_daemon(fixture, SIGTERM);
    g_assert_cmpint(mount("tmpfs", fixture->state_dir, "tmpfs", 0, "size=1m,mode=0755"), ==, 0);
    fixture_start_daemon(fixture);
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *filler = g_build_filename(fixture->state_dir, "filler", NULL);
    FILE *stream = g_fopen(filler, "w");
    while (fputs("full", stream) >= 0 && fflush(stream) == 0)
        ;
    fclose(stream);
    assert_not_removed(fixture, path);
    g_assert_cmpint(g_unlink(filler), ==, 0);
    fixture_vm(fixture, path, "Pause");
    removal_and_await(fixture, path);
    fixture_stop_daemon(fixture, SIGTERM);
    g_assert_cmpint(umount(fixture->state_dir), ==, 0);
}

static void test_disk_read_only(Fixture *fixture, gconstpointer unused)
{
    if (!removal_start_apart(fixture))
        return;
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_assert_cmpint(mount(dir, dir, NULL, MS_BIND, NULL), ==, 0);
    g_assert_cmpint(mount(NULL, dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), ==, 0);
    assert_not_removed(fixture, path);
    g_assert_cmpint(umount(dir), ==, 0);
    fixture_vm(fixture, path, "Pause");
    removal_and_await(fixture, path);
}

/* M4: marked, wanted, damaged: nothing starts it. */

typedef struct {
    const char *name, *file;
    void (*damage)(const char *file);
    char *path, *spoilt;
} Damaged;

static void mark_wanted(Fixture *fixture, Damaged *vm)
{
    vm->path = scripted_vm_with(fixture, vm->name, "{'restart': <'always'>}", NULL);
    vm->spoilt = scripted_vm_file(fixture, vm->path, vm->file);
    fixture_vm(fixture, vm->path, "Start");
    scripted_remove(fixture, vm->path, REMOVAL_GRACE);
}

static void assert_never_started(Fixture *fixture, const Damaged *vm)
{
    scripted_assert_string(fixture, vm->path, "State", "removing");
    g_assert_cmpuint(fixture_get_uint(fixture, vm->path, "PID"), ==, 0);
    g_assert_cmpuint(scripted_count(fixture, vm->name, "start"), ==, 1);
}

/* @come_back: how the next daemon finds them without a process. */
static void never_start(Fixture *fixture, void (*come_back)(Fixture *fixture))
{
    Damaged vms[] = {
        {"whole", BERTH_FILE_WANTED, NULL, NULL, NULL},
        {"garbage", BERTH_FILE_DEFINITION, removal_make_garbage, NULL, NULL},
        {"empty", BERTH_FILE_DEFINITION, removal_make_empty, NULL, NULL},
        {"directory", BERTH_FILE_DEFINITION, removal_make_directory, NULL, NULL},
        {"missing", BERTH_FILE_DEFINITION, removal_delete, NULL, NULL},
        {"no-disks", BERTH_DIR_DISKS, removal_delete, NULL, NULL},
        {"wanted", BERTH_FILE_WANTED, removal_make_dangling_link, NULL, NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(vms); i++)
        mark_wanted(fixture, &vms[i]);
    removal_kill_all(fixture);
    for (guint i = 0; i < G_N_ELEMENTS(vms); i++)
        if (vms[i].damage)
            vms[i].damage(vms[i].spoilt);
    come_back(fixture);
    scripted_reload(fixture, 0, 0, 0);
    await_silence(2300); /* more than the policy's first pause */
    for (guint i = 0; i < G_N_ELEMENTS(vms); i++)
        assert_never_started(fixture, &vms[i]);
    for (guint i = 0; i < G_N_ELEMENTS(vms); i++) {
        fixture_vm(fixture, vms[i].path, "Remove");
        fixture_await_gone(fixture, vms[i].path);
        g_assert_cmpuint(scripted_count(fixture, vms[i].name, "start"), ==, 1);
        g_free(vms[i].path);
        g_free(vms[i].spoilt);
    }
}

static void after_crash(Fixture *fixture)
{
    fixture_start_daemon(fixture);
}

static void after_boot(Fixture *fixture)
{
    removal_delete(fixture->runtime_dir);
    g_assert_cmpint(g_mkdir(fixture->runtime_dir, 0755), ==, 0);
    fixture_start_daemon(fixture);
}

static void test_never_after_boot(Fixture *fixture, gconstpointer unused)
{
    never_start(fixture, after_boot);
}

static void test_never_by_policy(Fixture *fixture, gconstpointer unused)
{
    never_start(fixture, after_crash);
}

/* Its restart falls due while the marker is on its way to the disk. */
static void test_never_while_marking(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *holds = g_build_filename(fixture->dir, "hold", NULL);
    Hold *hold = hold_new(holds, g_getenv("BERTH_HOLD_PRELOAD"), &fixture->environ);
    fixture_start_daemon(fixture);
    g_autofree char *path = scripted_vm_with(fixture, "web", "{'restart': <'always'>}", NULL);
    fixture_vm(fixture, path, "Start");
    hold_at(hold, HOLD_MARK);
    FixtureCall *removal = scripted_begin(fixture, path, "Remove");
    hold_await(hold, HOLD_MARK);
    kill(scripted_qemu(fixture, path), SIGKILL);
    fixture_await_state(fixture, path, "exited");
    await_silence(2300);
    scripted_assert_string(fixture, path, "State", "exited");
    hold_release(hold);
    scripted_succeeds(removal);
    removal_assert_gone(fixture, path);
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
    hold_free(hold);
}

/* M5: a marker that can't be read deletes nothing and starts nothing. @uncover: (nullable): makes it go again */
static void unreadable_marker(Fixture *fixture, void (*make)(const char *marker), gboolean (*uncover)(const char *))
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *marker = scripted_vm_file(fixture, path, BERTH_FILE_MARKER);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    removal_kill_all(fixture);
    make(marker);
    after_boot(fixture);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, "marker");
    scripted_reload(fixture, 0, 0, 0);
    scripted_assert_string(fixture, path, "State", "broken");
    g_assert_true(g_file_test(definition, G_FILE_TEST_EXISTS));
    g_assert_true(removal_has_marker(fixture, path));
    g_assert_cmpuint(scripted_count(fixture, "web", "start"), ==, 1);
    fixture_vm_fails(fixture, path, "Start", "WrongState", "broken");
    if (uncover)
        g_assert_true(uncover(marker));
    removal_and_await(fixture, path);
}

#define UNREADABLE(name)                                                                                               \
    static void test_##name(Fixture *fixture, gconstpointer unused)                                                    \
    {                                                                                                                  \
        unreadable_marker(fixture, removal_make_##name, NULL);                                                         \
    }
UNREADABLE(garbage)
UNREADABLE(empty)
UNREADABLE(directory)
UNREADABLE(dangling_link)

/* Files of the kernel's that can be mounted over a marker: reading one is EIO, opening the other is EACCES, for root
 * too. */

static void cover(const char *marker, const char *with)
{
    removal_make_empty(marker);
    g_assert_cmpint(mount(with, marker, NULL, MS_BIND, NULL), ==, 0);
}

static gboolean uncover(const char *marker)
{
    return umount(marker) == 0;
}

static void make_unreadable(const char *marker)
{
    cover(marker, "/proc/self/mem");
}

#define WRITE_ONLY "/sys/bus/pci/rescan"

static void make_forbidden(const char *marker)
{
    cover(marker, WRITE_ONLY);
}

static void test_eio(Fixture *fixture, gconstpointer unused)
{
    if (removal_start_apart(fixture))
        unreadable_marker(fixture, make_unreadable, uncover);
}

static void test_eacces(Fixture *fixture, gconstpointer unused)
{
    if (!removal_start_apart(fixture))
        return;
    if (access(WRITE_ONLY, F_OK) < 0)
        g_test_skip("there is no file here that even root can't open for reading");
    else
        unreadable_marker(fixture, make_forbidden, uncover);
}

/* M6 */

/* The directory is a copy: a restored backup was never asked to go. */
static void test_copied_marker(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    scripted_remove(fixture, path, REMOVAL_GRACE);
    fixture_stop_daemon(fixture, SIGKILL);
    g_assert_cmpint(g_rename(dir, aside), ==, 0);
    scripted_copy_tree(aside, dir);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, "copy");
    g_assert_true(removal_has_marker(fixture, path));
    removal_and_await(fixture, path); /* now it is asked to go */
}

/* One field of a marker that was written for this very directory is another's. */
static void another_marker(Fixture *fixture, const char *key, const char *words)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *marker = scripted_vm_file(fixture, path, BERTH_FILE_MARKER);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    g_autofree char *disks = scripted_vm_file(fixture, path, BERTH_DIR_DISKS);
    g_autofree char *own_id = fixture_get_string(fixture, path, "Id");
    scripted_remove(fixture, path, REMOVAL_GRACE);
    fixture_stop_daemon(fixture, SIGKILL);
    removal_age_marker(fixture, own_id, g_get_real_time() - 1); /* of the one that it was made for */
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(marker, &text, NULL, NULL));
    g_autofree char *pattern = g_strdup_printf("(\"%s\"\\s*:\\s*\")[0-9a-f]", key);
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
    g_autofree char *digit_a = g_regex_replace(regex, text, -1, 0, "\\1a", 0, NULL);
    g_autofree char *digit_b = g_regex_replace(regex, text, -1, 0, "\\1b", 0, NULL);
    removal_write(marker, g_str_equal(digit_a, text) ? digit_b : digit_a);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, words);
    scripted_reload(fixture, 0, 0, 0);
    scripted_assert_string(fixture, path, "State", "broken");
    g_assert_true(g_file_test(definition, G_FILE_TEST_EXISTS) && g_file_test(disks, G_FILE_TEST_IS_DIR));
    removal_and_await(fixture, path);
}

static void test_other_incarnation(Fixture *fixture, gconstpointer unused)
{
    another_marker(fixture, "incarnation", "incarnation");
}

static void test_other_vm(Fixture *fixture, gconstpointer unused)
{
    another_marker(fixture, "id", "another VM");
}

/* cp -a of a VM that is going, under a name of its own: the copy stays, and its elder goes. */
static void test_copied_vm(Fixture *fixture, gconstpointer unused)
{
    static const char id[] = "6b1c9f0e-3c1e-4f2a-9a52-0d7e5c1b8a44";
    static const char copy_path[] = "/org/berth/Berth1/vm/_36b1c9f0e_2d3c1e_2d4f2a_2d9a52_2d0d7e5c1b8a44";
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *copy = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, id, NULL);
    scripted_remove(fixture, path, REMOVAL_GRACE);
    scripted_copy_tree(dir, copy);
    scripted_reload(fixture, 1, 0, 0);
    scripted_assert_string(fixture, copy_path, "State", "broken");
    scripted_assert_last_error(fixture, copy_path, "another VM");
    fixture_vm(fixture, path, "Remove");
    fixture_await_gone(fixture, path);
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, copy_path, "State", "broken");
    g_assert_true(g_file_test(copy, G_FILE_TEST_IS_DIR));
}

/* Somebody puts another directory in its place before it is deleted: that one was never asked to go. */
static void test_replaced(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    g_autofree char *precious = g_build_filename(dir, "precious", NULL);
    scripted_remove(fixture, path, "{'grace-seconds': <uint32 1>}");
    g_assert_cmpint(g_rename(dir, aside), ==, 0);
    removal_make_directory(dir);
    removal_make_empty(precious);
    removal_await_phase(fixture, path, "waiting");
    removal_await_blocker(fixture, path, "is not the one");
    g_assert_true(g_file_test(precious, G_FILE_TEST_IS_REGULAR));
    removal_delete(dir);
    g_assert_cmpint(g_rename(aside, dir), ==, 0);
    removal_assert_gone(fixture, path);
}

static void test_protected(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm_with(fixture, "web", "{'protected': <true>}", NULL);
    fixture_vm_fails(fixture, path, "Remove", "WrongState", "protected");
    scripted_assert_string(fixture, path, "State", "stopped");
    g_assert_false(removal_has_marker(fixture, path));
    g_variant_unref(fixture_call(fixture, path, BERTH_IFACE_VM, "Configure",
                                 g_variant_new("(@a{sv}a{sv})", g_variant_new_parsed("{'protected': <false>}"), NULL)));
    removal_and_await(fixture, path);
}

static void add(void)
{
    REMOVAL_ADD_PATIENT("M01/killed-stopping", test_killed_stopping);
    REMOVAL_ADD("M01/killed-releasing", test_killed_releasing);
    REMOVAL_ADD("M01/killed-starting", test_killed_starting);
    REMOVAL_ADD("M02/stopped", test_marker_refused);
    REMOVAL_ADD("M02/running", test_marker_refused_running);
    REMOVAL_ADD_APART("M02/disk-full", test_disk_full);
    REMOVAL_ADD_APART("M02/disk-read-only", test_disk_read_only);
    REMOVAL_ADD("M04/after-boot", test_never_after_boot);
    REMOVAL_ADD("M04/by-policy", test_never_by_policy);
    REMOVAL_ADD_APART("M04/while-marking", test_never_while_marking);
    REMOVAL_ADD("M05/garbage", test_garbage);
    REMOVAL_ADD("M05/empty", test_empty);
    REMOVAL_ADD("M05/directory", test_directory);
    REMOVAL_ADD("M05/dangling-link", test_dangling_link);
    REMOVAL_ADD_APART("M05/eio", test_eio);
    REMOVAL_ADD_APART("M05/eacces", test_eacces);
    REMOVAL_ADD("M06/copy", test_copied_marker);
    REMOVAL_ADD("M06/copied-vm", test_copied_vm);
    REMOVAL_ADD("M06/other-vm", test_other_vm);
    REMOVAL_ADD("M06/other-incarnation", test_other_incarnation);
    REMOVAL_ADD("M06/replaced", test_replaced);
    REMOVAL_ADD("protected", test_protected);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
