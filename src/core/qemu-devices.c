/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper-protocol.h"
#include "names.h"
#include "qemu-args-private.h"

/* The devices of a VM, and what stands behind them. */

/* Where things are on q35's root bus. Fixed, so that a disk more or less renames no network interface in the guest.
 * A definition's bounds (8 networks, 16 disks) leave the slots 28 to 30 free. */
#define PCI_SLOT_MISC 1
#define PCI_SLOT_NETWORKS 2
#define PCI_SLOT_DISKS 10
#define PCI_SLOT_SCREEN 26
#define PCI_SLOT_USB 27

/* Functions of the first slot: what each VM has at most once. */
enum { MISC_RNG, MISC_BALLOON, MISC_VSOCK, MISC_SCSI, MISC_CHANNELS };

static void set_number_as_string(JsonObject *object, const char *member, int number)
{
    g_autofree char *text = g_strdup_printf("%d", number);
    json_object_set_string_member(object, member, text);
}

static char *numbered(const char *prefix, guint number)
{
    return g_strdup_printf("%s%u", prefix, number);
}

/* --- Any device --- */

/* "virtio-blk" is "virtio-blk-pci" or "virtio-blk-device". */
static JsonObject *virtio_device(const QemuArgs *args, const char *type, const char *id)
{
    g_autofree char *driver = g_strconcat(type, args->mmio ? "-device" : "-pci", NULL);
    return qemu_args_device(driver, id);
}

/* On virtio-mmio QEMU's own choice is right: from the last transport to the first, which is how its ACPI tables list
 * them, so that the guest's /dev/vda is the first disk. */
static void place(const QemuArgs *args, JsonObject *object, guint slot, guint function)
{
    if (args->mmio)
        return;
    g_autofree char *address = g_strdup_printf("%02x.%u", slot, function);
    json_object_set_string_member(object, "bus", "pcie.0");
    json_object_set_string_member(object, "addr", address);
}

static void set_boot_order(QemuArgs *args, JsonObject *object)
{
    json_object_set_int_member(object, "bootindex", args->next_boot++);
}

/* --- Disks --- */

char *berth_disk_file_name(const BerthVmConfig *config, guint index)
{
    const BerthDisk *disk = g_ptr_array_index(config->disks, index);
    return g_strdup_printf("disk%u.%s", index, disk->format);
}

static JsonObject *format_node(const char *format, const char *dir, const char *name, gboolean read_only)
{
    JsonObject *node = json_object_new();
    json_object_set_string_member(node, "driver", format);
    json_object_set_boolean_member(node, "read-only", read_only);
    json_object_set_object_member(node, "file", qemu_args_file_node(dir, name, read_only));
    return node;
}

/* The first disk's backing file is the image, and what a disk's header says of backing files is never believed. */
static void set_backing(const QemuArgs *args, JsonObject *node, guint index)
{
    const BerthImageMeta *image = args->in->image;
    if (index != 0 || image == NULL || image->disk_format[0] == '\0') {
        json_object_set_null_member(node, "backing");
        return;
    }
    JsonObject *backing = format_node(image->disk_format, args->in->image_dir, BERTH_FILE_DISK, TRUE);
    if (g_str_equal(image->disk_format, "qcow2"))
        json_object_set_null_member(backing, "backing");
    json_object_set_object_member(node, "backing", backing);
}

static void add_disk_node(QemuArgs *args, const BerthDisk *disk, guint index, const char *node_name)
{
    g_autofree char *name = berth_disk_file_name(args->in->config, index);
    JsonObject *node = format_node(disk->format, args->in->disks_dir, name, disk->read_only);
    json_object_set_string_member(node, "node-name", node_name);
    /* What the guest gives back, by discarding it or by writing zeroes, the host gets back. */
    if (!disk->read_only) {
        json_object_set_string_member(node, "discard", "unmap");
        json_object_set_string_member(node, "detect-zeroes", "unmap");
    }
    if (g_str_equal(disk->format, "qcow2"))
        set_backing(args, node, index);
    qemu_args_add_json(args, "-blockdev", node);
}

static JsonObject *virtio_disk(const QemuArgs *args, const char *id, guint index)
{
    JsonObject *object = virtio_device(args, "virtio-blk", id);
    place(args, object, PCI_SLOT_DISKS + index, 0);
    return object;
}

static JsonObject *scsi_disk(QemuArgs *args, const char *id)
{
    if (!args->has_scsi) {
        JsonObject *controller = virtio_device(args, "virtio-scsi", "scsi");
        place(args, controller, PCI_SLOT_MISC, MISC_SCSI);
        qemu_args_add_json(args, "-device", controller);
    }
    args->has_scsi = TRUE;
    JsonObject *object = qemu_args_device("scsi-hd", id);
    json_object_set_string_member(object, "bus", "scsi.0");
    return object;
}

/* On the controller that q35 has built in. A SATA disk can't be read-only; what can is an optical drive. */
static JsonObject *sata_disk(QemuArgs *args, const char *id, gboolean read_only)
{
    JsonObject *object = qemu_args_device(read_only ? "ide-cd" : "ide-hd", id);
    g_autofree char *bus = numbered("ide.", args->n_sata++);
    json_object_set_string_member(object, "bus", bus);
    return object;
}

static JsonObject *disk_device(QemuArgs *args, const BerthDisk *disk, guint index, const char *id)
{
    if (g_str_equal(disk->bus, "scsi"))
        return scsi_disk(args, id);
    if (g_str_equal(disk->bus, "sata"))
        return sata_disk(args, id, disk->read_only);
    return virtio_disk(args, id, index);
}

void qemu_args_add_disks(QemuArgs *args)
{
    const GPtrArray *disks = args->in->config->disks;
    for (guint i = 0; i < disks->len; i++) {
        const BerthDisk *disk = g_ptr_array_index(disks, i);
        g_autofree char *node = numbered("disk", i);
        g_autofree char *id = numbered("drive", i);
        add_disk_node(args, disk, i, node);

        JsonObject *object = disk_device(args, disk, i, id);
        json_object_set_string_member(object, "drive", node);
        /* The guest's /dev/disk/by-id. */
        json_object_set_string_member(object, "serial", node);
        set_boot_order(args, object);
        qemu_args_add_json(args, "-device", object);
    }
}

/* --- Networks --- */

static void hash_of_network(const char *id, guint index, guint8 digest[32])
{
    gsize length = 32;
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree char *text = g_strdup_printf("%s/net%u", id, index);
    g_checksum_update(checksum, (const guchar *) text, -1);
    g_checksum_get_digest(checksum, digest, &length);
}

/* 0x52 is locally administered and unicast; 40 bits of hash keep 10,000 VMs of one bridge apart. */
char *berth_network_mac(const char *id, guint index)
{
    guint8 digest[32];
    hash_of_network(id, index, digest);
    return g_strdup_printf("52:%02x:%02x:%02x:%02x:%02x", digest[0], digest[1], digest[2], digest[3], digest[4]);
}

static JsonArray *forwardings(const BerthNetwork *network)
{
    JsonArray *array = json_array_new();
    for (guint i = 0; i < network->ports->len; i++) {
        const BerthPort *port = g_ptr_array_index(network->ports, i);
        /* A word of two, a numeric address, two numbers: nothing in it is a user's free text. */
        g_autofree char *rule =
            g_strdup_printf("%s:%s:%u-:%u", port->protocol, port->host_address, port->host_port, port->guest_port);
        JsonObject *string = json_object_new();
        json_object_set_string_member(string, "str", rule);
        json_array_add_object_element(array, string);
    }
    return array;
}

static void add_backend(QemuArgs *args, const BerthNetwork *network, guint index, const char *id)
{
    JsonObject *backend = json_object_new();
    const gboolean user = g_str_equal(network->mode, "user");
    json_object_set_string_member(backend, "type", user ? "user" : "tap");
    json_object_set_string_member(backend, "id", id);
    if (!user)
        set_number_as_string(backend, "fd", args->in->tap_fds[index]);
    else if (network->ports->len > 0)
        json_object_set_array_member(backend, "hostfwd", forwardings(network));
    qemu_args_add_json(args, "-netdev", backend);
}

static void add_card(QemuArgs *args, const BerthNetwork *network, guint index, const char *backend)
{
    g_autofree char *id = numbered("nic", index);
    g_autofree char *mac = network->mac[0] != '\0' ? g_strdup(network->mac) : berth_network_mac(args->in->id, index);
    JsonObject *object = virtio_device(args, "virtio-net", id);
    place(args, object, PCI_SLOT_NETWORKS + index, 0);
    json_object_set_string_member(object, "netdev", backend);
    json_object_set_string_member(object, "mac", mac);
    /* Only a VM that has nothing else to boot from boots from the network; the others save the time of the boot ROM. */
    if (args->in->image == NULL)
        set_boot_order(args, object);
    else if (!args->mmio)
        json_object_set_string_member(object, "romfile", "");
    qemu_args_add_json(args, "-device", object);
}

void qemu_args_add_networks(QemuArgs *args)
{
    const GPtrArray *networks = args->in->config->networks;
    for (guint i = 0; i < networks->len; i++) {
        const BerthNetwork *network = g_ptr_array_index(networks, i);
        if (g_str_equal(network->mode, "none"))
            continue;
        g_autofree char *backend = numbered("net", i);
        add_backend(args, network, i, backend);
        add_card(args, network, i, backend);
    }
}

/* --- What every VM has --- */

void qemu_args_add_rng(QemuArgs *args)
{
    JsonObject *object = virtio_device(args, "virtio-rng", "rng");
    place(args, object, PCI_SLOT_MISC, MISC_RNG);
    /* A guest looks for the slot's other functions only where the first says that there are some. */
    if (!args->mmio)
        json_object_set_boolean_member(object, "multifunction", TRUE);
    qemu_args_add_json(args, "-device", object);
}

/* Nobody inflates it by hand: it lets the guest report pages that it has freed. */
void qemu_args_add_balloon(QemuArgs *args)
{
    JsonObject *object = virtio_device(args, "virtio-balloon", "balloon");
    place(args, object, PCI_SLOT_MISC, MISC_BALLOON);
    json_object_set_boolean_member(object, "free-page-reporting", TRUE);
    json_object_set_boolean_member(object, "deflate-on-oom", TRUE);
    qemu_args_add_json(args, "-device", object);
}

void qemu_args_add_vsock(QemuArgs *args)
{
    if (!args->in->config->vsock)
        return;
    JsonObject *object = virtio_device(args, "vhost-vsock", "vsock");
    place(args, object, PCI_SLOT_MISC, MISC_VSOCK);
    json_object_set_int_member(object, "guest-cid", args->in->cid);
    if (args->in->vsock_fd >= 0)
        set_number_as_string(object, "vhostfd", args->in->vsock_fd);
    qemu_args_add_json(args, "-device", object);
}

/* The keyboard is the PS/2 one that q35 has built in: it works from the firmware on, and needs no driver of the guest's
 * own. A USB keyboard would take all keys to itself, also where the guest knows no USB. A tablet's place is absolute, so
 * that the guest's pointer is where the host's is. */
static void add_screen_on_pci(QemuArgs *args)
{
    JsonObject *screen = g_str_equal(args->in->config->display, "vga") ? qemu_args_device("VGA", "screen")
                                                                       : qemu_args_device("virtio-vga", "screen");
    place(args, screen, PCI_SLOT_SCREEN, 0);
    qemu_args_add_json(args, "-device", screen);
    JsonObject *usb = qemu_args_device("qemu-xhci", "usb");
    place(args, usb, PCI_SLOT_USB, 0);
    qemu_args_add_json(args, "-device", usb);
    JsonObject *tablet = qemu_args_device("usb-tablet", "tablet");
    json_object_set_string_member(tablet, "bus", "usb.0");
    qemu_args_add_json(args, "-device", tablet);
}

void qemu_args_add_display(QemuArgs *args)
{
    if (!berth_vm_config_has_display(args->in->config))
        return;
    if (!args->mmio) {
        add_screen_on_pci(args);
        return;
    }
    qemu_args_add_json(args, "-device", virtio_device(args, "virtio-gpu", "screen"));
    qemu_args_add_json(args, "-device", virtio_device(args, "virtio-keyboard", "keyboard"));
    qemu_args_add_json(args, "-device", virtio_device(args, "virtio-tablet", "tablet"));
}

/* systemd(1)'s credential vmm.notify_socket; 2 is the host. A microvm has no SMBIOS. */
void qemu_args_add_notify_socket(QemuArgs *args)
{
    if (!args->in->config->vsock || args->in->notify_port == 0)
        return;
    if (args->mmio)
        qemu_args_add_numbers(args, "-fw_cfg",
                              "name=opt/io.systemd.credentials/vmm.notify_socket,string=vsock-stream:2:%u",
                              args->in->notify_port);
    else
        qemu_args_add_numbers(args, "-smbios",
                              "type=11,value=io.systemd.credential:vmm.notify_socket=vsock-stream:2:%u",
                              args->in->notify_port);
}

/* The channel to the guest's agent. Its device's name is what QEMU's VSERPORT_CHANGE bears. */
void qemu_args_add_agent(QemuArgs *args)
{
    if (args->mmio && berth_vm_config_n_transports(args->in->config) >= BERTH_MICROVM_TRANSPORTS)
        return;
    JsonObject *controller = virtio_device(args, "virtio-serial", "channels");
    place(args, controller, PCI_SLOT_MISC, MISC_CHANNELS);
    qemu_args_add_json(args, "-device", controller);
    qemu_args_add_numbers(args, "-chardev", "socket,id=" BERTH_QEMU_AGENT ",fd=%d,server=on,wait=off",
                          BERTH_QEMU_FD_AGENT);
    JsonObject *port = qemu_args_device("virtserialport", BERTH_QEMU_AGENT);
    json_object_set_string_member(port, "bus", "channels.0");
    json_object_set_string_member(port, "chardev", BERTH_QEMU_AGENT);
    json_object_set_string_member(port, "name", "org.qemu.guest_agent.0");
    qemu_args_add_json(args, "-device", port);
}
