/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene.h"
#include "tests/lib/preloads/faults.h"
#include "tests/lib/world/world.h"

/* A sample of what tests/faults tries at all points: one of berthd's calls kills it, or fails; here with the real systemd, D-Bus
 * and QEMU. Whoever calls a daemon that was killed has D-Bus start it again, as on any host.
 *
 * From the environment: BERTH_FAULT_PRELOAD, the library; BERTH_FAULT_SEED, which sample, and else always the same. */

#define VM "web"
#define GRACE "({'grace-seconds': <uint32 600>},)"
#define DROP_IN_DIR "/run/systemd/system/berthd.service.d"
#define N_POINTS 12u /* for each scenario */

typedef enum { OK, REFUSED, LOST } Outcome;

typedef struct {
    const char *name;
    gboolean exists, runs; /* before */
    void (*act)(void);
} Scenario;

typedef struct {
    FaultKind kind;
    int error;
    const char *name;
} Mishap;

static const Mishap mishaps[] = {
    {FAULT_KILL_BEFORE, 0, "killed before"},
    {FAULT_KILL_AFTER, 0, "killed after"},
    {FAULT_ERROR, EIO, "EIO from"},
    {FAULT_ERROR, ENOSPC, "ENOSPC from"},
};

static World *world;
static Faults *faults;
static WorldVm *vm; /* what is known of it */
static char *path;  /* its object */

static Outcome call(const char *object, const char *interface, const char *method, GVariant *parameters,
                    GVariant **answer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) result = client_try(scene_bus, object, interface, method, parameters, &error);
    if (result && answer)
        *answer = g_steal_pointer(&result);
    if (!error)
        return OK;
    return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ? LOST : REFUSED;
}

static Outcome call_vm(const char *method, const char *options)
{
    return call(path, BERTH_IFACE_VM, method, g_variant_new_parsed(options), NULL);
}

#define NO_OPTIONS "(@a{sv} {},)"

static void act_create(void)
{
    g_autoptr(GVariant) answer = NULL;
    Outcome outcome = call(BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                           g_variant_new_parsed("(%s, {'memory': <uint64 67108864>}, @a{sv} {})", VM), &answer);
    world_vm_reset(vm, outcome == OK ? WORLD_YES : outcome == LOST ? WORLD_EITHER : WORLD_NO);
    if (answer)
        g_variant_get(answer, "(o)", &path);
}

static void expect_process(WorldTruth truth)
{
    vm->wanted = vm->runs = truth;
}

static void act_start(void)
{
    Outcome outcome = call_vm("Start", NO_OPTIONS);
    expect_process(outcome == OK ? WORLD_YES : outcome == LOST ? WORLD_EITHER : WORLD_NO);
}

static void act_power_off(void)
{
    expect_process(call_vm("PowerOff", NO_OPTIONS) == OK ? WORLD_NO : WORLD_EITHER);
}

static void act_remove(void)
{
    Outcome outcome = call_vm("Remove", NO_OPTIONS);
    vm->exists = outcome == OK ? WORLD_NO : outcome == LOST ? WORLD_EITHER : WORLD_YES;
}

static void act_grace(void)
{
    Outcome asked = call_vm("Remove", GRACE);
    Outcome taken_back = asked == OK ? call_vm("CancelRemoval", NO_OPTIONS) : asked;
    vm->grace = taken_back == LOST ? WORLD_EITHER : asked == OK && taken_back == REFUSED ? WORLD_YES : WORLD_NO;
}

static const Scenario scenarios[] = {
    {"M21/create", FALSE, FALSE, act_create},       {"M09/start", TRUE, FALSE, act_start},
    {"M09/power-off", TRUE, TRUE, act_power_off},   {"M01/remove-stopped", TRUE, FALSE, act_remove},
    {"M01/remove-running", TRUE, TRUE, act_remove}, {"M01/grace-and-cancel", TRUE, TRUE, act_grace},
};

static void prepare(const Scenario *scenario)
{
    world_vm_reset(vm, WORLD_NO);
    g_clear_pointer(&path, g_free);
    if (!scenario->exists)
        return;
    act_create();
    g_assert_nonnull(path);
    if (scenario->runs)
        act_start();
    g_assert_cmpint(vm->runs, ==, scenario->runs ? WORLD_YES : WORLD_NO);
}

/* It may be killed by this very look, and then is there again for the next. */
static void settle(void)
{
    for (guint tries = 0; !world_try_settle(world); tries++)
        g_assert_cmpuint(tries, <, 3);
}

/* Nothing of it may be in the way of the next. */
static void clear(void)
{
    world_settle(world);
    g_autofree char *left = world_find(world, VM);
    if (left)
        client_vm(scene_bus, left, "Remove");
    world_vm_reset(vm, WORLD_NO);
    world_check(world);
    g_assert_cmpint(scene_status("berthctl", "audit", NULL), ==, 0);
}

/* Whether call number @at was there to go wrong; how many there were, in @count. */
static gboolean play(const Scenario *scenario, const Mishap *mishap, guint at, guint *count)
{
    prepare(scenario);
    faults_arm(faults, mishap->kind, mishap->error, at);
    scenario->act();
    settle();
    faults_disarm(faults);
    gboolean fired = faults_fired(faults);
    *count = faults_count(faults);
    g_autofree char *what = faults_describe(faults, at);
    if (fired)
        g_test_message("%s: %s call %u, %s", scenario->name, mishap->name, at, what);
    scene_restart_daemon();
    world_check(world);
    clear();
    return fired;
}

static guint32 seed(void)
{
    const char *text = g_getenv("BERTH_FAULT_SEED");
    return text ? (guint32) strtoul(text, NULL, 0) : 1;
}

static void set_up(void)
{
    const WorldPlace place = {.client = scene_bus, .state_dir = "/var/lib/berth", .runtime_dir = "/run/berth"};
    g_assert_cmpint(g_mkdir_with_parents(DROP_IN_DIR, 0755), ==, 0);
    g_assert_cmpint(g_mkdir_with_parents("/run/berth-test", 0755), ==, 0);
    faults = faults_new("/run/berth-test");
    g_auto(GStrv) environment = faults_environ(faults, NULL);
    g_autofree char *words = g_strjoinv(" ", environment);
    g_autofree char *text =
        g_strdup_printf("[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=no\nEnvironment=%s\n", words);
    g_assert_true(g_file_set_contents(DROP_IN_DIR "/50-faults.conf", text, -1, NULL));
    g_free(scene_run("systemctl", "daemon-reload", NULL));
    scene_restart_daemon();
    world = world_new(&place);
    vm = world_vm(world, VM);
    world_image(world, "guest", WORLD_YES);
}

static void test_sample(void)
{
    guint n_tried = 0;
    set_up();
    g_autoptr(Guest) bystander = guest_new_bare("bystander");
    client_vm(scene_bus, bystander->path, "Start");
    pid_t qemu = guest_qemu(bystander);
    *world_vm(world, "bystander") = (WorldVm){.name = g_strdup("bystander"),
                                              .exists = WORLD_YES,
                                              .wanted = WORLD_YES,
                                              .runs = WORLD_YES,
                                              .max_starts = G_MAXUINT};
    g_test_message("BERTH_FAULT_SEED=%u", seed());
    g_autoptr(GRand) dice = g_rand_new_with_seed(seed());
    for (guint i = 0; i < G_N_ELEMENTS(scenarios); i++) {
        guint counts[G_N_ELEMENTS(mishaps)];
        for (guint k = 0; k < G_N_ELEMENTS(mishaps); k++)
            play(&scenarios[i], &mishaps[k], 0, &counts[k]);
        for (guint n = 0; n < N_POINTS;) {
            guint k = (guint) g_rand_int_range(dice, 0, G_N_ELEMENTS(mishaps)), count;
            n += play(&scenarios[i], &mishaps[k], (guint) g_rand_int_range(dice, 1, (gint) counts[k] + 1), &count);
        }
        n_tried += N_POINTS;
    }
    client_await_state(bystander->vm, "running");
    g_assert_cmpint(guest_qemu(bystander), ==, qemu);
    g_print("# fault points tried: %u, violations: 0\n", n_tried);
    world_free(world);
    faults_free(faults);
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    g_test_add_func("/removal/M01/faults-with-everything-real", test_sample);
    return g_test_run();
}
