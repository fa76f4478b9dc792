/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/test-cgroup.h"
#include "tooled.h"

/* Manager.Audit: what is left over or missing is told, each kind made on purpose; what is whole, or under way, is
 * not. */

#define STRAY "6b1c9f0e-3c1e-4f2a-9a52-0d7e5c1b8a44"
#define STRAY_UNIT "berth-" STRAY ".scope"

/* (transfer full): aa{sv} */
static GVariant *audit(Fixture *fixture)
{
    g_autoptr(GVariant) answer =
        fixture_call(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Audit", g_variant_new("(a{sv})", NULL));
    return g_variant_get_child_value(answer, 0);
}

static void assert_clean(Fixture *fixture, const char *when)
{
    g_autoptr(GVariant) findings = audit(fixture);
    g_autofree char *text = g_variant_print(findings, FALSE);
    if (g_variant_n_children(findings) > 0)
        g_error("%s: %s", when, text);
}

static gboolean fits(GVariant *finding, const char *kind, const char *side, const char *object)
{
    const char *is_kind = "", *is_side = "", *is_object = "", *advice = "";
    g_variant_lookup(finding, "Kind", "&s", &is_kind);
    g_variant_lookup(finding, "Side", "&s", &is_side);
    g_variant_lookup(finding, "Object", "&s", &is_object);
    g_variant_lookup(finding, "Advice", "&s", &advice);
    return g_str_equal(kind, is_kind) && g_str_equal(side, is_side) && g_str_equal(object, is_object) && *advice;
}

/* One that must be there; the rest is compared by its number. (transfer full) */
static GVariant *expect(GVariant *findings, const char *kind, const char *side, const char *object)
{
    for (gsize i = 0; i < g_variant_n_children(findings); i++) {
        g_autoptr(GVariant) finding = g_variant_get_child_value(findings, i);
        if (fits(finding, kind, side, object))
            return g_steal_pointer(&finding);
    }
    g_autofree char *text = g_variant_print(findings, FALSE);
    g_error("no %s %s “%s” in %s", side, kind, object, text);
}

static void found(GVariant *findings, const char *kind, const char *side, const char *object)
{
    g_variant_unref(expect(findings, kind, side, object));
}

static void assert_number(GVariant *findings, gsize n)
{
    g_autofree char *text = g_variant_print(findings, FALSE);
    if (g_variant_n_children(findings) != n)
        g_error("not %" G_GSIZE_FORMAT " findings: %s", n, text);
}

static char *vm_id(Fixture *fixture, const char *path)
{
    return fixture_get_string(fixture, path, "Id");
}

static void make_dir(const char *base, const char *name)
{
    g_autofree char *path = g_build_filename(base, name, NULL);
    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
}

static void make_file(const char *base, const char *name)
{
    g_autofree char *path = g_build_filename(base, name, NULL);
    g_assert_true(g_file_set_contents(path, "", 0, NULL));
}

static void delete (const char *base, const char *name)
{
    g_autofree char *path = g_build_filename(base, name, NULL);
    g_assert_cmpint(g_remove(path), ==, 0);
}

/* A process that does nothing, in this cgroup, with a port that it listens on: ended by its death. */
static pid_t spawn_listener(const char *cgroup, guint *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    g_assert_cmpint(bind(fd, (struct sockaddr *) &address, sizeof address), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *) &address, &length), ==, 0);
    *port = ntohs(address.sin_port);
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0)
        for (;;)
            pause();
    close(fd);
    test_cgroup_make(cgroup);
    g_assert_true(test_cgroup_add(cgroup, pid));
    return pid;
}

static void end_process(pid_t pid)
{
    kill(pid, SIGKILL);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

/* VMs in every state are nobody's leftovers. */
static void test_clean(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    assert_clean(fixture, "no VM");
    g_autofree char *stopped = tooled_vm(tooled, "stopped", NULL);
    g_autofree char *running = tooled_vm(tooled, "running", NULL);
    g_autofree char *paused = tooled_vm(tooled, "paused", NULL);
    g_autofree char *exited = tooled_vm(tooled, "exited", NULL);
    g_autofree char *doomed = tooled_vm(tooled, "doomed", NULL);
    g_autofree char *disked = fixture_create(fixture, "disked", tooled_config("{'disks': <[{'size': <@t 1048576>}]>}"));
    fixture_vm(fixture, running, "Start");
    fixture_vm(fixture, paused, "Start");
    fixture_vm(fixture, paused, "Pause");
    fixture_vm(fixture, exited, "Start");
    fixture_vm(fixture, doomed, "Start");
    kill((pid_t) fixture_get_uint(fixture, exited, "PID"), SIGKILL);
    fixture_await_state(fixture, exited, "exited");
    g_variant_unref(fixture_call(fixture, doomed, BERTH_IFACE_VM, "Remove",
                                 g_variant_new("(@a{sv})", tooled_asv("{'grace-seconds': <@u 600>}"))));
    assert_clean(fixture, "a VM in each state");
    fixture_restart_daemon(fixture);
    fixture_await_state(fixture, paused, "paused");
    assert_clean(fixture, "found by another daemon");
    fixture_vm(fixture, doomed, "CancelRemoval");
}

/* What nobody owns: one thing of each kind that can be made from outside. */

static void test_left_over_files(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *vm = tooled_vm(tooled, "web", NULL);
    g_autofree char *id = vm_id(fixture, vm);
    g_autofree char *vms = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, NULL);
    g_autofree char *removing = g_build_filename(fixture->state_dir, BERTH_DIR_REMOVING, NULL);
    g_autofree char *images = g_build_filename(fixture->state_dir, BERTH_DIR_IMAGES, NULL);
    g_autofree char *dir = g_build_filename(vms, id, NULL);
    g_autofree char *in_vm = g_strconcat(BERTH_DIR_VMS "/", id, "/.new-vm.json", NULL);
    const struct {
        const char *base, *name, *kind, *object;
    } table[] = {
        {vms, STRAY, "directory", "vms/" STRAY},
        {vms, "lost\nfound", "directory", "vms/lost\\nfound"},
        {vms, ".new-" STRAY, "temporary-file", "vms/.new-" STRAY},
        {dir, ".new-vm.json", "temporary-file", in_vm},
        {dir, ".new-.removing.old", "temporary-file", NULL},
        {removing, STRAY ".unknown", "directory", "removing/" STRAY ".unknown"},
        {images, "debian", "image", "images/debian"},
        {images, ".new-debian." STRAY, "temporary-file", "images/.new-debian." STRAY},
        {fixture->runtime_dir, STRAY, "directory", "runtime/" STRAY},
        {fixture->runtime_dir, STRAY "/qmp.sock", "socket", "runtime/" STRAY "/qmp.sock"},
        {fixture->runtime_dir, STRAY "/.new-run", "temporary-file", "runtime/" STRAY "/.new-run"},
        {fixture->runtime_dir, STRAY ".ended", "temporary-file", "runtime/" STRAY ".ended"},
        {fixture->runtime_dir, ".new-" STRAY ".ended", "temporary-file", "runtime/.new-" STRAY ".ended"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        (strchr(table[i].name, '/') || table[i].base == dir ? make_file : make_dir)(table[i].base, table[i].name);
    g_autoptr(GVariant) findings = audit(fixture);
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        if (table[i].object)
            found(findings, table[i].kind, "left-over", table[i].object);
    g_autoptr(GVariant) own = expect(findings, "temporary-file", "left-over", in_vm);
    const char *name = "", *owner = "";
    g_variant_lookup(own, "Name", "&s", &name);
    g_variant_lookup(own, "VM", "&s", &owner);
    g_assert_cmpstr(name, ==, "web");
    g_assert_cmpstr(owner, ==, id);
    assert_number(findings, G_N_ELEMENTS(table));
    for (guint i = G_N_ELEMENTS(table); i > 0; i--)
        delete (table[i - 1].base, table[i - 1].name);
    assert_clean(fixture, "all is deleted");
}

static void test_left_over_processes(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *cgroup = fake_systemd_cgroup(fixture->systemd, STRAY_UNIT);
    guint port = 0;
    pid_t pid = spawn_listener(cgroup, &port);
    assert_clean(fixture, "of another daemon, as far as can be told");
    fake_systemd_add_failed(fixture->systemd, STRAY_UNIT);
    g_autofree char *process = g_strdup_printf("%d", (int) pid), *listens = g_strdup_printf("tcp 127.0.0.1:%u", port);
    g_autoptr(GVariant) findings = audit(fixture);
    found(findings, "scope", "left-over", STRAY_UNIT);
    found(findings, "process", "left-over", process);
    found(findings, "port", "left-over", listens);
    assert_number(findings, 3);
    end_process(pid);
    fake_systemd_forget(fixture->systemd, STRAY_UNIT);
    assert_clean(fixture, "it has ended");
}

/* A process that left its scope, and one in the scope of a VM that does not run. */
static void test_left_over_beside_vm(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *vm = tooled_vm(tooled, "web", NULL);
    g_autofree char *unit = fixture_unit(fixture, vm);
    g_autofree char *cgroup = fake_systemd_cgroup(fixture->systemd, unit);
    guint port = 0;
    pid_t pid = spawn_listener(cgroup, &port);
    g_autofree char *process = g_strdup_printf("%d", (int) pid), *listens = g_strdup_printf("tcp 127.0.0.1:%u", port);
    g_autoptr(GVariant) findings = audit(fixture);
    found(findings, "process", "left-over", process);
    found(findings, "port", "left-over", listens);
    assert_number(findings, 2);
    end_process(pid);
    g_assert_true(test_cgroup_remove(cgroup));
}

/* What a VM claims. */

static void test_missing_of_run(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *vm = tooled_vm(tooled, "web", NULL);
    g_autofree char *id = vm_id(fixture, vm), *unit = fixture_unit(fixture, vm);
    fixture_vm(fixture, vm, "Start");
    g_autofree char *runtime = g_build_filename(fixture->runtime_dir, id, NULL);
    g_autofree char *socket_object = g_build_filename("runtime", id, BERTH_FILE_CONSOLE_SOCKET, NULL);
    delete (runtime, BERTH_FILE_CONSOLE_SOCKET);
    fake_systemd_forget(fixture->systemd, unit);
    g_autoptr(GVariant) findings = audit(fixture);
    found(findings, "socket", "missing", socket_object);
    g_autoptr(GVariant) scope = expect(findings, "scope", "missing", unit);
    const char *name = "";
    g_variant_lookup(scope, "Name", "&s", &name);
    g_assert_cmpstr(name, ==, "web");
    assert_number(findings, 2);
    fixture_vm(fixture, vm, "PowerOff");
    assert_clean(fixture, "it runs no more");
}

static pid_t parent_of(pid_t pid)
{
    g_autofree char *file = g_strdup_printf("/proc/%d/status", (int) pid);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    return (pid_t) g_ascii_strtoll(strstr(text, "PPid:") + strlen("PPid:"), NULL, 10);
}

static void test_missing_keeper(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *vm = tooled_vm(tooled, "web", NULL);
    fixture_vm(fixture, vm, "Start");
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, vm);
    /* Asked when the recorder listens: the bus takes both in order. */
    pid_t keeper = parent_of((pid_t) fixture_get_uint(fixture, vm, "PID"));
    kill(keeper, SIGKILL);
    AWAIT(recorder_changes(recorder, "LastError") > 0);
    g_autofree char *process = g_strdup_printf("%d", (int) keeper);
    g_autoptr(GVariant) findings = audit(fixture);
    found(findings, "process", "missing", process);
    assert_number(findings, 1);
}

/* A CID that the process has and its VM has not. */
static void test_cid(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autoptr(GError) error = NULL;
    g_autofree char *vm = tooled_vm(tooled, "web", NULL), *id = vm_id(fixture, vm);
    fixture_vm(fixture, vm, "Start");
    g_autofree char *run = g_build_filename(fixture->runtime_dir, id, BERTH_FILE_RUN, NULL);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(run, &text, NULL, &error));
    GString *changed = g_string_new(text);
    g_autofree char *own = g_strdup_printf("cid=%u\n", fixture_get_uint(fixture, vm, "CID"));
    g_assert_cmpuint(g_string_replace(changed, own, "cid=60000\n", 0), ==, 1);
    g_assert_true(g_file_set_contents(run, changed->str, -1, &error));
    g_string_free(changed, TRUE);
    g_autoptr(GVariant) findings = audit(fixture);
    found(findings, "cid", "left-over", "60000");
    assert_number(findings, 1);
}

static void test_missing_files(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autofree char *plain = tooled_vm(tooled, "plain", NULL), *plain_id = vm_id(fixture, plain);
    g_autofree char *disked = fixture_create(fixture, "disked", tooled_config("{'disks': <[{'size': <@t 1048576>}]>}"));
    g_autofree char *disks = tooled_vm_file(fixture, disked, BERTH_DIR_DISKS), *disked_id = vm_id(fixture, disked);
    g_autoptr(GDir) dir = g_dir_open(disks, 0, NULL);
    g_autofree char *disk = g_strdup(g_dir_read_name(dir));
    g_autofree char *disk_object = g_build_filename(BERTH_DIR_VMS, disked_id, BERTH_DIR_DISKS, disk, NULL);
    g_autofree char *dir_object = g_build_filename(BERTH_DIR_VMS, plain_id, NULL);
    g_autofree char *own = tooled_vm_file(fixture, plain, NULL), *aside = g_strconcat(own, ".aside", NULL);
    g_autofree char *aside_object = g_strconcat(dir_object, ".aside", NULL);
    delete (disks, disk);
    g_assert_cmpint(g_rename(own, aside), ==, 0);
    g_autoptr(GVariant) findings = audit(fixture);
    found(findings, "disk", "missing", disk_object);
    found(findings, "directory", "missing", dir_object);
    found(findings, "directory", "left-over", aside_object);
    assert_number(findings, 3);
    g_assert_cmpint(g_rename(aside, own), ==, 0);
}

/* In flux */

static void import_begin(Fixture *fixture, off_t size, Recorder **recorder, char **job)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(fixture->dir, "disk", NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&fd, 1);
    *recorder = recorder_new(fixture->client, BERTH_BUS_NAME, NULL);
    g_autoptr(GVariant) answer =
        fixture_call_with_fds(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "ImportImage",
                              g_variant_new("(sh@a{sv})", "hole", 0, tooled_asv("{}")), fds, NULL, &error);
    g_assert_no_error(error);
    g_variant_get(answer, "(o)", job);
}

static void test_during_import(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autoptr(Recorder) recorder = NULL;
    g_autofree char *job = NULL;
    import_begin(fixture, (off_t) 1 << 40, &recorder, &job);
    assert_clean(fixture, "an import is under way");
    g_variant_unref(fixture_call(fixture, job, BERTH_IFACE_JOB, "Cancel", g_variant_new("(a{sv})", NULL)));
    AWAIT(recorder_count(recorder, "Completed") > 0);
    assert_clean(fixture, "the import was cancelled");
}

/* An overlay whose image is gone. */
static void test_missing_image(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    g_autoptr(Recorder) recorder = NULL;
    g_autofree char *job = NULL;
    import_begin(fixture, 1 << 20, &recorder, &job);
    AWAIT(recorder_count(recorder, "Completed") > 0);
    g_autofree char *vm = fixture_create(fixture, "web", tooled_config("{'image': <'hole'>}"));
    assert_clean(fixture, "an overlay on its image");
    g_autofree char *image = g_build_filename(fixture->state_dir, BERTH_DIR_IMAGES, "hole", NULL);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    g_assert_cmpint(g_rename(image, aside), ==, 0);
    fixture_restart_daemon(fixture);
    g_autoptr(GVariant) findings = audit(fixture);
    g_autoptr(GVariant) finding = expect(findings, "image", "missing", "images/hole");
    const char *name = "";
    g_variant_lookup(finding, "Name", "&s", &name);
    g_assert_cmpstr(name, ==, "web");
    assert_number(findings, 1);
}

static FixtureCall *create_begin(Fixture *fixture)
{
    return fixture_begin(
        fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
        g_variant_new("(s@a{sv}a{sv})", "web", tooled_config("{'disks': <[{'size': <@t 1048576>}]>}"), NULL));
}

static void test_during_creation(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    fake_tools_hold(tooled->tools);
    g_autoptr(FixtureCall) call = create_begin(fixture);
    AWAIT(tooled->tools->n_held > 0);
    assert_clean(fixture, "a creation waits for qemu-img");
    fake_tools_release(tooled->tools);
    AWAIT(call->done);
    g_assert_no_error(call->error);
    assert_clean(fixture, "made");
}

/* A start that waits at each of its steps, for systemd and for QEMU. */
static void test_during_start(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    FakeService *systemd = fake_systemd_service(fixture->systemd);
    static const char *const steps[] = {"StartTransientUnit", "JobRemoved", "GetUnit"};
    g_autofree char *vm = tooled_vm(tooled, "web", "once connect wait go\n");
    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        guint before = fake_service_count(systemd, steps[i]);
        fake_service_hold(systemd, steps[i]);
        FixtureCall *call = tooled_begin(fixture, vm, "Start");
        AWAIT(fake_service_count(systemd, steps[i]) > before);
        assert_clean(fixture, steps[i]);
        fake_service_release(systemd, steps[i]);
        /* And QEMU, the first time, for its monitor. */
        assert_clean(fixture, "it goes on");
        fake_tools_touch(tooled->tools, "go");
        tooled_succeeds(call);
        assert_clean(fixture, "it runs");
        fixture_vm(fixture, vm, "PowerOff");
    }
    assert_clean(fixture, "it is off");
}

static void await_phase(Fixture *fixture, const char *path, const char *phase)
{
    fixture_await_property(fixture, path, "RemovalPhase", g_variant_new_string(phase));
}

/* A removal that waits at each of its steps. */
static void test_during_removal(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    FakeService *systemd = fake_systemd_service(fixture->systemd);
    g_autofree char *vm = tooled_vm(tooled, "web", "on quit wait quit\n");
    fixture_vm(fixture, vm, "Start");
    guint before = fake_service_count(systemd, "GetUnit") + fake_service_count(systemd, "StopUnit");
    fixture_vm(fixture, vm, "Remove");
    await_phase(fixture, vm, "stopping");
    assert_clean(fixture, "stopping");
    fake_service_hold(systemd, "GetUnit");
    fake_service_hold(systemd, "StopUnit");
    fake_tools_touch(tooled->tools, "quit");
    await_phase(fixture, vm, "releasing");
    AWAIT(fake_service_count(systemd, "GetUnit") + fake_service_count(systemd, "StopUnit") > before);
    assert_clean(fixture, "releasing");
    fake_service_release(systemd, "GetUnit");
    fake_service_release(systemd, "StopUnit");
    fixture_await_gone(fixture, vm);
    assert_clean(fixture, "gone");
}

/* An audit and all else side by side: it never sees half of a thing. */
static void test_beside_others(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    for (guint i = 0; i < 10; i++) {
        FixtureCall *first =
            fixture_begin(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Audit", g_variant_new("(a{sv})", NULL));
        g_autofree char *vm = tooled_vm(tooled, "web", NULL);
        fixture_vm(fixture, vm, "Start");
        FixtureCall *second =
            fixture_begin(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Audit", g_variant_new("(a{sv})", NULL));
        fixture_vm(fixture, vm, "Remove");
        fixture_await_gone(fixture, vm);
        FixtureCall *calls[] = {first, second};
        for (guint j = 0; j < G_N_ELEMENTS(calls); j++) {
            AWAIT(calls[j]->done);
            g_assert_no_error(calls[j]->error);
            g_autoptr(GVariant) findings = g_variant_get_child_value(calls[j]->answer, 0);
            assert_number(findings, 0);
            fixture_call_free(calls[j]);
        }
    }
}

/* Where nothing can be known, nothing is said. */
static void test_no_answer(Tooled *tooled, gconstpointer unused)
{
    Fixture *fixture = &tooled->fixture;
    fake_service_fail(fake_systemd_service(fixture->systemd), "ListUnitsByPatterns",
                      "org.freedesktop.DBus.Error.Failed", 1);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Audit", g_variant_new("(a{sv})", NULL),
                       "Cancelled", "list");
    g_autofree char *vms = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, NULL);
    g_autofree char *aside = g_build_filename(fixture->state_dir, "aside", NULL);
    g_assert_cmpint(g_rename(vms, aside), ==, 0);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Audit", g_variant_new("(a{sv})", NULL),
                       "StorageFailed", "vms");
    g_assert_cmpint(g_rename(aside, vms), ==, 0);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Audit",
                       g_variant_new("(@a{sv})", tooled_asv("{'x': <1>}")), "org.freedesktop.DBus.Error.InvalidArgs",
                       "x");
    assert_clean(fixture, "all is there again");
}

static void add_tests(void)
{
    TOOLED_ADD("/audit/clean", NULL, test_clean);
    TOOLED_ADD("/audit/left-over/files", NULL, test_left_over_files);
    TOOLED_ADD("/audit/left-over/processes", NULL, test_left_over_processes);
    TOOLED_ADD("/audit/left-over/beside-a-vm", NULL, test_left_over_beside_vm);
    TOOLED_ADD("/audit/missing/of-a-run", NULL, test_missing_of_run);
    TOOLED_ADD("/audit/missing/keeper", NULL, test_missing_keeper);
    TOOLED_ADD("/audit/missing/files", NULL, test_missing_files);
    TOOLED_ADD("/audit/missing/image", NULL, test_missing_image);
    TOOLED_ADD("/audit/cid", NULL, test_cid);
    TOOLED_ADD("/audit/during/import", NULL, test_during_import);
    TOOLED_ADD("/audit/during/creation", NULL, test_during_creation);
    TOOLED_ADD("/audit/during/start", NULL, test_during_start);
    TOOLED_ADD("/audit/during/removal", "[VM]\nPowerOffTimeoutSec=600\n", test_during_removal);
    TOOLED_ADD("/audit/beside-others", NULL, test_beside_others);
    TOOLED_ADD("/audit/no-answer", NULL, test_no_answer);
}

int main(int argc, char **argv)
{
    return tooled_main(argc, argv, add_tests);
}
