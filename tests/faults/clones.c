/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clones.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "src/core/names.h"

#define N_BEGIN 8192 /* bytes of data, a hole, and some more up to the end */
#define N_END 3

/* What a guest has written. (transfer full) */
static char *written_disk(void)
{
    char *bytes = g_malloc0(STAGE_DISK);
    memset(bytes, 'b', N_BEGIN);
    memset(bytes + STAGE_DISK - N_END, 'e', N_END);
    return bytes;
}

void clones_prepare(Stage *stage)
{
    stage_create(stage);
    g_autofree char *disk = scripted_vm_file(&stage->fixture, stage->path, BERTH_DIR_DISKS "/disk0.raw");
    g_autofree char *bytes = written_disk();
    int fd = open(disk, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(pwrite(fd, bytes, N_BEGIN, 0), ==, N_BEGIN);
    g_assert_cmpint(pwrite(fd, bytes + STAGE_DISK - N_END, N_END, STAGE_DISK - N_END), ==, N_END);
    close(fd);
}

/* What a clone kept for itself it has given back, however it ended: its name, its CID, and its source to be used. */
static void expect_free(Stage *stage)
{
    WorldVm *heir = world_vm(stage->world, STAGE_HEIR);
    if (heir->exists == WORLD_NO) {
        stage_begin_clone(stage);
        stage_end_clone(stage);
        if (heir->exists == WORLD_NO)
            g_error("After one that failed there is no other clone");
    }
    if (stage_call(stage, stage->path, BERTH_IFACE_VM, "Configure",
                   g_variant_new_parsed("({'description': <'cloned'>}, @a{sv} {})"), NULL) == STAGE_REFUSED)
        g_error("What was cloned can't be used any more");
}

void clones_act(Stage *stage)
{
    stage_begin_clone(stage);
    stage_end_clone(stage);
    stage_rest(stage);
    faults_disarm(stage->faults);
    if (stage->fixture.daemon != 0)
        expect_free(stage);
}

/* The clone tells how far it is, and the connection may be lost over that: who asked just before does not know whether he
 * was heard, and what he wants may be about to be written down. He asks again; and is refused where the VM has gone. */
static StageAnswer remove_source(Stage *stage)
{
    const Fixture *fixture = &stage->fixture;
    const StageAnswer first = stage_vm(stage, "Remove", "@a{sv} {}");
    StageAnswer answer = first;
    while (answer == STAGE_LOST && fixture->daemon != 0) {
        AWAIT(fixture->daemon == 0 || fixture->owner);
        answer = stage_vm(stage, "Remove", "@a{sv} {}");
    }
    return answer == STAGE_OK ? STAGE_OK : first;
}

void clones_act_and_remove(Stage *stage)
{
    world_forbid_starts(stage->world, stage->vm);
    stage_begin_clone(stage);
    stage_expect_removal(stage, remove_source(stage));
    stage_end_clone(stage);
    stage_rest(stage);
}

/* (nullable) (transfer full): with a 0 at its end */
static char *read_disk(Stage *stage, const char *path, const char *name, gsize *length)
{
    g_autofree char *dir = scripted_vm_file(&stage->fixture, path, BERTH_DIR_DISKS);
    g_autofree char *file = g_build_filename(dir, name, NULL);
    char *bytes = NULL;
    return g_file_get_contents(file, &bytes, length, NULL) ? bytes : NULL;
}

static void check_whole(Stage *stage, const char *path)
{
    gsize disk_length = 0, vars_length = 0;
    g_autofree char *expected = written_disk();
    g_autofree char *disk = read_disk(stage, path, "disk0.raw", &disk_length);
    g_autofree char *vars = read_disk(stage, path, BERTH_FILE_FIRMWARE_VARS, &vars_length);
    if (!disk || disk_length != STAGE_DISK || memcmp(disk, expected, STAGE_DISK) != 0)
        g_error("The disk of %s is not what was written", path);
    if (g_strcmp0(vars, STAGE_VARS) != 0)
        g_error("The firmware's variables of %s are not what they were", path);
}

void clones_check(Stage *stage)
{
    world_settle(stage->world);
    g_autofree char *source = world_find(stage->world, STAGE_VM);
    g_autofree char *heir = world_find(stage->world, STAGE_HEIR);
    if (g_strcmp0(source, stage->cloned) == 0)
        check_whole(stage, source);
    if (heir)
        check_whole(stage, heir);
}
