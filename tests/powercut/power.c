/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "power-private.h"
#include "src/core/names.h"
#include "tests/lib/await.h"
#include "tests/lib/test-cgroup.h"

/* Large enough for a tree of the test, and small: a file system in memory, where fsync() costs nothing. What is
 * durable is decided by the model alone. */
#define FAST_DIR "/dev/shm"

typedef struct {
    guint32 serial; /* of the call that is answered; 0 for a signal */
    char *member;   /* of the signal */
    char *object;
} Promise;

static guint n_tried, n_violations;

static void promise_free(Promise *promise)
{
    g_free(promise->member);
    g_free(promise->object);
    g_free(promise);
}

static void cut_free(PowerCut *cut)
{
    fs_tree_free(cut->tree);
    g_free(cut->how);
    g_free(cut);
}

Fixture *power_fixture(Power *power)
{
    return &power->tooled.fixture;
}

Tooled *power_tooled(Power *power)
{
    return &power->tooled;
}

/* The scenario's act */

void power_begin(Power *power)
{
    struct stat st;
    power->trace_begin = stat(power->trace, &st) == 0 ? (gsize) st.st_size : 0;
    power->before = fs_tree_scan(power_fixture(power)->state_dir);
    g_ptr_array_set_size(power->promises, 0);
}

static Promise *add_promise(Power *power)
{
    Promise *promise = g_new0(Promise, 1);
    g_ptr_array_add(power->promises, promise);
    return promise;
}

GVariant *power_call(Power *power, const char *path, const char *interface, const char *method, GVariant *parameters,
                     GUnixFDList *fds)
{
    g_autoptr(GError) error = NULL;
    Fixture *fixture = power_fixture(power);
    GVariant *answer = fixture_call_with_fds(fixture, path, interface, method, parameters, fds, NULL, &error);
    g_assert_no_error(error);
    add_promise(power)->serial = g_dbus_connection_get_last_serial(fixture->client);
    return answer;
}

void power_vm(Power *power, const char *path, const char *method, const char *options)
{
    g_variant_unref(
        power_call(power, path, BERTH_IFACE_VM, method, g_variant_new("(@a{sv})", tooled_asv(options)), NULL));
}

void power_promise_signal(Power *power, const char *member, const char *object)
{
    Promise *promise = add_promise(power);
    promise->member = g_strdup(member);
    promise->object = g_strdup(object);
}

/* What the trace says of promises */

static gboolean speaks_of(GDBusMessage *message, const char *object)
{
    GVariant *body = g_dbus_message_get_body(message);
    if (g_strcmp0(g_dbus_message_get_path(message), object) == 0)
        return TRUE;
    if (!body || g_variant_n_children(body) == 0)
        return FALSE;
    g_autoptr(GVariant) first = g_variant_get_child_value(body, 0);
    return g_variant_is_of_type(first, G_VARIANT_TYPE_OBJECT_PATH) &&
           g_str_equal(g_variant_get_string(first, NULL), object);
}

static gboolean gives(const Power *power, GDBusMessage *message, const Promise *promise)
{
    if (g_dbus_message_get_message_type(message) == G_DBUS_MESSAGE_TYPE_METHOD_RETURN)
        return promise->serial != 0 && g_dbus_message_get_reply_serial(message) == promise->serial &&
               g_strcmp0(g_dbus_message_get_destination(message),
                         g_dbus_connection_get_unique_name(power->tooled.fixture.client)) == 0;
    return promise->member && g_strcmp0(g_dbus_message_get_member(message), promise->member) == 0 &&
           speaks_of(message, promise->object);
}

/* Which promises were given by what was sent there, a bit for each. Much of what is sent is no message of a bus. */
static guint promises_given(const Power *power, const FsRecord *record)
{
    gsize length;
    const guchar *bytes = g_bytes_get_data(record->data, &length);
    if (record->head.kind != FS_TRACE_SENT || length < 16 || (bytes[0] != 'l' && bytes[0] != 'B'))
        return 0;
    g_autoptr(GDBusMessage) message =
        g_dbus_message_new_from_blob((guchar *) bytes, length, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, NULL);
    guint given = 0;
    for (guint i = 0; message && i < power->promises->len; i++)
        if (gives(power, message, power->promises->pdata[i]))
            given |= 1u << i;
    return given;
}

/* Cuts */

typedef struct {
    Power *power;
    const FsRecord *record;
    guint index, kept;
} Moment;

static void add_cut(FsTree *tree, const char *how, gpointer data)
{
    const Moment *moment = data;
    g_autofree char *text = fs_tree_describe(tree);
    char *key = g_strdup_printf("%u %s", moment->kept, text);
    if (g_hash_table_contains(moment->power->cuts, key)) {
        fs_tree_free(tree);
        g_free(key);
        return;
    }
    g_autofree char *record = moment->record ? fs_record_describe(moment->record) : g_strdup("the beginning");
    PowerCut *cut = g_new0(PowerCut, 1);
    cut->tree = tree;
    cut->how = g_strdup_printf("after record %u (%s), %s", moment->index, record, how);
    cut->kept = moment->kept;
    g_hash_table_insert(moment->power->cuts, key, cut);
}

/* What the keeper writes by itself, for people: its logs' contents. */
static char *describe_without_logs(const FsTree *tree)
{
    g_autofree char *text = fs_tree_describe(tree);
    g_autoptr(GRegex) regex = g_regex_new("(/" BERTH_DIR_LOGS "/.* f) .*", 0, 0, NULL);
    return g_regex_replace(regex, text, -1, 0, "\\1", 0, NULL);
}

/* A call that the recorder did not see would make every cut a wrong one; so would what a child wrote and nobody
 * synced. */
static void check_traced(const FsModel *model, const FsTree *after)
{
    g_autoptr(FsTree) told = fs_model_now(model);
    g_autofree char *told_text = describe_without_logs(told), *text = describe_without_logs(after);
    if (g_str_equal(told_text, text))
        return;
    g_test_message("The trace tells of\n%s and what is there is\n%s", told_text, text);
    g_test_fail();
}

static GPtrArray *read_trace(Power *power)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *rest = g_strconcat(power->trace, ".rest", NULL);
    char *bytes;
    gsize length;
    g_file_get_contents(power->trace, &bytes, &length, &error);
    g_assert_no_error(error);
    g_file_set_contents(rest, bytes + power->trace_begin, (gssize) (length - power->trace_begin), &error);
    g_assert_no_error(error);
    g_free(bytes);
    return fs_trace_read(rest);
}

static void find_cuts(Power *power)
{
    g_autoptr(FsModel) model = fs_model_new(power->before);
    g_autoptr(GPtrArray) records = read_trace(power);
    Moment moment = {.power = power};
    fs_model_cut(model, add_cut, &moment);
    for (guint i = 0; i < records->len; i++) {
        moment.record = records->pdata[i];
        moment.index = i;
        fs_model_apply(model, moment.record);
        moment.kept |= promises_given(power, moment.record);
        fs_model_cut(model, add_cut, &moment);
    }
    /* Each was found in the trace. */
    g_assert_cmpuint(moment.kept, ==, (1u << power->promises->len) - 1);
    check_traced(model, power->after);
}

/* Boots */

static int delete_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    return remove(path);
}

static void delete_tree(const char *path)
{
    g_assert_cmpint(nftw(path, delete_entry, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
}

/* (transfer full): where @key of the JSON text has this number, or a text of it, it has the new one */
static char *replace_number(const char *text, const char *key, guint64 old, guint64 new)
{
    g_autofree char *pattern = g_strdup_printf("(\"%s\" *: *\"?)%" G_GUINT64_FORMAT "\\b", key, old);
    g_autofree char *with = g_strdup_printf("\\g<1>%" G_GUINT64_FORMAT, new);
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
    return g_regex_replace(regex, text, -1, 0, with, 0, NULL);
}

/* A marker names the birth of the directory it was written into (and its inode, where the file system knows no
 * births). A power cut does not change them, but a tree that is built anew has others. So where the marker says the
 * birth that its directory had, the new one is put there: it means the same directory as before. One that says
 * anything else, or is not whole, is left as it is. */
static void renew_marker(const FsTree *directory, const char *path)
{
    const FsTree *marker = fs_tree_find((FsTree *) directory, BERTH_FILE_MARKER);
    if (!marker || !S_ISREG(marker->mode) || g_bytes_get_size(marker->contents->bytes) == 0)
        return;
    g_autoptr(GError) error = NULL;
    g_autoptr(FsTree) built = fs_tree_scan(path);
    g_autofree char *text =
        g_strndup(g_bytes_get_data(marker->contents->bytes, NULL), g_bytes_get_size(marker->contents->bytes));
    g_autofree char *half = replace_number(text, "birth", directory->birth, built->birth);
    g_autofree char *renewed = replace_number(half, "inode", directory->inode, built->inode);
    g_autofree char *file = g_build_filename(path, BERTH_FILE_MARKER, NULL);
    g_file_set_contents_full(file, renewed, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error);
    g_assert_no_error(error);
}

static gboolean renew_markers_below(gpointer name, gpointer entry, gpointer path)
{
    g_autofree char *child = g_build_filename(path, name, NULL);
    if (((const FsTree *) entry)->entries)
        renew_marker(entry, child);
    return FALSE;
}

static void renew_markers(FsTree *tree, const char *state_dir)
{
    static const char *const names[] = {BERTH_DIR_VMS, BERTH_DIR_REMOVING};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(state_dir, names[i], NULL);
        FsTree *directory = fs_tree_find(tree, names[i]);
        if (directory)
            g_tree_foreach(directory->entries, renew_markers_below, path);
    }
}

/* No process outlives the cut, and nothing of /run. */
static void end_everything(Fixture *fixture)
{
    test_cgroup_signal(fixture->cgroup, SIGKILL);
    AWAIT(test_cgroup_is_empty(fixture->cgroup) && fake_systemd_n_units(fixture->systemd) == 0);
    delete_tree(fixture->runtime_dir);
    g_assert_cmpint(mkdir(fixture->runtime_dir, 0755), ==, 0);
}

static void boot(Power *power, const PowerCut *cut)
{
    Fixture *fixture = power_fixture(power);
    power->cut = cut;
    delete_tree(fixture->state_dir);
    fs_tree_write(cut->tree, fixture->state_dir);
    renew_markers(cut->tree, fixture->state_dir);
    power_check_begin(power);
    fixture_start_daemon(fixture);
    power->scenario->check(power, cut->kept);
    power_check_end(power);
    fixture_stop_daemon(fixture, SIGKILL);
    end_everything(fixture);
    power->cut = NULL;
}

/* A case */

static void set_up(Power *power, gconstpointer scenario)
{
    Fixture *fixture = power_fixture(power);
    power->scenario = scenario;
    power->tooled.tools = fake_tools_new(NULL);
    fixture_prepare(fixture, power->tooled.tools->config);
    /* One call for each start, so that they can be counted. */
    fake_systemd_set_flags(fixture->systemd, FAKE_SYSTEMD_PIDFDS);
    power->trace = g_build_filename(fixture->dir, "trace", NULL);
    power->promises = g_ptr_array_new_with_free_func((GDestroyNotify) promise_free);
    power->cuts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) cut_free);
    fixture->environ = g_environ_setenv(fixture->environ, "LD_PRELOAD", g_getenv("BERTH_FS_TRACE_PRELOAD"), TRUE);
    fixture->environ = g_environ_setenv(fixture->environ, FS_TRACE_VARIABLE, power->trace, TRUE);
}

static void tear_down(Power *power, gconstpointer scenario)
{
    power_fixture(power)->may_leave = TRUE; /* it was looked at, after each boot */
    fs_tree_free(power->before);
    fs_tree_free(power->after);
    g_hash_table_unref(power->cuts);
    g_ptr_array_unref(power->promises);
    g_free(power->trace);
    tooled_tear_down(&power->tooled, NULL);
}

static void run(Power *power, gconstpointer scenario)
{
    Fixture *fixture = power_fixture(power);
    fixture_start_daemon(fixture);
    power->scenario->act(power);
    fixture_stop_daemon(fixture, SIGTERM);
    end_everything(fixture);
    power->after = fs_tree_scan(fixture->state_dir);
    find_cuts(power);

    fixture->environ = g_environ_unsetenv(fixture->environ, "LD_PRELOAD");
    GHashTableIter iter;
    gpointer cut;
    g_hash_table_iter_init(&iter, power->cuts);
    while (g_hash_table_iter_next(&iter, NULL, &cut))
        boot(power, cut);
    n_tried += g_hash_table_size(power->cuts);
    n_violations += power->violations;
    if (power->violations > 0)
        g_test_fail();
}

void power_add(const char *name, const PowerScenario *scenario)
{
    g_autofree char *path = g_strdup_printf("/powercut/%s", name);
    g_test_add(path, Power, scenario, set_up, run, tear_down);
}

/* Programs are run from there, so it has to allow that. */
static gboolean is_usable(const char *dir)
{
    struct statvfs st;
    return statvfs(dir, &st) == 0 && !(st.f_flag & ST_NOEXEC) && access(dir, W_OK) == 0;
}

int power_main(int argc, char **argv, void (*add)(void))
{
    if (!g_getenv("TMPDIR") && is_usable(FAST_DIR))
        g_setenv("TMPDIR", FAST_DIR, TRUE);
    int status = tooled_main(argc, argv, add);
    g_print("# fault points tried: %u, violations: %u\n", n_tried, n_violations);
    return status;
}
