/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <signal.h>
#include <unistd.h>

#include "scenes.h"

/* A removal that was answered goes on after the boot, wherever power is cut, and one that was taken back does not. */

/* The answer, and InterfacesRemoved, are promises. */
static void remove_and_wait(Power *power, const char *path)
{
    power_vm(power, path, "Remove", "{}");
    power_promise_signal(power, "InterfacesRemoved", path);
    fixture_await_gone(power_fixture(power), path);
}

static void act_remove_stopped(Power *power)
{
    g_autofree char *path = scene_make_vms(power);
    power_begin(power);
    remove_and_wait(power, path);
}

/* The answer says that it will be gone, the signal that it is. */
static PowerFates removed(guint kept, PowerFates before)
{
    return POWER_ABSENT | scene_unless(kept, SCENE_SECOND, POWER_REMOVING) | scene_unless(kept, SCENE_FIRST, before);
}

static void check_removed(Power *power, guint kept)
{
    scene_expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SCENE_VM, removed(kept, POWER_ALIVE));
}

static const PowerScenario scenario_remove_stopped = {act_remove_stopped, check_removed};

/* It is wanted: a boot starts it where it is not marked. */
static void act_remove_running(Power *power)
{
    g_autofree char *path = scene_make_vms(power);
    fixture_vm(power_fixture(power), path, "Start");
    power_begin(power);
    remove_and_wait(power, path);
}

static const PowerScenario scenario_remove_running = {act_remove_running, check_removed};

static char *read_file(const char *file)
{
    g_autoptr(GError) error = NULL;
    char *text;
    g_file_get_contents(file, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static void write_file(const char *file, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_file_set_contents(file, text, -1, &error);
    g_assert_no_error(error);
}

/* One text in a file for another. */
static void replace(const char *file, const char *pattern, const char *with)
{
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
    g_autofree char *text = read_file(file);
    g_assert_true(g_regex_match(regex, text, 0, NULL));
    g_autofree char *replaced = g_regex_replace_literal(regex, text, -1, 0, with, 0, NULL);
    write_file(file, replaced);
}

static void act_remove_broken(Power *power)
{
    g_autofree char *path = scene_make_vms(power);
    g_autofree char *definition = scene_file(power, path, BERTH_FILE_DEFINITION);
    fixture_stop_daemon(power_fixture(power), SIGTERM);
    replace(definition, "67108864", "\"much\"");
    fixture_start_daemon(power_fixture(power));
    fixture_await_state(power_fixture(power), path, "broken");
    power_begin(power);
    remove_and_wait(power, path);
}

static void check_broken_removed(Power *power, guint kept)
{
    scene_expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SCENE_VM, removed(kept, POWER_BROKEN));
}

static const PowerScenario scenario_remove_broken = {act_remove_broken, check_broken_removed};

/* What keeps it from being started stays, until what makes it go is there. */
static void act_remove_marked_badly(Power *power)
{
    g_autofree char *path = scene_make_vms(power);
    g_autofree char *marker = scene_file(power, path, BERTH_FILE_MARKER);
    fixture_stop_daemon(power_fixture(power), SIGTERM);
    write_file(marker, "not a marker");
    fixture_start_daemon(power_fixture(power));
    fixture_await_state(power_fixture(power), path, "broken");
    power_begin(power);
    remove_and_wait(power, path);
}

static const PowerScenario scenario_remove_marked_badly = {act_remove_marked_badly, check_broken_removed};

/* Its directory is a link, which has no room for a marker. */
static void act_remove_link(Power *power)
{
    g_autofree char *path = scene_make_vms(power);
    g_autofree char *definition = scene_file(power, path, BERTH_FILE_DEFINITION);
    g_autofree char *directory = g_path_get_dirname(definition);
    g_autofree char *aside = g_build_filename(power_fixture(power)->dir, "aside", NULL);
    fixture_stop_daemon(power_fixture(power), SIGTERM);
    g_assert_cmpint(g_rename(directory, aside), ==, 0);
    g_assert_cmpint(symlink(aside, directory), ==, 0);
    fixture_start_daemon(power_fixture(power));
    fixture_await_state(power_fixture(power), path, "broken");
    power_begin(power);
    remove_and_wait(power, path);
}

static const PowerScenario scenario_remove_link = {act_remove_link, check_broken_removed};

/* A grace time, and the way back */

#define GRACE "{'grace-seconds': <uint32 3600>}"

static void act_remove_with_grace(Power *power)
{
    g_autofree char *path = scene_make_vms(power);
    fixture_vm(power_fixture(power), path, "Start");
    power_begin(power);
    power_vm(power, path, "Remove", GRACE);
}

static void check_in_grace(Power *power, guint kept)
{
    scene_expect_bystander(power);
    g_autofree char *path =
        power_expect_vm(power, SCENE_VM, POWER_REMOVING | scene_unless(kept, SCENE_FIRST, POWER_ALIVE));
    g_autoptr(GVariant) phase = power_get(power, SCENE_VM, "RemovalPhase");
    if (!path && g_strcmp0(phase ? g_variant_get_string(phase, NULL) : NULL, "grace") != 0)
        power_violation(power, "its grace time is lost");
}

static const PowerScenario scenario_remove_with_grace = {act_remove_with_grace, check_in_grace};

/* Remove without a grace time ends an earlier one. */
static void act_end_grace(Power *power)
{
    g_autofree char *path = scene_make_vms(power);
    power_vm(power, path, "Remove", GRACE);
    power_begin(power);
    remove_and_wait(power, path);
}

static void check_grace_ended(Power *power, guint kept)
{
    scene_expect_bystander(power);
    g_autofree char *path = power_expect_vm(power, SCENE_VM, removed(kept, POWER_REMOVING));
    g_autoptr(GVariant) phase = power_get(power, SCENE_VM, "RemovalPhase");
    if (kept & SCENE_FIRST && phase && g_str_equal(g_variant_get_string(phase, NULL), "grace"))
        power_violation(power, "its grace time was to end");
}

static const PowerScenario scenario_end_grace = {act_end_grace, check_grace_ended};

static void act_cancel(Power *power)
{
    g_autofree char *path = scene_make_vms(power);
    fixture_vm(power_fixture(power), path, "Start");
    power_vm(power, path, "Remove", GRACE);
    power_begin(power);
    power_vm(power, path, "CancelRemoval", "{}");
}

static void check_cancelled(Power *power, guint kept)
{
    scene_expect_bystander(power);
    g_autofree char *path =
        power_expect_vm(power, SCENE_VM, POWER_ALIVE | scene_unless(kept, SCENE_FIRST, POWER_REMOVING));
    scene_expect_wanted(power, path != NULL, TRUE);
}

static const PowerScenario scenario_cancel = {act_cancel, check_cancelled};

/* Removals that another daemon began */

/* Answered, and the daemon is killed before it has deleted anything. (transfer full): the path */
static char *begin_removal(Power *power)
{
    Fixture *fixture = power_fixture(power);
    FakeService *systemd = fake_systemd_service(fixture->systemd);
    char *path = scene_make_vms(power);
    fake_service_hold(systemd, "StopUnit");
    fixture_vm(fixture, path, "Remove");
    fixture_stop_daemon(fixture, SIGKILL);
    fake_service_release(systemd, "StopUnit");
    return path;
}

/* Not before the daemon is there to be heard: of what has gone by then, nothing is told. */
static void resume(Power *power, const char *path)
{
    FakeService *systemd = fake_systemd_service(power_fixture(power)->systemd);
    power_begin(power);
    power_promise_signal(power, "InterfacesRemoved", path);
    fake_service_hold(systemd, "StopUnit");
    fixture_start_daemon(power_fixture(power));
    fake_service_release(systemd, "StopUnit");
    fixture_await_gone(power_fixture(power), path);
}

static void act_resume_marked(Power *power)
{
    g_autofree char *path = begin_removal(power);
    resume(power, path);
}

static void check_resumed(Power *power, guint kept)
{
    scene_expect_bystander(power);
    g_autofree char *path =
        power_expect_vm(power, SCENE_VM, POWER_ABSENT | scene_unless(kept, SCENE_FIRST, POWER_REMOVING));
}

static const PowerScenario scenario_resume_marked = {act_resume_marked, check_resumed};

/* (transfer full): the first group of @pattern in the file */
static char *look_up(const char *file, const char *pattern)
{
    g_autofree char *text = read_file(file);
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_assert_true(g_regex_match(regex, text, 0, &match));
    return g_match_info_fetch(match, 1);
}

/* Half of it is deleted. */
static void act_resume_doomed(Power *power)
{
    const char *state_dir = power_fixture(power)->state_dir;
    scene_make_bystander(power);
    g_autofree char *path = tooled_vm(power_tooled(power), SCENE_VM, NULL);
    g_autofree char *definition = scene_file(power, path, BERTH_FILE_DEFINITION);
    g_autofree char *directory = g_path_get_dirname(definition), *id = g_path_get_basename(directory);
    g_autofree char *incarnation = look_up(definition, "\"incarnation\" *: *\"([^\"]*)\"");
    g_autofree char *name = g_strconcat(id, ".", incarnation, NULL);
    g_autofree char *doomed = g_build_filename(state_dir, BERTH_DIR_REMOVING, name, NULL);
    g_autofree char *logs = g_build_filename(directory, BERTH_DIR_LOGS, NULL);
    fixture_stop_daemon(power_fixture(power), SIGKILL);
    g_assert_cmpint(g_rmdir(logs), ==, 0);
    g_assert_cmpint(g_rename(directory, doomed), ==, 0);
    resume(power, path);
}

static const PowerScenario scenario_resume_doomed = {act_resume_doomed, check_resumed};

/* A marker that is good and was not there before, as after the restoring of a file. */
static void act_reload(Power *power)
{
    Fixture *fixture = power_fixture(power);
    g_autofree char *path = scene_make_vms(power);
    g_autofree char *marker = scene_file(power, path, BERTH_FILE_MARKER);
    power_vm(power, path, "Remove", GRACE);
    g_autofree char *text = read_file(marker);
    fixture_vm(fixture, path, "CancelRemoval");
    write_file(marker, text);
    replace(marker, "\"grace-until\" *: *[0-9]+", "\"grace-until\": 0");
    power_begin(power);
    power_promise_signal(power, "InterfacesRemoved", path);
    g_autoptr(GVariant) answer = power_call(power, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload",
                                            g_variant_new("(@a{sv})", tooled_asv("{}")), NULL);
    fixture_await_gone(fixture, path);
}

static const PowerScenario scenario_reload = {act_reload, check_resumed};

static void add(void)
{
    power_add("M03/remove-stopped", &scenario_remove_stopped);
    power_add("M03/remove-running", &scenario_remove_running);
    power_add("M03/remove-broken", &scenario_remove_broken);
    power_add("M03/remove-marked-badly", &scenario_remove_marked_badly);
    power_add("M03/remove-link", &scenario_remove_link);
    power_add("M03/remove-with-grace", &scenario_remove_with_grace);
    power_add("M03/end-grace", &scenario_end_grace);
    power_add("M03/cancel-removal", &scenario_cancel);
    power_add("M03/resume-marked", &scenario_resume_marked);
    power_add("M03/resume-doomed", &scenario_resume_doomed);
    power_add("M03/reload", &scenario_reload);
}

int main(int argc, char **argv)
{
    return power_main(argc, argv, add);
}
