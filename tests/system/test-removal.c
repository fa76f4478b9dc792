/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "scene.h"

#define FAKE_QEMU "/usr/local/bin/berth-test-qemu"

/* Once Remove has answered, the VM will be gone; until everything of it is, it stays visible; and nothing else goes. */

static char *vm_dir(const Guest *guest)
{
    return g_strdup_printf("/var/lib/berth/vms/%s", guest->id);
}

static void assert_not_found(const char *name)
{
    client_fails(scene_bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", name), "NotFound",
                 name);
}

/* Waits for the end of a removal that was asked for, and holds that nothing is left. */
static void assert_goes(Guest *guest, const char *name)
{
    client_await_gone(guest->vm);
    assert_not_found(name);
    assert_not_found(guest->id);
    guest_assert_no_trace(guest->id);
    client_vm_fails(scene_bus, guest->path, "Remove", "org.freedesktop.DBus.Error.UnknownObject", "");
    g_assert_cmpuint(client_n_removed(guest->vm), ==, 1);
    guest_forget(guest);
}

static void remove_with_grace(Guest *guest, guint seconds)
{
    g_variant_unref(client_call(scene_bus, guest->path, BERTH_IFACE_VM, "Remove",
                                g_variant_new_parsed("({'grace-seconds': <%u>},)", seconds)));
}

static void test_running(void)
{
    Guest *guest = guest_new_booted("running", NULL);
    g_autoptr(Guest) other = guest_new_booted("bystander", NULL);
    int qemu = scene_pidfd(guest_qemu(guest)), keeper = scene_pidfd(guest_keeper(guest));
    client_vm(scene_bus, guest->path, "Remove");
    client_await_state(guest->vm, "removing");
    client_await_gone(guest->vm);
    g_autofree char *states = client_history(guest->vm, "State");
    g_assert_cmpstr(states, ==, "stopped starting running removing");
    /* By then nobody of it lives. */
    scene_await_death(qemu);
    scene_await_death(keeper);
    assert_goes(guest, "running");
    g_assert_cmpfloat(guest_uptime(other), >, 0);
}

static void assert_removing(Guest *guest, const char *method)
{
    client_vm_fails(scene_bus, guest->path, method, "Removing", "");
}

/* As long as QEMU does not end, the VM stays, with its phase and what holds it up, and all that might still be written to. */
static void test_held_up(void)
{
    scene_configure("[VM]\nPowerOffTimeoutSec=1h\n");
    Guest *guest = guest_new_booted("stubborn", NULL);
    g_autofree char *dir = vm_dir(guest);
    pid_t qemu = guest_qemu(guest);
    g_assert_cmpint(kill(qemu, SIGSTOP), ==, 0);
    client_vm(scene_bus, guest->path, "Remove");
    client_await(guest->vm, "RemovalPhase", g_variant_new_string("stopping"));
    client_await(guest->vm, "WantRunning", g_variant_new_boolean(FALSE));
    assert_removing(guest, "Start");
    assert_removing(guest, "Shutdown");
    assert_removing(guest, "PowerOff");
    assert_removing(guest, "Reset");
    assert_removing(guest, "Pause");
    assert_removing(guest, "Resume");
    assert_removing(guest, "OpenConsole");
    client_vm_fails(scene_bus, guest->path, "CancelRemoval", "WrongState", "");
    client_vm(scene_bus, guest->path, "Remove"); /* again is no harm */
    g_assert_true(g_file_test(dir, G_FILE_TEST_IS_DIR));
    g_assert_cmpint(kill(qemu, SIGKILL), ==, 0);
    assert_goes(guest, "stubborn");
    scene_configure(NULL);
}

static void test_grace(void)
{
    g_autoptr(Guest) guest = guest_new_booted("undecided", NULL);
    pid_t qemu = guest_qemu(guest);
    remove_with_grace(guest, 3600);
    client_await(guest->vm, "RemovalPhase", g_variant_new_string("grace"));
    g_assert_cmpfloat(guest_uptime(guest), >, 0);
    client_vm(scene_bus, guest->path, "CancelRemoval");
    client_await_state(guest->vm, "running");
    client_await(guest->vm, "RemovalPhase", g_variant_new_string(""));
    client_await(guest->vm, "WantRunning", g_variant_new_boolean(TRUE));
    g_assert_cmpint(guest_qemu(guest), ==, qemu);
    g_assert_cmpuint(client_n_removed(guest->vm), ==, 0);
    client_vm_fails(scene_bus, guest->path, "CancelRemoval", "WrongState", "");
    scene_restart_daemon();
    guest_rewatch(guest);
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, "running");
}

static void test_grace_passes(void)
{
    Guest *guest = guest_new("brief", NULL);
    remove_with_grace(guest, 1);
    client_await_gone(guest->vm);
    g_autofree char *phases = client_history(guest->vm, "RemovalPhase");
    g_assert_nonnull(strstr(phases, "grace"));
    assert_goes(guest, "brief");
}

static void configure(Guest *guest, GVariant *changes)
{
    g_variant_unref(client_call(scene_bus, guest->path, BERTH_IFACE_VM, "Configure",
                                g_variant_new("(@a{sv}a{sv})", changes, NULL)));
}

static void test_protected(void)
{
    Guest *guest = guest_new("dear", g_variant_new_parsed("{'protected': <true>}"));
    client_vm_fails(scene_bus, guest->path, "Remove", "WrongState", "protected");
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, "stopped");
    configure(guest, g_variant_new_parsed("{'protected': <false>}"));
    client_vm(scene_bus, guest->path, "Remove");
    assert_goes(guest, "dear");
}

static gboolean is_held_up(Guest *guest, const char *words)
{
    return g_str_equal(client_told_string(guest->vm, "RemovalPhase"), "waiting") &&
           strstr(client_told_string(guest->vm, "RemovalBlocker"), words) &&
           g_variant_get_uint64(client_told(guest->vm, "RemovalNextAttemptTimestamp")) > 0;
}

/* A deletion that fails is tried again, and says why; Remove tries at once. */
static void test_mount_point(void)
{
    Guest *guest = guest_new("mounted", NULL);
    g_autofree char *point = g_strdup_printf("/var/lib/berth/vms/%s/disks/mnt", guest->id);
    g_assert_cmpint(g_mkdir(point, 0755), ==, 0);
    g_assert_cmpint(mount("tmpfs", point, "tmpfs", 0, NULL), ==, 0);
    g_autofree char *inside = g_build_filename(point, "precious", NULL);
    g_assert_true(g_file_set_contents(inside, "x", -1, NULL));
    client_vm(scene_bus, guest->path, "Remove");
    CLIENT_AWAIT(is_held_up(guest, "mount point"), "Nothing is told to hold it up");
    client_await_other(guest->vm, "RemovalAttempt"); /* by itself */
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, "removing");

    g_autofree char *find = g_strdup_printf("findmnt --noheadings --output TARGET --list | grep %s", guest->id);
    g_autofree char *where = scene_run("sh", "-c", find, NULL);
    g_autofree char *kept = g_build_filename(where, "precious", NULL);
    g_assert_true(g_file_test(kept, G_FILE_TEST_EXISTS));
    g_assert_cmpint(umount2(where, MNT_DETACH), ==, 0); /* the daemon may be looking at it */
    client_vm(scene_bus, guest->path, "Remove");
    assert_goes(guest, "mounted");
}

/* Links are links; what they point at is not the VM's. */
static void test_links(void)
{
    static const char outside[] = "/var/tmp/berth-outside";
    g_assert_cmpint(g_mkdir_with_parents(outside, 0755), ==, 0);
    g_assert_true(g_file_set_contents("/var/tmp/berth-outside/file", "kept", -1, NULL));
    Guest *guest = guest_new("linked", NULL);
    g_autofree char *dir = vm_dir(guest);
    g_free(scene_run("sh", "-ec",
                     "cd \"$0\"; ln -s \"$1\" disks/dir; ln -s \"$1/file\" disks/file; ln -s / logs/root;"
                     " ln -s . disks/self; ln \"$1/file\" disks/hard; mkdir -p disks/a/b/c; touch 'disks/a/b/c/\xff\n'",
                     dir, outside, NULL));
    client_vm(scene_bus, guest->path, "Remove");
    assert_goes(guest, "linked");
    g_autofree char *kept = scene_run("cat", "/var/tmp/berth-outside/file", NULL);
    g_assert_cmpstr(kept, ==, "kept");
}

/* Of a QEMU that says nothing: the start has not ended by itself before the removal comes. */
static void test_while_starting(void)
{
    scene_install(FAKE_QEMU, "#!/bin/sh\nexec sleep infinity\n");
    scene_configure("[QEMU]\nQEMUPath=" FAKE_QEMU "\n[VM]\nPowerOffTimeoutSec=1\n");
    Guest *guest = guest_new_bare("hasty");
    Answer start = {0};
    guest_begin(guest, "Start", &start);
    client_await_state(guest->vm, "starting");
    client_vm(scene_bus, guest->path, "Remove");
    CLIENT_AWAIT(start.done, "Start was not answered");
    g_assert_cmpstr(start.error, ==, BERTH_ERROR_PREFIX "Cancelled");
    g_free(start.error);
    assert_goes(guest, "hasty");
    scene_configure(NULL);
}

static void test_while_stopping(void)
{
    Guest *guest = guest_new_booted("slow", NULL);
    console_say(guest->console, "hang");
    console_await(guest->console, "berth-guest: hanging");
    client_vm(scene_bus, guest->path, "Shutdown");
    client_await_state(guest->vm, "stopping");
    client_vm(scene_bus, guest->path, "Remove");
    assert_goes(guest, "slow");
}

/* A restart that is due, is not done. */
static void test_before_restart(void)
{
    Guest *guest = guest_new_booted(
        "eager", g_variant_new_parsed("{'restart': <'always'>, 'restart-delay': <@t %t>, 'restart-max-delay': <@t %t>}",
                                      (guint64) G_TIME_SPAN_HOUR, (guint64) G_TIME_SPAN_HOUR));
    console_say(guest->console, "panic");
    client_await_state(guest->vm, "exited");
    client_vm(scene_bus, guest->path, "Remove");
    client_await_gone(guest->vm);
    g_autofree char *states = client_history(guest->vm, "State");
    g_assert_cmpstr(states, ==, "stopped starting running exited removing");
    assert_goes(guest, "eager");
}

static void test_many(void)
{
    enum { N = 20 };
    Guest *guests[N];
    for (guint i = 0; i < N; i++) {
        g_autofree char *name = g_strdup_printf("many-%u", i);
        guests[i] = guest_new(name, NULL);
    }
    g_autoptr(Guest) kept = guest_new("kept", NULL);
    Answer answers[N] = {0};
    for (guint i = 0; i < N; i++)
        guest_begin(guests[i], "Remove", &answers[i]);
    for (guint i = 0; i < N; i++) {
        CLIENT_AWAIT(answers[i].done, "Remove was not answered");
        g_assert_cmpstr(answers[i].error, ==, NULL);
        g_autofree char *name = g_strdup_printf("many-%u", i);
        assert_goes(guests[i], name);
    }
    g_autofree char *left = scene_run("ls", "/var/lib/berth/vms", NULL);
    g_assert_cmpstr(left, ==, kept->id);
}

/* The pool is as full as before, whatever came and went. */
static void test_cids(void)
{
    scene_configure("[Manager]\nCIDFirst=1500\nCIDLast=1501\n");
    g_autoptr(Guest) one = guest_new("cid-one", NULL);
    for (guint i = 0; i < 5; i++) {
        g_autoptr(Guest) other = guest_new("cid-other", NULL);
        g_assert_cmpuint(client_told_uint(other->vm, "CID"), !=, client_told_uint(one->vm, "CID"));
        client_fails(scene_bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                     g_variant_new("(sa{sv}a{sv})", "cid-third", NULL, NULL), "LimitReached", "");
    }
    scene_configure(NULL);
}

/* What can't be loaded is visible, and can be removed. */
static void test_broken(void)
{
    Guest *guest = guest_new("damaged", NULL);
    g_autofree char *dir = vm_dir(guest);
    g_autofree char *definition = g_build_filename(dir, "vm.json", NULL);
    scene_stop_daemon();
    g_assert_true(g_file_set_contents(definition, "{", -1, NULL));
    scene_start_daemon();
    guest_rewatch(guest);
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, "broken");
    const char *name, *text;
    g_variant_get(client_told(guest->vm, "LastError"), "(&s&s)", &name, &text);
    g_assert_cmpstr(name, ==, BERTH_ERROR_PREFIX "StorageFailed");
    client_vm_fails(scene_bus, guest->path, "Start", "WrongState", "");
    client_vm(scene_bus, guest->path, "Remove");
    client_await_gone(guest->vm);
    guest_assert_no_trace(guest->id);
    guest_forget(guest);
}

/* Its files are gone, its processes not: they have no VM any more, and end. */
static void test_orphan(void)
{
    Guest *guest = guest_new_booted("bereft", NULL);
    g_autofree char *dir = vm_dir(guest);
    int qemu = scene_pidfd(guest_qemu(guest));
    scene_stop_daemon();
    g_free(scene_run("rm", "-r", dir, NULL));
    scene_start_daemon();
    assert_not_found(guest->id);
    scene_await_death(qemu);
    g_autofree char *runtime = g_strdup_printf("/run/berth/%s", guest->id);
    scene_await_absent(runtime);
    guest_assert_no_trace(guest->id);
    guest_forget(guest);
}

/* A copy of a VM that was being removed is no order to remove the copy. */
static void test_copied_marker(void)
{
    Guest *guest = guest_new("copied", NULL);
    g_autofree char *dir = vm_dir(guest);
    g_autofree char *backup = g_strconcat("/var/tmp/", guest->id, NULL);
    remove_with_grace(guest, 3600);
    client_await(guest->vm, "RemovalPhase", g_variant_new_string("grace"));
    scene_stop_daemon();
    g_free(scene_run("sh", "-ec", "cp -a \"$0\" \"$1\"; rm -r \"$0\"; cp -a \"$1\" \"$0\"", dir, backup, NULL));
    scene_start_daemon();
    guest_rewatch(guest);
    g_assert_cmpstr(client_told_string(guest->vm, "State"), ==, "broken");
    g_autofree char *definition = g_build_filename(dir, "vm.json", NULL);
    g_assert_true(g_file_test(definition, G_FILE_TEST_EXISTS));
    client_vm(scene_bus, guest->path, "Remove");
    client_await_gone(guest->vm);
    guest_assert_no_trace(guest->id);
    guest_forget(guest);
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    g_test_add_func("/removal/M09/running", test_running);
    g_test_add_func("/removal/M07/held-up", test_held_up);
    g_test_add_func("/removal/grace", test_grace);
    g_test_add_func("/removal/grace-passes", test_grace_passes);
    g_test_add_func("/removal/protected", test_protected);
    g_test_add_func("/removal/M11/mount-point", test_mount_point);
    g_test_add_func("/removal/M14/links", test_links);
    g_test_add_func("/removal/M20/while-starting", test_while_starting);
    g_test_add_func("/removal/M20/while-stopping", test_while_stopping);
    g_test_add_func("/removal/M20/before-restart", test_before_restart);
    g_test_add_func("/removal/M19/many", test_many);
    g_test_add_func("/removal/M17/cids", test_cids);
    g_test_add_func("/removal/M12/broken", test_broken);
    g_test_add_func("/removal/M25/orphan", test_orphan);
    g_test_add_func("/removal/M06/copied-marker", test_copied_marker);
    return g_test_run();
}
