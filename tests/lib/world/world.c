/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/prctl.h>

#include "src/core/names.h"
#include "tests/lib/client.h"
#include "world-private.h"

/* The ledger, and the VMs as the daemon tells of them. */

static void entry_free(gpointer data)
{
    WorldVm *vm = data;
    g_free(vm->name);
    g_free(vm->id);
    g_free(vm);
}

static void seen_free(gpointer data)
{
    SeenVm *vm = data;
    g_free(vm->path);
    g_free(vm->id);
    g_free(vm->name);
    g_free(vm->state);
    g_free(vm->phase);
    g_free(vm->unit);
    g_variant_unref(vm->all);
    g_free(vm);
}

World *world_new(const WorldPlace *place)
{
    World *world = g_new0(World, 1);
    world->place = *place;
    world->vms = g_ptr_array_new_with_free_func(entry_free);
    world->images = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    world->seen = g_ptr_array_new_with_free_func(seen_free);
    world->seen_images = g_ptr_array_new_with_free_func(g_free);
    world->protected = g_ptr_array_new_with_free_func(world_protected_free);
    world->children = world_list_children();
    world->signals = world_signals_new(place->client);
    g_assert_cmpint(prctl(PR_SET_CHILD_SUBREAPER, 1), ==, 0);
    return world;
}

void world_free(World *world)
{
    world_signals_free(world->signals);
    g_hash_table_unref(world->children);
    g_ptr_array_unref(world->protected);
    g_ptr_array_unref(world->seen_images);
    g_ptr_array_unref(world->seen);
    g_hash_table_unref(world->images);
    g_ptr_array_unref(world->vms);
    g_free(world);
}

WorldVm *world_vm(World *world, const char *name)
{
    for (guint i = 0; i < world->vms->len; i++) {
        WorldVm *vm = world->vms->pdata[i];
        if (g_str_equal(vm->name, name))
            return vm;
    }
    WorldVm *vm = g_new0(WorldVm, 1);
    vm->name = g_strdup(name);
    vm->max_starts = G_MAXUINT;
    g_ptr_array_add(world->vms, vm);
    return vm;
}

void world_vm_reset(WorldVm *vm, WorldTruth exists)
{
    char *name = vm->name;
    g_free(vm->id);
    *vm = (WorldVm){.name = name, .exists = exists, .max_starts = G_MAXUINT};
}

void world_allow_leftovers(World *world, gboolean allow)
{
    world->allow_leftovers = allow;
}

void world_image(World *world, const char *name, WorldTruth exists)
{
    g_hash_table_insert(world->images, g_strdup(name), GINT_TO_POINTER(exists));
}

void world_forbid_starts(World *world, WorldVm *vm)
{
    vm->max_starts = world->place.n_starts(vm->name, world->place.data);
}

/* Asking */

typedef struct {
    World *world;
    void (*answered)(World *world, GVariant *answer); /* (nullable) */
    GVariant *answer;
    GError *error;
    gboolean done;
} Call;

static void on_answer(GObject *client, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    call->answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(client), result, &call->error);
    if (call->answer && call->answered)
        call->answered(call->world, call->answer);
    call->done = TRUE;
}

/* By the main loop, as the signals come: when @answered is called, those have been seen that were sent before the
 * answer, and none that was sent after it. (nullable) */
static GVariant *try_call(World *world, const char *bus_name, const char *path, const char *interface,
                          const char *method, GVariant *parameters, void (*answered)(World *world, GVariant *answer),
                          GError **error)
{
    Call call = {.world = world, .answered = answered};
    g_dbus_connection_call(world->place.client, bus_name, path, interface, method, parameters, NULL,
                           G_DBUS_CALL_FLAGS_NONE, (int) CLIENT_SECONDS * 1000, NULL, on_answer, &call);
    while (!call.done)
        g_main_context_iteration(NULL, TRUE);
    if (call.error)
        g_propagate_error(error, call.error);
    return call.answer;
}

GVariant *world_call(World *world, const char *bus_name, const char *path, const char *interface, const char *method,
                     GVariant *parameters)
{
    g_autoptr(GError) error = NULL;
    GVariant *answer = try_call(world, bus_name, path, interface, method, parameters, NULL, &error);
    if (!answer)
        g_error("%s.%s of %s: %s", interface, method, path, error->message);
    return answer;
}

static SeenVm *seen_new(const char *path, GVariant *properties)
{
    SeenVm *vm = g_new0(SeenVm, 1);
    vm->path = g_strdup(path);
    vm->all = g_variant_ref(properties);
    g_variant_lookup(properties, "Id", "s", &vm->id);
    g_variant_lookup(properties, "Name", "s", &vm->name);
    g_variant_lookup(properties, "State", "s", &vm->state);
    g_variant_lookup(properties, "RemovalPhase", "s", &vm->phase);
    g_variant_lookup(properties, "Unit", "s", &vm->unit);
    g_variant_lookup(properties, "WantRunning", "b", &vm->wanted);
    g_variant_lookup(properties, "MemoryBytes", "t", &vm->memory);
    g_variant_lookup(properties, "PID", "u", &vm->pid);
    g_variant_lookup(properties, "CID", "u", &vm->cid);
    return vm;
}

/* At any time: of two that have one, one would be reached in the other's place. 0: its definition can't be read. */
static void check_cids(World *world)
{
    g_autoptr(GHashTable) cids = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < world->seen->len; i++) {
        const SeenVm *vm = world->seen->pdata[i];
        if (vm->cid != 0 && !g_hash_table_add(cids, GUINT_TO_POINTER(vm->cid)))
            g_error("%s has the CID %u, as another has", vm->name, vm->cid);
    }
}

static void take_objects(World *world, GVariant *answer)
{
    g_autoptr(GVariantIter) objects = NULL;
    const char *path;
    GVariant *interfaces;
    g_ptr_array_set_size(world->seen, 0);
    g_ptr_array_set_size(world->seen_images, 0);
    world->n_jobs = 0;
    g_variant_get(answer, "(a{oa{sa{sv}}})", &objects);
    while (g_variant_iter_loop(objects, "{&o@a{sa{sv}}}", &path, &interfaces)) {
        g_autoptr(GVariant) vm = g_variant_lookup_value(interfaces, BERTH_IFACE_VM, NULL);
        g_autoptr(GVariant) image = g_variant_lookup_value(interfaces, BERTH_IFACE_IMAGE, NULL);
        g_autoptr(GVariant) job = g_variant_lookup_value(interfaces, BERTH_IFACE_JOB, NULL);
        char *name;
        world->n_jobs += job ? 1 : 0;
        if (vm)
            g_ptr_array_add(world->seen, seen_new(path, vm));
        else if (image && g_variant_lookup(image, "Name", "s", &name))
            g_ptr_array_add(world->seen_images, name);
    }
    world_signals_compare(world->signals, world->seen);
    check_cids(world);
}

/* FALSE where nobody answers. */
static gboolean look(World *world)
{
    g_autoptr(GVariant) answer = try_call(world, BERTH_BUS_NAME, BERTH_PATH_ROOT, "org.freedesktop.DBus.ObjectManager",
                                          "GetManagedObjects", NULL, take_objects, NULL);
    return answer != NULL;
}

gboolean world_seen_is_live(const SeenVm *vm)
{
    return *vm->unit != '\0';
}

WorldVm *world_entry_of(World *world, const SeenVm *seen)
{
    for (guint i = 0; i < world->vms->len; i++) {
        WorldVm *vm = world->vms->pdata[i];
        if (g_str_equal(vm->name, seen->name) || g_strcmp0(vm->id, seen->id) == 0)
            return vm;
    }
    return NULL;
}

/* Settling */

static gboolean is_under_way(World *world, const SeenVm *vm)
{
    const WorldVm *entry = world_entry_of(world, vm);
    /* It is on its way to its end, whether the daemon has seen that or not. */
    if (entry && entry->runs == WORLD_NO && world_seen_is_live(vm))
        return TRUE;
    return g_str_equal(vm->state, "starting") || g_str_equal(vm->state, "stopping") ||
           (g_str_equal(vm->state, "removing") && !g_str_equal(vm->phase, "grace"));
}

/* FALSE: nothing is under way */
static gboolean push(World *world)
{
    gboolean busy = world->n_jobs > 0;
    for (guint i = 0; i < world->seen->len; i++) {
        const SeenVm *vm = world->seen->pdata[i];
        busy = busy || is_under_way(world, vm);
        if (g_str_equal(vm->phase, "waiting"))
            g_dbus_connection_call(world->place.client, BERTH_BUS_NAME, vm->path, BERTH_IFACE_VM, "Remove",
                                   g_variant_new("(a{sv})", NULL), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
    }
    return busy;
}

static char *describe_seen(World *world)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < world->seen->len; i++) {
        const SeenVm *vm = world->seen->pdata[i];
        g_autofree char *all = g_variant_print(vm->all, FALSE);
        g_string_append_printf(text, "%s: %s\n", vm->path, all);
    }
    return g_string_free(text, FALSE);
}

/* Until the next signal. */
static void await_news(World *world, guint count, AwaitDeadline *deadline)
{
    while (count == world_signals_count(world->signals))
        if (!await_step(deadline)) {
            g_autofree char *text = look(world) ? describe_seen(world) : g_strdup("the daemon does not answer");
            g_error("It does not come to rest:\n%s", text);
        }
}

gboolean world_try_settle(World *world)
{
    AwaitDeadline deadline;
    gboolean there;
    await_begin(&deadline, CLIENT_SECONDS * 1000);
    for (guint count; count = world_signals_count(world->signals), (there = look(world)) && push(world);)
        await_news(world, count, &deadline);
    await_end(&deadline);
    return there;
}

void world_settle(World *world)
{
    if (!world_try_settle(world))
        g_error("The daemon does not answer");
}

/* Holding it against the ledger */

static void check_truth(const SeenVm *vm, const char *what, WorldTruth expected, gboolean is)
{
    g_autofree char *all = g_variant_print(vm->all, FALSE);
    if (expected != WORLD_EITHER && (expected == WORLD_YES) != is)
        g_error("%s %s %s: %s", vm->name, is ? "is" : "is not", what, all);
}

static void check_vm(World *world, const SeenVm *seen)
{
    const WorldVm *vm = world_entry_of(world, seen);
    if (!vm || vm->exists == WORLD_NO)
        g_error("%s (%s) is there, as %s %s", seen->name, seen->id, seen->state, seen->phase);
    check_truth(seen, "broken", vm->broken, g_str_equal(seen->state, "broken"));
    check_truth(seen, "in its grace time", vm->grace, g_str_equal(seen->phase, "grace"));
    check_truth(seen, "running", vm->runs, world_seen_is_live(seen));
    if (!g_str_equal(seen->state, "removing"))
        check_truth(seen, "wanted", vm->wanted, seen->wanted);
    if (g_str_equal(seen->state, "running") != world_seen_is_live(seen) && !g_str_equal(seen->state, "paused") &&
        !g_str_equal(seen->state, "removing") && !g_str_equal(seen->state, "broken"))
        g_error("%s is %s, and its unit is “%s”", seen->name, seen->state, seen->unit);
    if (vm->memory[0] != 0 && seen->memory != vm->memory[0] && seen->memory != vm->memory[1])
        g_error("%s has %" G_GUINT64_FORMAT " bytes of memory", seen->name, seen->memory);
}

static void check_entry(World *world, const WorldVm *vm)
{
    g_autofree char *path = world_find(world, vm->name);
    if (vm->exists == WORLD_YES && !path)
        g_error("%s is not there any more", vm->name);
    guint n = vm->max_starts == G_MAXUINT ? 0 : world->place.n_starts(vm->name, world->place.data);
    if (n > vm->max_starts)
        g_error("%s was started after its removal was asked for", vm->name);
}

static void check_images(World *world)
{
    GHashTableIter iter;
    gpointer name, exists;
    for (guint i = 0; i < world->seen_images->len; i++)
        if (GPOINTER_TO_INT(g_hash_table_lookup(world->images, world->seen_images->pdata[i])) == WORLD_NO)
            g_error("The image %s is there", (const char *) world->seen_images->pdata[i]);
    g_hash_table_iter_init(&iter, world->images);
    while (g_hash_table_iter_next(&iter, &name, &exists))
        if (GPOINTER_TO_INT(exists) == WORLD_YES &&
            !g_ptr_array_find_with_equal_func(world->seen_images, name, g_str_equal, NULL))
            g_error("The image %s is not there any more", (const char *) name);
}

void world_check(World *world)
{
    world_settle(world);
    for (guint i = 0; i < world->seen->len; i++)
        check_vm(world, world->seen->pdata[i]);
    for (guint i = 0; i < world->vms->len; i++)
        check_entry(world, world->vms->pdata[i]);
    check_images(world);
    world_check_host(world);
    world_check_disk(world);
}

gboolean world_was_told_gone(World *world, const char *path)
{
    return world_signals_told_gone(world->signals, path);
}

char *world_find(World *world, const char *name)
{
    for (guint i = 0; i < world->seen->len; i++) {
        const SeenVm *seen = world->seen->pdata[i];
        const WorldVm *vm = world_entry_of(world, seen);
        if (vm && g_str_equal(vm->name, name))
            return g_strdup(seen->path);
    }
    return NULL;
}
