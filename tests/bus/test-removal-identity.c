/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gunixfdlist.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "removal-scene.h"

/* M17 to M19: what an old VM was, no new one is taken for. */

/* M17 */

static guint32 cid_of(Fixture *fixture, const char *path)
{
    return fixture_get_uint(fixture, path, "CID");
}

static char *create(Fixture *fixture, const char *name, guint32 cid)
{
    char *path = scripted_vm(fixture, name, NULL);
    g_assert_cmpuint(cid_of(fixture, path), ==, cid);
    return path;
}

static void remove_one(Fixture *fixture, const char *path)
{
    fixture_vm(fixture, path, "Remove");
    fixture_await_gone(fixture, path);
}

/* As full as before, after any number of rounds, and a crash in each: of the daemon in the middle of the removal, of
 * QEMU in the middle of the start, of all. */
static void test_rounds(Fixture *fixture, gconstpointer unused)
{
    for (guint round = 0; round < 8; round++) {
        g_autofree char *path = scripted_vm(fixture, "web", round % 4 == 3 ? "on query-status crash 9" : NULL);
        if (round % 4 == 3)
            fixture_vm_fails(fixture, path, "Start", "StartFailed", "");
        else
            fixture_vm(fixture, path, "Start");
        fixture_vm(fixture, path, "Remove");
        if (round % 4 == 1)
            fixture_restart_daemon(fixture);
        if (round % 4 == 2)
            removal_reboot(fixture);
        removal_assert_gone(fixture, path);
    }
    static const char *const names[] = {"one", "two", "three"};
    gboolean taken[3] = {FALSE};
    for (guint i = 0; i < 3; i++) {
        g_autofree char *path = scripted_vm(fixture, names[i], NULL);
        guint32 cid = cid_of(fixture, path);
        g_assert_true(cid >= 2000 && cid <= 2002 && !taken[cid - 2000]);
        taken[cid - 2000] = TRUE;
    }
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                       g_variant_new("(sa{sv}a{sv})", "four", NULL, NULL), "LimitReached", "");
}

/* One that was freed rests as long as there is another: the first to be freed is the first to be taken. */
static void test_quarantine(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *one = create(fixture, "one", 2000);
    g_autofree char *two = create(fixture, "two", 2001);
    g_autofree char *three = create(fixture, "three", 2002);
    remove_one(fixture, two);
    remove_one(fixture, one);
    g_autofree char *four = create(fixture, "four", 2001);
    g_autofree char *five = create(fixture, "five", 2000);
    remove_one(fixture, three);
    g_autofree char *six = create(fixture, "six", 2002);
}

/* One process lives: it is not free yet. Then the data is still there (M11). */
static void test_not_before(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on quit wait go");
    fixture_vm(fixture, path, "Remove");
    scripted_await(fixture, "web", "qmp quit", 1);
    removal_assert_cid_kept(fixture);
    scripted_touch(fixture, "go");
    removal_assert_gone(fixture, path);
    removal_assert_cids_free(fixture);
}

/* M18 */

static void test_late(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *old = scripted_running(fixture, "{}", NULL);
    g_autofree char *unit = fixture_unit(fixture, old);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                       g_variant_new("(sa{sv}a{sv})", "web", NULL, NULL), "NameTaken", "web");
    removal_and_await(fixture, old);
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_assert_cmpstr(path, !=, old);
    g_assert_cmpuint(cid_of(fixture, path), ==, 2000); /* the same, since it is the only one */
    fake_systemd_send_unit_removed(fixture->systemd, unit, FALSE);
    fake_systemd_send(fixture->systemd, "JobRemoved",
                      g_variant_new("(uoss)", 1u, "/org/freedesktop/systemd1/job/1", unit, "failed"));
    fixture_vm(fixture, path, "Pause");
    scripted_assert_string(fixture, path, "State", "paused");
    fixture_call_fails(fixture, old, BERTH_IFACE_VM, "Start", g_variant_new("(a{sv})", NULL),
                       "org.freedesktop.DBus.Error.UnknownObject", "");
}

/* A job that the old one waited for ends when the new one waits for its own. */
static void test_late_job(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *old = scripted_vm(fixture, "web", NULL);
    g_autofree char *unit = fixture_unit(fixture, old);
    fake_service_hold(service, "JobRemoved");
    FixtureCall *start = scripted_begin(fixture, old, "Start");
    AWAIT(fake_service_count(service, "JobRemoved") > 0);
    fixture_vm(fixture, old, "Remove");
    scripted_fails(start, "Cancelled", "");
    fake_service_release(service, "JobRemoved");
    removal_assert_gone(fixture, old);
    fake_service_hold(service, "JobRemoved");
    guint before = fake_service_count(service, "JobRemoved");
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    start = scripted_begin(fixture, path, "Start");
    AWAIT(fake_service_count(service, "JobRemoved") > before);
    fake_systemd_send(fixture->systemd, "JobRemoved",
                      g_variant_new("(uoss)", 1u, "/org/freedesktop/systemd1/job/1", unit, "canceled"));
    scripted_assert_string(fixture, path, "State", "starting");
    fake_service_release(service, "JobRemoved");
    scripted_succeeds(start);
}

static int open_console(Fixture *fixture, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) answer = fixture_call_with_fds(fixture, path, BERTH_IFACE_VM, "OpenConsole",
                                                       g_variant_new("(a{sv})", NULL), NULL, &fds, &error);
    g_assert_no_error(error);
    int fd = g_unix_fd_list_get(fds, 0, &error);
    g_assert_no_error(error);
    return fd;
}

/* All that comes until its end. (transfer full) */
static char *read_to_end(int fd)
{
    GString *text = g_string_new(NULL);
    char bytes[4096];
    for (ssize_t n = 1; n > 0;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        g_assert_cmpint(poll(&poll_fd, 1, AWAIT_SECONDS * 1000), ==, 1);
        n = read(fd, bytes, sizeof bytes);
        g_string_append_len(text, bytes, MAX(n, 0));
    }
    return g_string_free(text, FALSE);
}

/* A client that keeps its console of the old one hears that it ended, and nothing of the new one, nor does it type
 * there. */
static void test_late_console(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *old = scripted_running(fixture, "{}", "on file speak say old-words");
    int console = open_console(fixture, old);
    removal_and_await(fixture, old);
    g_autofree char *path = scripted_running(fixture, "{}", "on ready say new-words");
    (void) !write(console, "typed-late\n", 11);
    g_autofree char *text = read_to_end(console);
    g_assert_null(strstr(text, "new-words"));
    close(console);
    fixture_vm(fixture, path, "Pause"); /* by now a line would have come */
    g_assert_cmpuint(scripted_count(fixture, "web", "serial"), ==, 0);
}

/* QEMU's last words (SHUTDOWN, and the end of its monitor) are the old one's, whose exit is long told. */
static void test_late_exit(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *old = scripted_running(fixture, "{}", "on quit wait go");
    int qemu = scripted_pidfd(scripted_qemu(fixture, old));
    fixture_vm(fixture, old, "Remove");
    scripted_touch(fixture, "go");
    removal_assert_gone(fixture, old);
    g_assert_true(scripted_is_dead(qemu));
    close(qemu);
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    fixture_vm(fixture, path, "Pause");
    AWAIT(recorder_changes(recorder, "State") > 0);
    g_assert_cmpuint(recorder_changes(recorder, "ExitReason"), ==, 0);
    scripted_assert_string(fixture, path, "ExitReason", "");
}

/* M19: what clients see. */
static void test_seen(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_running(fixture, "{}", "on quit wait go");
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    fake_service_hold(service, "StopUnit");
    fixture_vm(fixture, path, "Remove");
    scripted_assert_string(fixture, path, "State", "removing");
    AWAIT(recorder_changes(recorder, "State") == 1);
    scripted_touch(fixture, "go");
    removal_await_phase(fixture, path, "releasing");
    fake_service_release(service, "StopUnit");
    removal_assert_gone(fixture, path);
    g_autofree char *states = recorder_words(recorder, "State");
    g_assert_cmpstr(states, ==, "removing");
    g_autofree char *phases = recorder_words(recorder, "RemovalPhase");
    g_assert_true(g_str_has_prefix(phases, "stopping releasing"));
    AWAIT(recorder_count(recorder, "InterfacesRemoved") > 0);
    g_assert_true(recorder_ends_with_removal(recorder));
}

/* Of a daemon that was killed in between, and of the one that goes on. */
static void test_seen_restart(Fixture *fixture, gconstpointer unused)
{
    FakeService *service = fake_systemd_service(fixture->systemd);
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    fake_service_hold(service, "StopUnit");
    fixture_vm(fixture, path, "Remove");
    removal_await_phase(fixture, path, "releasing");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "removing");
    fake_service_release(service, "StopUnit");
    removal_assert_gone(fixture, path);
    AWAIT(recorder_count(recorder, "InterfacesRemoved") > 0);
    g_autofree char *states = recorder_words(recorder, "State");
    g_assert_cmpstr(states, ==, "removing");
    g_assert_true(recorder_ends_with_removal(recorder));
}

#define ADD_ONE_CID(path, func) SCRIPTED_ADD("/removal/" path, "[Manager]\nCIDFirst=2000\nCIDLast=2000", func)

static void add(void)
{
    SCRIPTED_ADD("/removal/"
                 "M17/rounds",
                 "[Manager]\nCIDFirst=2000\nCIDLast=2002", test_rounds);
    SCRIPTED_ADD("/removal/"
                 "M17/quarantine",
                 "[Manager]\nCIDFirst=2000\nCIDLast=2002", test_quarantine);
    REMOVAL_ADD_PATIENT("M17/not-before", test_not_before);
    ADD_ONE_CID("M18/late", test_late);
    ADD_ONE_CID("M18/late-job", test_late_job);
    ADD_ONE_CID("M18/late-console", test_late_console);
    ADD_ONE_CID("M18/late-exit", test_late_exit);
    REMOVAL_ADD_PATIENT("M19/seen", test_seen);
    REMOVAL_ADD("M19/seen-restart", test_seen_restart);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
