/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/core/names.h"
#include "tests/lib/await.h"
#include "tests/lib/fixture.h"
#include "tests/lib/preloads/faults.h"
#include "tests/lib/preloads/hold.h"

/* What thousands of VMs must not cost: nothing is timed here, all is counted. */

#define VMS 2000u
#define IFACE_OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

/* VMs that somebody has put onto the disk */

static const char definition[] =
    "{\"id\": \"%s\", \"name\": \"bench-%u\", \"incarnation\": \"%s\", \"cid\": %u, \"created\": 1790000000000000,"
    "\"vcpus\": 2, \"memory\": 2147483648, \"description\": \"The machine of a customer whose name is not that long\","
    "\"disks\": [{\"size\": 21474836480}, {\"size\": 107374182400}], \"labels\": {\"site\": \"north\", \"team\": "
    "\"web\"},"
    "\"networks\": [{\"mac\": \"52:54:00:12:34:56\", \"ports\": [{\"host-port\": %u, \"guest-port\": 22}]}]}\n";

static void make_dir(int dir_fd, const char *name)
{
    g_assert_cmpint(mkdirat(dir_fd, name, 0711), ==, 0);
}

static void put_definition(int vms_fd, const char *id, const char *text)
{
    make_dir(vms_fd, id);
    int vm_fd = openat(vms_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    make_dir(vm_fd, BERTH_DIR_DISKS);
    make_dir(vm_fd, BERTH_DIR_LOGS);
    int fd = openat(vm_fd, BERTH_FILE_DEFINITION, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (gssize) strlen(text));
    close(fd);
    close(vm_fd);
}

static void put_vm(int vms_fd, guint i)
{
    g_autofree char *id = g_uuid_string_random();
    g_autofree char *incarnation = g_uuid_string_random();
    g_autofree char *text = g_strdup_printf(definition, id, i, incarnation, 1000 + i, 20000 + i);
    put_definition(vms_fd, id, text);
}

static void put_vms(const Fixture *fixture, guint n)
{
    g_autofree char *path = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, NULL);
    make_dir(AT_FDCWD, path);
    int vms_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (guint i = 0; i < n; i++)
        put_vm(vms_fd, i);
    close(vms_fd);
}

/* They are left behind: to remove them all is no part of these tests. */
static void prepare(Fixture *fixture, gconstpointer data)
{
    fixture_prepare(fixture, NULL);
    fixture->may_leave = TRUE;
    put_vms(fixture, GPOINTER_TO_UINT(data));
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    prepare(fixture, data);
    fixture_start_daemon(fixture);
}

/* Messages as they come over the bus: GDBus would sort answers and signals to whom they belong. */

static GDBusMessage *collect(GDBusConnection *connection, GDBusMessage *message, gboolean incoming, gpointer queue)
{
    if (incoming)
        g_async_queue_push(queue, g_object_ref(message));
    return message;
}

static GDBusMessage *next_message(GAsyncQueue *queue)
{
    GDBusMessage *message = g_async_queue_timeout_pop(queue, AWAIT_SECONDS * G_USEC_PER_SEC);
    if (!message)
        g_error("no message comes");
    return message;
}

static guint32 send_call(GDBusConnection *client, const char *path, const char *interface, const char *method,
                         GVariant *arguments)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusMessage) call = g_dbus_message_new_method_call(BERTH_BUS_NAME, path, interface, method);
    guint32 serial = 0;
    if (arguments)
        g_dbus_message_set_body(call, arguments);
    g_dbus_connection_send_message(client, call, G_DBUS_SEND_MESSAGE_FLAGS_NONE, &serial, &error);
    g_assert_no_error(error);
    return serial;
}

static guint32 send_listing(GDBusConnection *client)
{
    return send_call(client, BERTH_PATH_ROOT, IFACE_OBJECT_MANAGER, "GetManagedObjects", NULL);
}

/* (transfer full) (element-type utf8 GVariant): paths, and what is said of them */
static GHashTable *objects_in(GDBusMessage *answer)
{
    GHashTable *objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
    GVariantIter *iter;
    char *path;
    GVariant *interfaces;
    g_assert_cmpint(g_dbus_message_get_message_type(answer), ==, G_DBUS_MESSAGE_TYPE_METHOD_RETURN);
    g_variant_get(g_dbus_message_get_body(answer), "(a{oa{sa{sv}}})", &iter);
    while (g_variant_iter_next(iter, "{o@a{sa{sv}}}", &path, &interfaces))
        if (!g_hash_table_insert(objects, path, interfaces))
            g_error("an object is there twice");
    g_variant_iter_free(iter);
    return objects;
}

static GDBusMessage *await_answer(GAsyncQueue *queue, guint32 serial)
{
    for (;;) {
        g_autoptr(GDBusMessage) message = next_message(queue);
        if (g_dbus_message_get_reply_serial(message) == serial)
            return g_steal_pointer(&message);
    }
}

/* A second client, whose messages are all collected. */
typedef struct {
    GDBusConnection *bus;
    GAsyncQueue *queue;
} Listener;

static void listener_init(Listener *listener, Fixture *fixture)
{
    listener->bus = private_bus_connect(fixture->bus);
    listener->queue = g_async_queue_new_full(g_object_unref);
    g_dbus_connection_add_filter(listener->bus, collect, g_async_queue_ref(listener->queue),
                                 (GDestroyNotify) g_async_queue_unref);
}

static void listener_clear(Listener *listener)
{
    g_dbus_connection_close_sync(listener->bus, NULL, NULL);
    g_object_unref(listener->bus);
    g_async_queue_unref(listener->queue);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Listener, listener_clear)

static GHashTable *list_all(Listener *listener)
{
    g_autoptr(GDBusMessage) answer = await_answer(listener->queue, send_listing(listener->bus));
    return objects_in(answer);
}

/* Listing */

/* The limit that the system bus has for a message: who sends a larger one is disconnected. */
#define MESSAGE_MAX (32u << 20)
#define VMS_MAX 10000u

static gsize size_of_list(Fixture *fixture)
{
    g_auto(Listener) listener;
    g_autoptr(GError) error = NULL;
    gsize size = 0;
    listener_init(&listener, fixture);
    g_autoptr(GDBusMessage) answer = await_answer(listener.queue, send_listing(listener.bus));
    g_assert_cmpint(g_dbus_message_get_message_type(answer), ==, G_DBUS_MESSAGE_TYPE_METHOD_RETURN);
    g_autofree guchar *bytes = g_dbus_message_to_blob(answer, &size, G_DBUS_CAPABILITY_FLAGS_NONE, &error);
    g_assert_no_error(error);
    return size;
}

static void test_size(Fixture *fixture, gconstpointer unused)
{
    const gsize size = size_of_list(fixture);
    g_test_message("%" G_GSIZE_FORMAT " bytes for each VM", size / VMS);
    g_assert_cmpuint(size / VMS * VMS_MAX, <, MESSAGE_MAX);
}

/* With as many texts as a definition may have: they make it large, and are quickly read. */
static char *large_definition(const char *id, guint i)
{
    g_autofree char *incarnation = g_uuid_string_random();
    g_autofree char *description = g_strnfill(1024, 'd'), *cmdline = g_strnfill(2048, 'c');
    g_autofree char *label = g_strnfill(60, 'l'), *value = g_strnfill(256, 'v');
    GString *text = g_string_new(NULL);
    g_string_printf(text,
                    "{\"id\": \"%s\", \"name\": \"large-%u\", \"incarnation\": \"%s\", \"cid\": %u, \"created\": "
                    "1790000000000000, \"description\": \"%s\", \"cmdline\": \"%s\", \"labels\": {",
                    id, i, incarnation, 10000 + i, description, cmdline);
    for (guint n = 0; n < 64; n++)
        g_string_append_printf(text, "%s\"%s%u\": \"%s\"", n > 0 ? ", " : "", label, n, value);
    g_string_append(text, "}}\n");
    return g_string_free(text, FALSE);
}

/* Those from @first to before @end, for a daemon that starts anew. */
static void add_large(Fixture *fixture, guint first, guint end)
{
    fixture_stop_daemon(fixture, SIGKILL);
    g_autofree char *path = g_build_filename(fixture->state_dir, BERTH_DIR_VMS, NULL);
    int vms_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (guint i = first; i < end; i++) {
        g_autofree char *id = g_uuid_string_random();
        g_autofree char *text = large_definition(id, i);
        put_definition(vms_fd, id, text);
    }
    close(vms_fd);
    fixture_start_daemon(fixture);
}

/* A list that the bus would not take is not sent, and one that it takes is: the size that the daemon counts is nearly the true
 * one, of many small definitions and of large ones. */
static void test_too_large(Fixture *fixture, gconstpointer unused)
{
    const guint first = 100;
    const gsize small = size_of_list(fixture);
    add_large(fixture, 0, first);
    const gsize more = size_of_list(fixture), one = (more - small) / first;
    const guint least = first + (guint) ((MESSAGE_MAX / 100 * 97 - more) / one);
    const guint most = first + 1 + (guint) ((MESSAGE_MAX - more) / one);
    add_large(fixture, first, least);
    g_test_message("%u large ones of %" G_GSIZE_FORMAT " bytes: %" G_GSIZE_FORMAT, least, one, size_of_list(fixture));
    add_large(fixture, least, most);
    g_autofree char *owner = g_strdup(fixture->owner);
    fixture_call_fails(fixture, BERTH_PATH_ROOT, IFACE_OBJECT_MANAGER, "GetManagedObjects", NULL, "LimitReached",
                       "GetVM");
    g_autoptr(GVariant) found =
        fixture_call(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "large-0"));
    g_assert_cmpstr(fixture->owner, ==, owner);
}

/* Each VM once, with all that its object says. */
static void test_complete(Fixture *fixture, gconstpointer unused)
{
    g_auto(Listener) listener;
    listener_init(&listener, fixture);
    g_autoptr(GHashTable) objects = list_all(&listener);
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_assert_cmpuint(g_hash_table_size(objects), ==, VMS);
    GHashTableIter iter;
    gpointer path, interfaces;
    g_hash_table_iter_init(&iter, objects);
    while (g_hash_table_iter_next(&iter, &path, &interfaces)) {
        g_autoptr(GVariant) properties = NULL;
        const char *name = NULL;
        g_assert_true(g_variant_lookup(interfaces, BERTH_IFACE_VM, "@a{sv}", &properties));
        g_assert_true(g_variant_lookup(properties, "Name", "&s", &name));
        g_assert_true(g_hash_table_add(names, g_strdup(name)));
        if (g_hash_table_size(names) % 100 != 0)
            continue;
        g_autoptr(GVariant) answer = fixture_call(fixture, path, "org.freedesktop.DBus.Properties", "GetAll",
                                                  g_variant_new("(s)", BERTH_IFACE_VM));
        g_autoptr(GVariant) all = g_variant_get_child_value(answer, 0);
        g_assert_cmpvariant(properties, all);
    }
    g_assert_cmpuint(g_hash_table_size(names), ==, VMS);
}

/* Whatever was sent before is with the daemon, or on its way to nobody else. */
static void flush(GDBusConnection *bus)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_connection_call_sync(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                    "GetId", NULL, NULL, G_DBUS_CALL_FLAGS_NONE, FIXTURE_CALL_MSEC, NULL, &error);
    g_assert_no_error(error);
}

/* Calls, each sent when the one before is answered, that are answered while the list is made. */
static guint count_in_between(Listener *listener)
{
    const guint32 listing = send_listing(listener->bus);
    guint32 lookup = 0;
    for (guint n = 0;; n++) {
        lookup =
            send_call(listener->bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "bench-7"));
        for (guint32 serial = 0; serial != lookup;) {
            g_autoptr(GDBusMessage) message = next_message(listener->queue);
            serial = g_dbus_message_get_reply_serial(message);
            if (serial == listing)
                return n;
        }
    }
}

/* One may come before the list is begun, but no third one, if that is made at a stretch. A client that is slow,
 * since others have the processors, tries again. */
static void test_others_in_between(Fixture *fixture, gconstpointer unused)
{
    g_auto(Listener) listener;
    listener_init(&listener, fixture);
    guint most = 0;
    for (guint i = 0; i < 100 && most < 3; i++)
        most = MAX(most, count_in_between(&listener));
    g_assert_cmpuint(most, >=, 3);
}

/* Two clients, and one that asks twice: each has its answer. */
static void test_several(Fixture *fixture, gconstpointer unused)
{
    g_auto(Listener) one, other;
    listener_init(&one, fixture);
    listener_init(&other, fixture);
    const guint32 serials[] = {send_listing(one.bus), send_listing(one.bus)};
    g_autoptr(GHashTable) list = list_all(&other);
    g_assert_cmpuint(g_hash_table_size(list), ==, VMS);
    for (guint i = 0; i < G_N_ELEMENTS(serials); i++) {
        g_autoptr(GDBusMessage) answer = await_answer(one.queue, serials[i]);
        g_autoptr(GHashTable) objects = objects_in(answer);
        g_assert_cmpuint(g_hash_table_size(objects), ==, VMS);
    }
}

/* Who asked and is gone: the others' answers come. */
static void test_gone(Fixture *fixture, gconstpointer unused)
{
    g_auto(Listener) listener;
    listener_init(&listener, fixture);
    for (guint i = 0; i < 3; i++) {
        Listener gone;
        listener_init(&gone, fixture);
        send_listing(gone.bus);
        flush(gone.bus);
        listener_clear(&gone);
    }
    g_autoptr(GHashTable) objects = list_all(&listener);
    g_assert_cmpuint(g_hash_table_size(objects), ==, VMS);
}

/* The bus goes while a list is made, and takes along who asked. */
static void test_bus_goes(Fixture *fixture, gconstpointer unused)
{
    Listener gone;
    listener_init(&gone, fixture);
    for (guint i = 0; i < 3; i++)
        send_listing(gone.bus);
    flush(gone.bus);
    fixture_restart_bus(fixture);
    listener_clear(&gone);
    g_auto(Listener) listener;
    listener_init(&listener, fixture);
    g_autoptr(GHashTable) objects = list_all(&listener);
    g_assert_cmpuint(g_hash_table_size(objects), ==, VMS);
}

/* What is told while a list is made. */

#define ROUNDS 4
#define CHANGES 12u
#define SOME 3u

static GVariant *description(guint round)
{
    GVariantDict changes;
    g_autofree char *text = g_strdup_printf("changed in round %u", round);
    g_variant_dict_init(&changes, NULL);
    g_variant_dict_insert(&changes, "description", "s", text);
    return g_variant_dict_end(&changes);
}

static guint32 send_change(Listener *listener, guint round, guint i, const char *path)
{
    g_autofree char *name = g_strdup_printf("new-%u-%u", round, i);
    switch (i % 3) {
    case 0:
        return send_call(listener->bus, path, BERTH_IFACE_VM, "Configure",
                         g_variant_new("(@a{sv}a{sv})", description(round), NULL));
    case 1:
        return send_call(listener->bus, path, BERTH_IFACE_VM, "Remove", g_variant_new("(a{sv})", NULL));
    default:
        return send_call(listener->bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                         g_variant_new("(sa{sv}a{sv})", name, NULL, NULL));
    }
}

/* Some of all over the list are changed or removed, and some are made. (transfer full): the calls' serials, a set */
static GHashTable *send_changes(Listener *listener, guint round, GHashTable *objects)
{
    GHashTable *serials = g_hash_table_new(NULL, NULL);
    g_autofree gpointer *paths = g_hash_table_get_keys_as_array(objects, NULL);
    for (guint i = 0; i < CHANGES; i++)
        g_hash_table_add(serials, GUINT_TO_POINTER(send_change(listener, round, i, paths[i * VMS / 2 / CHANGES])));
    return serials;
}

/* The object that a signal tells of. (nullable) */
static const char *subject_of(GDBusMessage *signal)
{
    const char *member = g_dbus_message_get_member(signal), *subject = g_dbus_message_get_path(signal);
    if (g_str_equal(member, "InterfacesAdded") || g_str_equal(member, "InterfacesRemoved"))
        g_variant_get_child(g_dbus_message_get_body(signal), 0, "&o", &subject);
    return subject;
}

/* What a client knows of objects by @list alone must be what is true later, unless it was told of them after it. */
static void assert_current(GHashTable *list, GHashTable *later, GHashTable *told)
{
    GHashTableIter iter;
    gpointer path, interfaces;
    g_hash_table_iter_init(&iter, list);
    while (g_hash_table_iter_next(&iter, &path, &interfaces)) {
        GVariant *now = g_hash_table_lookup(later, path);
        if (g_hash_table_contains(told, path))
            continue;
        if (!now)
            g_error("%s is a ghost", (const char *) path);
        g_assert_cmpvariant(interfaces, now);
    }
    g_hash_table_iter_init(&iter, later);
    while (g_hash_table_iter_next(&iter, &path, NULL))
        if (!g_hash_table_contains(list, path) && !g_hash_table_contains(told, path))
            g_error("nobody has told of %s", (const char *) path);
}

/* What is told behind the list before comes before this one. */
static GHashTable *list_again(Listener *listener, GHashTable *told)
{
    const guint32 listing = send_listing(listener->bus);
    for (;;) {
        g_autoptr(GDBusMessage) message = next_message(listener->queue);
        if (g_dbus_message_get_reply_serial(message) == listing)
            return objects_in(message);
        if (g_dbus_message_get_message_type(message) == G_DBUS_MESSAGE_TYPE_SIGNAL)
            g_hash_table_add(told, g_strdup(subject_of(message)));
    }
}

static void check_round(Listener *listener, guint round)
{
    g_autoptr(GHashTable) before = list_all(listener);
    guint32 listing = send_listing(listener->bus);
    g_autoptr(GHashTable) pending = send_changes(listener, round, before);
    g_autoptr(GHashTable) told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) list = NULL;
    guint n_gone = 0;
    while (!list || g_hash_table_size(pending) > 0 || n_gone < CHANGES / 3) {
        g_autoptr(GDBusMessage) message = next_message(listener->queue);
        const gboolean is_signal = g_dbus_message_get_message_type(message) == G_DBUS_MESSAGE_TYPE_SIGNAL;
        const guint32 serial = g_dbus_message_get_reply_serial(message);
        if (is_signal && g_strcmp0(g_dbus_message_get_member(message), "InterfacesRemoved") == 0)
            n_gone++;
        if (is_signal && list)
            g_hash_table_add(told, g_strdup(subject_of(message)));
        if (serial == listing)
            list = objects_in(message);
        else if (!is_signal && g_hash_table_remove(pending, GUINT_TO_POINTER(serial)))
            g_assert_cmpint(g_dbus_message_get_message_type(message), ==, G_DBUS_MESSAGE_TYPE_METHOD_RETURN);
    }
    g_autoptr(GHashTable) later = list_again(listener, told);
    assert_current(list, later, told);
}

/* Of so many changes as are asked for together with a list, the ones that are made before it is there. */
static guint count_changes_in_between(Listener *listener, guint round, GHashTable *objects)
{
    g_autofree gpointer *paths = g_hash_table_get_keys_as_array(objects, NULL);
    const guint32 listing = send_listing(listener->bus);
    guint n_answers = 0, n_before = 0;
    guint32 first = 0;
    for (guint i = 0; i < CHANGES; i++) {
        const guint32 serial = send_change(listener, round, 0, paths[i]);
        first = first ? first : serial;
    }
    for (gboolean listed = FALSE; !listed || n_answers < CHANGES;) {
        g_autoptr(GDBusMessage) message = next_message(listener->queue);
        const guint32 serial = g_dbus_message_get_reply_serial(message);
        listed = listed || serial == listing;
        if (serial < first)
            continue;
        g_assert_cmpint(g_dbus_message_get_message_type(message), ==, G_DBUS_MESSAGE_TYPE_METHOD_RETURN);
        n_answers++;
        n_before += !listed;
    }
    return n_before;
}

/* No change makes the daemon finish the list at a stretch, for which all others would wait. As above, who is slow tries again. */
static void test_changes_in_between(Fixture *fixture, gconstpointer unused)
{
    g_auto(Listener) listener;
    listener_init(&listener, fixture);
    g_autoptr(GHashTable) objects = list_all(&listener);
    guint most = 0;
    for (guint i = 0; i < 100 && most < SOME; i++)
        most = MAX(most, count_changes_in_between(&listener, i, objects));
    g_assert_cmpuint(most, >=, SOME);
}

static void on_nothing(GDBusConnection *client, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer data)
{
}

/* Its filter sees them first. */
static void subscribe(Listener *listener)
{
    g_dbus_connection_signal_subscribe(listener->bus, BERTH_BUS_NAME, NULL, NULL, NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                       on_nothing, NULL, NULL);
    flush(listener->bus);
}

/* What has come in of the daemon's signals. */
static guint count_signals(Listener *listener, const char *member)
{
    guint n = 0;
    flush(listener->bus);
    for (GDBusMessage *message; (message = g_async_queue_try_pop(listener->queue)) != NULL; g_object_unref(message))
        n += g_strcmp0(g_dbus_message_get_member(message), member) == 0;
    return n;
}

/* Who did not ask for a list is told everything once. */
static void test_never_older(Fixture *fixture, gconstpointer unused)
{
    g_auto(Listener) listener, bystander;
    listener_init(&listener, fixture);
    listener_init(&bystander, fixture);
    subscribe(&listener);
    subscribe(&bystander);
    for (guint i = 0; i < ROUNDS; i++)
        check_round(&listener, i);
    g_assert_cmpuint(count_signals(&bystander, "InterfacesRemoved"), ==, ROUNDS * CHANGES / 3);
}

/* The object that comes first in a list, as it does in the next. (transfer full) */
static char *first_listed(Listener *listener)
{
    g_autoptr(GDBusMessage) answer = await_answer(listener->queue, send_listing(listener->bus));
    g_autoptr(GVariant) objects = g_variant_get_child_value(g_dbus_message_get_body(answer), 0);
    char *path;
    g_variant_get_child(objects, 0, "{o@a{sa{sv}}}", &path, NULL);
    return path;
}

static guint32 send_lookup(Listener *listener)
{
    return send_call(listener->bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", "nobody"));
}

/* The last step of a removal is let go on when a list has been begun. FALSE: it had the VM no more, or was there before. */
static gboolean goes_meanwhile(Listener *listener, Hold *hold, const char *path)
{
    const guint32 listing = send_listing(listener->bus);
    guint32 lookup = send_lookup(listener);
    g_autoptr(GHashTable) told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) list = NULL;
    gboolean has_gone = FALSE, goes_meanwhile = FALSE;
    for (guint n_lookups = 0; !list || !has_gone;) {
        g_autoptr(GDBusMessage) message = next_message(listener->queue);
        const guint32 serial = g_dbus_message_get_reply_serial(message);
        has_gone = has_gone || g_strcmp0(g_dbus_message_get_member(message), "InterfacesRemoved") == 0;
        if (serial == listing) {
            list = objects_in(message);
            goes_meanwhile = has_gone && g_hash_table_contains(list, path);
        } else if (serial == lookup && ++n_lookups < SOME) {
            lookup = send_lookup(listener);
        } else if (serial == lookup) {
            hold_release(hold);
        }
    }
    g_autoptr(GHashTable) later = list_again(listener, told);
    if (goes_meanwhile)
        assert_current(list, later, told);
    return goes_meanwhile;
}

/* Whose every change was told before the list was begun: that it has gone is told behind it, nothing else being left to tell. */
static void test_goes(Fixture *fixture, gconstpointer unused)
{
    g_auto(Listener) listener;
    g_autofree char *dir = g_build_filename(fixture->dir, "hold", NULL);
    Hold *hold = hold_new(dir, g_getenv("BERTH_HOLD_PRELOAD"), &fixture->environ);
    gboolean done = FALSE;
    fixture_start_daemon(fixture);
    listener_init(&listener, fixture);
    subscribe(&listener);
    for (guint i = 0; i < 100 && !done; i++) {
        g_autofree char *path = first_listed(&listener);
        hold_at(hold, HOLD_GONE);
        fixture_vm(fixture, path, "Remove");
        hold_await(hold, HOLD_GONE);
        fixture_await_property(fixture, path, "RemovalPhase", g_variant_new_string("deleting"));
        (void) count_signals(&listener, ""); /* they are those of its phases */
        done = goes_meanwhile(&listener, hold, path);
    }
    g_assert_true(done);
    hold_free(hold);
}

/* Creating */

#define FEW 10u
#define MANY 1000u
#define CREATIONS 5u

/* Of some calls the fewest: what else the daemon does meanwhile may come on top. */
static guint count_calls(Fixture *fixture, Faults *faults, FaultKind kind, const char *tag)
{
    guint least = G_MAXUINT;
    for (guint i = 0; i < CREATIONS; i++) {
        g_autofree char *name = g_strdup_printf("%s-%u", tag, i);
        faults_arm(faults, kind, EMFILE, 0);
        g_autofree char *path = fixture_create(fixture, name, NULL);
        least = MIN(least, faults_count(faults));
        faults_disarm(faults);
    }
    return least;
}

typedef struct {
    guint changes, opens;
} Cost;

typedef struct {
    Fixture fixture;
    Faults *faults;
} Counted;

static void counted_init(Counted *counted, guint n)
{
    memset(counted, 0, sizeof *counted);
    fixture_prepare(&counted->fixture, NULL);
    counted->fixture.may_leave = TRUE;
    counted->faults = faults_new(counted->fixture.dir);
    counted->fixture.environ = faults_environ(counted->faults, counted->fixture.environ);
    put_vms(&counted->fixture, n);
}

static void counted_clear(Counted *counted)
{
    faults_free(counted->faults);
    fixture_tear_down(&counted->fixture, NULL);
}

static Cost creation_among(guint n)
{
    Counted counted;
    counted_init(&counted, n);
    fixture_start_daemon(&counted.fixture);
    const Cost cost = {
        .changes = count_calls(&counted.fixture, counted.faults, FAULT_NONE, "change"),
        .opens = count_calls(&counted.fixture, counted.faults, FAULT_ERROR, "open"),
    };
    counted_clear(&counted);
    return cost;
}

/* A creation makes as many calls that change files or send, and opens as many files, among many VMs as among few. */
static void test_creation_is_flat(void)
{
    const Cost few = creation_among(FEW), many = creation_among(MANY);
    g_test_message("CreateVM: %u changes and sends, %u descriptors", few.changes, few.opens);
    g_assert_cmpuint(few.changes, >, 10);
    g_assert_cmpuint(few.opens, >, 5);
    g_assert_cmpuint(many.changes, ==, few.changes);
    g_assert_cmpuint(many.opens, ==, few.opens);
}

static guint count_start(Counted *counted, FaultKind kind)
{
    faults_arm(counted->faults, kind, EMFILE, 0);
    fixture_start_daemon(&counted->fixture);
    const guint count = faults_count(counted->faults);
    faults_disarm(counted->faults);
    fixture_stop_daemon(&counted->fixture, SIGKILL);
    return count;
}

static Cost start_with(guint n)
{
    Counted counted;
    counted_init(&counted, n);
    const Cost cost = {
        .opens = count_start(&counted, FAULT_ERROR),
        .changes = count_start(&counted, FAULT_NONE),
    };
    counted_clear(&counted);
    return cost;
}

/* Its directory to sweep it and to list it, again to read it, vm.json, and the marker that is not there. */
#define OPENS_AT_START 5u

/* A start looks into each VM's directory, and neither writes nor sends anything of those at rest. */
static void test_start(void)
{
    const Cost few = start_with(FEW), many = start_with(MANY);
    const double opens = ((double) many.opens - few.opens) / (MANY - FEW);
    g_test_message("a start: %.2f descriptors for each VM, %u changes and sends", opens, few.changes);
    g_assert_cmpfloat(opens, >, 1);
    g_assert_cmpfloat(opens, <, OPENS_AT_START + 0.1);
    /* What goes to the bus while the daemon comes up may differ by a message or two. */
    g_assert_cmpuint(many.changes, <, few.changes + FEW);
}

#define ADD(path, n, func) g_test_add(path, Fixture, GUINT_TO_POINTER(n), set_up, func, fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *missing = fixture_missing();
    if (missing) {
        g_print("1..0 # SKIP %s\n", missing);
        return 0;
    }
    ADD("/scale/listing/size", VMS, test_size);
    ADD("/scale/listing/too-large", 500u, test_too_large);
    ADD("/scale/listing/complete", VMS, test_complete);
    ADD("/scale/listing/others-in-between", VMS, test_others_in_between);
    ADD("/scale/listing/changes-in-between", VMS, test_changes_in_between);
    ADD("/scale/listing/several", VMS, test_several);
    ADD("/scale/listing/gone", VMS, test_gone);
    ADD("/scale/listing/bus-goes", VMS, test_bus_goes);
    ADD("/scale/listing/never-older", VMS, test_never_older);
    g_test_add("/scale/listing/goes", Fixture, GUINT_TO_POINTER(VMS), prepare, test_goes, fixture_tear_down);
    g_test_add_func("/scale/creation-is-flat", test_creation_is_flat);
    g_test_add_func("/scale/start", test_start);
    return g_test_run();
}
