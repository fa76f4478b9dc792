/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <unistd.h>

#include "scene.h"

/* Images, disks and networks, as guests find them. */

#define WORK "/var/tmp/berth-storage"
#define MIB (1u << 20)
#define INVALID_ARGS "org.freedesktop.DBus.Error.InvalidArgs"

/* A shell's line, in the directory of work. (transfer full) */
static char *shell(const char *line)
{
    g_autofree char *command = g_strconcat("mkdir -p " WORK " && cd " WORK " && ", line, NULL);
    return scene_run("sh", "-euc", command, NULL);
}

static void do_shell(const char *line)
{
    g_free(shell(line));
}

static char *image_path(const char *name)
{
    g_autofree char *escaped = scene_run("busctl", "--no-pager", "tree", "--list", BERTH_BUS_NAME, NULL);
    g_auto(GStrv) lines = g_strsplit(escaped, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (!g_str_has_prefix(*line, BERTH_PATH_IMAGE "/"))
            continue;
        g_autoptr(GVariant) value = client_get(scene_bus, *line, BERTH_IFACE_IMAGE, "Name");
        if (g_str_equal(g_variant_get_string(value, NULL), name))
            return g_strdup(*line);
    }
    g_error("There is no image %s", name);
}

/* With the guest's kernel, and with @disk of the directory of work. */
static void import_with_kernel(const char *name, const char *disk)
{
    const char *dir = g_getenv("BERTH_GUEST");
    g_autofree char *path = g_build_filename(WORK, disk, NULL);
    g_autofree char *kernel = g_build_filename(dir, "vmlinuz", NULL);
    g_autofree char *initrd = g_build_filename(dir, "initrd.img", NULL);
    const char *const paths[] = {path, kernel, initrd, NULL};
    g_autofree char *text = NULL;
    g_autofree char *failure = scene_import(
        name, g_variant_new_parsed("{'kernel': <handle 1>, 'initrd': <handle 2>, 'cmdline': <%s>}", SCENE_CMDLINE),
        paths, &text);
    if (*failure)
        g_error("%s can't be imported: %s", name, text);
}

static char *sum_of_image(const char *name)
{
    g_autofree char *path = g_strdup_printf("/var/lib/berth/images/%s/disk", name);
    g_autofree char *line = scene_run("sha256sum", path, NULL);
    return g_strndup(line, 64);
}

static void stop(Guest *guest)
{
    client_vm(scene_bus, guest->path, "Shutdown");
    client_await_state(guest->vm, "stopped");
}

static void assert_answer(Guest *guest, const char *line, const char *answer, const char *expected)
{
    g_autofree char *said = console_ask(guest->console, line, answer);
    g_assert_cmpstr(said, ==, expected);
}

static void remove_image(const char *name)
{
    g_autofree char *path = image_path(name);
    g_variant_unref(client_call(scene_bus, path, BERTH_IFACE_IMAGE, "Remove", g_variant_new("(a{sv})", NULL)));
    g_autofree char *dir = g_strdup_printf("/var/lib/berth/images/%s", name);
    g_assert_false(g_file_test(dir, G_FILE_TEST_EXISTS));
}

/* What a guest writes stays its own, over a stop and beside another VM of the same image. */
static void test_overlay(void)
{
    do_shell("truncate -s 16M disk.raw && printf 'original\\n' | dd of=disk.raw conv=notrunc status=none &&"
             " qemu-img convert -O qcow2 disk.raw disk.qcow2");
    g_autofree char *given = shell("sha256sum disk.qcow2");
    import_with_kernel("overlaid", "disk.qcow2");
    g_autofree char *before = sum_of_image("overlaid");
    g_assert_true(g_str_has_prefix(given, before));
    g_autofree char *path = image_path("overlaid");
    g_autoptr(GVariant) sum = client_get(scene_bus, path, BERTH_IFACE_IMAGE, "SHA256");
    g_assert_cmpstr(g_variant_get_string(sum, NULL), ==, before);
    {
        g_autoptr(Guest) one = guest_new_booted("one", g_variant_new_parsed("{'image': <'overlaid'>}"));
        assert_answer(one, "read-disk", "read ", "original");
        console_say(one->console, "write-disk mine alone");
        console_await(one->console, "berth-guest: written");
        stop(one);
        guest_boot(one);
        assert_answer(one, "read-disk", "read ", "mine alone");

        g_autoptr(Guest) other = guest_new_booted("other", g_variant_new_parsed("{'image': <'overlaid'>}"));
        assert_answer(other, "read-disk", "read ", "original");
        client_fails(scene_bus, path, BERTH_IFACE_IMAGE, "Remove", g_variant_new("(a{sv})", NULL), "ImageInUse",
                     "used by 2 VMs");
        g_autoptr(GVariant) users = client_get(scene_bus, path, BERTH_IFACE_IMAGE, "UsedBy");
        g_assert_cmpuint(g_variant_n_children(users), ==, 2);
    }
    g_autofree char *after = sum_of_image("overlaid");
    g_assert_cmpstr(after, ==, before);
    g_autoptr(GVariant) users = client_get(scene_bus, path, BERTH_IFACE_IMAGE, "UsedBy");
    g_assert_cmpuint(g_variant_n_children(users), ==, 0);
    remove_image("overlaid");
}

/* Sizes, formats and read-only, as the guest's kernel sees them. */
static void test_disks(void)
{
    do_shell("truncate -s 8M small.raw");
    import_with_kernel("small", "small.raw");
    {
        g_autoptr(Guest) guest =
            guest_new("disks", g_variant_new_parsed("{'image': <'small'>, 'disks': <[{'size': <uint64 67108864>},"
                                                    " {'size': <uint64 33554432>, 'format': <'raw'>},"
                                                    " {'size': <uint64 16777216>, 'read-only': <true>}]>}"));
        guest_boot(guest);
        stop(guest);
        int fd = client_open(scene_bus, guest->path, "OpenLog", g_variant_new("(sa{sv})", "serial", NULL));
        g_autofree char *log = g_malloc0(MIB);
        g_assert_cmpint(pread(fd, log, MIB - 1, 0), >, 0);
        close(fd);
        g_assert_nonnull(strstr(log, "disk vda 67108864 rw"));
        g_assert_nonnull(strstr(log, "disk vdb 33554432 rw"));
        g_assert_nonnull(strstr(log, "disk vdc 16777216 ro"));
    }
    remove_image("small");
}

static void assert_refused(const char *file, GVariant *options, const char *error_name, const char *words)
{
    g_autofree char *path = g_build_filename(WORK, file, NULL);
    const char *const paths[] = {path, NULL};
    g_autofree char *text = NULL;
    g_autofree char *failure = scene_import("refused", options, paths, &text);
    if (!g_str_equal(failure, error_name) || !strstr(text, words))
        g_error("%s: “%s”, “%s”, but expected %s, “%s”", file, failure, text, error_name, words);
    g_autofree char *left = scene_run("ls", "-A", "/var/lib/berth/images", NULL);
    g_assert_null(strstr(left, "refused"));
}

static void test_refused(void)
{
    do_shell("qemu-img create -q -f raw base.raw 1M");
    do_shell("qemu-img create -q -f qcow2 -b base.raw -F raw backed.qcow2");
    do_shell("qemu-img create -q -f qcow2 -o data_file=data.raw,data_file_raw=on data.qcow2 1M");
    do_shell("head -c 65536 /dev/urandom >garbage");
    do_shell("printf 'QFI\\373' | cat - garbage >broken.qcow2");
    assert_refused("backed.qcow2", NULL, INVALID_ARGS, "backing file");
    assert_refused("data.qcow2", NULL, INVALID_ARGS, "another file");
    assert_refused("garbage", g_variant_new_parsed("{'format': <'qcow2'>}"), INVALID_ARGS, "said to be qcow2");
    assert_refused("broken.qcow2", NULL, INVALID_ARGS, "");
    assert_refused(
        "base.raw",
        g_variant_new_parsed("{'sha256': <%s>}", "0000000000000000000000000000000000000000000000000000000000000000"),
        INVALID_ARGS, "SHA-256");
    assert_refused("base.raw", g_variant_new_parsed("{'path': <'/etc/shadow'>}"), INVALID_ARGS, "\"path\"");
}

/* A directory, or a device, is no image, whatever the caller may open. */
static void test_refused_kinds(void)
{
    do_shell("mkdir -p dir");
    assert_refused("dir", NULL, INVALID_ARGS, "regular file");
    assert_refused("/../../../dev/zero", NULL, INVALID_ARGS, "regular file");
}

/* (transfer full): what HTTP answers at @address */
static char *fetch(const char *address)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_socket_client_set_timeout(client, CLIENT_SECONDS);
    g_autoptr(GSocketConnection) connection = g_socket_client_connect_to_host(client, address, 80, NULL, &error);
    g_assert_no_error(error);
    static const char request[] = "GET /index.html HTTP/1.0\r\n\r\n";
    g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(connection)), request, strlen(request), NULL,
                              NULL, &error);
    g_assert_no_error(error);
    char buffer[4096] = "";
    gsize length;
    g_input_stream_read_all(g_io_stream_get_input_stream(G_IO_STREAM(connection)), buffer, sizeof buffer - 1, &length,
                            NULL, &error);
    g_assert_no_error(error);
    return g_strdup(buffer);
}

static GVariant *forward(guint port)
{
    return g_variant_new_parsed(
        "{'networks': <[{'mode': <'user'>, 'ports': <[{'host-port': <%u>, 'guest-port': <uint32 80>}]>}]>}", port);
}

/* A client outside reaches the guest's server; nobody else gets the port. */
static void test_user_network(void)
{
    g_autoptr(Guest) guest = guest_new_booted("web", forward(8080));
    g_autofree char *mac = console_ask(guest->console, "net", "net ");
    g_assert_cmpuint(strlen(mac), ==, 17);
    g_autofree char *answer = fetch("127.0.0.1:8080");
    g_assert_true(g_str_has_prefix(answer, "HTTP/1."));
    g_assert_nonnull(strstr(answer, "\nberth-guest\n"));

    client_fails(scene_bus, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                 g_variant_new("(s@a{sv}a{sv})", "greedy", forward(8080), NULL), INVALID_ARGS,
                 "port 8080 of the host is forwarded to VM \"web\" already");
    g_autoptr(Guest) other = guest_new("modest", forward(8081));
    client_fails(scene_bus, other->path, BERTH_IFACE_VM, "Configure",
                 g_variant_new("(@a{sv}a{sv})", forward(8080), NULL), INVALID_ARGS, "already");
    /* The address is the VM's own, and the same at its next start. */
    stop(guest);
    guest_boot(guest);
    assert_answer(guest, "net", "net ", mac);
}

/* What somebody outside of Berth listens on is found at the start. */
static void test_port_in_use(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketListener) listener = g_socket_listener_new();
    g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new(loopback, 8082);
    g_socket_listener_add_address(listener, address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(Guest) guest = guest_new("late", forward(8082));
    client_vm_fails(scene_bus, guest->path, "Start", "StartFailed", "hostfwd");
    g_socket_listener_close(listener);
    guest_boot(guest);
}

static char *taps(void)
{
    return scene_run("ip", "-details", "-oneline", "link", "show", "master", "bt-bridge", NULL);
}

/* A tap of the VM's own on the bridge: it says whose it is, and goes with the VM. */
static void test_bridge(void)
{
    if (scene_status("ip", "link", "add", "bt-bridge", "type", "bridge", NULL) != 0) {
        g_test_skip("this kernel makes no bridge");
        return;
    }
    g_free(scene_run("ip", "address", "add", "192.168.77.1/24", "dev", "bt-bridge", NULL));
    g_free(scene_run("ip", "link", "set", "bt-bridge", "up", NULL));
    g_autoptr(Guest) guest = guest_new_booted(
        "bridged", g_variant_new_parsed("{'networks': <[{'mode': <'bridge'>, 'bridge': <'bt-bridge'>}]>}"));
    g_autofree char *found = taps();
    g_autofree char *alias = g_strdup_printf("alias berth:%s/0", guest->id);
    g_assert_nonnull(strstr(found, alias));
    g_free(console_ask(guest->console, "net 192.168.77.2/24 192.168.77.1", "net "));
    g_autofree char *answer = fetch("192.168.77.2:80");
    g_assert_nonnull(strstr(answer, "\nberth-guest\n"));

    client_vm(scene_bus, guest->path, "PowerOff");
    g_autofree char *left = taps();
    g_assert_cmpstr(left, ==, "");
    guest_boot(guest);
    g_autofree char *again = taps();
    g_assert_nonnull(strstr(again, alias));
}

static void test_no_bridge(void)
{
    g_autoptr(Guest) guest =
        guest_new("unbridged", g_variant_new_parsed("{'networks': <[{'mode': <'bridge'>, 'bridge': <'nowhere'>}]>}"));
    client_vm_fails(scene_bus, guest->path, "Start", "StartFailed", "\"nowhere\"");
    guest_assert_ended(guest, "exited", "start-failed");
    g_autofree char *links = scene_run("ip", "-oneline", "link", "show", NULL);
    g_assert_null(strstr(links, guest->id));
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    g_test_add_func("/storage/overlay", test_overlay);
    g_test_add_func("/storage/disks", test_disks);
    g_test_add_func("/storage/refused", test_refused);
    g_test_add_func("/storage/refused-kinds", test_refused_kinds);
    g_test_add_func("/storage/user-network", test_user_network);
    g_test_add_func("/storage/port-in-use", test_port_in_use);
    g_test_add_func("/storage/bridge", test_bridge);
    g_test_add_func("/storage/no-bridge", test_no_bridge);
    return g_test_run();
}
