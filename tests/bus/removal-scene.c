/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "removal-scene.h"

#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

/* Processes */

void removal_kill_keeper(Fixture *fixture, const char *path)
{
    kill(scripted_keeper(fixture, path), SIGKILL);
    scripted_await_last_error(fixture, path, "keeper");
}

pid_t removal_child_of_qemu(Fixture *fixture)
{
    scripted_await(fixture, "web", "child", 1);
    g_autofree char *log = scripted_log(fixture, "web");
    return (pid_t) g_ascii_strtoll(strstr(log, "child ") + strlen("child "), NULL, 10);
}

pid_t removal_bystander(void)
{
    const char *argv[] = {"sleep", "600", NULL};
    g_autoptr(GError) error = NULL;
    GPid pid = 0;
    g_spawn_async(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                  &error);
    g_assert_no_error(error);
    return pid;
}

void removal_end_bystander(pid_t pid)
{
    g_assert_cmpint(waitpid(pid, NULL, WNOHANG), ==, 0);
    kill(pid, SIGKILL);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

/* What is seen */

void removal_assert_gone(Fixture *fixture, const char *path)
{
    fixture_await_gone(fixture, path);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "web"), "NotFound",
                       "web");
    fixture_assert_clean(fixture);
}

void removal_and_await(Fixture *fixture, const char *path)
{
    fixture_vm(fixture, path, "Remove");
    removal_assert_gone(fixture, path);
}

void removal_await_phase(Fixture *fixture, const char *path, const char *phase)
{
    fixture_await_property(fixture, path, "RemovalPhase", g_variant_new_string(phase));
}

static gboolean blocker_says(Fixture *fixture, const char *path, const char *words)
{
    g_autofree char *blocker = fixture_get_string(fixture, path, "RemovalBlocker");
    return strstr(blocker, words) != NULL;
}

void removal_await_blocker(Fixture *fixture, const char *path, const char *words)
{
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    for (guint seen = 0; !blocker_says(fixture, path, words); seen = recorder_changes(recorder, "RemovalBlocker"))
        AWAIT(recorder_changes(recorder, "RemovalBlocker") > seen);
}

gboolean removal_has_marker(Fixture *fixture, const char *path)
{
    g_autofree char *marker = scripted_vm_file(fixture, path, BERTH_FILE_MARKER);
    return g_file_test(marker, G_FILE_TEST_EXISTS) || g_file_test(marker, G_FILE_TEST_IS_SYMLINK);
}

void removal_assert_refuses_all(Fixture *fixture, const char *path)
{
    static const char *const methods[] = {"Start",  "Shutdown",    "PowerOff",    "Reset",       "Pause",
                                          "Resume", "OpenConsole", "OpenDisplay", "RefreshGuest"};
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++)
        fixture_vm_fails(fixture, path, methods[i], "Removing", "web");
    fixture_call_fails(fixture, path, BERTH_IFACE_VM, "Configure", g_variant_new("(a{sv}a{sv})", NULL, NULL),
                       "Removing", "web");
    fixture_call_fails(fixture, path, BERTH_IFACE_VM, "OpenLog", g_variant_new("(sa{sv})", "serial", NULL), "Removing",
                       "web");
    fixture_vm_fails(fixture, path, "CancelRemoval", "WrongState", "web");
}

/* Files */

char *removal_doomed_dir(Fixture *fixture)
{
    g_autofree char *removing = g_build_filename(fixture->state_dir, BERTH_DIR_REMOVING, NULL);
    g_autoptr(GDir) dir = g_dir_open(removing, 0, NULL);
    const char *name = g_dir_read_name(dir);
    g_assert_nonnull(name);
    return g_build_filename(removing, name, NULL);
}

void removal_age_marker(Fixture *fixture, const char *id, gint64 grace_until)
{
    g_autofree char *marker = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, id, BERTH_FILE_MARKER, NULL);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(marker, &text, NULL, NULL));
    g_autoptr(GRegex) regex = g_regex_new("\"grace-until\"\\s*:\\s*[0-9]+", 0, 0, NULL);
    g_autofree char *until = g_strdup_printf("\"grace-until\": %" G_GINT64_FORMAT, grace_until);
    g_autofree char *aged = g_regex_replace_literal(regex, text, -1, 0, until, 0, NULL);
    g_assert_cmpstr(aged, !=, text);
    removal_write(marker, aged);
}

void removal_write(const char *file, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_file_set_contents(file, text, -1, &error);
    g_assert_no_error(error);
}

void removal_make_garbage(const char *file)
{
    removal_write(file, "{\"id\": ");
}

void removal_make_empty(const char *file)
{
    removal_write(file, "");
}

void removal_make_directory(const char *file)
{
    g_unlink(file);
    g_assert_cmpint(g_mkdir(file, 0755), ==, 0);
}

void removal_make_link(const char *to, const char *file)
{
    g_assert_cmpint(symlink(to, file), ==, 0);
}

void removal_make_dangling_link(const char *file)
{
    g_unlink(file);
    removal_make_link("/nonexistent", file);
}

void removal_delete(const char *path)
{
    const char *argv[] = {"rm", "-r", path, NULL};
    int status = -1;
    g_assert_true(g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL));
    g_assert_cmpint(status, ==, 0);
}

/* The host */

/* One that was freed rests longest: where 2000 was freed too early, the second round gets it. */
void removal_assert_cid_kept(Fixture *fixture)
{
    for (guint round = 0; round < 2; round++) {
        g_autofree char *path = fixture_create(fixture, "another", NULL);
        g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), ==, 2001);
        fixture_vm(fixture, path, "Remove");
        fixture_await_gone(fixture, path);
    }
}

void removal_assert_cids_free(Fixture *fixture)
{
    g_free(fixture_create(fixture, "one", NULL));
    g_free(fixture_create(fixture, "two", NULL));
}

void removal_kill_all(Fixture *fixture)
{
    fixture_stop_daemon(fixture, SIGKILL);
    test_cgroup_signal(fixture->cgroup, SIGKILL);
    AWAIT(fake_systemd_n_units(fixture->systemd) == 0);
}

void removal_reboot(Fixture *fixture)
{
    removal_kill_all(fixture);
    removal_delete(fixture->runtime_dir);
    g_assert_cmpint(g_mkdir(fixture->runtime_dir, 0755), ==, 0);
    fixture_start_daemon(fixture);
}

gboolean removal_start_apart(Fixture *fixture)
{
    gboolean apart = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    if (!apart)
        g_test_skip("no mount namespace can be made here");
    fixture_start_daemon(fixture);
    return apart;
}

void removal_refuse_second_daemon(Fixture *fixture)
{
    g_autofree char *config = g_strconcat("--config=", fixture->config, NULL);
    const char *argv[] = {g_getenv("BERTHD"), config, NULL};
    g_autofree char *words = NULL;
    g_autoptr(GError) error = NULL;
    int status = 0;
    g_spawn_sync(NULL, (char **) argv, fixture->environ, G_SPAWN_DEFAULT, NULL, NULL, NULL, &words, &status, &error);
    g_assert_no_error(error);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    g_assert_nonnull(strstr(words, "Another berthd uses"));
}
