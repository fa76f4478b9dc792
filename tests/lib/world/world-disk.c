/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/stat.h>

#include "src/core/names.h"
#include "world-private.h"

/* The files: whole VMs and images, and nothing else. */

/* Trees that nobody may touch, described in words that can be compared. */

typedef struct {
    char *path;
    char *description;
} Protected;

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* (transfer full): sorted, empty where there is no such directory */
static GPtrArray *list(const char *path)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));)
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    return names;
}

static void describe(const char *path, GString *text)
{
    struct stat st;
    g_autofree char *contents = NULL;
    gsize length = 0;
    if (lstat(path, &st) < 0) {
        g_string_append_printf(text, "%s is not there\n", path);
        return;
    }
    if (S_ISREG(st.st_mode))
        g_file_get_contents(path, &contents, &length, NULL);
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *) contents, (gssize) length);
    g_string_append_printf(text, "%s mode %o owner %u:%u links %u time %ld.%09ld contents %.16s\n", path, st.st_mode,
                           st.st_uid, st.st_gid, (guint) st.st_nlink, (long) st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                           sum);
    if (!S_ISDIR(st.st_mode))
        return;
    g_autoptr(GPtrArray) names = list(path);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *child = g_build_filename(path, names->pdata[i], NULL);
        describe(child, text);
    }
}

static char *description_of(const char *path)
{
    GString *text = g_string_new(NULL);
    describe(path, text);
    return g_string_free(text, FALSE);
}

void world_protect(World *world, const char *path)
{
    Protected *protected = g_new(Protected, 1);
    *protected = (Protected){g_strdup(path), description_of(path)};
    g_ptr_array_add(world->protected, protected);
}

void world_protected_free(gpointer data)
{
    Protected *protected = data;
    g_free(protected->path);
    g_free(protected->description);
    g_free(protected);
}

void world_check_protected(World *world)
{
    for (guint i = 0; i < world->protected->len; i++) {
        const Protected *protected = world->protected->pdata[i];
        g_autofree char *now = description_of(protected->path);
        if (!g_str_equal(now, protected->description))
            g_error("What is none of the VM's was changed. It was\n%s\nand is\n%s", protected->description, now);
    }
}

/* Each directory holds what it should, and nothing else */

/* @expected: ends with %NULL; a name that begins with "?" may be missing */
static void check_names(World *world, const char *dir, const char *const *expected)
{
    g_autoptr(GPtrArray) names = list(dir);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *optional = g_strconcat("?", names->pdata[i], NULL);
        if (world->allow_leftovers && g_str_has_prefix(names->pdata[i], BERTH_STAGING_PREFIX))
            continue;
        if (!g_strv_contains(expected, names->pdata[i]) && !g_strv_contains(expected, optional))
            g_error("%s/%s is left", dir, (const char *) names->pdata[i]);
    }
    for (; *expected; expected++)
        if (**expected != '?' && !g_ptr_array_find_with_equal_func(names, *expected, g_str_equal, NULL))
            g_error("%s/%s is missing", dir, *expected);
}

/* As many disks as its definition has, and its firmware's variables. */
static void check_disks(World *world, const SeenVm *vm)
{
    g_autofree char *dir = g_build_filename(world->place.state_dir, BERTH_DIR_VMS, vm->id, BERTH_DIR_DISKS, NULL);
    g_autoptr(GPtrArray) names = list(dir);
    g_autoptr(GVariant) config = g_variant_lookup_value(vm->all, "Config", G_VARIANT_TYPE_VARDICT);
    g_autoptr(GVariant) disks = g_variant_lookup_value(config, "disks", NULL);
    const char *firmware = "";
    g_variant_lookup(config, "firmware", "&s", &firmware);
    const guint expected = (disks ? (guint) g_variant_n_children(disks) : 0) + (g_str_equal(firmware, "uefi") ? 1 : 0);
    if (names->len != expected)
        g_error("%s has %u files in its disks/, and not %u", vm->name, names->len, expected);
}

static void check_vm_dir(World *world, const SeenVm *vm)
{
    g_autofree char *dir = g_build_filename(world->place.state_dir, BERTH_DIR_VMS, vm->id, NULL);
    const gboolean is_marked = g_str_equal(vm->state, "removing");
    const char *const expected[] = {
        BERTH_FILE_DEFINITION,
        BERTH_DIR_DISKS,
        BERTH_DIR_LOGS,
        vm->wanted  ? BERTH_FILE_WANTED
        : is_marked ? "?" BERTH_FILE_WANTED
                    : BERTH_DIR_LOGS,
        is_marked ? BERTH_FILE_MARKER : BERTH_DIR_LOGS,
        NULL,
    };
    if (g_str_equal(vm->state, "broken"))
        return;
    check_names(world, dir, expected);
    check_disks(world, vm);
}

/* Of a run that has ended the records stay, and tell how. */
static void check_runtime_dir(World *world, const SeenVm *vm)
{
    static const char *const live[] = {
        "lock",
        BERTH_FILE_RUN,
        "?" BERTH_FILE_EXIT,
        "?" BERTH_FILE_GUEST,
        BERTH_FILE_QMP_SOCKET,
        BERTH_FILE_CONSOLE_SOCKET,
        BERTH_FILE_AGENT_SOCKET,
        NULL,
    };
    static const char *const ended[] = {"lock", BERTH_FILE_RUN, "?" BERTH_FILE_EXIT, NULL};
    g_autofree char *dir = g_build_filename(world->place.runtime_dir, vm->id, NULL);
    if (world_seen_is_live(vm))
        check_names(world, dir, live);
    else if (g_file_test(dir, G_FILE_TEST_EXISTS) && !world->allow_leftovers)
        check_names(world, dir, ended);
}

/* One entry for each VM: all of them, or those with processes; one without may have records of its last run there. */
static void check_vms(World *world, const char *dir, gboolean is_runtime)
{
    g_autoptr(GPtrArray) expected = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < world->seen->len; i++) {
        const SeenVm *vm = world->seen->pdata[i];
        if (!is_runtime || world_seen_is_live(vm))
            g_ptr_array_add(expected, g_strdup(vm->id));
        else
            g_ptr_array_add(expected, g_strconcat("?", vm->id, NULL));
        if (is_runtime)
            g_ptr_array_add(expected, g_strconcat("?", vm->id, BERTH_ENDED_SUFFIX, NULL));
    }
    if (is_runtime)
        g_ptr_array_add(expected, g_strdup("?.booted"));
    g_ptr_array_add(expected, NULL);
    check_names(world, dir, (const char *const *) expected->pdata);
}

static void check_images(World *world)
{
    static const char *const files[] = {
        BERTH_FILE_IMAGE, "?" BERTH_FILE_DISK, "?" BERTH_FILE_KERNEL, "?" BERTH_FILE_INITRD, NULL,
    };
    g_autofree char *dir = g_build_filename(world->place.state_dir, BERTH_DIR_IMAGES, NULL);
    g_autoptr(GPtrArray) expected = g_ptr_array_copy(world->seen_images, (GCopyFunc) (void (*)(void)) g_strdup, NULL);
    g_ptr_array_set_free_func(expected, g_free);
    g_ptr_array_add(expected, NULL);
    check_names(world, dir, (const char *const *) expected->pdata);
    for (guint i = 0; i < world->seen_images->len; i++) {
        g_autofree char *image = g_build_filename(dir, world->seen_images->pdata[i], NULL);
        check_names(world, image, files);
    }
}

void world_check_disk(World *world)
{
    static const char *const tops[] = {BERTH_FILE_LOCK, BERTH_DIR_VMS, BERTH_DIR_REMOVING, BERTH_DIR_IMAGES, NULL};
    static const char *const nothing[] = {NULL};
    g_autofree char *vms = g_build_filename(world->place.state_dir, BERTH_DIR_VMS, NULL);
    g_autofree char *removing = g_build_filename(world->place.state_dir, BERTH_DIR_REMOVING, NULL);
    check_names(world, world->place.state_dir, tops);
    check_names(world, removing, nothing);
    check_vms(world, vms, FALSE);
    check_vms(world, world->place.runtime_dir, TRUE);
    check_images(world);
    for (guint i = 0; i < world->seen->len; i++) {
        check_vm_dir(world, world->seen->pdata[i]);
        check_runtime_dir(world, world->seen->pdata[i]);
    }
    world_check_protected(world);
}
