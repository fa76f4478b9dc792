/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scripted.h"
#include "src/core/names.h"

/* What a daemon makes of what it finds: at its start, at Reload, and when the bus comes back. */

static char *started(Fixture *fixture, const char *name, const char *script)
{
    char *path = scripted_vm(fixture, name, script);
    fixture_vm(fixture, path, "Start");
    return path;
}

/* Daemon restarts */

static void test_states(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *stopped = scripted_vm(fixture, "stopped", NULL);
    g_autofree char *running = started(fixture, "running", NULL);
    g_autofree char *paused = started(fixture, "paused", NULL);
    g_autofree char *crashed = started(fixture, "crashed", NULL);
    g_autofree char *marked = started(fixture, "marked", NULL);
    pid_t pid = scripted_qemu(fixture, running), paused_pid = scripted_qemu(fixture, paused);
    fixture_vm(fixture, paused, "Pause");
    scripted_remove(fixture, marked, "{'grace-seconds': <uint32 600>}");
    g_autoptr(GVariant) since = fixture_get(fixture, running, BERTH_IFACE_VM, "StartedTimestamp");
    kill(scripted_qemu(fixture, crashed), SIGKILL);
    fixture_await_state(fixture, crashed, "exited");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, stopped, "State", "stopped");
    scripted_assert_string(fixture, running, "State", "running");
    g_assert_cmpint(scripted_qemu(fixture, running), ==, pid);
    g_autoptr(GVariant) still = fixture_get(fixture, running, BERTH_IFACE_VM, "StartedTimestamp");
    gint64 moved = (gint64) g_variant_get_uint64(still) - (gint64) g_variant_get_uint64(since);
    g_assert_cmpint(ABS(moved), <, G_USEC_PER_SEC);
    /* It has been running since then. */
    g_autoptr(GVariant) in_state = fixture_get(fixture, running, BERTH_IFACE_VM, "StateChangeTimestamp");
    g_assert_cmpvariant(in_state, still);
    fixture_await_state(fixture, paused, "paused");
    g_assert_cmpint(scripted_qemu(fixture, paused), ==, paused_pid);
    scripted_assert_string(fixture, crashed, "State", "exited"); /* it was wanted, and no policy says otherwise */
    scripted_assert_wanted(fixture, crashed, TRUE);
    scripted_assert_string(fixture, marked, "State", "removing");
    fixture_vm(fixture, marked, "CancelRemoval");
    fixture_vm(fixture, paused, "Resume");
    fixture_vm(fixture, running, "PowerOff");
}

/* A monitor that hangs holds nobody up. */
static void test_hung(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = started(fixture, "hung", NULL);
    g_autofree char *other = started(fixture, "other", NULL);
    kill(scripted_qemu(fixture, path), SIGSTOP);
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "running");
    g_autoptr(GVariant) responsive = fixture_get(fixture, path, BERTH_IFACE_VM, "Responsive");
    g_assert_false(g_variant_get_boolean(responsive));
    scripted_assert_last_error(fixture, path, "was stopped by a signal");
    scripted_assert_last_error(fixture, other, "");
    fixture_vm(fixture, other, "Pause");
    fixture_vm_fails(fixture, path, "Pause", "Cancelled", "did not answer");
    kill(scripted_qemu(fixture, path), SIGCONT);
    scripted_await_last_error(fixture, path, "");
    fixture_await_property(fixture, path, "Responsive", g_variant_new_boolean(TRUE));
}

/* Each daemon leaves behind a connection that it has not taken, and at the third it takes no more. */
#define DAEMONS 4

static void come_and_go(Fixture *fixture)
{
    for (int i = 0; i < DAEMONS; i++)
        fixture_restart_daemon(fixture);
}

static void assert_back(Fixture *fixture, const char *path)
{
    fixture_await_property(fixture, path, "Responsive", g_variant_new_boolean(TRUE));
    scripted_await_last_error(fixture, path, "");
    fixture_vm(fixture, path, "Pause");
}

static void test_hung_for_long(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = started(fixture, "hung", NULL);
    kill(scripted_qemu(fixture, path), SIGSTOP);
    come_and_go(fixture);
    scripted_assert_string(fixture, path, "State", "running");
    scripted_assert_last_error(fixture, path, "was stopped by a signal");
    fixture_vm_fails(fixture, path, "Pause", "Cancelled", "did not answer");
    kill(scripted_qemu(fixture, path), SIGCONT);
    assert_back(fixture, path);
}

/* Nobody has stopped it, and all that is known is that it does not answer. */
static void test_silent_for_long(Fixture *fixture, gconstpointer unused)
{
    scripted_touch(fixture, "open");
    g_autofree char *path = started(fixture, "hung", "on connect wait open");
    scripted_untouch(fixture, "open");
    come_and_go(fixture);
    fixture_await_property(fixture, path, "Responsive", g_variant_new_boolean(FALSE));
    scripted_assert_last_error(fixture, path, "");
    scripted_touch(fixture, "open");
    assert_back(fixture, path);
}

/* It can be ended all the same. */
static void test_hung_for_long_ends(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = started(fixture, "hung", NULL);
    kill(scripted_qemu(fixture, path), SIGSTOP);
    come_and_go(fixture);
    fixture_vm(fixture, path, "PowerOff");
    scripted_assert_nobody(fixture, path);
    fixture_vm(fixture, path, "Start");
    fixture_vm(fixture, path, "Pause");
}

/* What was wanted when the host went down is started after the boot, and what was not is not. */
static void test_boot(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *wanted = started(fixture, "wanted", NULL);
    g_autofree char *off = started(fixture, "off", NULL);
    fixture_vm(fixture, off, "PowerOff");
    g_autofree char *cgroup = scripted_cgroup(fixture, wanted);
    g_autofree char *runtime = scripted_runtime_dir(fixture, wanted);
    fixture_stop_daemon(fixture, SIGTERM);
    test_cgroup_signal(cgroup, SIGKILL);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
    const char *argv[] = {"rm", "-r", runtime, NULL}; /* a boot leaves nothing of /run */
    g_assert_true(g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
    fixture_forget_boot(fixture);
    fixture_start_daemon(fixture);
    fixture_await_state(fixture, wanted, "running");
    scripted_assert_string(fixture, off, "State", "stopped");
    g_assert_cmpuint(scripted_count(fixture, "off", "start"), ==, 1);
}

/* The scope of a start whose daemon was killed, and whose keeper has gone with it: it would be active for ever. */
static void test_ghost(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *unit = fixture_unit(fixture, path);
    fixture_stop_daemon(fixture, SIGKILL);
    scripted_start_ghost(fixture, unit);
    fixture_start_daemon(fixture);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
    fixture_await_state(fixture, path, "stopped");
}

/* Reload */

static void test_reload_nothing(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = started(fixture, "web", NULL);
    scripted_reload(fixture, 0, 0, 0);
    scripted_assert_string(fixture, path, "State", "running");
}

static void test_reload_changed(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = started(fixture, "web", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    pid_t pid = scripted_qemu(fixture, path);
    scripted_replace(definition, "67108864", "134217728");
    scripted_reload(fixture, 0, 1, 0);
    g_autoptr(GVariant) memory = fixture_get(fixture, path, BERTH_IFACE_VM, "MemoryBytes");
    g_assert_cmpuint(g_variant_get_uint64(memory), ==, 134217728);
    g_assert_cmpint(scripted_qemu(fixture, path), ==, pid);
    scripted_reload(fixture, 0, 0, 0);
}

/* (transfer full): where the VM's directory lies now */
static char *put_aside(Fixture *fixture, const char *path)
{
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    char *aside = g_build_filename(fixture->dir, "aside", NULL);
    g_assert_cmpint(g_rename(dir, aside), ==, 0);
    return aside;
}

/* Not removed but gone: it is put back, and all is as before. */
static void vanish(Fixture *fixture, const char *path, const char *state)
{
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *aside = put_aside(fixture, path);
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, "gone");
    scripted_assert_string(fixture, path, "Name", "web");
    scripted_reload(fixture, 0, 0, 0);
    g_assert_cmpint(g_rename(aside, dir), ==, 0);
    scripted_reload(fixture, 0, 1, 0);
    fixture_await_state(fixture, path, state);
    scripted_assert_last_error(fixture, path, "");
}

static void test_reload_vanished(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    vanish(fixture, path, "stopped");
    fixture_vm(fixture, path, "Start");
    pid_t pid = scripted_qemu(fixture, path);
    vanish(fixture, path, "running");
    fixture_vm(fixture, path, "Pause");
    vanish(fixture, path, "paused");
    g_assert_cmpint(scripted_qemu(fixture, path), ==, pid);
    fixture_vm(fixture, path, "Resume");
    fixture_vm(fixture, path, "PowerOff");
}

static void test_reload_new(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    fixture_stop_daemon(fixture, SIGTERM);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    g_assert_cmpint(g_rename(dir, aside), ==, 0);
    fixture_start_daemon(fixture);
    g_assert_cmpint(g_rename(aside, dir), ==, 0);
    scripted_reload(fixture, 1, 0, 0);
    scripted_assert_string(fixture, path, "State", "stopped");
    fixture_vm(fixture, path, "Start");
    fixture_vm(fixture, path, "PowerOff");
}

static void test_reload_damaged(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = started(fixture, "web", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    pid_t pid = scripted_qemu(fixture, path);
    scripted_replace(definition, "\"vcpus\"", "\"wings\"");
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, "wings");
    g_assert_cmpint(scripted_qemu(fixture, path), ==, pid); /* M24: left alone */
    fixture_vm_fails(fixture, path, "Pause", "WrongState", "broken");
    scripted_replace(definition, "\"wings\"", "\"vcpus\"");
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_string(fixture, path, "State", "running");
    scripted_assert_last_error(fixture, path, "");
    fixture_vm(fixture, path, "Pause");
}

/* Damaged when the daemon started, which then knew nothing of it: mended, it is the whole VM again. */
static void test_reload_mended(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    guint32 cid = fixture_get_uint(fixture, path, "CID");
    fixture_stop_daemon(fixture, SIGTERM);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(definition, &text, NULL, NULL));
    g_assert_true(g_file_set_contents(definition, "{", -1, NULL));
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "broken");
    g_assert_true(g_file_set_contents(definition, text, -1, NULL));
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_string(fixture, path, "State", "stopped");
    scripted_assert_string(fixture, path, "Name", "web");
    g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), ==, cid);
    g_variant_unref(fixture_call(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "web")));
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                       g_variant_new("(sa{sv}a{sv})", "web", NULL, NULL), "NameTaken", "web");
    fixture_vm(fixture, path, "Start");
}

/* A marker that came with a directory which was put back in its place. */
static void test_reload_marked(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    scripted_remove(fixture, path, "{'grace-seconds': <uint32 600>}");
    fixture_stop_daemon(fixture, SIGKILL);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    g_assert_cmpint(g_rename(dir, aside), ==, 0);
    fixture_start_daemon(fixture);
    g_assert_cmpint(g_rename(aside, dir), ==, 0);
    scripted_reload(fixture, 0, 0, 1);
    scripted_assert_string(fixture, path, "State", "removing");
    fixture_vm(fixture, path, "CancelRemoval");
    scripted_assert_string(fixture, path, "State", "stopped");
}

/* Copies */

#define COPY_ID "6b1c9f0e-3c1e-4f2a-9a52-0d7e5c1b8a44"
#define COPY_PATH "/org/berth/Berth1/vm/_36b1c9f0e_2d3c1e_2d4f2a_2d9a52_2d0d7e5c1b8a44"

static char *copy_vm(Fixture *fixture, const char *path)
{
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *copy = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, COPY_ID, NULL);
    scripted_copy_tree(dir, copy);
    return g_build_filename(copy, BERTH_FILE_DEFINITION, NULL);
}

static void assert_copy_broken(Fixture *fixture, const char *path, const char *words)
{
    scripted_assert_string(fixture, COPY_PATH, "State", "broken");
    scripted_assert_last_error(fixture, COPY_PATH, words);
    scripted_assert_string(fixture, path, "State", "running");
    g_autoptr(GVariant) answer =
        fixture_call(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "web"));
    const char *found;
    g_variant_get(answer, "(&o)", &found);
    g_assert_cmpstr(found, ==, path);
}

static void test_copy(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = started(fixture, "web", NULL);
    g_free(copy_vm(fixture, path));
    scripted_reload(fixture, 1, 0, 0);
    assert_copy_broken(fixture, path, "id");
    scripted_reload(fixture, 0, 0, 0);
    assert_copy_broken(fixture, path, "id");
    guint32 cid = fixture_get_uint(fixture, path, "CID");
    fixture_vm(fixture, COPY_PATH, "Remove");
    fixture_await_gone(fixture, COPY_PATH);
    scripted_assert_string(fixture, path, "State", "running");
    g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), ==, cid);
}

/* Its id is its own, its name and CID are another's: Reload must not mend it by looking twice. */
static void test_copy_renamed(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = started(fixture, "web", NULL);
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *definition = copy_vm(fixture, path);
    scripted_replace(definition, id, COPY_ID);
    scripted_reload(fixture, 1, 0, 0);
    assert_copy_broken(fixture, path, "name");
    scripted_reload(fixture, 0, 0, 0);
    assert_copy_broken(fixture, path, "name");
    /* With a name of its own it still has another's CID. */
    scripted_replace(definition, "\"web\"", "\"copy\"");
    scripted_reload(fixture, 0, 1, 0);
    assert_copy_broken(fixture, path, "CID");
    g_autofree char *cid = g_strdup_printf("%u", fixture_get_uint(fixture, path, "CID"));
    scripted_replace(definition, cid, "3999");
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_string(fixture, COPY_PATH, "State", "stopped");
    scripted_assert_string(fixture, COPY_PATH, "Name", "copy");
    g_assert_cmpuint(fixture_get_uint(fixture, COPY_PATH, "CID"), ==, 3999);
    fixture_vm(fixture, COPY_PATH, "Start");
}

static void test_copy_at_start(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = started(fixture, "web", NULL);
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    fixture_stop_daemon(fixture, SIGKILL);
    g_autofree char *dir = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, id, NULL);
    g_autofree char *copy = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, COPY_ID, NULL);
    g_autofree char *definition = g_build_filename(copy, BERTH_FILE_DEFINITION, NULL);
    scripted_copy_tree(dir, copy);
    scripted_replace(definition, id, COPY_ID);
    fixture_start_daemon(fixture);
    assert_copy_broken(fixture, path, "name");
}

/* Its directory was put back from the copy, so that it is the younger: who has a process is the VM all the same. */
static void test_copy_is_elder(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = started(fixture, "web", NULL);
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    fixture_stop_daemon(fixture, SIGKILL);
    g_autofree char *dir = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, id, NULL);
    g_autofree char *elder = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, COPY_ID, NULL);
    g_autofree char *definition = g_build_filename(elder, BERTH_FILE_DEFINITION, NULL);
    g_assert_cmpint(g_rename(dir, elder), ==, 0);
    scripted_copy_tree(elder, dir);
    scripted_replace(definition, id, COPY_ID);
    fixture_start_daemon(fixture);
    assert_copy_broken(fixture, path, "name");
}

/* (transfer full): where the VM's directory is when it is being deleted */
static char *doomed_dir(Fixture *fixture, const char *id)
{
    g_autofree char *file = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, id, BERTH_FILE_DEFINITION, NULL);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    g_auto(GStrv) parts = g_strsplit(strstr(text, "\"incarnation\""), "\"", 5);
    g_autofree char *name = g_strconcat(id, ".", parts[3], NULL);
    return g_build_filename(fixture->state_dir, BERTH_DIR_REMOVING, name, NULL);
}

/* Of a VM that was being deleted a backup was restored: what is left of the one goes, and the other stays. */
static void test_restored_beside_remains(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *dir = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, id, NULL);
    g_autofree char *remains = doomed_dir(fixture, id);
    fixture_stop_daemon(fixture, SIGKILL);
    scripted_copy_tree(dir, remains);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "stopped");
    g_autoptr(GPtrArray) vms = fixture_vms(fixture);
    g_assert_cmpuint(vms->len, ==, 1);
    /* The daemon ends when its workers have. */
    fixture_stop_daemon(fixture, SIGTERM);
    g_assert_false(g_file_test(remains, G_FILE_TEST_EXISTS));
    fixture_start_daemon(fixture);
    scripted_copy_tree(dir, remains);
    scripted_reload(fixture, 0, 0, 0);
    fixture_vm(fixture, path, "Start");
    fixture_stop_daemon(fixture, SIGTERM);
    g_assert_false(g_file_test(remains, G_FILE_TEST_EXISTS));
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "running");
}

/* Bus and signals */

static void test_bus(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = started(fixture, "web", NULL);
    pid_t pid = scripted_qemu(fixture, path);
    fixture_restart_bus(fixture);
    g_assert_cmpint(scripted_qemu(fixture, path), ==, pid);
    fixture_vm(fixture, path, "Pause");
    fixture_vm(fixture, path, "PowerOff");
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
    fixture_vm(fixture, path, "Start");
}

/* What systemd was asked for before the bus went away, it is asked for again, or found to have done. */
static void start_while_bus_restarts(Fixture *fixture, const char *member)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    fake_service_hold(service, member);
    g_autoptr(FixtureCall) start = scripted_begin(fixture, path, "Start");
    AWAIT(fake_service_count(service, member) >= 1);
    fixture_restart_bus(fixture);
    AWAIT(start->done);
    fake_service_release(service, member);
    fixture_await_state(fixture, path, "running");
    scripted_assert_string(fixture, path, "ExitReason", "");
    fixture_await_property(fixture, path, "WantRunning", g_variant_new_boolean(TRUE));
}

static void test_bus_unanswered(Fixture *fixture, gconstpointer unused)
{
    start_while_bus_restarts(fixture, "StartTransientUnit");
}

static void test_bus_job(Fixture *fixture, gconstpointer unused)
{
    start_while_bus_restarts(fixture, "JobRemoved");
}

static void test_terminated(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = started(fixture, "web", "on system_reset wait never");
    g_autofree char *other = scripted_vm(fixture, "other", "on query-status wait go");
    pid_t pid = scripted_qemu(fixture, path);
    g_autoptr(FixtureCall) reset = scripted_begin(fixture, path, "Reset");
    g_autoptr(FixtureCall) start = scripted_begin(fixture, other, "Start");
    scripted_await(fixture, "web", "qmp system_reset", 1);
    scripted_await(fixture, "other", "qmp query-status", 1);
    int status = fixture_stop_daemon(fixture, SIGTERM);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
    AWAIT(reset->done && start->done);
    g_assert_nonnull(reset->error);
    g_assert_nonnull(start->error);
    g_assert_cmpint(kill(pid, 0), ==, 0);
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "running");
    g_assert_cmpint(scripted_qemu(fixture, path), ==, pid);
    scripted_touch(fixture, "go");
}

static void test_idle(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = started(fixture, "web", NULL);
    g_autofree char *stopped = scripted_vm(fixture, "stopped", NULL);
    fixture_vm(fixture, path, "Pause");
    scripted_assert_idle(fixture);
}

#define ADD(path, func) SCRIPTED_ADD("/recovery/" path, "", func)

static void add_reload(void)
{
    ADD("reload/nothing", test_reload_nothing);
    ADD("reload/new", test_reload_new);
    ADD("reload/changed", test_reload_changed);
    ADD("reload/vanished", test_reload_vanished);
    ADD("reload/damaged", test_reload_damaged);
    ADD("reload/mended", test_reload_mended);
    ADD("reload/marked", test_reload_marked);
    ADD("copy/as-it-is", test_copy);
    ADD("copy/renamed", test_copy_renamed);
    ADD("copy/at-start", test_copy_at_start);
    ADD("copy/at-start-elder", test_copy_is_elder);
    SCRIPTED_ADD("/removal/M06/restored-beside-remains", "", test_restored_beside_remains);
}

static void add(void)
{
    ADD("states", test_states);
    ADD("hung", test_hung);
    ADD("hung-for-long", test_hung_for_long);
    ADD("hung-for-long/silent", test_silent_for_long);
    ADD("hung-for-long/ends", test_hung_for_long_ends);
    ADD("boot", test_boot);
    ADD("ghost", test_ghost);
    add_reload();
    ADD("bus", test_bus);
    ADD("bus/start-unanswered", test_bus_unanswered);
    ADD("bus/start-job", test_bus_job);
    ADD("terminated", test_terminated);
    ADD("idle", test_idle);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
