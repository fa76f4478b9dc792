/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <signal.h>

#include "ctl-run.h"
#include "tests/lib/await.h"
#include "tests/lib/fakes/fake-berth.h"
#include "tests/lib/private-bus.h"

/* berthctl against a service that does what the test says. */

static GDBusConnection *connection, *stranger;

typedef struct {
    FakeBerth *fake;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    f->fake = fake_berth_new(connection);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    fake_berth_free(f->fake);
}

static gboolean says(const GString *text, const char *what)
{
    return strstr(text->str, what) != NULL;
}

#define assert_says(text, what)                                                                                        \
    do {                                                                                                               \
        if (!says((text), (what)))                                                                                     \
            g_error("\"%s\" is not in: %s", (what), (text)->str);                                                      \
    } while (0)

/* Ends with @expected; else the test ends with what it said. */
static void finish(CtlRun *run, int expected)
{
    int status = ctl_run_finish(run);
    if (status != expected)
        g_error("exit status %d, not %d: %s", status, expected, run->err->str);
}

static void test_list(Fixture *f, gconstpointer data)
{
    fake_berth_add(f->fake, "web", "running");
    FakeVm *doomed = fake_berth_add(f->fake, "a-much-longer-name", "stopped");
    fake_berth_change(f->fake, doomed, "removing", "deleting", "");

    g_autoptr(CtlRun) run = ctl_run_start("list", NULL);
    finish(run, 0);
    g_auto(GStrv) lines = g_strsplit(run->out->str, "\n", -1);
    g_assert_cmpstr(lines[0], ==, "NAME               STATE               SINCE       VCPUS MEMORY  CID  PID IMAGE");
    g_assert_cmpstr(lines[1], ==, "a-much-longer-name removing (deleting) 2h 3min ago     2   512M 1000    - debian");
    g_assert_cmpstr(lines[2], ==, "web                running             2h 3min ago     2   512M 1000 4711 debian");
    g_assert_cmpstr(lines[4], ==, "2 VMs listed.");

    g_autoptr(CtlRun) bare = ctl_run_start("list", "--no-legend", NULL);
    finish(bare, 0);
    g_assert_true(g_str_has_prefix(bare->out->str, "a-much-longer-name removing"));
    g_assert_false(says(bare->out, "listed"));
}

static JsonNode *parse(const GString *text)
{
    g_autoptr(GError) error = NULL;
    JsonNode *node = json_from_string(text->str, &error);
    g_assert_no_error(error);
    return node;
}

static void test_json(Fixture *f, gconstpointer data)
{
    fake_berth_add(f->fake, "web", "running");
    g_autoptr(CtlRun) list = ctl_run_start("--json", "list", NULL);
    finish(list, 0);
    g_autoptr(JsonNode) node = parse(list->out);
    JsonObject *vm = json_array_get_object_element(json_node_get_array(node), 0);
    g_assert_cmpuint(json_array_get_length(json_node_get_array(node)), ==, 1);
    g_assert_cmpstr(json_object_get_string_member(vm, "Name"), ==, "web");
    g_assert_cmpint(json_object_get_int_member(vm, "MemoryBytes"), ==, 512 * 1024 * 1024);
    g_assert_true(json_object_get_null_member(vm, "LastError"));
    g_assert_cmpstr(json_object_get_string_member(json_object_get_object_member(vm, "Config"), "restart"), ==, "no");

    g_autoptr(CtlRun) status = ctl_run_start("status", "web", "--json", NULL);
    finish(status, 0);
    g_autoptr(JsonNode) one = parse(status->out);
    g_assert_cmpstr(json_object_get_string_member(json_node_get_object(one), "State"), ==, "running");

    g_autoptr(CtlRun) images = ctl_run_start("images", "--json", NULL);
    finish(images, 0);
    g_autoptr(JsonNode) library = parse(images->out);
    JsonObject *image = json_array_get_object_element(json_node_get_array(library), 0);
    g_assert_cmpstr(json_object_get_string_member(image, "Version"), ==, "12");
}

static void assert_next_start(FakeVm *vm, gint64 in_usec, const char *words)
{
    vm->next_start = (guint64) (g_get_real_time() + in_usec);
    g_autoptr(CtlRun) run = ctl_run_start("status", vm->name, NULL);
    finish(run, 0);
    assert_says(run->out, words);
}

static void test_next_start(Fixture *f, gconstpointer data)
{
    FakeVm *vm = fake_berth_add(f->fake, "web", "exited");
    g_autoptr(CtlRun) run = ctl_run_start("status", "web", NULL);
    finish(run, 0);
    g_assert_false(says(run->out, "Next start"));
    assert_next_start(vm, 10890 * (gint64) G_USEC_PER_SEC, "  Next start: in 3h 1min\n");
    assert_next_start(vm, -1, "  Next start: as soon as its turn comes\n");
}

static void assert_status(FakeVm *vm, const char *words)
{
    g_autoptr(CtlRun) run = ctl_run_start("status", vm->name, NULL);
    finish(run, 0);
    assert_says(run->out, words);
}

static void test_state_line(Fixture *f, gconstpointer data)
{
    FakeVm *vm = fake_berth_add(f->fake, "web", "running");
    assert_status(vm, "       State: running since ");
    assert_status(vm, "; 2h 3min ago\n");
    vm->hangs = TRUE;
    assert_status(vm, "       State: running (QEMU does not answer) since ");
}

static void test_removal_line(Fixture *f, gconstpointer data)
{
    FakeVm *vm = fake_berth_add(f->fake, "web", "removing");
    assert_status(vm, "     Removal: try 3\n");
    vm->next_attempt = (guint64) g_get_real_time() + 100 * (guint64) G_USEC_PER_SEC;
    assert_status(vm, "     Removal: try 3, next in 1min ");
    fake_berth_change(f->fake, vm, "removing", "waiting", "/x/mnt");
    assert_status(vm, "s; held up by /x/mnt\n");
    vm->next_attempt = 0;
    assert_status(vm, "     Removal: try 3; held up by /x/mnt\n");
}

/* What others wrote never reaches the terminal as an escape sequence. */
static void test_printable(Fixture *f, gconstpointer data)
{
    g_autoptr(CtlRun) images = ctl_run_start("images", NULL);
    finish(images, 0);
    assert_says(images->out, "Debian \\x1b[2J 12");
    fake_berth_add(f->fake, "web", "stopped");
    f->fake->refuse = g_strdup("org.berth.Berth1.Error.Busy");
    g_autoptr(CtlRun) start = ctl_run_start("start", "web", NULL);
    finish(start, 1);
    g_assert_cmpstr(start->err->str, ==, "berthctl: Can't start web: The fake refuses\\x1b[2J\n");
}

static void assert_exit(int expected, const char *error, const char *a, const char *b, const char *c)
{
    g_autoptr(CtlRun) run = ctl_run_start(a, b, c, NULL);
    int status = ctl_run_finish(run);
    if (status != expected)
        g_error("%s %s %s: exit status %d: %s", a, b, c, status, run->err->str);
    assert_says(run->err, error);
    g_assert_cmpstr(run->out->str, ==, "");
}

static void test_exit_statuses(Fixture *f, gconstpointer data)
{
    fake_berth_add(f->fake, "web", "stopped");
    assert_exit(0, "", "start", "web", NULL);
    g_assert_cmpstr(f->fake->called, ==, "Start web");
    assert_exit(3, "berthctl: Can't start db: There is none of that name", "start", "db", "web");
    assert_exit(2, "There is no command \"strat\"", "strat", "web", NULL);
    assert_exit(2, "Too few arguments", "start", NULL, NULL);
    assert_exit(2, "Unknown option", "start", "--fast", "web");
    assert_exit(2, "\"sleeping\" is no state", "wait", "web", "sleeping");
    assert_exit(2, "unknown key \"vcpu\"", "set", "web", "vcpu=2");
    assert_exit(3, "There is no VM \"db\"", "wait", "db", "running");
    assert_exit(0, "", "wait", "db", "gone");

    f->fake->refuse = g_strdup("org.freedesktop.DBus.Error.AccessDenied");
    assert_exit(4, "Can't power off web", "poweroff", "web", NULL);
    g_free(f->fake->refuse);
    f->fake->refuse = g_strdup("org.freedesktop.DBus.Error.InvalidArgs");
    assert_exit(2, "Can't change web", "set", "web", "vcpus=2");

    fake_berth_stop(f->fake);
    assert_exit(1, "systemctl --user start berthd", "list", NULL, NULL);
}

static void test_guest(Fixture *f, gconstpointer data)
{
    fake_berth_add(f->fake, "web", "running");
    fake_berth_add(f->fake, "db", "stopped");
    g_autoptr(CtlRun) up = ctl_run_start("status", "web", NULL);
    finish(up, 0);
    assert_says(up->out, "       Guest: Fake Linux 1; ready; Startup \\x1b[31m finished\n");
    assert_says(up->out, "     Address: 192.0.2.17/24 eth0\n     Address: 2001:db8::1/64 eth0\n");
    g_autoptr(CtlRun) down = ctl_run_start("status", "db", NULL);
    finish(down, 0);
    g_assert_false(says(down->out, "Guest") || says(down->out, "Address"));

    assert_exit(0, "", "wait", "web", "ready");
    assert_exit(0, "", "refresh", "web", NULL);
    g_assert_cmpstr(f->fake->called, ==, "RefreshGuest web");
    assert_exit(0, "", "shutdown", "web", NULL);
    g_assert_cmpstr(f->fake->called, ==, "Shutdown web");
    assert_exit(0, "", "shutdown", "--mode=agent", "web");
    g_assert_cmpstr(f->fake->called, ==, "Shutdown web agent");
}

/* Each VM that is named is tried, also after one has failed. */
static void test_several(Fixture *f, gconstpointer data)
{
    fake_berth_add(f->fake, "a", "stopped");
    fake_berth_add(f->fake, "b", "stopped");
    g_autoptr(CtlRun) run = ctl_run_start("start", "a", "none", "b", NULL);
    finish(run, 3);
    g_assert_cmpstr(f->fake->called, ==, "Start b");
}

static void assert_config(const FakeVm *vm, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = g_variant_parse(G_VARIANT_TYPE_VARDICT, expected, NULL, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(JsonNode) left = json_gvariant_serialize(vm->config), right = json_gvariant_serialize(value);
    g_autofree char *left_text = json_to_string(left, FALSE), *right_text = json_to_string(right, FALSE);
    if (!json_node_equal(left, right))
        g_error("%s is not %s", left_text, right_text);
}

static void test_create(Fixture *f, gconstpointer data)
{
    g_autofree char *file = g_build_filename(g_getenv("TMPDIR"), "vm.json", NULL);
    g_assert_true(g_file_set_contents(file, "{\"name\": \"x\", \"vcpus\": 8, \"machine\": \"microvm\"}", -1, NULL));
    g_autoptr(CtlRun) run =
        ctl_run_start("create", "web", "--file", file, "-m", "2G", "-d", "10G,format=raw", "-p", "udp:5353:53", "-p",
                      "0.0.0.0:8080:80", "-l", "role=web", "--set", "machine=q35", NULL);
    finish(run, 0);
    g_assert_cmpstr(run->out->str, ==, "Created web.\n");
    assert_config(f->fake->vms->pdata[0],
                  "{'vcpus': <@u 8>, 'machine': <'q35'>, 'memory': <@t 2147483648>, 'labels': <{'role': 'web'}>,"
                  " 'disks': <[{'size': <@t 10737418240>, 'format': <'raw'>}]>,"
                  " 'networks': <[{'mode': <'user'>, 'ports': <[{'protocol': <'udp'>, 'host-port': <@u 5353>,"
                  " 'guest-port': <@u 53>}, {'protocol': <'tcp'>, 'host-address': <'0.0.0.0'>, 'host-port': <@u 8080>,"
                  " 'guest-port': <@u 80>}]>}]>}");

    g_autoptr(CtlRun) change = ctl_run_start("set", "web", "memory=1G", "protected=yes", NULL);
    finish(change, 0);
    assert_config(f->fake->vms->pdata[0], "{'memory': <@t 1073741824>, 'protected': <true>}");
    g_unlink(file);
}

static void test_remove(Fixture *f, gconstpointer data)
{
    FakeVm *vm = fake_berth_add(f->fake, "web", "running");
    g_autoptr(CtlRun) run = ctl_run_start("remove", "web", "--grace", "30", NULL);
    finish(run, 0);
    g_assert_cmpuint(vm->grace, ==, 30);
    assert_says(run->out, "web: removal begins in 30 seconds");
    g_assert_false(says(run->out, "removed"));

    g_autoptr(CtlRun) plain = ctl_run_start("remove", "web", NULL);
    finish(plain, 0);
    g_assert_cmpuint(vm->grace, ==, G_MAXUINT);
    g_assert_cmpstr(plain->out->str, ==, "web: removal is under way\n");
}

/* "removed" is said when InterfacesRemoved has come, and not before. */
static void test_remove_wait(Fixture *f, gconstpointer data)
{
    FakeVm *vm = fake_berth_add(f->fake, "web", "running");
    FakeVm *other = fake_berth_add(f->fake, "other", "running");
    g_autoptr(CtlRun) run = ctl_run_start("remove", "--wait", "web", NULL);
    AWAIT(says(run->out, "web: stopping\n"));
    fake_berth_change(f->fake, vm, "removing", "waiting", "/x/mnt is a mount point");
    AWAIT(says(run->out, "web: waiting to try again (try 3): /x/mnt is a mount point\n"));
    fake_berth_vanish(f->fake, other);
    fake_berth_change(f->fake, vm, "removing", "deleting", "");
    AWAIT(says(run->out, "web: deleting\n"));
    g_assert_false(run->has_exited);
    g_assert_false(says(run->out, "removed"));

    fake_berth_vanish(f->fake, vm);
    finish(run, 0);
    g_assert_true(g_str_has_suffix(run->out->str, "web: removed\n"));
}

/* Another process says, in the daemon's words, that the VM is gone. */
static void test_remove_spoofed(Fixture *f, gconstpointer data)
{
    FakeVm *vm = fake_berth_add(f->fake, "web", "running");
    g_autoptr(CtlRun) run = ctl_run_start("remove", "--wait", "web", NULL);
    AWAIT(says(run->out, "web: stopping\n"));
    const char *interfaces[] = {"org.berth.Berth1.VM", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusMessage) lie =
        g_dbus_message_new_signal("/org/berth/Berth1", "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved");
    g_dbus_message_set_destination(lie, f->fake->reader);
    g_dbus_message_set_serial(lie, 1000000); /* as if it were new */
    g_dbus_message_set_body(lie, g_variant_new("(o^as)", vm->path, interfaces));
    g_dbus_connection_send_message(stranger, lie, G_DBUS_SEND_MESSAGE_FLAGS_PRESERVE_SERIAL, NULL, &error);
    g_assert_no_error(error);
    /* The bus has passed it on when it answers a later call. */
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_sync(stranger, "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", NULL, NULL,
                                    G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    g_assert_no_error(error);
    fake_berth_change(f->fake, vm, "removing", "deleting", "");
    AWAIT(says(run->out, "web: deleting\n"));
    g_assert_false(says(run->out, "removed"));
    g_assert_false(run->has_exited);
}

/* The daemon goes and comes back in the middle; the VM is gone by then. */
static void test_remove_restart(Fixture *f, gconstpointer data)
{
    FakeVm *a = fake_berth_add(f->fake, "a", "running"), *b = fake_berth_add(f->fake, "b", "running");
    g_autoptr(CtlRun) run = ctl_run_start("remove", "--wait", "a", "b", NULL);
    AWAIT(a->n_removes == 1 && b->n_removes == 1);
    fake_berth_stop(f->fake);
    AWAIT(says(run->err, "The daemon went away"));
    fake_berth_vanish(f->fake, a);
    fake_berth_start(f->fake);
    AWAIT(says(run->out, "a: removed\n"));
    g_assert_false(run->has_exited);
    g_assert_false(says(run->out, "b: removed\n"));
    fake_berth_vanish(f->fake, b);
    finish(run, 0);
    assert_says(run->out, "b: removed\n");
}

static void test_remove_cancelled(Fixture *f, gconstpointer data)
{
    FakeVm *vm = fake_berth_add(f->fake, "web", "running");
    g_autoptr(CtlRun) run = ctl_run_start("remove", "--wait", "web", NULL);
    AWAIT(vm->n_removes == 1);
    fake_berth_change(f->fake, vm, "running", "", "");
    finish(run, 1);
    assert_says(run->out, "web: the removal was cancelled\n");
    g_assert_false(says(run->out, "removed"));
}

static void test_wait(Fixture *f, gconstpointer data)
{
    FakeVm *vm = fake_berth_add(f->fake, "web", "starting");
    g_autoptr(CtlRun) late = ctl_run_start("wait", "web", "running", "--timeout", "10ms", NULL);
    finish(late, 5);

    g_autoptr(CtlRun) run = ctl_run_start("wait", "web", "running", NULL);
    g_autoptr(CtlRun) gone = ctl_run_start("wait", vm->id, "gone", NULL);
    g_autoptr(CtlRun) never = ctl_run_start("wait", "web", "paused", NULL);
    AWAIT(f->fake->n_reads == 4);
    fake_berth_change(f->fake, vm, "running", "", "");
    finish(run, 0);
    g_assert_false(gone->has_exited);
    g_assert_false(never->has_exited);
    fake_berth_vanish(f->fake, vm);
    finish(gone, 0);
    finish(never, 3);
}

static void test_watch(Fixture *f, gconstpointer data)
{
    FakeVm *web = fake_berth_add(f->fake, "web", "stopped");
    g_autoptr(CtlRun) all = ctl_run_start("watch", NULL);
    g_autoptr(CtlRun) one = ctl_run_start("watch", "web", "--json", NULL);
    AWAIT(f->fake->n_reads == 2);
    fake_berth_change(f->fake, web, "running", "", "");
    FakeVm *db = fake_berth_add(f->fake, "db", "stopped");
    fake_berth_change(f->fake, db, "removing", "grace", "");
    fake_berth_change(f->fake, db, "removing", "waiting", "/x/mnt");
    fake_berth_vanish(f->fake, db);
    fake_berth_vanish(f->fake, web);
    finish(one, 0);
    AWAIT(says(all->out, "web: gone"));
    assert_says(all->out, "web: stopped -> running\n");
    assert_says(all->out, "db: appeared, stopped\n");
    assert_says(all->out, "db: stopped -> removing (grace)\n");
    assert_says(all->out, "db: removing (grace) -> removing (waiting): /x/mnt\n");
    assert_says(all->out, "db: gone, was removing (waiting)\n");

    g_assert_false(says(one->out, "\"db\""));
    assert_says(one->out, "\"State\":\"running\"");
    g_auto(GStrv) lines = g_strsplit(g_strstrip(one->out->str), "\n", -1);
    const char *last = lines[g_strv_length(lines) - 1];
    g_autoptr(JsonNode) node = json_from_string(last, NULL);
    g_assert_nonnull(node);
    g_assert_cmpstr(json_object_get_string_member(json_node_get_object(node), "Event"), ==, "gone");
}

/* What the daemon said before it was asked for everything is older than that. */
static void test_watch_stale(Fixture *f, gconstpointer data)
{
    FakeVm *web = fake_berth_add(f->fake, "web", "running");
    f->fake->says_stale = TRUE;
    g_autoptr(CtlRun) run = ctl_run_start("watch", "web", NULL);
    AWAIT(f->fake->n_reads == 1);
    fake_berth_vanish(f->fake, web);
    finish(run, 0);
    assert_says(run->out, "web: gone, was running\n");
    g_assert_false(says(run->out, "paused"));
}

static char *make_file(const char *name, const char *text)
{
    char *path = g_build_filename(g_getenv("TMPDIR"), name, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static void test_import(Fixture *f, gconstpointer data)
{
    g_autofree char *disk = make_file("disk", "12345");
    g_autoptr(CtlRun) run = ctl_run_start("import", "debian", disk, NULL);
    AWAIT(f->fake->job_exists);
    fake_berth_progress(f->fake, 0.5);
    g_assert_false(run->has_exited);
    fake_berth_complete(f->fake, "", "");
    finish(run, 0);
    g_assert_cmpint(f->fake->disk_size, ==, 5);
    g_assert_cmpint(f->fake->kernel_size, ==, -1);
    g_assert_cmpstr(run->out->str, ==, "Imported debian.\n");
    /* The bar is for terminals. */
    g_assert_cmpstr(run->err->str, ==, "");

    g_autoptr(CtlRun) refused = ctl_run_start("import", "debian", disk, NULL);
    f->fake->job_exists = FALSE;
    AWAIT(f->fake->job_exists);
    fake_berth_complete(f->fake, "org.freedesktop.DBus.Error.InvalidArgs", "no qcow2");
    finish(refused, 2);
    g_assert_cmpstr(refused->err->str, ==, "berthctl: Can't import debian: no qcow2\n");
    g_unlink(disk);
}

/* The job is done before the answer that names it; and an image without a disk has an empty file for it. */
static void test_import_at_once(Fixture *f, gconstpointer data)
{
    g_autofree char *kernel = make_file("kernel", "1234567");
    f->fake->import = FAKE_IMPORT_IS_AT_ONCE;
    g_autoptr(CtlRun) run = ctl_run_start("import", "debian", "--kernel", kernel, "--json", NULL);
    finish(run, 0);
    g_assert_cmpint(f->fake->disk_size, ==, 0);
    g_assert_cmpint(f->fake->kernel_size, ==, 7);
    g_autoptr(JsonNode) image = parse(run->out);
    g_assert_cmpstr(json_object_get_string_member(json_node_get_object(image), "Name"), ==, "debian");
    g_unlink(kernel);
}

static void test_import_interrupted(Fixture *f, gconstpointer data)
{
    g_autofree char *disk = make_file("disk", "12345");
    g_autoptr(CtlRun) run = ctl_run_start("import", "debian", disk, NULL);
    AWAIT(f->fake->job_exists);
    g_subprocess_send_signal(run->process, SIGINT);
    AWAIT(f->fake->job_cancelled);
    g_assert_false(run->has_exited);
    fake_berth_complete(f->fake, "org.berth.Berth1.Error.Cancelled", "cancelled");
    finish(run, 1);

    /* A daemon that goes takes its jobs along. */
    f->fake->job_exists = FALSE;
    g_autoptr(CtlRun) lost = ctl_run_start("import", "debian", disk, NULL);
    AWAIT(f->fake->job_exists);
    fake_berth_stop(f->fake);
    finish(lost, 1);
    assert_says(lost->err, "The daemon went away");
    g_unlink(disk);
}

static void test_clone(Fixture *f, gconstpointer data)
{
    fake_berth_add(f->fake, "web", "stopped");
    g_autoptr(CtlRun) run = ctl_run_start("clone", "web", "web-2", "--set", "memory=2G", NULL);
    AWAIT(f->fake->job_exists);
    g_assert_cmpstr(f->fake->called, ==, "Clone web web-2 {'memory': <uint64 2147483648>}");
    g_assert_false(run->has_exited);
    fake_berth_complete(f->fake, "", "");
    finish(run, 0);
    g_assert_cmpstr(run->out->str, ==, "Created web-2.\n");

    f->fake->job_exists = FALSE;
    g_autoptr(CtlRun) interrupted = ctl_run_start("clone", "web", "web-3", NULL);
    AWAIT(f->fake->job_exists);
    g_subprocess_send_signal(interrupted->process, SIGINT);
    AWAIT(f->fake->job_cancelled);
    fake_berth_complete(f->fake, "org.berth.Berth1.Error.Cancelled", "The clone was cancelled");
    finish(interrupted, 1);
    g_assert_cmpstr(interrupted->err->str, ==, "berthctl: Can't clone web: The clone was cancelled\n");

    g_autoptr(CtlRun) wrong = ctl_run_start("clone", "web", "web-4", "--set", "memory=lots", NULL);
    finish(wrong, 2);
    assert_says(wrong->err, "memory");
}

static void append(const char *path, const char *text)
{
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GError) error = NULL;
    g_autoptr(GFileOutputStream) stream = g_file_append_to(file, G_FILE_CREATE_NONE, NULL, &error);
    g_assert_no_error(error);
    g_output_stream_write_all(G_OUTPUT_STREAM(stream), text, strlen(text), NULL, NULL, &error);
    g_assert_no_error(error);
}

static void test_log(Fixture *f, gconstpointer data)
{
    fake_berth_add(f->fake, "web", "running");
    f->fake->log = make_file("serial.log", "one\n");
    g_autoptr(CtlRun) once = ctl_run_start("log", "web", NULL);
    finish(once, 0);
    g_assert_cmpstr(once->out->str, ==, "one\n");

    g_autoptr(CtlRun) run = ctl_run_start("log", "--follow", "web", NULL);
    AWAIT(says(run->out, "one\n"));
    append(f->fake->log, "two\n");
    AWAIT(says(run->out, "one\ntwo\n"));
    /* It is cut and begins anew, in the same file. */
    g_assert_no_errno(truncate(f->fake->log, 0));
    append(f->fake->log, "three\n");
    AWAIT(says(run->out, "one\ntwo\nthree\n"));
    g_assert_false(run->has_exited);
    g_unlink(f->fake->log);
    finish(run, 0);
}

static void test_manager(Fixture *f, gconstpointer data)
{
    g_autoptr(CtlRun) version = ctl_run_start("version", NULL);
    finish(version, 0);
    assert_says(version->out, "berthd 9.9.9\n");
    g_autoptr(CtlRun) capabilities = ctl_run_start("capabilities", NULL);
    finish(capabilities, 0);
    g_assert_cmpstr(capabilities->out->str, ==, "tcg\nlandlock\n");
    g_autoptr(CtlRun) reload = ctl_run_start("reload", NULL);
    finish(reload, 0);
    g_assert_cmpstr(reload->out->str, ==, "1 loaded, 2 updated, 3 removals resumed.\n");
}

/* Nothing found is success; something is a status of its own, in every form. */
static void test_audit(Fixture *f, gconstpointer data)
{
    g_autoptr(CtlRun) clean = ctl_run_start("audit", NULL);
    finish(clean, 0);
    g_assert_cmpstr(clean->out->str, ==, "Nothing is left over, and nothing is missing.\n");
    g_autoptr(CtlRun) clean_json = ctl_run_start("audit", "--json", NULL);
    finish(clean_json, 0);
    g_assert_cmpstr(clean_json->out->str, ==, "[]\n");

    g_variant_unref(f->fake->findings);
    f->fake->findings = g_variant_ref_sink(g_variant_new_parsed(
        "[{'Kind': <'tap'>, 'Side': <'left-over'>, 'Object': <'bt0'>, 'VM': <'some-id'>, 'Name': <''>,"
        "  'Advice': <'delete\\u001b[2J it'>},"
        " {'Kind': <'socket'>, 'Side': <'missing'>, 'Object': <'runtime/x'>, 'VM': <'x'>, 'Name': <'web'>,"
        "  'Advice': <'start it'>}]"));
    g_autoptr(CtlRun) found = ctl_run_start("audit", NULL);
    finish(found, 6);
    g_auto(GStrv) lines = g_strsplit(found->out->str, "\n", -1);
    g_assert_cmpstr(lines[0], ==, "FINDING   KIND   OBJECT    VM      WHAT TO DO");
    g_assert_true(g_str_has_prefix(lines[1], "left over tap    bt0       some-id delete"));
    g_assert_false(says(found->out, "\033"));
    g_assert_cmpstr(lines[2], ==, "missing   socket runtime/x web     start it");
    g_assert_cmpstr(lines[4], ==, "2 findings.");

    g_autoptr(CtlRun) json = ctl_run_start("--json", "audit", NULL);
    finish(json, 6);
    g_autoptr(JsonNode) node = parse(json->out);
    JsonObject *tap = json_array_get_object_element(json_node_get_array(node), 0);
    g_assert_cmpuint(json_array_get_length(json_node_get_array(node)), ==, 2);
    g_assert_cmpstr(json_object_get_string_member(tap, "Object"), ==, "bt0");
    g_assert_cmpstr(json_object_get_string_member(tap, "Side"), ==, "left-over");

    g_autoptr(CtlRun) wrong = ctl_run_start("audit", "web", NULL);
    finish(wrong, 2);
    fake_berth_stop(f->fake);
    g_autoptr(CtlRun) nobody = ctl_run_start("audit", NULL);
    finish(nobody, 1);
    fake_berth_start(f->fake);
}

static void add(const char *path, void (*test)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, NULL, set_up, test, tear_down);
}

int main(int argc, char **argv)
{
    g_autofree char *dir = g_dir_make_tmp("berthctl-XXXXXX", NULL);
    g_setenv("TMPDIR", dir, TRUE);
    g_setenv("LC_ALL", "C.UTF-8", TRUE);
    PrivateBus *bus = private_bus_new(dir);
    g_setenv("DBUS_SESSION_BUS_ADDRESS", private_bus_address(bus), TRUE);
    g_setenv("DBUS_SYSTEM_BUS_ADDRESS", private_bus_address(bus), TRUE);
    g_test_init(&argc, &argv, NULL);
    connection = private_bus_connect(bus);
    stranger = private_bus_connect(bus);
    add("/berthctl/list", test_list);
    add("/berthctl/json", test_json);
    add("/berthctl/guest", test_guest);
    add("/berthctl/printable", test_printable);
    add("/berthctl/exit-statuses", test_exit_statuses);
    add("/berthctl/several", test_several);
    add("/berthctl/create", test_create);
    add("/berthctl/remove", test_remove);
    add("/berthctl/remove-wait", test_remove_wait);
    add("/berthctl/remove-spoofed", test_remove_spoofed);
    add("/berthctl/next-start", test_next_start);
    add("/berthctl/state-line", test_state_line);
    add("/berthctl/removal-line", test_removal_line);
    add("/berthctl/remove-restart", test_remove_restart);
    add("/berthctl/remove-cancelled", test_remove_cancelled);
    add("/berthctl/wait", test_wait);
    add("/berthctl/watch", test_watch);
    add("/berthctl/watch-stale", test_watch_stale);
    add("/berthctl/import", test_import);
    add("/berthctl/import-at-once", test_import_at_once);
    add("/berthctl/import-interrupted", test_import_interrupted);
    add("/berthctl/clone", test_clone);
    add("/berthctl/log", test_log);
    add("/berthctl/manager", test_manager);
    add("/berthctl/audit", test_audit);
    int status = g_test_run();
    g_object_unref(connection);
    g_object_unref(stranger);
    private_bus_free(bus);
    g_rmdir(dir);
    return status;
}
