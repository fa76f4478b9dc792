/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scenarios.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "src/core/names.h"

#define NO_OPTIONS "@a{sv} {}"
#define GRACE "{'grace-seconds': <uint32 600>}"

static void prepare_nothing(Stage *stage)
{
}

static void prepare_stopped(Stage *stage)
{
    stage_create(stage);
}

static void prepare_running(Stage *stage)
{
    stage_create(stage);
    stage_start(stage);
}

/* Creation */

static void act_create(Stage *stage)
{
    stage_try_create(stage, NO_OPTIONS);
    stage_rest(stage);
}

/* It was answered that the VM is made; its State tells whether it started. */
static void act_create_with_start(Stage *stage)
{
    stage_try_create(stage, "{'start': <true>}");
    stage->vm->wanted = stage->vm->runs = WORLD_EITHER;
    stage_rest(stage);
}

/* Configuration */

static void act_configure(Stage *stage)
{
    const guint64 old = STAGE_MEMORY, new = 2 * STAGE_MEMORY;
    StageAnswer answer = stage_call(stage, stage->path, BERTH_IFACE_VM, "Configure",
                                    g_variant_new_parsed("({'memory': <%t>}, @a{sv} {})", new), NULL);
    stage->vm->memory[0] = answer == STAGE_OK ? new : old;
    stage->vm->memory[1] = answer == STAGE_LOST ? new : 0;
    stage_rest(stage);
}

/* Starting and stopping */

static void expect_process(Stage *stage, WorldTruth truth)
{
    stage->vm->wanted = stage->vm->runs = truth;
}

static void act_start(Stage *stage)
{
    StageAnswer answer = stage_vm(stage, "Start", NO_OPTIONS);
    expect_process(stage, answer == STAGE_OK ? WORLD_YES : answer == STAGE_LOST ? WORLD_EITHER : WORLD_NO);
    stage_rest(stage);
}

/* It goes in any case: an error says that it may come back after a boot. */
static void act_power_off(Stage *stage)
{
    StageAnswer answer = stage_vm(stage, "PowerOff", NO_OPTIONS);
    expect_process(stage, answer == STAGE_OK ? WORLD_NO : WORLD_EITHER);
    stage_rest(stage);
}

static void act_shutdown(Stage *stage)
{
    StageAnswer answer = stage_vm(stage, "Shutdown", NO_OPTIONS);
    expect_process(stage, answer == STAGE_OK ? WORLD_NO : WORLD_EITHER);
    stage_rest(stage);
}

/* Images */

static void act_import(Stage *stage)
{
    g_autofree char *source = g_build_filename(stage->fixture.dir, "source", NULL);
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    int fd = open(source, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(g_unix_fd_list_append(fds, fd, NULL), ==, 0);
    close(fd);
    world_image(stage->world, STAGE_IMAGE, stage_import(stage, fds));
    stage_rest(stage);
}

/* Removal */

/* Asked for: answered, it is gone in the end; refused, it is as it was. */
static void expect_removal(Stage *stage, StageAnswer answer)
{
    stage->vm->exists = answer == STAGE_OK ? WORLD_NO : answer == STAGE_LOST ? WORLD_EITHER : WORLD_YES;
}

static void act_remove(Stage *stage)
{
    world_forbid_starts(stage->world, stage->vm);
    expect_removal(stage, stage_vm(stage, "Remove", NO_OPTIONS));
    stage_rest(stage);
}

static void act_grace(Stage *stage)
{
    world_forbid_starts(stage->world, stage->vm);
    StageAnswer asked = stage_vm(stage, "Remove", GRACE);
    StageAnswer taken_back = asked == STAGE_OK ? stage_vm(stage, "CancelRemoval", NO_OPTIONS) : asked;
    stage->vm->grace = taken_back == STAGE_LOST                           ? WORLD_EITHER
                       : asked == STAGE_OK && taken_back == STAGE_REFUSED ? WORLD_YES
                                                                          : WORLD_NO;
    stage_rest(stage);
}

static void reload(Stage *stage)
{
    if (stage_call(stage, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new("(a{sv})", NULL), NULL) !=
        STAGE_OK)
        g_error("Reload fails");
}

static void prepare_broken(Stage *stage)
{
    stage_create(stage);
    g_autofree char *file = g_build_filename(stage->fixture.state_dir, BERTH_DIR_VMS, stage->id, "vm.json", NULL);
    g_assert_true(g_file_set_contents(file, "{", -1, NULL));
    reload(stage);
    stage->vm->broken = WORLD_YES;
    stage->vm->wanted = WORLD_EITHER;
    stage->vm->memory[0] = 0;
}

/* A removal that has been answered, and was interrupted before anything was deleted. */
static void interrupt_removal(Stage *stage)
{
    FakeService *systemd = fake_systemd_service(stage->fixture.systemd);
    fake_service_hold(systemd, "StopUnit");
    if (stage_vm(stage, "Remove", NO_OPTIONS) != STAGE_OK)
        g_error("Remove fails");
    world_forbid_starts(stage->world, stage->vm);
    stage->vm->exists = WORLD_NO;
    fixture_stop_daemon(&stage->fixture, SIGKILL);
    fake_service_release(systemd, "StopUnit");
    g_autofree char *booted = g_build_filename(stage->fixture.runtime_dir, ".booted", NULL);
    g_unlink(booted);
}

/* Of a VM that ran: its processes are there, or their runtime directory. */
static void prepare_marked(Stage *stage)
{
    prepare_running(stage);
    interrupt_removal(stage);
}

static char *vm_dir(Stage *stage)
{
    return g_build_filename(stage->fixture.state_dir, BERTH_DIR_VMS, stage->id, NULL);
}

/* And one that came a step further. */
static void prepare_doomed(Stage *stage)
{
    prepare_marked(stage);
    g_autofree char *dir = vm_dir(stage);
    g_autofree char *file = g_build_filename(dir, BERTH_FILE_DEFINITION, NULL);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    const char *key = strstr(text, "\"incarnation\"");
    g_assert_nonnull(key);
    g_auto(GStrv) words = g_strsplit(key, "\"", 5);
    g_autofree char *name = g_strconcat(stage->id, ".", words[3], NULL);
    g_autofree char *doomed = g_build_filename(stage->fixture.state_dir, BERTH_DIR_REMOVING, name, NULL);
    g_assert_cmpint(g_rename(dir, doomed), ==, 0);
}

static void act_resume(Stage *stage)
{
    fixture_spawn_daemon(&stage->fixture);
    stage_rest(stage);
}

/* Reload */

static void prepare_changed(Stage *stage)
{
    stage_create(stage);
    g_autofree char *dir = vm_dir(stage);
    g_autofree char *file = g_build_filename(dir, BERTH_FILE_DEFINITION, NULL);
    scripted_replace(file, "67108864", "134217728");
    stage->vm->memory[1] = 2 * STAGE_MEMORY;
}

/* A directory whose marker the daemon has not seen yet. */
static void prepare_put_back(Stage *stage)
{
    stage_create(stage);
    interrupt_removal(stage);
    g_autofree char *dir = vm_dir(stage);
    g_autofree char *aside = g_build_filename(stage->fixture.dir, "aside", NULL);
    g_assert_cmpint(g_rename(dir, aside), ==, 0);
    fixture_start_daemon(&stage->fixture);
    g_assert_cmpint(g_rename(aside, dir), ==, 0);
}

static void act_reload(Stage *stage)
{
    StageAnswer answer =
        stage_call(stage, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new("(a{sv})", NULL), NULL);
    stage->is_unknown = answer != STAGE_OK;
    if (answer == STAGE_OK)
        stage->vm->memory[0] = stage->vm->memory[1];
    stage_rest(stage);
}

const Scenario scenarios[] = {
    {"create", "M21", prepare_nothing, act_create, FALSE},
    {"create-with-start", "M21", prepare_nothing, act_create_with_start, FALSE},
    {"import", "M21", prepare_nothing, act_import, FALSE},
    {"configure", "M21", prepare_stopped, act_configure, FALSE},
    {"start", "M09", prepare_stopped, act_start, FALSE},
    {"power-off", "M09", prepare_running, act_power_off, FALSE},
    {"shutdown", "M09", prepare_running, act_shutdown, FALSE},
    {"remove-stopped", "M01", prepare_stopped, act_remove, TRUE},
    {"remove-running", "M01", prepare_running, act_remove, TRUE},
    {"remove-broken", "M12", prepare_broken, act_remove, TRUE},
    {"grace-and-cancel", "M01", prepare_running, act_grace, TRUE},
    {"resume-marked", "M04", prepare_marked, act_resume, TRUE},
    {"resume-doomed", "M04", prepare_doomed, act_resume, TRUE},
    {"reload-changed", "M01", prepare_changed, act_reload, FALSE},
    {"reload-marked", "M04", prepare_put_back, act_reload, TRUE},
};
const guint n_scenarios = G_N_ELEMENTS(scenarios);

const Scenario *scenario_find(const char *name)
{
    for (guint i = 0; i < n_scenarios; i++)
        if (g_str_equal(scenarios[i].name, name))
            return &scenarios[i];
    return NULL;
}
