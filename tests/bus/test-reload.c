/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scripted.h"
#include "src/core/names.h"
#include "tests/lib/preloads/hold.h"

/* What a Reload makes of a configuration, definitions and images that somebody has changed by hand, and of what
 * others do at the same time. test-recovery.c has what it makes of directories that come and go. */

#define DROPPED_ID "6b1c9f0e-3c1e-4f2a-9a52-0d7e5c1b8a44"
#define DROPPED_PATH "/org/berth/Berth1/vm/_36b1c9f0e_2d3c1e_2d4f2a_2d9a52_2d0d7e5c1b8a44"

/* Of this program's own, as the fixture has it. */
static guint uid_base(Fixture *fixture)
{
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(fixture->config, &text, NULL, NULL));
    return (guint) g_ascii_strtoull(strstr(text, "UIDBase=") + strlen("UIDBase="), NULL, 10);
}

static guint32 manager_uint(Fixture *fixture, const char *property)
{
    g_autoptr(GVariant) value = fixture_get(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, property);
    return g_variant_get_uint32(value);
}

static char *restart_policy(Fixture *fixture, const char *path)
{
    g_autoptr(GVariant) config = fixture_get(fixture, path, BERTH_IFACE_VM, "Config");
    char *policy = NULL;
    g_assert_true(g_variant_lookup(config, "restart", "s", &policy));
    return policy;
}

static void create_fails(Fixture *fixture, const char *name, const char *error, const char *words)
{
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                       g_variant_new("(sa{sv}a{sv})", name, NULL, NULL), error, words);
}

static void assert_found(Fixture *fixture, const char *name, const char *path)
{
    g_autoptr(GVariant) answer =
        fixture_call(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", name));
    const char *found;
    g_variant_get(answer, "(&o)", &found);
    g_assert_cmpstr(found, ==, path);
}

static void remove_and_await(Fixture *fixture, const char *path)
{
    fixture_vm(fixture, path, "Remove");
    fixture_await_gone(fixture, path);
}

static uid_t owner_of(const char *file)
{
    struct stat st;
    g_assert_cmpint(lstat(file, &st), ==, 0);
    return st.st_uid;
}

/* Configuration */

static void test_taken(Fixture *fixture, gconstpointer unused)
{
    scripted_configure(fixture, "[VM]\nRestart=always\nStartTimeoutSec=300ms\n");
    g_autofree char *before = scripted_vm(fixture, "before", NULL);
    scripted_reload(fixture, 0, 0, 0);
    g_autofree char *after = scripted_vm(fixture, "after", "on query-status wait never");
    g_autofree char *old = restart_policy(fixture, before), *new = restart_policy(fixture, after);
    g_assert_cmpstr(old, ==, "no");
    g_assert_cmpstr(new, ==, "always");
    fixture_vm_fails(fixture, after, "Start", "StartFailed", "within 0 s");
    scripted_configure(fixture, "[VM]\nRestart=\n");
    scripted_reload(fixture, 0, 0, 0);
    g_autofree char *last = scripted_vm(fixture, "last", NULL);
    g_autofree char *back = restart_policy(fixture, last);
    g_assert_cmpstr(back, ==, "no");
}

/* What clients were told is constant is that, as long as this daemon runs. */
static void test_kept(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *elsewhere = g_build_filename(fixture->dir, "elsewhere", NULL);
    g_autofree char *text = g_strdup_printf("[Manager]\nCIDFirst=3000\nCIDLast=3001\nMaxVMs=1\nUIDBase=%u\n"
                                            "StateDirectory=%s\nRuntimeDirectory=%s\n",
                                            uid_base(fixture) + 1, elsewhere, elsewhere);
    scripted_configure(fixture, text);
    scripted_reload(fixture, 0, 0, 0);
    g_assert_cmpuint(manager_uint(fixture, "CIDFirst"), ==, 2000);
    g_assert_cmpuint(manager_uint(fixture, "CIDLast"), ==, 2002);
    g_assert_cmpuint(manager_uint(fixture, "MaxVMs"), ==, 3);
    g_autofree char *first = scripted_vm(fixture, "first", NULL);
    g_autofree char *second = scripted_vm(fixture, "second", NULL);
    g_assert_cmpuint(fixture_get_uint(fixture, second, "CID"), ==, 2001);
    fixture_vm(fixture, second, "Start");
    g_autofree char *disks = scripted_vm_file(fixture, second, BERTH_DIR_DISKS);
    g_assert_cmpuint(owner_of(disks), ==, uid_base(fixture) + 2001);
    g_assert_false(g_file_test(elsewhere, G_FILE_TEST_EXISTS));
    g_autofree char *back = g_strdup_printf("[Manager]\nUIDBase=%u\nStateDirectory=%s\nRuntimeDirectory=%s\n",
                                            uid_base(fixture), fixture->state_dir, fixture->runtime_dir);
    scripted_configure(fixture, back);
    fixture_restart_daemon(fixture);
    g_assert_cmpuint(manager_uint(fixture, "CIDFirst"), ==, 3000);
    g_assert_cmpuint(manager_uint(fixture, "MaxVMs"), ==, 1);
    scripted_assert_string(fixture, second, "State", "running");
}

static void assert_new_vm_has(Fixture *fixture, const char *name, const char *policy)
{
    g_autofree char *path = scripted_vm(fixture, name, NULL);
    g_autofree char *its = restart_policy(fixture, path);
    g_assert_cmpstr(its, ==, policy);
}

/* The line that comes next. */
static guint next_line(const char *file)
{
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    return g_strv_length(lines);
}

/* Who makes a mistake is told where, and the daemon goes on as before; one that starts does what it can. */
static void mistake(Fixture *fixture, const char *line, const char *words)
{
    scripted_configure(fixture, "[VM]\nRestart=on-failure\n");
    scripted_reload(fixture, 0, 0, 0);
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    g_autofree char *place = g_strdup_printf("berth.conf:%u: %s", next_line(fixture->config) + 1, words);
    g_autofree char *text = g_strdup_printf("Restart=always\n%s\n", line);
    const guint32 pid = fixture_get_uint(fixture, path, "PID");
    scripted_configure(fixture, text);
    scripted_replace(definition, "67108864", "134217728");
    for (guint i = 0; i < 2; i++) {
        fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new("(a{sv})", NULL),
                           "StorageFailed", place);
        g_autoptr(GVariant) memory = fixture_get(fixture, path, BERTH_IFACE_VM, "MemoryBytes");
        g_assert_cmpuint(g_variant_get_uint64(memory), ==, 67108864);
        g_autofree char *name = g_strdup_printf("kept-%u", i);
        assert_new_vm_has(fixture, name, "on-failure");
    }
    fixture_restart_daemon(fixture);
    g_assert_cmpuint(fixture_get_uint(fixture, path, "PID"), ==, pid);
    assert_new_vm_has(fixture, "after", "always");
    scripted_replace(fixture->config, line, "");
    scripted_reload(fixture, 0, 0, 0);
}

static void test_mistaken_value(Fixture *fixture, gconstpointer unused)
{
    mistake(fixture, "StartTimeoutSec=pigs", "StartTimeoutSec is \"pigs\"; it must be a time span");
}

static void test_mistaken_key(Fixture *fixture, gconstpointer unused)
{
    mistake(fixture, "Restrat=no", "unknown key \"Restrat\" in section [VM]");
}

static void test_mistaken_section(Fixture *fixture, gconstpointer unused)
{
    mistake(fixture, "[Nonsense]", "unknown section \"Nonsense\"");
}

static void test_no_assignment(Fixture *fixture, gconstpointer unused)
{
    mistake(fixture, "half a line", "\"half a line\" is no assignment");
}

/* Nothing of it is done where what it was called for can't be read. */
static void test_unreadable(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    g_autofree char *drop_ins = g_strconcat(fixture->config, ".d", NULL);
    g_autofree char *bad = g_build_filename(drop_ins, "10-bad.conf", NULL);
    g_assert_cmpint(g_mkdir_with_parents(bad, 0755), ==, 0);
    scripted_replace(definition, "67108864", "134217728");
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new("(a{sv})", NULL),
                       "StorageFailed", "10-bad.conf");
    g_autoptr(GVariant) memory = fixture_get(fixture, path, BERTH_IFACE_VM, "MemoryBytes");
    g_assert_cmpuint(g_variant_get_uint64(memory), ==, 67108864);
    g_assert_cmpint(g_rmdir(bad), ==, 0);
    scripted_reload(fixture, 0, 1, 0);
}

/* VMs outside of the range, and more than there may be: they are VMs as all others. */
static void test_range(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *running = scripted_vm(fixture, "running", NULL);
    g_autofree char *stopped = scripted_vm(fixture, "stopped", NULL);
    g_autofree char *extra = scripted_vm(fixture, "extra", NULL);
    fixture_vm(fixture, running, "Start");
    const guint32 pid = fixture_get_uint(fixture, running, "PID"), cid = fixture_get_uint(fixture, stopped, "CID");
    fixture_stop_daemon(fixture, SIGTERM);
    scripted_configure(fixture, "[Manager]\nCIDFirst=3000\nCIDLast=3001\n");
    fixture_start_daemon(fixture);
    g_assert_cmpuint(fixture_get_uint(fixture, running, "PID"), ==, pid);
    g_assert_cmpuint(fixture_get_uint(fixture, stopped, "CID"), ==, cid);
    create_fails(fixture, "more", "LimitReached", "3 VMs; MaxVMs= and CIDFirst= to CIDLast= in berth.conf allow 2");
    remove_and_await(fixture, extra);
    create_fails(fixture, "more", "LimitReached", "2 VMs;");
    fixture_vm(fixture, stopped, "Start");
    fixture_vm(fixture, stopped, "PowerOff");
    scripted_reload(fixture, 0, 0, 0);
    remove_and_await(fixture, stopped);
    for (guint i = 0; i < 4; i++) {
        g_autofree char *made = scripted_vm(fixture, "made", NULL);
        g_assert_cmpuint(fixture_get_uint(fixture, made, "CID"), >=, 3000);
        g_assert_cmpuint(fixture_get_uint(fixture, made, "CID"), <=, 3001);
        create_fails(fixture, "more", "LimitReached", "2 VMs;");
        remove_and_await(fixture, made);
    }
    remove_and_await(fixture, running);
}

/* Users */

static char *make_file(const char *dir, const char *name, uid_t owner)
{
    g_autoptr(GError) error = NULL;
    char *file = g_build_filename(dir, name, NULL);
    g_file_set_contents(file, "data", -1, &error);
    g_assert_no_error(error);
    g_assert_cmpint(chown(file, owner, (gid_t) -1), ==, 0);
    return file;
}

/* Disks follow their VM, and nothing else that may lie there does. */
static void test_uid_base(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *disks = scripted_vm_file(fixture, path, BERTH_DIR_DISKS);
    const uid_t old = owner_of(disks), base = uid_base(fixture) + 1,
                new = base + fixture_get_uint(fixture, path, "CID");
    g_autofree char *disk = make_file(disks, "disk0.qcow2", old);
    g_autofree char *foreign = make_file(disks, "foreign", 4711);
    g_autofree char *outside = make_file(fixture->dir, "outside", old);
    g_autofree char *link = g_build_filename(disks, "link", NULL);
    g_assert_cmpint(symlink(outside, link), ==, 0);
    fixture_stop_daemon(fixture, SIGTERM);
    g_autofree char *text = g_strdup_printf("[Manager]\nUIDBase=%u\n", base);
    scripted_configure(fixture, text);
    fixture_start_daemon(fixture);
    g_assert_cmpuint(owner_of(disk), ==, old); /* nobody needs them before */
    fixture_vm(fixture, path, "Start");
    g_assert_cmpuint(owner_of(disks), ==, new);
    g_assert_cmpuint(owner_of(disk), ==, new);
    g_assert_cmpuint(owner_of(foreign), ==, 4711);
    g_assert_cmpuint(owner_of(outside), ==, old);
    g_assert_cmpuint(owner_of(link), ==, 0);
}

/* Somebody else could change it at any time. */
static void test_owner(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    fixture_vm(fixture, path, "Start");
    g_assert_cmpint(chown(dir, 4711, (gid_t) -1), ==, 0);
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, "belongs to user 4711");
    scripted_reload(fixture, 0, 0, 0);
    g_assert_cmpint(chown(dir, 0, (gid_t) -1), ==, 0);
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_string(fixture, path, "State", "running");
    scripted_assert_last_error(fixture, path, "");
}

/* Definitions */

static void test_renamed(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    fixture_vm(fixture, path, "Start");
    const guint32 pid = fixture_get_uint(fixture, path, "PID");
    scripted_replace(definition, "\"web\"", "\"mail\"");
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    scripted_reload(fixture, 0, 1, 0);
    g_autofree char *names = recorder_words(recorder, "Name");
    g_assert_cmpstr(names, ==, "mail");
    assert_found(fixture, "mail", path);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "web"), "NotFound",
                       "web");
    g_assert_cmpuint(fixture_get_uint(fixture, path, "PID"), ==, pid);
    scripted_assert_string(fixture, path, "State", "running");
    g_autofree char *other = scripted_vm(fixture, "web", NULL);
    scripted_replace(definition, "\"mail\"", "\"web\"");
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_string(fixture, path, "State", "broken"); /* as a start of the daemon would show it */
    scripted_assert_last_error(fixture, path, "has the name \"web\" too");
    assert_found(fixture, "web", other);
    scripted_replace(definition, "\"web\"", "\"mail\"");
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_string(fixture, path, "State", "running");
}

/* A process has the CID that it was started with. */
static void test_cid(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    g_autofree char *old = g_strdup_printf("%u", fixture_get_uint(fixture, path, "CID"));
    const guint32 cid = fixture_get_uint(fixture, path, "CID");
    fixture_vm(fixture, path, "Start");
    scripted_replace(definition, old, "2999");
    for (guint i = 0; i < 2; i++) {
        scripted_reload(fixture, 0, 0, 0);
        scripted_assert_string(fixture, path, "State", "running");
        scripted_assert_last_error(fixture, path, "power it off");
        g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), ==, cid);
    }
    scripted_replace(definition, "2999", old);
    scripted_reload(fixture, 0, 0, 0);
    scripted_assert_last_error(fixture, path, "");
    scripted_replace(definition, old, "2999");
    fixture_restart_daemon(fixture);
    g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), ==, cid);
    fixture_vm(fixture, path, "PowerOff");
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    scripted_reload(fixture, 0, 1, 0);
    g_assert_cmpuint(recorder_changes(recorder, "CID"), ==, 1);
    g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), ==, 2999);
    fixture_vm(fixture, path, "Start");
    g_autofree char *other = scripted_vm(fixture, "other", NULL); /* the old one rests */
    g_assert_cmpuint(fixture_get_uint(fixture, other, "CID"), !=, cid);
}

/* Also where nothing else is known of it, since its files were damaged when the daemon started. */
static void test_cid_mended(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    const guint32 cid = fixture_get_uint(fixture, path, "CID");
    g_autofree char *old = g_strdup_printf("%u", cid);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(definition, &text, NULL, NULL));
    fixture_stop_daemon(fixture, SIGTERM);
    g_assert_true(g_file_set_contents(definition, "{", -1, NULL));
    fixture_start_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "broken");
    g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), ==, cid);
    g_assert_true(g_file_set_contents(definition, text, -1, NULL));
    scripted_replace(definition, old, "2999");
    scripted_reload(fixture, 0, 0, 0);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, "another CID");
    g_assert_cmpuint(fixture_get_uint(fixture, path, "CID"), ==, cid);
    scripted_replace(definition, "2999", old);
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_string(fixture, path, "State", "running");
    scripted_assert_last_error(fixture, path, "");
}

/* What can't be had beside the others is not taken, and the VM stays what it was. */
static void test_refused(Fixture *fixture, gconstpointer unused)
{
    static const char networks[] =
        "{'networks': <[{'mode': <'user'>, 'ports': <[{'host-port': <@u %u>, 'guest-port': <@u 80>}]>}]>}";
    g_autofree char *first = g_strdup_printf(networks, 41080), *second = g_strdup_printf(networks, 41081);
    g_autofree char *other = scripted_vm_with(fixture, "other", first, NULL);
    g_autofree char *path = scripted_vm_with(fixture, "web", second, NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    scripted_replace(definition, "41081", "41080");
    scripted_reload(fixture, 0, 0, 0);
    scripted_assert_string(fixture, path, "State", "stopped");
    scripted_assert_last_error(fixture, path, "41080");
    remove_and_await(fixture, other);
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_last_error(fixture, path, "");
}

/* Another VM's directory in its place, as when a backup of an earlier one is restored. */
static void test_exchanged(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(definition, &text, NULL, NULL));
    g_auto(GStrv) parts = g_strsplit(strstr(text, "\"incarnation\""), "\"", 5);
    fixture_vm(fixture, path, "Start");
    scripted_replace(definition, parts[3], DROPPED_ID);
    scripted_reload(fixture, 0, 0, 0);
    scripted_assert_last_error(fixture, path, "incarnation");
    fixture_vm(fixture, path, "PowerOff");
    scripted_reload(fixture, 0, 1, 0);
    /* Its removal bears the incarnation that is there: it survives the daemon. */
    scripted_remove(fixture, path, "{'grace-seconds': <uint32 600>}");
    fixture_restart_daemon(fixture);
    scripted_assert_string(fixture, path, "State", "removing");
}

/* Images */

#define IMAGE "debian"

static char *image_dir(Fixture *fixture)
{
    return g_build_filename(fixture->state_dir, BERTH_DIR_IMAGES, IMAGE, NULL);
}

/* (transfer full): path of the image */
static char *import(Fixture *fixture, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *file = g_build_filename(fixture->dir, "disk", NULL);
    g_assert_true(g_file_set_contents(file, "data", -1, NULL));
    g_assert_cmpint(truncate(file, 1 << 20), ==, 0);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&fd, 1);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, NULL);
    g_autoptr(GVariant) answer = fixture_call_with_fds(
        fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "ImportImage",
        g_variant_new("(sh@a{sv})", name, 0, g_variant_new_parsed("{'format': <'raw'>}")), fds, NULL, &error);
    g_assert_no_error(error);
    AWAIT(recorder_count(recorder, "Completed") > 0);
    return g_strconcat(BERTH_PATH_IMAGE "/", name, NULL);
}

static guint n_users(Fixture *fixture, const char *image)
{
    g_autoptr(GVariant) users = fixture_get(fixture, image, BERTH_IFACE_IMAGE, "UsedBy");
    return (guint) g_variant_n_children(users);
}

static gboolean is_there(Fixture *fixture, const char *image)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = fixture_try(fixture, image, "org.freedesktop.DBus.Properties", "Get",
                                             g_variant_new("(ss)", BERTH_IFACE_IMAGE, "Name"), &error);
    return answer != NULL;
}

static void test_image_comes(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *image = import(fixture, IMAGE);
    g_autofree char *dir = image_dir(fixture);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    scripted_copy_tree(dir, aside);
    fixture_call(fixture, image, BERTH_IFACE_IMAGE, "Remove", g_variant_new("(a{sv})", NULL));
    g_assert_cmpint(g_rename(aside, dir), ==, 0);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, image);
    scripted_reload(fixture, 1, 0, 0);
    g_assert_cmpuint(recorder_count(recorder, "InterfacesAdded"), ==, 1);
    g_assert_true(is_there(fixture, image));
    scripted_reload(fixture, 0, 0, 0);
    g_autofree char *path = scripted_vm_with(fixture, "web", "{'image': <'" IMAGE "'>}", NULL);
    g_assert_cmpuint(n_users(fixture, image), ==, 1);
    fixture_vm(fixture, path, "Start");
}

/* Vanished or damaged: who needs it is broken, runs on where it runs, and is whole with it. */
static void lose_image(Fixture *fixture, void (*lose)(const char *dir, const char *aside),
                       void (*bring_back)(const char *dir, const char *aside))
{
    g_autofree char *image = import(fixture, IMAGE);
    g_autofree char *dir = image_dir(fixture);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    g_autofree char *running = scripted_vm_with(fixture, "running", "{'image': <'" IMAGE "'>}", NULL);
    g_autofree char *stopped = scripted_vm_with(fixture, "stopped", "{'image': <'" IMAGE "'>}", NULL);
    fixture_vm(fixture, running, "Start");
    const guint32 pid = fixture_get_uint(fixture, running, "PID");
    lose(dir, aside);
    scripted_reload(fixture, 0, 3, 0);
    g_assert_false(is_there(fixture, image));
    scripted_assert_string(fixture, stopped, "State", "broken");
    scripted_assert_string(fixture, running, "State", "broken");
    scripted_assert_last_error(fixture, running, "image \"" IMAGE "\" is not there");
    g_assert_cmpuint(fixture_get_uint(fixture, running, "PID"), ==, pid);
    scripted_reload(fixture, 0, 0, 0);
    bring_back(dir, aside);
    scripted_reload(fixture, 1, 2, 0);
    scripted_assert_string(fixture, running, "State", "running");
    scripted_assert_string(fixture, stopped, "State", "stopped");
    g_assert_cmpuint(fixture_get_uint(fixture, running, "PID"), ==, pid);
    g_assert_cmpuint(n_users(fixture, image), ==, 2);
    fixture_vm(fixture, stopped, "Start");
}

static void rename_away(const char *dir, const char *aside)
{
    g_assert_cmpint(g_rename(dir, aside), ==, 0);
}

static void rename_back(const char *dir, const char *aside)
{
    g_assert_cmpint(g_rename(aside, dir), ==, 0);
}

static void test_image_vanished(Fixture *fixture, gconstpointer unused)
{
    lose_image(fixture, rename_away, rename_back);
}

/* A VM that is going is not judged; what it is made from is still its own when its removal is taken back. */
static void test_image_of_one_that_stays(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *image = import(fixture, IMAGE);
    g_autofree char *dir = image_dir(fixture);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    g_autofree char *path = scripted_vm_with(fixture, "web", "{'image': <'" IMAGE "'>}", NULL);
    scripted_remove(fixture, path, "{'grace-seconds': <uint32 600>}");
    rename_away(dir, aside);
    scripted_reload(fixture, 0, 1, 0);
    rename_back(dir, aside);
    scripted_reload(fixture, 1, 0, 0);
    fixture_vm(fixture, path, "CancelRemoval");
    g_assert_cmpuint(n_users(fixture, image), ==, 1);
    fixture_call_fails(fixture, image, BERTH_IFACE_IMAGE, "Remove", g_variant_new("(a{sv})", NULL), "ImageInUse",
                       "\"web\"");
    fixture_vm(fixture, path, "Start");
}

static void damage(const char *dir, const char *aside)
{
    g_autofree char *file = g_build_filename(dir, BERTH_FILE_IMAGE, NULL);
    scripted_replace(file, "virtual-size", "virtual-sighs");
}

static void repair(const char *dir, const char *aside)
{
    g_autofree char *file = g_build_filename(dir, BERTH_FILE_IMAGE, NULL);
    scripted_replace(file, "virtual-sighs", "virtual-size");
}

static void test_image_damaged(Fixture *fixture, gconstpointer unused)
{
    lose_image(fixture, damage, repair);
}

/* What was told is constant does not change: it is another image of that name, with the same users. */
static void test_image_changed(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *image = import(fixture, IMAGE);
    g_autofree char *dir = image_dir(fixture);
    g_autofree char *file = g_build_filename(dir, BERTH_FILE_IMAGE, NULL);
    g_autofree char *path = scripted_vm_with(fixture, "web", "{'image': <'" IMAGE "'>}", NULL);
    scripted_replace(file, "\"version\" : \"\"", "\"version\" : \"2\"");
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, image);
    scripted_reload(fixture, 0, 1, 0);
    g_assert_cmpuint(recorder_count(recorder, "InterfacesRemoved"), ==, 1);
    g_assert_cmpuint(recorder_count(recorder, "InterfacesAdded"), ==, 1);
    g_autoptr(GVariant) version = fixture_get(fixture, image, BERTH_IFACE_IMAGE, "Version");
    g_assert_cmpstr(g_variant_get_string(version, NULL), ==, "2");
    g_assert_cmpuint(n_users(fixture, image), ==, 1);
    scripted_assert_string(fixture, path, "State", "stopped");
    fixture_call_fails(fixture, image, BERTH_IFACE_IMAGE, "Remove", g_variant_new("(a{sv})", NULL), "ImageInUse",
                       "web");
}

/* Dropped in without its image, and then with it. */
static void test_image_missing(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *image = import(fixture, IMAGE);
    g_autofree char *dir = image_dir(fixture);
    g_autofree char *path = scripted_vm_with(fixture, "web", "{'image': <'" IMAGE "'>}", NULL);
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    g_autofree char *copy = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, DROPPED_ID, NULL);
    g_autofree char *definition = g_build_filename(copy, BERTH_FILE_DEFINITION, NULL);
    g_autofree char *vm_dir = scripted_vm_dir(fixture, path);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    scripted_copy_tree(vm_dir, copy);
    remove_and_await(fixture, path);
    scripted_replace(definition, id, DROPPED_ID);
    g_assert_cmpint(g_rename(dir, aside), ==, 0);
    scripted_reload(fixture, 1, 1, 0);
    scripted_assert_string(fixture, DROPPED_PATH, "State", "broken");
    scripted_assert_last_error(fixture, DROPPED_PATH, "import it again");
    g_assert_cmpint(g_rename(aside, dir), ==, 0);
    scripted_reload(fixture, 1, 1, 0);
    scripted_assert_string(fixture, DROPPED_PATH, "State", "stopped");
    fixture_vm(fixture, DROPPED_PATH, "Start");
    g_assert_cmpuint(n_users(fixture, image), ==, 1);
}

/* At the same time */

typedef struct {
    Fixture fixture;
    Hold *hold;
} Held;

static void set_up_held(Held *held, gconstpointer unused)
{
    scripted_prepare(&held->fixture, "");
    g_autofree char *dir = g_build_filename(held->fixture.dir, "hold", NULL);
    held->hold = hold_new(dir, g_getenv("BERTH_HOLD_PRELOAD"), &held->fixture.environ);
    fixture_start_daemon(&held->fixture);
}

static void tear_down_held(Held *held, gconstpointer unused)
{
    hold_free(held->hold);
    fixture_tear_down(&held->fixture, NULL);
}

/* A Reload that has read the definition and has not told the model yet. */
static FixtureCall *begin_reload(Held *held, const char *point)
{
    hold_at(held->hold, point);
    FixtureCall *call =
        fixture_begin(&held->fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new("(a{sv})", NULL));
    hold_await(held->hold, point);
    return call;
}

static void end_reload(Held *held, FixtureCall *call, guint loaded, guint updated, guint removed)
{
    hold_release(held->hold);
    AWAIT(call->done);
    g_assert_no_error(call->error);
    guint32 got[3];
    g_variant_get(call->answer, "(uuu)", &got[0], &got[1], &got[2]);
    g_assert_cmpuint(got[0], ==, loaded);
    g_assert_cmpuint(got[1], ==, updated);
    g_assert_cmpuint(got[2], ==, removed);
    fixture_call_free(call);
}

/* What it has read is yesterday's. */
static void test_configured(Held *held, gconstpointer unused)
{
    Fixture *fixture = &held->fixture;
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    FixtureCall *reload = begin_reload(held, HOLD_SCANNED);
    fixture_call(fixture, path, BERTH_IFACE_VM, "Configure",
                 g_variant_new("(@a{sv}a{sv})", g_variant_new_parsed("{'memory': <@t 134217728>}"), NULL));
    end_reload(held, reload, 0, 0, 0);
    g_autoptr(GVariant) memory = fixture_get(fixture, path, BERTH_IFACE_VM, "MemoryBytes");
    g_assert_cmpuint(g_variant_get_uint64(memory), ==, 134217728);
}

static void test_created(Held *held, gconstpointer unused)
{
    Fixture *fixture = &held->fixture;
    g_autofree char *first = scripted_vm(fixture, "first", NULL);
    FixtureCall *reload = begin_reload(held, HOLD_SCANNED);
    g_autofree char *second = scripted_vm(fixture, "second", NULL);
    fixture_vm(fixture, second, "Start");
    end_reload(held, reload, 0, 0, 0);
    scripted_assert_string(fixture, second, "State", "running");
    scripted_assert_string(fixture, first, "State", "stopped");
}

static void test_removed(Held *held, gconstpointer unused)
{
    Fixture *fixture = &held->fixture;
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    FixtureCall *reload = begin_reload(held, HOLD_SCANNED);
    fixture_vm(fixture, path, "Remove");
    end_reload(held, reload, 0, 0, 0);
    fixture_await_gone(fixture, path);
    scripted_reload(fixture, 0, 0, 0);
    g_autoptr(GPtrArray) vms = fixture_vms(fixture);
    g_assert_cmpuint(vms->len, ==, 0);
}

/* The images were read before the definitions. */
static void test_imported(Held *held, gconstpointer unused)
{
    Fixture *fixture = &held->fixture;
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *gone = import(fixture, "gone");
    FixtureCall *reload = begin_reload(held, HOLD_SCANNED);
    g_autofree char *image = import(fixture, IMAGE);
    fixture_call(fixture, gone, BERTH_IFACE_IMAGE, "Remove", g_variant_new("(a{sv})", NULL));
    end_reload(held, reload, 0, 0, 0);
    g_assert_true(is_there(fixture, image));
    g_assert_false(is_there(fixture, gone));
}

/* Dropped in while one of its name is made: there is one VM of that name. */
static void test_reserved(Held *held, gconstpointer unused)
{
    Fixture *fixture = &held->fixture;
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    scripted_copy_tree(dir, aside);
    remove_and_await(fixture, path);
    hold_at(held->hold, HOLD_PUBLISH);
    FixtureCall *create = fixture_begin(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                                        g_variant_new("(sa{sv}a{sv})", "web", NULL, NULL));
    hold_await(held->hold, HOLD_PUBLISH);
    g_assert_cmpint(g_rename(aside, dir), ==, 0);
    scripted_reload(fixture, 1, 0, 0);
    scripted_assert_string(fixture, path, "State", "broken");
    scripted_assert_last_error(fixture, path, "is being made");
    hold_release(held->hold);
    scripted_succeeds(create);
    scripted_reload(fixture, 0, 1, 0);
    scripted_assert_last_error(fixture, path, "has the name \"web\" too");
}

/* While everything else goes on, again and again. */
static void test_starting(Held *held, gconstpointer unused)
{
    Fixture *fixture = &held->fixture;
    g_autofree char *path = scripted_vm(fixture, "web", "on query-status wait go");
    FixtureCall *start = scripted_begin(fixture, path, "Start");
    scripted_await(fixture, "web", "qmp query-status", 1);
    g_autofree char *dir = scripted_vm_dir(fixture, path);
    g_autofree char *aside = g_build_filename(fixture->dir, "aside", NULL);
    g_assert_cmpint(g_rename(dir, aside), ==, 0);
    scripted_reload(fixture, 0, 0, 0);
    scripted_assert_string(fixture, path, "State", "starting");
    g_assert_cmpint(g_rename(aside, dir), ==, 0);
    scripted_touch(fixture, "go");
    scripted_succeeds(start);
    scripted_reload(fixture, 0, 0, 0);
    scripted_assert_string(fixture, path, "State", "running");
}

/* The second looks when the first has ended, and sees what was done since. */
static void test_two_at_once(Held *held, gconstpointer unused)
{
    Fixture *fixture = &held->fixture;
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    FixtureCall *first = begin_reload(held, HOLD_SCANNED);
    FixtureCall *second =
        fixture_begin(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new("(a{sv})", NULL));
    assert_found(fixture, "web", path); /* the daemon has heard of both */
    scripted_replace(definition, "67108864", "134217728");
    hold_release(held->hold);
    scripted_succeeds(first);
    scripted_succeeds(second);
    g_autoptr(GVariant) memory = fixture_get(fixture, path, BERTH_IFACE_VM, "MemoryBytes");
    g_assert_cmpuint(g_variant_get_uint64(memory), ==, 134217728);
}

/* A signal that comes while the daemon starts, after it has read the definition. */
static void test_before_ready(Held *held, gconstpointer unused)
{
    Fixture *fixture = &held->fixture;
    g_autofree char *path = scripted_vm(fixture, "web", NULL);
    g_autofree char *definition = scripted_vm_file(fixture, path, BERTH_FILE_DEFINITION);
    fixture_stop_daemon(fixture, SIGTERM);
    hold_at(held->hold, HOLD_SCANNED);
    fixture_spawn_daemon(fixture);
    hold_await(held->hold, HOLD_SCANNED);
    scripted_replace(definition, "67108864", "134217728");
    g_assert_cmpint(kill(fixture->daemon, SIGHUP), ==, 0);
    hold_release(held->hold);
    AWAIT(fixture->owner != NULL);
    fixture_await_property(fixture, path, "MemoryBytes", g_variant_new_uint64(134217728));
    scripted_assert_string(fixture, path, "State", "stopped");
}

#define ADD(path, config, func) SCRIPTED_ADD("/reload/" path, config, func)
#define ADD_HELD(path, func) g_test_add("/reload/meanwhile/" path, Held, NULL, set_up_held, func, tear_down_held)

static void add(void)
{
    ADD("configuration/taken", "", test_taken);
    ADD("configuration/mistaken/value", "", test_mistaken_value);
    ADD("configuration/mistaken/key", "", test_mistaken_key);
    ADD("configuration/mistaken/section", "", test_mistaken_section);
    ADD("configuration/mistaken/no-assignment", "", test_no_assignment);
    ADD("configuration/kept", "[Manager]\nCIDFirst=2000\nCIDLast=2002", test_kept);
    ADD("configuration/unreadable", "", test_unreadable);
    ADD("configuration/range", "[Manager]\nCIDFirst=2000\nCIDLast=2002", test_range);
    ADD("configuration/uid-base", "", test_uid_base);
    ADD("definition/owner", "", test_owner);
    ADD("definition/renamed", "", test_renamed);
    ADD("definition/cid", "", test_cid);
    ADD("definition/cid-mended", "", test_cid_mended);
    ADD("definition/refused", "", test_refused);
    ADD("definition/exchanged", "", test_exchanged);
    ADD("image/comes", "", test_image_comes);
    ADD("image/vanished", "", test_image_vanished);
    ADD("image/of-one-that-stays", "", test_image_of_one_that_stays);
    ADD("image/damaged", "", test_image_damaged);
    ADD("image/changed", "", test_image_changed);
    ADD("image/missing", "", test_image_missing);
    ADD_HELD("configured", test_configured);
    ADD_HELD("created", test_created);
    ADD_HELD("removed", test_removed);
    ADD_HELD("imported", test_imported);
    ADD_HELD("reserved", test_reserved);
    ADD_HELD("starting", test_starting);
    ADD_HELD("two-at-once", test_two_at_once);
    ADD_HELD("before-ready", test_before_ready);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
