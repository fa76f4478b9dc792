/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "src/core/vm-config.h"
#include "src/host/bus-keys.h"
#include "src/host/bus-variant.h"

/* A connection that nobody answers: enough for messages to be built on. */
typedef struct {
    sd_bus *bus;
    int peer;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    int pair[2];
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    g_assert_cmpint(sd_bus_new(&f->bus), >=, 0);
    g_assert_cmpint(sd_bus_set_fd(f->bus, pair[0], pair[0]), >=, 0);
    g_assert_cmpint(sd_bus_start(f->bus), >=, 0);
    f->peer = pair[1];
}

static void tear_down(Fixture *f, gconstpointer data)
{
    sd_bus_close_unref(f->bus);
    close(f->peer);
}

static sd_bus_message *new_message(Fixture *f)
{
    sd_bus_message *m = NULL;
    g_assert_cmpint(sd_bus_message_new_method_call(f->bus, &m, NULL, "/", "a.b", "C"), >=, 0);
    return m;
}

static void seal(sd_bus_message *m)
{
    g_assert_cmpint(sd_bus_message_seal(m, 1, 0), >=, 0);
    g_assert_cmpint(sd_bus_message_rewind(m, 1), >=, 0);
}

/* Every type that D-Bus has, empty containers of each kind, and the shapes of the contract. */
static const char *const values[] = {
    "byte 7",
    "true",
    "int16 -3",
    "uint16 3",
    "-70000",
    "uint32 4000000000",
    "int64 -9000000000",
    "uint64 18446744073709551615",
    "1.5",
    "'a text with ä and \\'quotes\\''",
    "''",
    "objectpath '/org/berth/Berth1'",
    "signature 'a{sv}'",
    "<'boxed'>",
    "<<<uint32 1>>>",
    "('org.berth.Berth1.Error.Busy', 'busy')",
    "@as []",
    "@a{sv} {}",
    "@aa{sv} []",
    "@ao []",
    "[[1, 2], @ai [], [3]]",
    "{'vcpus': <uint32 2>, 'memory': <uint64 1073741824>, 'labels': <{'role': 'web'}>,"
    " 'networks': <[{'mode': <'user'>, 'ports': <[{'host-port': <uint16 8080>}]>}]>}",
    "{objectpath '/x': {'org.berth.Berth1.VM': {'State': <'running'>}}}",
};

static void test_round_trip(Fixture *f, gconstpointer data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) value = g_variant_parse(NULL, values[i], NULL, NULL, &error);
        g_assert_no_error(error);

        sd_bus_message *m = new_message(f);
        g_assert_cmpint(berth_bus_append_variant(m, value), ==, 0);
        g_assert_cmpint(sd_bus_message_append(m, "s", "after"), >=, 0);
        seal(m);
        g_autofree char *signature = g_strconcat(g_variant_get_type_string(value), "s", NULL);
        g_assert_cmpstr(sd_bus_message_get_signature(m, 1), ==, signature);

        g_autoptr(GVariant) back = NULL;
        g_assert_cmpint(berth_bus_read_variant(m, &back), ==, 0);
        g_assert_false(g_variant_is_floating(back));
        g_assert_cmpvariant(back, value);

        /* It has read that value, and not a byte more. */
        const char *after = NULL;
        g_assert_cmpint(sd_bus_message_read(m, "s", &after), >, 0);
        g_assert_cmpstr(after, ==, "after");
        sd_bus_message_unref(m);
    }
}

static void test_end(Fixture *f, gconstpointer data)
{
    sd_bus_message *m = new_message(f);
    seal(m);
    GVariant *value = NULL;
    g_assert_cmpint(berth_bus_read_variant(m, &value), ==, -ENXIO);
    g_assert_null(value);
    sd_bus_message_unref(m);
}

static void test_handle(Fixture *f, gconstpointer data)
{
    int pipe_fds[2];
    g_assert_no_errno(pipe2(pipe_fds, O_CLOEXEC));
    g_autoptr(GVariant) options = g_variant_ref_sink(g_variant_new_parsed("{'kernel': <%h>}", (gint32) pipe_fds[1]));
    sd_bus_message *m = new_message(f);
    g_assert_cmpint(berth_bus_append_variant(m, options), ==, 0);
    close(pipe_fds[1]);
    seal(m);

    g_autoptr(GVariant) back = NULL;
    g_assert_cmpint(berth_bus_read_variant(m, &back), ==, 0);
    gint32 fd = -1;
    g_assert_true(g_variant_lookup(back, "kernel", "h", &fd));
    g_assert_cmpint(write(fd, "x", 1), ==, 1);
    char byte = 0;
    g_assert_cmpint(read(pipe_fds[0], &byte, 1), ==, 1);
    g_assert_cmpint(byte, ==, 'x');

    /* Borrowed: it goes with the message. */
    sd_bus_message_unref(m);
    g_assert_cmpint(read(pipe_fds[0], &byte, 1), ==, 0);
    close(pipe_fds[0]);
}

static void test_maybe(Fixture *f, gconstpointer data)
{
    g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed("{'x': <@mi 1>}"));
    sd_bus_message *m = new_message(f);
    g_assert_cmpint(berth_bus_append_variant(m, value), <, 0);
    sd_bus_message_unref(m);

    g_autoptr(GVariant) bare = g_variant_ref_sink(g_variant_new_maybe(G_VARIANT_TYPE_INT32, NULL));
    m = new_message(f);
    g_assert_cmpint(berth_bus_append_variant(m, bare), ==, -EOPNOTSUPP);
    sd_bus_message_unref(m);
}

/* A variant that holds a variant that holds …: @depth of them, the number innermost. */
static GVariant *nest(guint depth)
{
    GVariant *value = g_variant_new_uint32(1);
    for (guint i = 0; i < depth; i++)
        value = g_variant_new_variant(value);
    return g_variant_ref_sink(value);
}

static sd_bus_message *nested_message(Fixture *f, guint depth)
{
    sd_bus_message *m = new_message(f);
    for (guint i = 0; i < depth; i++)
        g_assert_cmpint(sd_bus_message_open_container(m, 'v', i + 1 < depth ? "v" : "u"), >=, 0);
    g_assert_cmpint(sd_bus_message_append(m, "u", 1u), >=, 0);
    for (guint i = 0; i < depth; i++)
        g_assert_cmpint(sd_bus_message_close_container(m), >=, 0);
    seal(m);
    return m;
}

static void test_depth(Fixture *f, gconstpointer data)
{
    g_autoptr(GVariant) deepest = nest(BERTH_BUS_VALUE_DEPTH);
    g_autoptr(GVariant) too_deep = nest(BERTH_BUS_VALUE_DEPTH + 1);

    sd_bus_message *m = new_message(f);
    g_assert_cmpint(berth_bus_append_variant(m, deepest), ==, 0);
    sd_bus_message_unref(m);
    m = new_message(f);
    g_assert_cmpint(berth_bus_append_variant(m, too_deep), ==, -EMSGSIZE);
    sd_bus_message_unref(m);

    m = nested_message(f, BERTH_BUS_VALUE_DEPTH);
    g_autoptr(GVariant) value = NULL;
    g_assert_cmpint(berth_bus_read_variant(m, &value), ==, 0);
    g_assert_cmpvariant(value, deepest);
    sd_bus_message_unref(m);

    m = nested_message(f, BERTH_BUS_VALUE_DEPTH + 1);
    GVariant *none = NULL;
    g_assert_cmpint(berth_bus_read_variant(m, &none), ==, -EMSGSIZE);
    g_assert_null(none);
    sd_bus_message_unref(m);
}

/* Long text is bounded, and so is what is small on the wire and large in memory. */
static void test_size(Fixture *f, gconstpointer data)
{
    g_autofree char *text = g_strnfill(BERTH_BUS_VALUE_BYTES, 'x');
    sd_bus_message *m = new_message(f);
    g_assert_cmpint(sd_bus_message_append(m, "s", text), >=, 0);
    seal(m);
    GVariant *value = NULL;
    g_assert_cmpint(berth_bus_read_variant(m, &value), ==, -EMSGSIZE);
    sd_bus_message_unref(m);

    m = new_message(f);
    g_assert_cmpint(sd_bus_message_append_array(m, 'y', text, BERTH_BUS_VALUE_BYTES / 4), >=, 0);
    seal(m);
    g_assert_cmpint(berth_bus_read_variant(m, &value), ==, -EMSGSIZE);
    g_assert_null(value);
    sd_bus_message_unref(m);

    text[BERTH_BUS_VALUE_BYTES / 2] = '\0';
    m = new_message(f);
    g_assert_cmpint(sd_bus_message_append(m, "s", text), >=, 0);
    seal(m);
    g_assert_cmpint(berth_bus_read_variant(m, &value), ==, 0);
    g_assert_cmpstr(g_variant_get_string(value, NULL), ==, text);
    g_variant_unref(value);
    sd_bus_message_unref(m);
}

static void add(const char *path, void (*test)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, NULL, set_up, test, tear_down);
}

/* The bytes of the message's body. */
static gsize size_on_the_bus(GVariant *dict)
{
    g_autoptr(GError) error = NULL;
    gsize length;
    g_autoptr(GDBusMessage) message = g_dbus_message_new_method_call(NULL, "/", "a.b", "C");
    g_dbus_message_set_body(message, g_variant_new("(@a{sv})", dict));
    g_autofree guchar *blob = g_dbus_message_to_blob(message, &length, G_DBUS_CAPABILITY_FLAGS_NONE, &error);
    g_assert_no_error(error);
    return ((const guint32 *) (gpointer) blob)[1];
}

/* A definition's fields go out as its GVariant would, and are counted as they are then. */
static void test_keys(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) changes = g_variant_ref_sink(g_variant_new_parsed(data));
    g_autoptr(BerthVmConfig) defaults = berth_vm_config_new();
    g_autoptr(BerthVmConfig) config = berth_vm_config_apply(defaults, changes, &error);
    g_assert_no_error(error);
    g_autoptr(GVariant) expected = g_variant_ref_sink(berth_vm_config_to_variant(config)), read = NULL;
    sd_bus_message *m = new_message(f);
    g_assert_cmpint(berth_bus_append_keys(m, &berth_vm_config_table, config), ==, 0);
    seal(m);
    g_assert_cmpint(berth_bus_read_variant(m, &read), ==, 0);
    g_assert_cmpvariant(read, expected);
    /* Labels come in any order, and the last one is followed by no padding. */
    g_assert_cmpint(
        ABS((gint64) berth_bus_after_keys(0, &berth_vm_config_table, config) - (gint64) size_on_the_bus(expected)), <,
        8);
    sd_bus_message_unref(m);
}

static const char some_keys[] =
    "{'vcpus': <uint32 3>, 'memory': <uint64 4294967296>, 'image': <'debian-12'>, 'vsock': <true>, 'disks': <[@a{sv} "
    "{},"
    "{'size': <uint64 1048576>, 'read-only': <true>}]>, 'labels': <{'b': 'Größe', 'a': ''}>, 'limits': <{'CPUWeight':"
    "<uint64 200>, 'TasksMax': <uint64 512>}>, 'networks': <[{'ports': <[{'host-port': <uint32 80>, 'guest-port':"
    "<uint32 8080>}]>}, {'mode': <'none'>}]>}";

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/bus-variant/round-trip", test_round_trip);
    add("/bus-variant/end", test_end);
    add("/bus-variant/handle", test_handle);
    add("/bus-variant/maybe", test_maybe);
    add("/bus-variant/depth", test_depth);
    add("/bus-variant/size", test_size);
    g_test_add("/bus-variant/keys/defaults", Fixture, "@a{sv} {}", set_up, test_keys, tear_down);
    g_test_add("/bus-variant/keys/some", Fixture, some_keys, set_up, test_keys, tear_down);
    return g_test_run();
}
