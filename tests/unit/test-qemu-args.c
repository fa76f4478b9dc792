/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "src/core/autofd.h"
#include "src/core/keeper-protocol.h"
#include "src/core/names.h"
#include "src/core/qemu-args.h"

/* Each definition twice: its vector against a file, and the same, made for real files, given to the real QEMU. */
#define ID "6b1c9f0e-3c1e-4f2a-9a52-0d7e5c1b8a44"
#define NOBODY 61234 /* a uid that has no name */

typedef struct {
    const char *name;
    const char *definition;  /* a{sv} */
    const char *disk_format; /* the image's; NULL: no image, "": one without a disk */
    gboolean kernel, initrd;
    gboolean kvm;
    gboolean vsock_fd;
    guint n_taps;
} Case;

static const Case cases[] = {
    {.name = "default", .definition = "{}"},
    {.name = "image-qcow2",
     .definition = "{'vcpus': <uint32 2>, 'memory': <uint64 2147483648>, 'image': <'debian'>,"
                   " 'disks': <[{'size': <uint64 0>}]>,"
                   " 'networks': <[{'ports': <[{'host-port': <uint32 2222>, 'guest-port': <uint32 22>},"
                   " {'protocol': <'udp'>, 'host-port': <uint32 5353>, 'guest-port': <uint32 53>}]>}]>}",
     .disk_format = "qcow2"},
    {.name = "image-raw",
     .definition =
         "{'image': <'debian'>, 'disks': <[{'size': <uint64 0>},"
         " {'size': <uint64 67108864>, 'format': <'raw'>}, {'size': <uint64 67108864>, 'read-only': <true>}]>}",
     .disk_format = "raw"},
    {.name = "kernel",
     .definition = "{'image': <'tiny'>, 'networks': <@aa{sv} []>,"
                   " 'cmdline': <'console=ttyS0 a,b=c \"q\" {\\\"x\\\": 1} -S'>}",
     .disk_format = "",
     .kernel = TRUE,
     .initrd = TRUE},
    {.name = "kernel-image-cmdline",
     .definition = "{'image': <'tiny'>, 'disks': <[{'size': <uint64 0>}]>}",
     .disk_format = "qcow2",
     .kernel = TRUE},
    {.name = "microvm",
     .definition = "{'image': <'tiny'>, 'machine': <'microvm'>, 'vcpus': <uint32 4>,"
                   " 'disks': <[{'size': <uint64 0>}, {'size': <uint64 1048576>, 'format': <'raw'>}]>,"
                   " 'networks': <[@a{sv} {}, @a{sv} {}]>}",
     .disk_format = "qcow2",
     .kernel = TRUE,
     .initrd = TRUE},
    {.name = "microvm-full", /* vsock would be one more, and is not here on every host */
     .definition = "{'image': <'tiny'>, 'machine': <'microvm'>, 'networks': <[@a{sv} {}, @a{sv} {}, @a{sv} {},"
                   " @a{sv} {}, @a{sv} {}, @a{sv} {}]>,"
                   " 'disks': <[{'size': <uint64 0>}, DISK, DISK, DISK, DISK, DISK, DISK, DISK,"
                   " DISK, DISK, DISK, DISK, DISK, DISK, DISK, DISK]>}",
     .disk_format = "qcow2",
     .kernel = TRUE},
    {.name = "microvm-vsock",
     .definition = "{'image': <'tiny'>, 'machine': <'microvm'>, 'vsock': <true>, 'networks': <@aa{sv} []>}",
     .disk_format = "",
     .kernel = TRUE,
     .vsock_fd = TRUE},
    {.name = "uefi",
     .definition = "{'image': <'debian'>, 'firmware': <'uefi'>, 'disks': <[{'size': <uint64 0>}]>}",
     .disk_format = "qcow2"},
    {.name = "sata",
     .definition = "{'disks': <[{'size': <uint64 1048576>, 'bus': <'sata'>, 'format': <'raw'>},"
                   " {'size': <uint64 1048576>, 'bus': <'sata'>, 'format': <'raw'>, 'read-only': <true>}]>}"},
    {.name = "scsi",
     .definition = "{'disks': <[{'size': <uint64 1048576>, 'bus': <'scsi'>},"
                   " {'size': <uint64 1048576>, 'bus': <'scsi'>, 'format': <'raw'>, 'read-only': <true>}]>}"},
    {.name = "display-vga", .definition = "{'display': <'vga'>}"},
    {.name = "display-virtio", .definition = "{'display': <'virtio'>, 'firmware': <'uefi'>}"},
    {.name = "display-microvm",
     .definition = "{'image': <'tiny'>, 'machine': <'microvm'>, 'display': <'virtio'>}",
     .disk_format = "",
     .kernel = TRUE},
    {.name = "bridge",
     .definition = "{'networks': <[{'mode': <'bridge'>, 'bridge': <'br0'>}, {'mode': <'none'>},"
                   " {'mode': <'bridge'>, 'bridge': <'br0'>, 'mac': <'52:54:00:12:34:56'>}]>}",
     .n_taps = 3},
    {.name = "vsock", .definition = "{'vsock': <true>, 'vcpus': <uint32 2>}", .vsock_fd = TRUE},
    {.name = "kvm", .definition = "{'vcpus': <uint32 8>, 'memory': <uint64 536870912>}", .kvm = TRUE},
    {.name = "full",
     .definition =
         "{'memory': <uint64 16777216>,"
         " 'networks': <[@a{sv} {}, @a{sv} {}, @a{sv} {}, @a{sv} {}, @a{sv} {}, @a{sv} {}, @a{sv} {}, @a{sv} {}]>,"
         " 'disks': <[DISK, DISK, DISK, DISK, DISK, DISK, DISK, DISK,"
         " DISK, DISK, DISK, DISK, DISK, DISK, DISK, DISK]>}"},
};

/* Directories that want quoting: in the golden vectors, and on disk. */
#define ODD_NAME "a, \"b\"=c"

static BerthVmConfig *make_config(const Case *c)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) parts = g_strsplit(c->definition, "DISK", -1);
    g_autofree char *text = g_strjoinv("{'size': <uint64 1048576>, 'format': <'raw'>}", parts);
    g_autoptr(GVariant) variant = g_variant_parse(G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(BerthVmConfig) base = berth_vm_config_new();
    BerthVmConfig *config = berth_vm_config_apply(base, variant, &error);
    g_assert_no_error(error);
    return config;
}

static BerthImageMeta make_image(const Case *c)
{
    return (BerthImageMeta){
        .name = (char *) "debian",
        .disk_format = (char *) c->disk_format,
        .virtual_size = 1024 * 1024,
        .cmdline = (char *) "root=/dev/vda ro",
        .has_kernel = c->kernel,
        .has_initrd = c->initrd,
    };
}

static BerthQemuArgsInput make_input(const Case *c, const BerthVmConfig *config, const BerthImageMeta *image)
{
    BerthQemuArgsInput input = {
        .qemu = "/usr/bin/qemu-system-x86_64",
        .accelerator = c->kvm ? "kvm" : "tcg",
        .id = ID,
        .name = "web-1.example",
        .cid = 1017,
        .config = config,
        .image = c->disk_format != NULL ? image : NULL,
        .image_dir = "/var/lib/berth/images/debian",
        .disks_dir = "/var/lib/berth/" ODD_NAME "/disks",
        .firmware_code = "/usr/share/OVMF/OVMF_CODE_4M.fd",
        .notify_port = 9797,
        .vsock_fd = c->vsock_fd ? BERTH_QEMU_FD_EXTRA : -1,
    };
    for (guint i = 0; i < G_N_ELEMENTS(input.tap_fds); i++)
        input.tap_fds[i] = i < c->n_taps ? BERTH_QEMU_FD_EXTRA + (int) i : -1;
    return input;
}

static void test_golden(gconstpointer data)
{
    const Case *c = data;
    g_autoptr(BerthVmConfig) config = make_config(c);
    const BerthImageMeta image = make_image(c);
    const BerthQemuArgsInput input = make_input(c, config, &image);
    g_auto(GStrv) argv = berth_qemu_args(&input);
    g_autofree char *joined = g_strjoinv("\n", argv);
    g_autofree char *got = g_strconcat(joined, "\n", NULL);

    g_autofree char *name = g_strconcat(c->name, ".args", NULL);
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "qemu-args", name, NULL);
    g_autoptr(GError) error = NULL;
    if (g_getenv("BERTH_WRITE_GOLDEN") != NULL) {
        g_file_set_contents(path, got, -1, &error);
        g_assert_no_error(error);
    }
    g_autofree char *expected = NULL;
    g_file_get_contents(path, &expected, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(got, ==, expected);
}

/* Another VM, another address; the same VM, the same; all of them local and unicast. */
static void test_mac(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < 2000; i++) {
        g_autofree char *id = g_strdup_printf("%08x-3c1e-4f2a-9a52-0d7e5c1b8a44", i / 8);
        char *mac = berth_network_mac(id, i % 8);
        g_autofree char *again = berth_network_mac(id, i % 8);
        g_assert_cmpstr(mac, ==, again);
        g_assert_cmpuint(strlen(mac), ==, 17);
        g_assert_true(g_str_has_prefix(mac, "52:"));
        g_assert_true(g_hash_table_add(seen, mac));
    }
}

/* --- The real QEMU --- */

typedef struct {
    char *dir, *image_dir, *disks_dir, *stderr_path;
    int qmp_listener, serial[2], monitor[2], lock, agent, extra[3];
    guint n_extra;
    pid_t pid;
} Live;

static void run(const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *words = NULL;
    int status = -1;
    g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &words, &status, &error);
    g_assert_no_error(error);
    if (!g_spawn_check_wait_status(status, &error))
        g_error("%s: %s %s", argv[0], error->message, words);
}

/* As much of a bzImage as QEMU looks at: one setup sector, boot protocol 2.12. */
static void write_kernel(const char *path)
{
    guint8 image[8192] = {
        [0x1f1] = 1, [0x1fe] = 0x55, [0x1ff] = 0xaa, [0x206] = 12, [0x207] = 2, [0x211] = 1, [0x22f] = 0x37,
    };
    memcpy(image + 0x202, "HdrS", 4);
    g_assert_true(g_file_set_contents(path, (const char *) image, sizeof image, NULL));
}

static void make_disk(const char *dir, const char *name, const char *format)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    run((const char *const[]){"qemu-img", "create", "-q", "-f", format, path, "1M", NULL});
}

static void make_files(Live *live, const Case *c, const BerthVmConfig *config)
{
    live->image_dir = g_build_filename(live->dir, ODD_NAME, "image", NULL);
    live->disks_dir = g_build_filename(live->dir, ODD_NAME, "disks", NULL);
    g_assert_cmpint(g_mkdir_with_parents(live->image_dir, 0755), ==, 0);
    g_assert_cmpint(g_mkdir_with_parents(live->disks_dir, 0755), ==, 0);
    if (c->disk_format != NULL && c->disk_format[0] != '\0')
        make_disk(live->image_dir, BERTH_FILE_DISK, c->disk_format);
    g_autofree char *kernel = g_build_filename(live->image_dir, BERTH_FILE_KERNEL, NULL);
    g_autofree char *initrd = g_build_filename(live->image_dir, BERTH_FILE_INITRD, NULL);
    write_kernel(kernel);
    g_assert_true(g_file_set_contents(initrd, "initrd", -1, NULL));
    for (guint i = 0; i < config->disks->len; i++) {
        const BerthDisk *disk = g_ptr_array_index(config->disks, i);
        g_autofree char *name = berth_disk_file_name(config, i);
        make_disk(live->disks_dir, name, disk->format);
    }
    g_autofree char *vars = g_build_filename(live->disks_dir, BERTH_FILE_FIRMWARE_VARS, NULL);
    run((const char *const[]){"cp", "/usr/share/OVMF/OVMF_VARS_4M.fd", vars, NULL});
    if (geteuid() == 0)
        run((const char *const[]){"chown", "-R", G_STRINGIFY(NOBODY), live->disks_dir, NULL});
}

static void make_sockets(Live *live)
{
    g_autofree char *path = g_build_filename(live->dir, BERTH_FILE_QMP_SOCKET, NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    live->qmp_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(live->qmp_listener, (struct sockaddr *) &address, sizeof address), ==, 0);
    g_assert_cmpint(listen(live->qmp_listener, 1), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, live->serial), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, live->monitor), ==, 0);
    live->lock = open("/dev/null", O_RDONLY | O_CLOEXEC);
    live->agent = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sun_path[0] = '\0'; /* the kernel gives it a name */
    g_assert_cmpint(bind(live->agent, (struct sockaddr *) &address, sizeof address.sun_family), ==, 0);
    g_assert_cmpint(listen(live->agent, 1), ==, 0);
}

static int open_tap(void)
{
    BERTH_AUTOFD fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
        return -1;
    return berth_steal_fd(&fd);
}

/* What the case needs of the host, as extra descriptors. FALSE: the test has been skipped. */
static gboolean open_extras(Live *live, const Case *c)
{
    for (guint i = 0; i < c->n_taps; i++) {
        live->extra[i] = open_tap();
        live->n_extra += live->extra[i] >= 0 ? 1 : 0;
        if (live->extra[i] < 0)
            g_test_skip_printf("no tap can be made here (%s): only the arguments were checked", g_strerror(errno));
        if (live->extra[i] < 0)
            return FALSE;
    }
    if (!c->vsock_fd)
        return TRUE;
    live->extra[0] = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
    if (live->extra[0] < 0)
        g_test_skip_printf("/dev/vhost-vsock: %s: only the arguments were checked", g_strerror(errno));
    live->n_extra = live->extra[0] >= 0 ? 1 : 0;
    return live->extra[0] >= 0;
}

/* In the child: what the keeper does to its QEMU. */
static void become_nobody(gpointer data)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        _exit(97);
    if (geteuid() == 0 &&
        (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0))
        _exit(98);
}

static void spawn(Live *live, GStrv argv)
{
    int sources[8] = {live->qmp_listener, live->serial[1], live->monitor[1], live->lock, live->agent};
    int targets[8] = {BERTH_QEMU_FD_QMP, BERTH_QEMU_FD_SERIAL, BERTH_QEMU_FD_MONITOR, BERTH_QEMU_FD_LOCK,
                      BERTH_QEMU_FD_AGENT};
    for (guint i = 0; i < live->n_extra; i++) {
        sources[5 + i] = live->extra[i];
        targets[5 + i] = BERTH_QEMU_FD_EXTRA + (int) i;
    }
    live->stderr_path = g_build_filename(live->dir, "stderr", NULL);
    BERTH_AUTOFD opened = open(live->stderr_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    /* GLib closes this number last of all, and that of a /dev/null which it would open: neither may be one that something
     * was handed over as. */
    BERTH_AUTOFD words = fcntl(opened, F_DUPFD_CLOEXEC, BERTH_QEMU_FD_EXTRA + (int) live->n_extra);
    g_autoptr(GError) error = NULL;
    g_spawn_async_with_pipes_and_fds(
        NULL, (const char *const *) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CHILD_INHERITS_STDIN, become_nobody,
        NULL, -1, -1, words, sources, targets, 5 + live->n_extra, &live->pid, NULL, NULL, NULL, &error);
    g_assert_no_error(error);
}

static void fail_with_words(Live *live, const char *what)
{
    g_autofree char *words = NULL;
    g_file_get_contents(live->stderr_path, &words, NULL, NULL);
    g_error("QEMU %s: %s", what, words != NULL ? words : "");
}

/* Sends @command (none: the greeting is awaited) and returns the line that comes. */
static char *ask(Live *live, int fd, const char *command)
{
    if (command != NULL)
        g_assert_cmpint(send(fd, command, strlen(command), MSG_NOSIGNAL), ==, (ssize_t) strlen(command));
    g_autoptr(GString) line = g_string_new(NULL);
    for (char c = 0; c != '\n'; g_string_append_c(line, c)) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 120000) != 1)
            fail_with_words(live, "did not speak in time");
        if (recv(fd, &c, 1, 0) != 1)
            fail_with_words(live, "ended");
    }
    return g_string_free(g_steal_pointer(&line), FALSE);
}

static void assert_monitor_works(Live *live, int fd)
{
    g_autofree char *greeting = ask(live, fd, NULL);
    g_assert_true(g_str_has_prefix(greeting, "{\"QMP\""));
    g_autofree char *capabilities = ask(live, fd, "{\"execute\":\"qmp_capabilities\"}\n");
    g_assert_cmpstr(capabilities, ==, "{\"return\": {}}\r\n");
    g_autofree char *status = ask(live, fd, "{\"execute\":\"query-status\"}\n");
    g_assert_nonnull(strstr(status, "\"prelaunch\""));
}

static int connect_qmp(Live *live)
{
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    g_assert_cmpint(getsockname(live->qmp_listener, (struct sockaddr *) &address, &length), ==, 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *) &address, length), ==, 0);
    close(berth_steal_fd(&live->qmp_listener));
    return fd;
}

/* A loopback address of this process's own: other runs of this test forward the same ports. */
static void move_ports(BerthVmConfig *config)
{
    for (guint i = 0; i < config->networks->len; i++) {
        BerthNetwork *network = g_ptr_array_index(config->networks, i);
        for (guint j = 0; j < network->ports->len; j++) {
            BerthPort *port = g_ptr_array_index(network->ports, j);
            g_free(port->host_address);
            port->host_address =
                g_strdup_printf("127.%d.%d.%d", 1 + getpid() / 62500 % 250, getpid() / 250 % 250, 1 + getpid() % 250);
        }
    }
}

static GStrv with_stopped_start(const char *const *argv)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_strv_builder_addv(builder, (const char **) argv);
    g_strv_builder_add(builder, "-S");
    return g_strv_builder_end(builder);
}

static void start(Live *live, const Case *c)
{
    g_autoptr(BerthVmConfig) config = make_config(c);
    move_ports(config);
    make_files(live, c, config);
    make_sockets(live);
    const BerthImageMeta image = make_image(c);
    BerthQemuArgsInput input = make_input(c, config, &image);
    input.accelerator = "tcg"; /* also where the vector is for KVM: what it takes beside it is the same */
    input.image_dir = live->image_dir;
    input.disks_dir = live->disks_dir;
    g_auto(GStrv) argv = berth_qemu_args(&input);
    g_auto(GStrv) stopped = with_stopped_start((const char *const *) argv);
    spawn(live, stopped);
}

static void close_ends(int *fd)
{
    if (*fd >= 0)
        close(berth_steal_fd(fd));
}

static void end(Live *live)
{
    if (live->pid > 0) {
        kill(live->pid, SIGKILL);
        g_assert_cmpint(waitpid(live->pid, NULL, 0), ==, live->pid);
    }
    int *fds[] = {&live->qmp_listener, &live->serial[0], &live->serial[1], &live->monitor[0], &live->monitor[1],
                  &live->lock,         &live->agent,     &live->extra[0],  &live->extra[1],   &live->extra[2]};
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        close_ends(fds[i]);
    run((const char *const[]){"rm", "-rf", "--", live->dir, NULL});
    g_free(live->dir);
    g_free(live->image_dir);
    g_free(live->disks_dir);
    g_free(live->stderr_path);
}

static void test_qemu(gconstpointer data)
{
    const Case *c = data;
    Live live = {.qmp_listener = -1, .serial = {-1, -1}, .monitor = {-1, -1}, .lock = -1, .extra = {-1, -1, -1}};
    g_autoptr(GError) error = NULL;
    live.dir = g_dir_make_tmp("berth-args-XXXXXX", &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_chmod(live.dir, 0755), ==, 0);
    if (open_extras(&live, c)) {
        start(&live, c);
        close_ends(&live.monitor[1]);
        assert_monitor_works(&live, live.monitor[0]);
        BERTH_AUTOFD qmp = connect_qmp(&live);
        assert_monitor_works(&live, qmp);
    }
    end(&live);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu-args/mac", test_mac);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *golden = g_strconcat("/qemu-args/golden/", cases[i].name, NULL);
        g_autofree char *real = g_strconcat("/qemu-args/qemu/", cases[i].name, NULL);
        g_test_add_data_func(golden, &cases[i], test_golden);
        g_test_add_data_func(real, &cases[i], test_qemu);
    }
    return g_test_run();
}
