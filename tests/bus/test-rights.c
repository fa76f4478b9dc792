/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/lib/preloads/hold.h"
#include "tooled.h"

/* Who may do what: polkit is asked, its answer is kept to, and what it took minutes over is looked at anew. */

#define DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define CHECK "CheckAuthorization"
#define NOBODY 65534
#define INTERACTIVE G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION

static void on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    FixtureCall *call = data;
    call->answer =
        g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(source), NULL, result, &call->error);
    call->done = TRUE;
}

/* A call of a user's. With a descriptor, which ImportImage needs and others ignore. */
static FixtureCall *begin_as(GDBusConnection *user, const char *path, const char *interface, const char *method,
                             GVariant *parameters, GDBusCallFlags flags)
{
    FixtureCall *call = g_new0(FixtureCall, 1);
    g_autoptr(GUnixFDList) fds = NULL;
    if (g_str_equal(method, "ImportImage")) {
        int fd = memfd_create("disk", MFD_CLOEXEC);
        g_assert_cmpint(ftruncate(fd, 1 << 20), ==, 0);
        fds = g_unix_fd_list_new_from_array(&fd, 1);
    }
    g_dbus_connection_call_with_unix_fd_list(user, BERTH_BUS_NAME, path, interface, method, parameters, NULL, flags,
                                             FIXTURE_CALL_MSEC, fds, NULL, on_done, call);
    return call;
}

static FixtureCall *begin_vm(GDBusConnection *user, const char *path, const char *method, GDBusCallFlags flags)
{
    return begin_as(user, path, BERTH_IFACE_VM, method, g_variant_new("(@a{sv})", tooled_asv("{}")), flags);
}

typedef enum { MANAGER, VM, IMAGE, JOB } Kind;

static const struct {
    Kind kind;
    const char *method, *action, *parameters;
} methods[] = {
    {MANAGER, "CreateVM", BERTH_ACTION_CREATE, "('new', @a{sv} {}, @a{sv} {})"},
    {MANAGER, "Reload", BERTH_ACTION_RELOAD, "(@a{sv} {},)"},
    {MANAGER, "ImportImage", BERTH_ACTION_IMAGES, "('other', handle 0, @a{sv} {})"},
    {VM, "Start", BERTH_ACTION_CONTROL, "(@a{sv} {},)"},
    {VM, "Shutdown", BERTH_ACTION_CONTROL, "(@a{sv} {},)"},
    {VM, "PowerOff", BERTH_ACTION_CONTROL, "(@a{sv} {},)"},
    {VM, "Reset", BERTH_ACTION_CONTROL, "(@a{sv} {},)"},
    {VM, "Pause", BERTH_ACTION_CONTROL, "(@a{sv} {},)"},
    {VM, "Resume", BERTH_ACTION_CONTROL, "(@a{sv} {},)"},
    {VM, "Configure", BERTH_ACTION_CONFIGURE, "({'description': <'x'>}, @a{sv} {})"},
    {VM, "Clone", BERTH_ACTION_CREATE, "('new', @a{sv} {}, @a{sv} {})"},
    {VM, "Remove", BERTH_ACTION_REMOVE, "(@a{sv} {},)"},
    {VM, "CancelRemoval", BERTH_ACTION_REMOVE, "(@a{sv} {},)"},
    {VM, "OpenConsole", BERTH_ACTION_CONSOLE, "(@a{sv} {},)"},
    {VM, "OpenDisplay", BERTH_ACTION_CONSOLE, "(@a{sv} {},)"},
    {VM, "RefreshGuest", BERTH_ACTION_CONTROL, "(@a{sv} {},)"},
    {VM, "OpenLog", BERTH_ACTION_CONSOLE, "('serial', @a{sv} {})"},
    {IMAGE, "Remove", BERTH_ACTION_IMAGES, "(@a{sv} {},)"},
    {JOB, "Cancel", BERTH_ACTION_IMAGES, "(@a{sv} {},)"},
};

/* One of each, with a user to ask for it. */
typedef struct {
    GDBusConnection *user;
    char *vm, *id, *job;
} Scene;

static char *import(Fixture *fixture, const char *name, off_t size)
{
    g_autoptr(GError) error = NULL;
    int fd = memfd_create("disk", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&fd, 1);
    g_autoptr(GVariant) answer =
        fixture_call_with_fds(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "ImportImage",
                              g_variant_new("(sh@a{sv})", name, 0, tooled_asv("{}")), fds, NULL, &error);
    g_assert_no_error(error);
    char *job;
    g_variant_get(answer, "(o)", &job);
    return job;
}

/* The VM runs, an image is there, and an import that ends on no day of ours is under way. */
static void set_scene(Scene *scene, Tooled *tooled)
{
    Fixture *fixture = &tooled->fixture;
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, NULL);
    g_autofree char *done = import(fixture, "hole", 1 << 20);
    AWAIT(recorder_count(recorder, "Completed") == 1);
    scene->job = import(fixture, "long", (off_t) 1 << 40);
    scene->vm = tooled_vm(tooled, "web", NULL);
    scene->id = fixture_get_string(fixture, scene->vm, "Id");
    scene->user = private_bus_connect_as(fixture->bus, NOBODY);
    fixture_vm(fixture, scene->vm, "Start");
}

static void clear_scene(Scene *scene, Tooled *tooled)
{
    g_autoptr(Recorder) recorder = recorder_new(tooled->fixture.client, BERTH_BUS_NAME, NULL);
    g_variant_unref(
        fixture_call(&tooled->fixture, scene->job, BERTH_IFACE_JOB, "Cancel", g_variant_new("(a{sv})", NULL)));
    AWAIT(recorder_count(recorder, "Completed") == 1);
    g_object_unref(scene->user);
    g_free(scene->job);
    g_free(scene->vm);
    g_free(scene->id);
}

static FixtureCall *call_row(const Scene *scene, guint row, GDBusCallFlags flags)
{
    g_autoptr(GError) error = NULL;
    const char *const paths[] = {BERTH_PATH_ROOT, scene->vm, BERTH_PATH_IMAGE "/hole", scene->job};
    const char *const interfaces[] = {BERTH_IFACE_MANAGER, BERTH_IFACE_VM, BERTH_IFACE_IMAGE, BERTH_IFACE_JOB};
    g_autoptr(GVariant) parameters = g_variant_parse(NULL, methods[row].parameters, NULL, NULL, &error);
    g_assert_no_error(error);
    return begin_as(scene->user, paths[methods[row].kind], interfaces[methods[row].kind], methods[row].method,
                    g_variant_ref(parameters), flags);
}

/* Everything that there is, but for the job's progress. */
static char *look(Fixture *fixture, const Scene *scene)
{
    g_autoptr(GVariant) vm = tooled_get_all(fixture, scene->vm, BERTH_IFACE_VM);
    g_autoptr(GVariant) image = tooled_get_all(fixture, BERTH_PATH_IMAGE "/hole", BERTH_IFACE_IMAGE);
    g_autoptr(GVariant) job = fixture_get(fixture, scene->job, BERTH_IFACE_JOB, "Operation");
    g_autoptr(GPtrArray) vms = fixture_vms(fixture);
    g_autofree char *vms_dir = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, NULL);
    g_autofree char *vm_text = g_variant_print(vm, TRUE), *image_text = g_variant_print(image, TRUE);
    g_autofree char *files = tooled_files(vms_dir), *runtime = tooled_files(fixture->runtime_dir);
    guint n_images = tooled_count_entries(fixture->state_dir, BERTH_DIR_IMAGES);
    return g_strdup_printf("%u %u\n%s\n%s\n%s\n%s", vms->len, n_images, vm_text, image_text, files, runtime);
}

static void check_question(Fixture *fixture, const Scene *scene, guint row, guint flags)
{
    const char *action, *kind, *sender = NULL;
    guint got_flags;
    g_autoptr(GVariant) question = fake_polkit_last_question(fixture->polkit), subject = NULL, details = NULL;
    g_variant_get(question, "((&s@a{sv})&s@a{ss}us)", &kind, &subject, &action, &details, &got_flags, NULL);
    g_assert_cmpstr(action, ==, methods[row].action);
    g_assert_cmpuint(got_flags, ==, flags);
    g_assert_cmpstr(kind, ==, "system-bus-name");
    g_assert_true(g_variant_lookup(subject, "name", "&s", &sender));
    g_assert_cmpstr(sender, ==, g_dbus_connection_get_unique_name(scene->user));
    const char *vm = NULL, *id = NULL;
    gboolean has_vm = g_variant_lookup(details, "vm", "&s", &vm) && g_variant_lookup(details, "id", "&s", &id);
    g_assert_cmpint(has_vm, ==, methods[row].kind == VM);
    if (has_vm) {
        g_assert_cmpstr(vm, ==, "web");
        g_assert_cmpstr(id, ==, scene->id);
    }
}

/* No method does anything that polkit does not grant. */
static void deny_each(Tooled *tooled, const Scene *scene, GDBusCallFlags flags, guint question_flags, const char *words)
{
    Fixture *fixture = &tooled->fixture;
    FakeService *service = fake_polkit_service(fixture->polkit);
    g_autofree char *before = look(fixture, scene);
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++) {
        guint asked = fake_service_count(service, CHECK);
        g_autofree char *all = g_strdup_printf("%s|%s", methods[i].action, words);
        g_test_message("%s", methods[i].method);
        tooled_fails(call_row(scene, i, flags), DENIED, all);
        g_assert_cmpuint(fake_service_count(service, CHECK), ==, asked + 1);
        check_question(fixture, scene, i, question_flags);
        g_autofree char *after = look(fixture, scene);
        g_assert_cmpstr(before, ==, after);
    }
}

static void set_all(Fixture *fixture, FakePolkitAnswer answer)
{
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++)
        fake_polkit_set(fixture->polkit, methods[i].action, answer);
}

/* Who asked for a removal is kept with it. */
static void test_asked_by(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *path = tooled_vm(tooled, "web", NULL), *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *file = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, id, BERTH_FILE_MARKER, NULL);
    g_autofree char *marker = NULL;
    g_autoptr(GDBusConnection) user = private_bus_connect_as(fixture->bus, NOBODY);
    GVariant *arguments = g_variant_new("(@a{sv})", tooled_asv("{'grace-seconds': <uint32 600>}"));
    tooled_succeeds(begin_as(user, path, BERTH_IFACE_VM, "Remove", arguments, G_DBUS_CALL_FLAGS_NONE));
    g_assert_true(g_file_get_contents(file, &marker, NULL, NULL));
    g_test_message("%s", marker);
    g_assert_true(g_regex_match_simple("\"asked-by\"\\s*:\\s*65534\\b", marker, 0, 0));
}

static void test_no(Tooled *tooled, gconstpointer unused)
{
    Scene scene;
    set_scene(&scene, tooled);
    set_all(&tooled->fixture, FAKE_POLKIT_NO);
    deny_each(tooled, &scene, G_DBUS_CALL_FLAGS_NONE, 0, "does not grant");
    deny_each(tooled, &scene, INTERACTIVE, 1, "does not grant");
    clear_scene(&scene, tooled);
}

/* A challenge: who does not allow a dialog is told that there could be one. */
static void test_challenge(Tooled *tooled, gconstpointer unused)
{
    Scene scene;
    set_scene(&scene, tooled);
    set_all(&tooled->fixture, FAKE_POLKIT_CHALLENGE);
    deny_each(tooled, &scene, G_DBUS_CALL_FLAGS_NONE, 0, "interactively");
    tooled_succeeds(begin_vm(scene.user, scene.vm, "Pause", INTERACTIVE));
    fixture_await_state(&tooled->fixture, scene.vm, "paused");
    clear_scene(&scene, tooled);
}

/* No polkit means no: but for root, who is not asked about. */
static void test_absent(Tooled *tooled, gconstpointer unused)
{
    Scene scene;
    set_scene(&scene, tooled);
    g_autofree char *before = look(&tooled->fixture, &scene);
    fake_service_vanish(fake_polkit_service(tooled->fixture.polkit));
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++) {
        tooled_fails(call_row(&scene, i, INTERACTIVE), DENIED, "polkit");
        g_autofree char *after = look(&tooled->fixture, &scene);
        g_assert_cmpstr(before, ==, after);
    }
    fixture_vm(&tooled->fixture, scene.vm, "Pause");
    fake_service_come_back(fake_polkit_service(tooled->fixture.polkit));
    tooled_succeeds(begin_vm(scene.user, scene.vm, "Resume", G_DBUS_CALL_FLAGS_NONE));
    clear_scene(&scene, tooled);
}

static FixtureCall *begin_held(Fixture *fixture, const Scene *scene, const char *method)
{
    FakeService *service = fake_polkit_service(fixture->polkit);
    guint asked = fake_service_count(service, CHECK);
    fake_service_hold(service, CHECK);
    FixtureCall *call = begin_vm(scene->user, scene->vm, method, G_DBUS_CALL_FLAGS_NONE);
    AWAIT(fake_service_count(service, CHECK) == asked + 1);
    return call;
}

static void release(Fixture *fixture)
{
    fake_service_release(fake_polkit_service(fixture->polkit), CHECK);
}

/* It goes away while it is asked. */
static void test_vanishes(Tooled *tooled, gconstpointer unused)
{
    Scene scene;
    set_scene(&scene, tooled);
    FakeService *service = fake_polkit_service(tooled->fixture.polkit);
    FixtureCall *call = begin_held(&tooled->fixture, &scene, "PowerOff");
    fake_service_vanish(service);
    tooled_fails(call, DENIED, "polkit|" BERTH_ACTION_CONTROL "|web");
    g_autofree char *state = fixture_get_string(&tooled->fixture, scene.vm, "State");
    g_assert_cmpstr(state, ==, "running");
    fake_service_come_back(service);
    release(&tooled->fixture);
    clear_scene(&scene, tooled);
}

/* yes, and each method does what it does */
static void test_yes(Tooled *tooled, gconstpointer unused)
{
    Scene scene;
    set_scene(&scene, tooled);
    static const char *const order[] = {"Pause", "Resume", "Reset", "PowerOff", "Start", "Remove"};
    for (guint i = 0; i < G_N_ELEMENTS(order); i++)
        tooled_succeeds(begin_vm(scene.user, scene.vm, order[i], G_DBUS_CALL_FLAGS_NONE));
    fixture_await_gone(&tooled->fixture, scene.vm);
    tooled_succeeds(call_row(&scene, 0, G_DBUS_CALL_FLAGS_NONE));
    g_autoptr(GPtrArray) vms = fixture_vms(&tooled->fixture);
    g_assert_cmpuint(vms->len, ==, 1);
    clear_scene(&scene, tooled);
}

/* Reading is open to all: nobody is asked. */
static void test_reading(Tooled *tooled, gconstpointer unused)
{
    Scene scene;
    set_scene(&scene, tooled);
    set_all(&tooled->fixture, FAKE_POLKIT_NO);
    tooled_succeeds(begin_as(scene.user, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "web"),
                             G_DBUS_CALL_FLAGS_NONE));
    tooled_succeeds(begin_as(scene.user, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", scene.id),
                             G_DBUS_CALL_FLAGS_NONE));
    guint32 pid = fixture_get_uint(&tooled->fixture, scene.vm, "PID");
    tooled_succeeds(begin_as(scene.user, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVMByPID", g_variant_new("(u)", pid),
                             G_DBUS_CALL_FLAGS_NONE));
    tooled_fails(begin_as(scene.user, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVMByPID", g_variant_new("(u)", 1),
                          G_DBUS_CALL_FLAGS_NONE),
                 "NotFound", "1");
    tooled_succeeds(begin_vm(scene.user, scene.vm, "SubscribeUsage", G_DBUS_CALL_FLAGS_NONE));
    tooled_succeeds(begin_vm(scene.user, scene.vm, "UnsubscribeUsage", G_DBUS_CALL_FLAGS_NONE));
    tooled_succeeds(begin_as(scene.user, BERTH_PATH_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                             NULL, G_DBUS_CALL_FLAGS_NONE));
    /* Neither is root, who set the scene. */
    g_assert_cmpuint(fake_service_count(fake_polkit_service(tooled->fixture.polkit), CHECK), ==, 0);
    clear_scene(&scene, tooled);
}

/* The answer is yes, but the VM is another than when it was asked. */

static void test_removed_meanwhile(Tooled *tooled, gconstpointer unused)
{
    Scene scene;
    set_scene(&scene, tooled);
    FixtureCall *call = begin_held(&tooled->fixture, &scene, "Pause");
    fixture_vm(&tooled->fixture, scene.vm, "Remove");
    fixture_await_gone(&tooled->fixture, scene.vm);
    fixture_assert_clean(&tooled->fixture);
    release(&tooled->fixture);
    tooled_fails(call, "NotFound", "gone");
    fixture_assert_clean(&tooled->fixture);
    clear_scene(&scene, tooled);
}

static void test_removing_meanwhile(Tooled *tooled, gconstpointer unused)
{
    Scene scene;
    set_scene(&scene, tooled);
    FixtureCall *call = begin_held(&tooled->fixture, &scene, "Pause");
    g_variant_unref(fixture_call(&tooled->fixture, scene.vm, BERTH_IFACE_VM, "Remove",
                                 g_variant_new("(@a{sv})", tooled_asv("{'grace-seconds': <uint32 600>}"))));
    release(&tooled->fixture);
    tooled_fails(call, "Removing", "\"web\"|removing");
    fixture_vm(&tooled->fixture, scene.vm, "CancelRemoval");
    fixture_await_state(&tooled->fixture, scene.vm, "running");
    clear_scene(&scene, tooled);
}

static void test_started_meanwhile(Tooled *tooled, gconstpointer unused)
{
    Scene scene;
    set_scene(&scene, tooled);
    fixture_vm(&tooled->fixture, scene.vm, "PowerOff");
    FixtureCall *call = begin_held(&tooled->fixture, &scene, "Start");
    fixture_vm(&tooled->fixture, scene.vm, "Start");
    guint32 pid = fixture_get_uint(&tooled->fixture, scene.vm, "PID");
    release(&tooled->fixture);
    tooled_fails(call, "WrongState", "\"web\"|running");
    g_assert_cmpuint(fixture_get_uint(&tooled->fixture, scene.vm, "PID"), ==, pid);
    clear_scene(&scene, tooled);
}

/* A definition that was good when it was asked for, and whose port has gone to another since. */
static void test_port_taken_meanwhile(Tooled *tooled, gconstpointer unused)
{
    static const char *const ports =
        "{'networks': <[{'ports': <[{'host-port': <uint32 8080>, 'guest-port': <uint32 80>}]>}]>}";
    Scene scene;
    set_scene(&scene, tooled);
    FakeService *service = fake_polkit_service(tooled->fixture.polkit);
    fake_service_hold(service, CHECK);
    FixtureCall *call =
        begin_as(scene.user, scene.vm, BERTH_IFACE_VM, "Configure",
                 g_variant_new("(@a{sv}@a{sv})", tooled_asv(ports), tooled_asv("{}")), G_DBUS_CALL_FLAGS_NONE);
    AWAIT(fake_service_count(service, CHECK) == 1);
    g_autofree char *db = fixture_create(&tooled->fixture, "db", tooled_config(ports));
    release(&tooled->fixture);
    tooled_fails(call, "org.freedesktop.DBus.Error.InvalidArgs", "8080");
    clear_scene(&scene, tooled);
}

/* Who asked is gone while polkit thinks: what was asked happens wholly or not at all. */
static void test_caller_goes_away(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    Scene scene;
    set_scene(&scene, tooled);
    fixture_vm(fixture, scene.vm, "PowerOff");
    FixtureCall *call = begin_held(fixture, &scene, "Start");
    g_dbus_connection_close_sync(scene.user, NULL, NULL);
    AWAIT(call->done);
    g_assert_nonnull(call->error);
    fixture_call_free(call);
    release(fixture);
    FixtureCall *again = tooled_begin(fixture, scene.vm, "Start");
    AWAIT(again->done);
    fixture_call_free(again);
    fixture_await_state(fixture, scene.vm, "running");
    clear_scene(&scene, tooled);
}

/* (transfer full): the job */
static char *clone_vm(Fixture *fixture, const char *path)
{
    char *job;
    g_autoptr(GVariant) answer =
        fixture_call(fixture, path, BERTH_IFACE_VM, "Clone", g_variant_new("(sa{sv}a{sv})", "copy", NULL, NULL));
    g_variant_get(answer, "(o)", &job);
    return job;
}

static FixtureCall *begin_cancel(const Scene *scene, const char *job)
{
    return begin_as(scene->user, job, BERTH_IFACE_JOB, "Cancel", g_variant_new("(a{sv})", NULL),
                    G_DBUS_CALL_FLAGS_NONE);
}

/* Whoever may begin a clone may end it: no right to images is needed, and none helps. */
static void test_cancel_clone(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    FakeService *service = fake_polkit_service(fixture->polkit);
    Scene scene;
    g_autofree char *dir = g_build_filename(fixture->dir, "hold", NULL);
    Hold *hold = hold_new(dir, g_getenv("BERTH_HOLD_PRELOAD"), &fixture->environ);
    fixture_restart_daemon(fixture);
    set_scene(&scene, tooled);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, NULL);
    g_autofree char *source =
        tooled_vm_with(tooled, "source", "{'disks': <[{'size': <uint64 1048576>, 'format': <'raw'>}]>}", NULL);
    hold_at(hold, HOLD_COPY);
    g_autofree char *job = clone_vm(fixture, source);
    hold_await(hold, HOLD_COPY);
    fake_polkit_set(fixture->polkit, BERTH_ACTION_CREATE, FAKE_POLKIT_NO);
    tooled_fails(begin_cancel(&scene, job), DENIED, BERTH_ACTION_CREATE);
    fake_polkit_set(fixture->polkit, BERTH_ACTION_CREATE, FAKE_POLKIT_YES);
    fake_polkit_set(fixture->polkit, BERTH_ACTION_IMAGES, FAKE_POLKIT_NO);
    guint asked = fake_service_count(service, CHECK);
    tooled_succeeds(begin_cancel(&scene, job));
    g_assert_cmpuint(fake_service_count(service, CHECK), ==, asked + 1);
    hold_release(hold);
    AWAIT(recorder_count(recorder, "Completed") == 1);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "copy"), "NotFound",
                       "copy");
    clear_scene(&scene, tooled);
    hold_free(hold);
}

/* Many questions at once, answered all. */
static void test_many(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    FixtureCall *calls[32];
    Scene scene;
    set_scene(&scene, tooled);
    fake_service_hold(fake_polkit_service(fixture->polkit), CHECK);
    for (guint i = 0; i < G_N_ELEMENTS(calls); i++)
        calls[i] = begin_vm(scene.user, scene.vm, i % 2 ? "Pause" : "Reset", G_DBUS_CALL_FLAGS_NONE);
    AWAIT(fake_service_count(fake_polkit_service(fixture->polkit), CHECK) == G_N_ELEMENTS(calls));
    release(fixture);
    guint n_paused = 0;
    for (guint i = 0; i < G_N_ELEMENTS(calls); i++) {
        AWAIT(calls[i]->done);
        n_paused += i % 2 && !calls[i]->error ? 1 : 0;
        fixture_call_free(calls[i]);
    }
    g_assert_cmpuint(n_paused, <=, 1); /* the second finds it paused, or busy */
    clear_scene(&scene, tooled);
}

static void add(void)
{
    TOOLED_ADD("/rights/asked-by", NULL, test_asked_by);
    TOOLED_ADD("/rights/no", NULL, test_no);
    TOOLED_ADD("/rights/challenge", NULL, test_challenge);
    TOOLED_ADD("/rights/absent", NULL, test_absent);
    TOOLED_ADD("/rights/vanishes", NULL, test_vanishes);
    TOOLED_ADD("/rights/yes", NULL, test_yes);
    TOOLED_ADD("/rights/reading", NULL, test_reading);
    TOOLED_ADD("/rights/removed-meanwhile", NULL, test_removed_meanwhile);
    TOOLED_ADD("/rights/removing-meanwhile", NULL, test_removing_meanwhile);
    TOOLED_ADD("/rights/started-meanwhile", NULL, test_started_meanwhile);
    TOOLED_ADD("/rights/port-taken-meanwhile", NULL, test_port_taken_meanwhile);
    TOOLED_ADD("/rights/caller-goes-away", NULL, test_caller_goes_away);
    TOOLED_ADD("/rights/cancel-clone", NULL, test_cancel_clone);
    TOOLED_ADD("/rights/many", NULL, test_many);
}

int main(int argc, char **argv)
{
    return tooled_main(argc, argv, add);
}
