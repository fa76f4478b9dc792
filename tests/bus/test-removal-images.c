/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "removal-scene.h"
#include "tests/lib/preloads/hold.h"

/* M20 of the manager's methods: CreateVM, the removal of an image and that of its user, each held at its step, and what
 * comes in between. */

#define IMAGE_PATH "/org/berth/Berth1/image/debian"
#define DISK_BYTES (1 << 20)

typedef struct {
    Fixture fixture; /* first: functions of the fixture take a cast pointer */
    Hold *hold;
} Held;

static FixtureCall *begin_create(Fixture *fixture, const char *name)
{
    return fixture_begin(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                         g_variant_new("(s@a{sv}a{sv})", name, g_variant_new_parsed("{'image': <'debian'>}"), NULL));
}

static FixtureCall *begin_image_removal(Fixture *fixture)
{
    return fixture_begin(fixture, IMAGE_PATH, BERTH_IFACE_IMAGE, "Remove", g_variant_new("(a{sv})", NULL));
}

/* FALSE with @error; an import that was begun is awaited. */
static gboolean import(Fixture *fixture, GError **error)
{
    int fd = memfd_create("disk", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(fd, DISK_BYTES), ==, 0);
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&fd, 1);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, NULL);
    g_autoptr(GVariant) job = fixture_call_with_fds(
        fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "ImportImage",
        g_variant_new("(sh@a{sv})", "debian", 0, g_variant_new_parsed("{'format': <'raw'>}")), fds, NULL, error);
    if (job)
        AWAIT(recorder_count(recorder, "Completed") > 0);
    return job != NULL;
}

static void import_refused(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(import(fixture, &error));
    g_autofree char *name = fixture_error_name(error);
    g_assert_cmpstr(name, ==, BERTH_ERROR_PREFIX "NameTaken");
}

static void set_up(Held *held, gconstpointer unused)
{
    Fixture *fixture = &held->fixture;
    g_autoptr(GError) error = NULL;
    scripted_prepare(fixture, "");
    g_autofree char *dir = g_build_filename(fixture->dir, "hold", NULL);
    held->hold = hold_new(dir, g_getenv("BERTH_HOLD_PRELOAD"), &fixture->environ);
    fixture_start_daemon(fixture);
    g_assert_true(import(fixture, &error));
}

static void tear_down(Held *held, gconstpointer unused)
{
    hold_free(held->hold);
    fixture_tear_down(&held->fixture, NULL);
}

/* CreateVM is about to make it a VM. */

static FixtureCall *hold_create(Held *held)
{
    hold_at(held->hold, HOLD_PUBLISH);
    FixtureCall *create = begin_create(&held->fixture, "web");
    hold_await(held->hold, HOLD_PUBLISH);
    return create;
}

static void go_on(Held *held, FixtureCall *first)
{
    hold_release(held->hold);
    scripted_succeeds(first);
}

static void test_create_create(Held *held, gconstpointer unused)
{
    FixtureCall *create = hold_create(held);
    scripted_fails(begin_create(&held->fixture, "web"), "NameTaken", "web");
    go_on(held, create);
}

/* What is half made is neither found nor loaded. */
static void test_create_reload(Held *held, gconstpointer unused)
{
    FixtureCall *create = hold_create(held);
    scripted_reload(&held->fixture, 0, 0, 0);
    fixture_call_fails(&held->fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "web"),
                       "NotFound", "web");
    go_on(held, create);
    scripted_reload(&held->fixture, 0, 0, 0);
}

static void test_create_image_removal(Held *held, gconstpointer unused)
{
    FixtureCall *create = hold_create(held);
    scripted_fails(begin_image_removal(&held->fixture), "ImageInUse", "debian");
    go_on(held, create);
    scripted_fails(begin_image_removal(&held->fixture), "ImageInUse", "web");
}

static void test_create_import(Held *held, gconstpointer unused)
{
    FixtureCall *create = hold_create(held);
    import_refused(&held->fixture);
    go_on(held, create);
}

/* M21, too: there is no trace of it, and it can be made again. */
static void test_create_restart(Held *held, gconstpointer unused)
{
    Fixture *fixture = &held->fixture;
    g_autoptr(FixtureCall) create = hold_create(held);
    fixture_stop_daemon(fixture, SIGKILL);
    hold_release(held->hold);
    AWAIT(create->done);
    g_assert_nonnull(create->error);
    fixture_start_daemon(fixture);
    fixture_assert_clean(fixture);
    scripted_succeeds(begin_create(fixture, "web"));
}

/* An image is about to go. */

static FixtureCall *hold_image_removal(Held *held)
{
    hold_at(held->hold, HOLD_DROP);
    FixtureCall *removal = begin_image_removal(&held->fixture);
    hold_await(held->hold, HOLD_DROP);
    return removal;
}

static void test_image_removal_create(Held *held, gconstpointer unused)
{
    FixtureCall *removal = hold_image_removal(held);
    scripted_fails(begin_create(&held->fixture, "web"), "org.freedesktop.DBus.Error.InvalidArgs", "debian");
    go_on(held, removal);
}

static void test_image_removal_twice(Held *held, gconstpointer unused)
{
    FixtureCall *removal = hold_image_removal(held);
    scripted_fails(begin_image_removal(&held->fixture), "Busy", "debian");
    go_on(held, removal);
}

static void test_image_removal_import(Held *held, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    FixtureCall *removal = hold_image_removal(held);
    import_refused(&held->fixture);
    go_on(held, removal);
    g_assert_true(import(&held->fixture, &error)); /* now the name is free */
}

/* It was not answered, and is as it was. */
static void test_image_removal_restart(Held *held, gconstpointer unused)
{
    Fixture *fixture = &held->fixture;
    g_autoptr(FixtureCall) removal = hold_image_removal(held);
    fixture_stop_daemon(fixture, SIGKILL);
    hold_release(held->hold);
    AWAIT(removal->done);
    g_assert_nonnull(removal->error);
    fixture_start_daemon(fixture);
    scripted_succeeds(begin_create(fixture, "web"));
}

/* Its user is going: the image is in use until the processes have ended, and the scope is gone. */
static void test_removal_image_removal(Held *held, gconstpointer unused)
{
    Fixture *fixture = &held->fixture;
    FakeService *service = fake_systemd_service(fixture->systemd);
    FixtureCall *create = begin_create(fixture, "web");
    AWAIT(create->done);
    g_assert_no_error(create->error);
    g_autofree char *path = NULL;
    g_variant_get(create->answer, "(o)", &path);
    fixture_call_free(create);
    fake_service_hold(service, "StopUnit");
    fixture_vm(fixture, path, "Remove");
    removal_await_phase(fixture, path, "releasing");
    scripted_fails(begin_image_removal(fixture), "ImageInUse", "web");
    fake_service_release(service, "StopUnit");
    removal_assert_gone(fixture, path);
    scripted_succeeds(begin_image_removal(fixture));
}

#define ADD(path, func) g_test_add("/removal/M20/" path, Held, NULL, set_up, func, tear_down)

static void add(void)
{
    ADD("CreateVM@publish/CreateVM", test_create_create);
    ADD("CreateVM@publish/Reload", test_create_reload);
    ADD("CreateVM@publish/Image.Remove", test_create_image_removal);
    ADD("CreateVM@publish/ImportImage", test_create_import);
    ADD("CreateVM@publish/restart", test_create_restart);
    ADD("Image.Remove@drop/CreateVM", test_image_removal_create);
    ADD("Image.Remove@drop/Image.Remove", test_image_removal_twice);
    ADD("Image.Remove@drop/ImportImage", test_image_removal_import);
    ADD("Image.Remove@drop/restart", test_image_removal_restart);
    ADD("Remove@StopUnit/Image.Remove", test_removal_image_removal);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
