/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/lib/await.h"
#include "tests/lib/fakes/fake-berth.h"
#include "tests/lib/private-bus.h"
#include "ui-gtk/model/image-name.h"
#include "ui-gtk/model/names.h"
#include "ui-gtk/model/service.h"
#include "ui-gtk/model/words.h"

/* What the window is shown of a daemon, which is a fake here: its list follows the signals, and nothing else. */

typedef struct {
    FakeBerth *fake;
    BerthUiService *service;
    GListModel *vms;
} Scene;

static PrivateBus *bus;
static GDBusConnection *daemon_side, *stranger;

static void set_up_absent(Scene *s, gconstpointer data)
{
    s->service = berth_ui_service_new(G_BUS_TYPE_SYSTEM, private_bus_address(bus));
    s->vms = berth_ui_service_get_vms(s->service);
}

static void set_up(Scene *s, gconstpointer data)
{
    s->fake = fake_berth_new(daemon_side);
    set_up_absent(s, data);
}

static void tear_down(Scene *s, gconstpointer data)
{
    g_assert_finalize_object(s->service);
    g_clear_pointer(&s->fake, fake_berth_free);
}

static void await_status(Scene *s, BerthUiServiceStatus status)
{
    AWAIT(berth_ui_service_get_status(s->service) == status);
}

/* (transfer none) (nullable) */
static BerthUiVm *vm_named(Scene *s, const char *name)
{
    for (guint i = 0; i < g_list_model_get_n_items(s->vms); i++) {
        g_autoptr(BerthUiVm) vm = g_list_model_get_item(s->vms, i);
        if (g_str_equal(berth_ui_vm_get_name(vm), name))
            return vm;
    }
    return NULL;
}

static void test_follows(Scene *s, gconstpointer data)
{
    fake_berth_add(s->fake, "early", "stopped");
    await_status(s, BERTH_UI_SERVICE_READY);
    g_assert_cmpuint(g_list_model_get_n_items(s->vms), ==, 1);
    FakeVm *late = fake_berth_add(s->fake, "late", "running");
    AWAIT(vm_named(s, "late"));
    BerthUiVm *vm = vm_named(s, "late");
    g_assert_cmpint(berth_ui_vm_get_state(vm), ==, BERTH_VM_RUNNING);
    fake_berth_change(s->fake, late, "removing", "deleting", "…/mnt is a mount point");
    AWAIT(berth_ui_vm_get_phase(vm) == BERTH_PHASE_DELETING);
    g_autofree char *text = berth_ui_describe_state(vm);
    g_assert_cmpstr(text, ==, "Removing: deleting files");
    g_assert_cmpstr(berth_ui_vm_get_blocker(vm), ==, "…/mnt is a mount point");
    fake_berth_vanish(s->fake, late);
    AWAIT(g_list_model_get_n_items(s->vms) == 1);
    g_assert_nonnull(vm_named(s, "early"));
}

/* One look at the whole, and none after it. */
static void test_never_polls(Scene *s, gconstpointer data)
{
    FakeVm *vm = fake_berth_add(s->fake, "web", "stopped");
    await_status(s, BERTH_UI_SERVICE_READY);
    for (guint i = 0; i < 20; i++)
        fake_berth_change(s->fake, vm, i % 2 ? "running" : "paused", "", "");
    AWAIT(berth_ui_vm_get_state(vm_named(s, "web")) == BERTH_VM_RUNNING);
    g_assert_cmpuint(s->fake->n_reads, ==, 1);
}

/* A property that has not changed is not told of, and all have changed when one is told of. */
static void count(BerthUiVm *vm, GParamSpec *spec, guint *n)
{
    (*n)++;
    g_assert_cmpint(berth_ui_vm_get_state(vm), ==, BERTH_VM_REMOVING);
    g_assert_cmpint(berth_ui_vm_get_phase(vm), ==, BERTH_PHASE_STOPPING);
}

static void test_notifies(Scene *s, gconstpointer data)
{
    FakeVm *fake = fake_berth_add(s->fake, "web", "running");
    guint n = 0;
    await_status(s, BERTH_UI_SERVICE_READY);
    g_signal_connect(vm_named(s, "web"), "notify", G_CALLBACK(count), &n);
    fake_berth_change(s->fake, fake, "removing", "stopping", "");
    AWAIT(n > 0);
    g_assert_cmpuint(n, ==, 2);
}

/* What a new daemon says before it answers the first look is older than its answer: it is not even shown for a moment.
 * */
static void assert_not_paused(BerthUiVm *vm)
{
    g_assert_cmpint(berth_ui_vm_get_state(vm), !=, BERTH_VM_PAUSED);
}

static void test_stale(Scene *s, gconstpointer data)
{
    FakeVm *web = fake_berth_add(s->fake, "web", "running");
    await_status(s, BERTH_UI_SERVICE_READY);
    fake_berth_stop(s->fake);
    await_status(s, BERTH_UI_SERVICE_ABSENT);
    g_signal_connect(vm_named(s, "web"), "notify::state", G_CALLBACK(assert_not_paused), NULL);
    s->fake->says_stale = TRUE;
    fake_berth_change(s->fake, web, "exited", "", "");
    fake_berth_start(s->fake);
    await_status(s, BERTH_UI_SERVICE_READY);
    g_assert_cmpint(berth_ui_vm_get_state(vm_named(s, "web")), ==, BERTH_VM_EXITED);
}

/* The daemon goes and comes back: who is still there is the same object, who is not is gone. */
static void test_restart(Scene *s, gconstpointer data)
{
    FakeVm *web = fake_berth_add(s->fake, "web", "running");
    FakeVm *ghost = fake_berth_add(s->fake, "ghost", "running");
    await_status(s, BERTH_UI_SERVICE_READY);
    g_autoptr(BerthUiVm) before = g_object_ref(vm_named(s, "web"));
    fake_berth_stop(s->fake);
    await_status(s, BERTH_UI_SERVICE_ABSENT);
    fake_berth_vanish(s->fake, ghost);
    fake_berth_change(s->fake, web, "exited", "", "");
    fake_berth_start(s->fake);
    await_status(s, BERTH_UI_SERVICE_READY);
    g_assert_cmpuint(g_list_model_get_n_items(s->vms), ==, 1);
    g_assert_true(vm_named(s, "web") == before);
    g_assert_cmpint(berth_ui_vm_get_state(before), ==, BERTH_VM_EXITED);
    /* And its signals are heard again. */
    fake_berth_change(s->fake, web, "running", "", "");
    AWAIT(berth_ui_vm_get_state(before) == BERTH_VM_RUNNING);
}

static void test_absent(Scene *s, gconstpointer data)
{
    await_status(s, BERTH_UI_SERVICE_ABSENT);
    s->fake = fake_berth_new(daemon_side);
    await_status(s, BERTH_UI_SERVICE_READY);
}

static void send(GDBusConnection *from, const char *to, const char *path, const char *interface, const char *signal,
                 GVariant *body)
{
    g_autoptr(GError) error = NULL;
    g_dbus_connection_emit_signal(from, to, path, interface, signal, body, &error);
    g_assert_no_error(error);
}

/* Another process says, in the daemon's words, that the VM is gone. What the daemon says afterwards is heard, and that
 * is not. */
static void test_spoofed(Scene *s, gconstpointer data)
{
    const char *interfaces[] = {"org.berth.Berth1.VM", NULL};
    FakeVm *web = fake_berth_add(s->fake, "web", "running");
    await_status(s, BERTH_UI_SERVICE_READY);
    send(stranger, s->fake->reader, "/org/berth/Berth1", "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
         g_variant_new("(o^as)", web->path, interfaces));
    g_assert_true(g_dbus_connection_flush_sync(stranger, NULL, NULL));
    g_autoptr(GVariant) passed =
        g_dbus_connection_call_sync(stranger, "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", NULL, NULL,
                                    G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
    g_assert_nonnull(passed);
    fake_berth_change(s->fake, web, "paused", "", "");
    AWAIT(vm_named(s, "web") && berth_ui_vm_get_state(vm_named(s, "web")) == BERTH_VM_PAUSED);
}

/* Values of other types than the contract's, and words that it does not have, change nothing or are unknown. */
static void test_hostile(Scene *s, gconstpointer data)
{
    FakeVm *web = fake_berth_add(s->fake, "web", "running");
    await_status(s, BERTH_UI_SERVICE_READY);
    BerthUiVm *vm = vm_named(s, "web");
    send(daemon_side, NULL, web->path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
         g_variant_new_parsed("('org.berth.Berth1.VM', {'Name': <1>, 'LastError': <'text'>, 'State': <'dreaming'>},"
                              " @as [])"));
    AWAIT(berth_ui_vm_get_state(vm) == BERTH_VM_STATE_LAST);
    g_assert_cmpstr(berth_ui_vm_get_name(vm), ==, "web");
    g_autofree char *text = berth_ui_describe_state(vm);
    g_assert_cmpstr(text, ==, "Unknown");
    for (BerthVmMethod method = 0; method < BERTH_METHOD_LAST; method++)
        g_assert_nonnull(berth_ui_why_not(vm, method));
}

typedef struct {
    gboolean done;
    GError *error;
} Answer;

static void on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    Answer *answer = data;
    g_assert_true(berth_ui_service_call_finish(BERTH_UI_SERVICE(source), result, &answer->error) == !answer->error);
    answer->done = TRUE;
}

static void test_calls(Scene *s, gconstpointer data)
{
    fake_berth_add(s->fake, "web", "stopped");
    await_status(s, BERTH_UI_SERVICE_READY);
    Answer good = {0}, bad = {0};
    BerthUiVm *vm = vm_named(s, "web");
    berth_ui_service_call_async(s->service, vm, BERTH_METHOD_START, NULL, NULL, on_answer, &good);
    /* Nothing else till then, but what ends it. */
    g_assert_cmpstr(berth_ui_why_not(vm, BERTH_METHOD_START), ==, "It is busy with something else");
    g_assert_null(berth_ui_why_not(vm, BERTH_METHOD_REMOVE));
    AWAIT(good.done);
    g_assert_null(berth_ui_why_not(vm, BERTH_METHOD_START));
    g_assert_no_error(good.error);
    g_assert_cmpstr(s->fake->called, ==, "Start web");

    s->fake->refuse = g_strdup("org.berth.Berth1.Error.Busy");
    berth_ui_service_call_async(s->service, vm, BERTH_METHOD_PAUSE, NULL, NULL, on_answer, &bad);
    AWAIT(bad.done);
    g_assert_error(bad.error, BERTH_ERROR, BERTH_ERROR_BUSY);
    g_assert_null(strstr(bad.error->message, "GDBus"));
    g_assert_cmpstr(berth_ui_describe_error(bad.error), ==, "It is busy with something else");
    g_error_free(bad.error);
}

/* Imports: the fake's image is there from the beginning, so all that matters of it is the job. */

/* (transfer full): a file of so many bytes */
static int open_file(gsize size)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    g_assert_no_errno(fd);
    g_assert_no_errno(ftruncate(fd, (off_t) size));
    return fd;
}

typedef struct {
    BerthUiJob *job;
    GError *error;
} Import;

static void on_import(GObject *source, GAsyncResult *result, gpointer data)
{
    Import *import = data;
    import->job = berth_ui_service_job_finish(BERTH_UI_SERVICE(source), result, &import->error);
}

static Import import_with(Scene *s, BerthUiImport parameters)
{
    Import import = {0};
    await_status(s, BERTH_UI_SERVICE_READY);
    berth_ui_service_import_async(s->service, &parameters, on_import, &import);
    AWAIT(import.job || import.error);
    return import;
}

static BerthUiJob *import_disk(Scene *s, gsize size)
{
    int disk = open_file(size);
    Import import = import_with(s, (BerthUiImport){.name = "debian", .disk = disk, .kernel = -1, .initrd = -1});
    close(disk);
    g_assert_no_error(import.error);
    return import.job;
}

static guint n_jobs(Scene *s)
{
    return g_list_model_get_n_items(berth_ui_service_get_jobs(s->service));
}

static void test_images(Scene *s, gconstpointer data)
{
    await_status(s, BERTH_UI_SERVICE_READY);
    GListModel *images = berth_ui_service_get_images(s->service);
    g_assert_cmpuint(g_list_model_get_n_items(images), ==, 1);
    g_autoptr(BerthUiImage) image = g_list_model_get_item(images, 0);
    g_assert_cmpstr(berth_ui_image_get_name(image), ==, "debian");
    g_assert_cmpstr(berth_ui_image_get_version(image), ==, "12");
    g_assert_cmpuint(berth_ui_image_get_size(image), ==, 1 << 30);
    g_assert_cmpuint(berth_ui_image_get_n_users(image), ==, 0);
    send(daemon_side, NULL, "/org/berth/Berth1/image/debian", "org.freedesktop.DBus.Properties", "PropertiesChanged",
         g_variant_new_parsed("('org.berth.Berth1.Image', {'UsedBy': <[@o '/a', '/b']>}, @as [])"));
    AWAIT(berth_ui_image_get_n_users(image) == 2);
    Answer answer = {0};
    berth_ui_service_call_object_async(s->service, BERTH_UI_OBJECT(image), "Remove", NULL, NULL, on_answer, &answer);
    AWAIT(answer.done);
    g_assert_no_error(answer.error);
    g_assert_cmpstr(s->fake->called, ==, "Remove /org/berth/Berth1/image/debian");
}

static void count_end(BerthUiJob *job, guint *n)
{
    g_assert_true(berth_ui_job_is_ended(job));
    (*n)++;
}

static void test_import(Scene *s, gconstpointer data)
{
    guint n = 0;
    g_autoptr(BerthUiJob) job = import_disk(s, 4096);
    g_signal_connect(job, "ended", G_CALLBACK(count_end), &n);
    g_assert_cmpint(s->fake->disk_size, ==, 4096);
    g_assert_cmpint(s->fake->kernel_size, ==, -1);
    g_assert_cmpuint(n_jobs(s), ==, 1);
    g_assert_cmpstr(berth_ui_job_get_name(job), ==, "debian");
    fake_berth_progress(s->fake, 0.5);
    AWAIT(berth_ui_job_get_progress(job) == 0.5);
    g_assert_cmpuint(berth_ui_job_get_done(job), ==, 524288);
    g_assert_cmpuint(berth_ui_job_get_total(job), ==, 1048576);
    fake_berth_complete(s->fake, "", "");
    AWAIT(n_jobs(s) == 0);
    g_assert_cmpuint(n, ==, 1);
    g_assert_no_error(berth_ui_job_get_error(job));
}

/* All that a kernel needs, and no disk: an empty one. */
static void test_import_kernel(Scene *s, gconstpointer data)
{
    int kernel = open_file(100);
    Import import = import_with(s, (BerthUiImport){.name = "k", .disk = -1, .kernel = kernel, .initrd = -1});
    close(kernel);
    g_assert_no_error(import.error);
    g_assert_cmpint(s->fake->disk_size, ==, 0);
    g_assert_cmpint(s->fake->kernel_size, ==, 100);
    g_object_unref(import.job);
}

/* It is over, and forgotten, before the call is answered. */
static void test_import_at_once(Scene *s, gconstpointer data)
{
    s->fake->import = FAKE_IMPORT_IS_AT_ONCE;
    g_autoptr(BerthUiJob) job = import_disk(s, 1);
    g_assert_true(berth_ui_job_is_ended(job));
    g_assert_no_error(berth_ui_job_get_error(job));
    g_assert_cmpuint(n_jobs(s), ==, 0);
    /* The next one has the same path here, and is another. */
    s->fake->import = FAKE_IMPORT_WAITS;
    g_autoptr(BerthUiJob) next = import_disk(s, 1);
    g_assert_true(next != job);
    g_assert_false(berth_ui_job_is_ended(next));
}

static void test_import_cancelled(Scene *s, gconstpointer data)
{
    Answer answer = {0};
    g_autoptr(BerthUiJob) job = import_disk(s, 1);
    berth_ui_service_call_object_async(s->service, BERTH_UI_OBJECT(job), "Cancel", NULL, NULL, on_answer, &answer);
    AWAIT(answer.done);
    g_assert_true(s->fake->job_cancelled);
    fake_berth_complete(s->fake, "org.berth.Berth1.Error.Cancelled", "The import was cancelled");
    AWAIT(berth_ui_job_is_ended(job));
    g_assert_error(berth_ui_job_get_error(job), BERTH_ERROR, BERTH_ERROR_CANCELLED);
    g_assert_cmpstr(berth_ui_job_get_error(job)->message, ==, "The import was cancelled");
}

static void test_import_refused(Scene *s, gconstpointer data)
{
    s->fake->refuse = g_strdup("org.berth.Berth1.Error.NameTaken");
    Import import = import_with(s, (BerthUiImport){.name = "debian", .disk = -1, .kernel = -1, .initrd = -1});
    g_assert_null(import.job);
    g_assert_error(import.error, BERTH_ERROR, BERTH_ERROR_NAME_TAKEN);
    g_clear_error(&import.error);
}

/* Its jobs go with a daemon: nobody would ever tell of their end. */
static void test_import_lost(Scene *s, gconstpointer data)
{
    g_autoptr(BerthUiJob) job = import_disk(s, 1);
    fake_berth_stop(s->fake);
    AWAIT(berth_ui_job_is_ended(job));
    g_assert_error(berth_ui_job_get_error(job), G_IO_ERROR, G_IO_ERROR_CLOSED);
    g_assert_cmpuint(n_jobs(s), ==, 0);
    fake_berth_start(s->fake);
    await_status(s, BERTH_UI_SERVICE_READY);
}

/* The bus goes: it is told, and coming back takes a try, since nobody tells when it could be had again. */
static void test_bus_lost(Scene *s, gconstpointer data)
{
    fake_berth_add(s->fake, "web", "stopped");
    await_status(s, BERTH_UI_SERVICE_READY);
    g_clear_pointer(&s->fake, fake_berth_free);
    g_clear_object(&daemon_side);
    g_clear_object(&stranger);
    private_bus_stop(bus);
    await_status(s, BERTH_UI_SERVICE_UNREACHABLE);
    g_assert_cmpstr(berth_ui_service_get_problem(s->service), !=, "");
    private_bus_start(bus);
    daemon_side = private_bus_connect(bus);
    stranger = private_bus_connect(bus);
    berth_ui_service_reconnect(s->service);
    await_status(s, BERTH_UI_SERVICE_ABSENT);
    g_assert_cmpstr(berth_ui_service_get_problem(s->service), ==, "");
}

/* (transfer full): one in this state */
static BerthUiVm *vm_in(BerthVmState state, BerthRemovalPhase phase)
{
    BerthUiVm *vm = berth_ui_vm_new();
    g_autoptr(GVariant) values =
        g_variant_ref_sink(g_variant_new_parsed("{'State': <%s>, 'RemovalPhase': <%s>, 'Responsive': <true>}",
                                                berth_vm_state_to_string(state), berth_removal_phase_to_string(phase)));
    berth_ui_object_update(BERTH_UI_OBJECT(vm), values);
    return vm;
}

/* Nothing is offered that the daemon's own table refuses, and each state has something to do. */
static void test_offers(void)
{
    guint n_actions;
    const BerthUiActionWords *actions = berth_ui_actions(&n_actions);
    for (BerthVmState state = 0; state < BERTH_VM_STATE_LAST; state++) {
        BerthRemovalPhase phase = state == BERTH_VM_REMOVING ? BERTH_PHASE_GRACE : BERTH_PHASE_NONE;
        g_autoptr(BerthUiVm) vm = vm_in(state, phase);
        guint n_offered = 0;
        for (guint i = 0; i < n_actions; i++) {
            gboolean offered = !berth_ui_why_not(vm, actions[i].method);
            if (offered)
                g_assert_true(berth_vm_state_allows(state, actions[i].method, "", NULL));
            n_offered += offered;
        }
        g_assert_cmpuint(n_offered, >, 0);
    }
}

/* A removal can be undone in its grace time alone, and tried again where it is held up. */
static void test_offers_of_removal(void)
{
    for (BerthRemovalPhase phase = BERTH_PHASE_GRACE; phase < BERTH_PHASE_LAST; phase++) {
        g_autoptr(BerthUiVm) vm = vm_in(BERTH_VM_REMOVING, phase);
        g_assert_cmpint(!berth_ui_why_not(vm, BERTH_METHOD_CANCEL_REMOVAL), ==, phase == BERTH_PHASE_GRACE);
        g_assert_cmpint(!berth_ui_why_not(vm, BERTH_METHOD_REMOVE), ==, phase == BERTH_PHASE_WAITING);
        g_assert_cmpstr(berth_ui_describe_removal(vm), !=, "");
    }
}

/* What a file could be called as an image, beside the one that there is. */
static void test_image_names(Scene *s, gconstpointer data)
{
    static const char *const names[][2] = {
        {"fedora.qcow2", "fedora"},
        {"Alpine 3.20 (x86).IMG", "Alpine-3.20-x86"},
        {"debian.raw", "debian-2"},
        {"-_.hidden.img", "hidden"},
        {"größe.qcow2", "gr-e"},
        {"日本", ""},
        {".qcow2", ""},
        {"vmlinuz-6.1", "vmlinuz-6.1"},
    };
    await_status(s, BERTH_UI_SERVICE_READY);
    GListModel *images = berth_ui_service_get_images(s->service);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *name = berth_ui_propose_image_name(names[i][0], images);
        g_assert_cmpstr(name, ==, names[i][1]);
        g_assert_cmpint(!berth_ui_check_name(name, images), ==, *name != '\0');
    }
    g_autofree char *long_file = g_strnfill(300, 'x');
    g_autofree char *long_name = berth_ui_propose_image_name(long_file, images);
    g_assert_null(berth_ui_check_name(long_name, images));
    g_assert_cmpstr(berth_ui_check_name("debian", images), ==, "There is one of that name already");
    g_assert_nonnull(berth_ui_check_name("de bian", images));
}

static void test_protected(void)
{
    g_autoptr(BerthUiVm) vm = vm_in(BERTH_VM_STOPPED, BERTH_PHASE_NONE);
    g_assert_null(berth_ui_why_not(vm, BERTH_METHOD_REMOVE));
    g_autoptr(GVariant) values = g_variant_ref_sink(g_variant_new_parsed("{'Config': <{'protected': <true>}>}"));
    berth_ui_object_update(BERTH_UI_OBJECT(vm), values);
    g_assert_cmpstr(berth_ui_why_not(vm, BERTH_METHOD_REMOVE), ==, "It is protected from being removed");
}

static void add(const char *path, void (*start)(Scene *, gconstpointer), void (*test)(Scene *, gconstpointer))
{
    g_test_add(path, Scene, NULL, start, test, tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bus = private_bus_new(NULL);
    daemon_side = private_bus_connect(bus);
    stranger = private_bus_connect(bus);
    add("/gui/model/follows", set_up, test_follows);
    add("/gui/model/never-polls", set_up, test_never_polls);
    add("/gui/model/notifies", set_up, test_notifies);
    add("/gui/model/stale", set_up, test_stale);
    add("/gui/model/restart", set_up, test_restart);
    add("/gui/model/absent", set_up_absent, test_absent);
    add("/gui/model/spoofed", set_up, test_spoofed);
    add("/gui/model/hostile", set_up, test_hostile);
    add("/gui/model/calls", set_up, test_calls);
    add("/gui/model/images", set_up, test_images);
    add("/gui/model/image-names", set_up, test_image_names);
    add("/gui/model/import", set_up, test_import);
    add("/gui/model/import-kernel", set_up, test_import_kernel);
    add("/gui/model/import-at-once", set_up, test_import_at_once);
    add("/gui/model/import-cancelled", set_up, test_import_cancelled);
    add("/gui/model/import-refused", set_up, test_import_refused);
    add("/gui/model/import-lost", set_up, test_import_lost);
    add("/gui/model/bus-lost", set_up, test_bus_lost);
    g_test_add_func("/gui/model/offers", test_offers);
    g_test_add_func("/gui/model/offers-of-removal", test_offers_of_removal);
    g_test_add_func("/gui/model/protected", test_protected);
    int status = g_test_run();
    g_object_unref(daemon_side);
    g_object_unref(stranger);
    private_bus_free(bus);
    return status;
}
