/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu-args.h"

#include <json-glib/json-glib.h>

#include "keeper-protocol.h"
#include "names.h"

/* Where things are on q35's root bus. Fixed, so that a disk more or less renames no network interface in the guest.
 * A definition's bounds (8 networks, 16 disks) leave the slots 28 to 30 free. */
#define PCI_SLOT_MISC 1
#define PCI_SLOT_NETWORKS 2
#define PCI_SLOT_DISKS 10
#define PCI_SLOT_SCREEN 26
#define PCI_SLOT_USB 27

/* Functions of the first slot: what each VM has at most once. */
enum { MISC_RNG, MISC_BALLOON, MISC_VSOCK, MISC_SCSI, MISC_CHANNELS };

typedef struct {
    const BerthQemuArgsInput *in;
    GPtrArray *argv;
    gboolean mmio;   /* microvm: devices sit on virtio-mmio, there is no PCI */
    guint next_boot; /* the next bootindex; 0 is -kernel's own */
    guint n_sata;
    gboolean has_scsi;
} Builder;

/* --- The vector --- */

static void add(Builder *builder, const char *option, const char *value)
{
    g_ptr_array_add(builder->argv, g_strdup(option));
    if (value != NULL)
        g_ptr_array_add(builder->argv, g_strdup(value));
}

/* For what takes no JSON: the caller's @format holds words of ours and numbers, never a string of a user. */
static void add_numbers(Builder *builder, const char *option, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void add_numbers(Builder *builder, const char *option, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_ptr_array_add(builder->argv, g_strdup(option));
    g_ptr_array_add(builder->argv, g_strdup_vprintf(format, args));
    va_end(args);
}

/* Takes @object. */
static void add_json(Builder *builder, const char *option, JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_alloc();
    json_node_init_object(node, object);
    json_object_unref(object);
    g_ptr_array_add(builder->argv, g_strdup(option));
    g_ptr_array_add(builder->argv, json_to_string(node, FALSE));
}

static void set_number_as_string(JsonObject *object, const char *member, int number)
{
    g_autofree char *text = g_strdup_printf("%d", number);
    json_object_set_string_member(object, member, text);
}

static char *numbered(const char *prefix, guint number)
{
    return g_strdup_printf("%s%u", prefix, number);
}

/* --- Devices --- */

static JsonObject *device(const char *driver, const char *id)
{
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "driver", driver);
    json_object_set_string_member(object, "id", id);
    return object;
}

/* "virtio-blk" is "virtio-blk-pci" or "virtio-blk-device". */
static JsonObject *virtio_device(const Builder *builder, const char *type, const char *id)
{
    g_autofree char *driver = g_strconcat(type, builder->mmio ? "-device" : "-pci", NULL);
    return device(driver, id);
}

/* On virtio-mmio QEMU's own choice is right: from the last transport to the first, which is how its ACPI tables list
 * them, so that the guest's /dev/vda is the first disk. */
static void place(const Builder *builder, JsonObject *object, guint slot, guint function)
{
    if (builder->mmio)
        return;
    g_autofree char *address = g_strdup_printf("%02x.%u", slot, function);
    json_object_set_string_member(object, "bus", "pcie.0");
    json_object_set_string_member(object, "addr", address);
}

static void set_boot_order(Builder *builder, JsonObject *object)
{
    json_object_set_int_member(object, "bootindex", builder->next_boot++);
}

/* --- Machine --- */

static void add_identity(Builder *builder)
{
    /* The name's alphabet (berth_vm_name_check) has neither comma nor equals sign. */
    add(builder, "-name", builder->in->name);
    add(builder, "-uuid", builder->in->id);
}

static void add_confinement(Builder *builder)
{
    add(builder, "-no-user-config", NULL);
    add(builder, "-nodefaults", NULL);
    /* QEMU listens nowhere: each client of its display is a descriptor that comes by QMP. */
    add(builder, "-display", berth_vm_config_has_display(builder->in->config) ? "dbus,p2p=yes" : "none");
    add(builder, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

/* microvm: the legacy parts that a distribution's kernel wants for its clocks, and ACPI, whose generic event device is
 * the power button. graphics=off lets the firmware speak on the serial port, where it has no screen; a microvm's never has. */
static void add_machine(Builder *builder)
{
    const gboolean uefi = g_str_equal(builder->in->config->firmware, "uefi");
    const char *graphics = berth_vm_config_has_display(builder->in->config) ? "on" : "off";
    if (builder->mmio)
        add(builder, "-machine",
            "microvm,acpi=on,pcie=off,pic=on,pit=on,rtc=on,isa-serial=on,usb=off,graphics=off,dump-guest-core=off");
    else
        add_numbers(builder, "-machine", "q35,usb=off,graphics=%s,vmport=off,dump-guest-core=off%s", graphics,
                    uefi ? ",pflash0=firmware-code,pflash1=firmware-vars" : "");
    /* Without this virtio-mmio is the draft of before 1.0, which vsock does not exist for. */
    if (builder->mmio)
        add(builder, "-global", "virtio-mmio.force-legacy=off");
}

static void add_processor_and_memory(Builder *builder)
{
    const BerthQemuArgsInput *in = builder->in;
    add(builder, "-accel", in->accelerator);
    add(builder, "-cpu", g_str_equal(in->accelerator, "kvm") ? "host" : "max");
    add_numbers(builder, "-smp", "cpus=%u", in->config->vcpus);
    add_numbers(builder, "-m", "size=%" G_GUINT64_FORMAT "B", in->config->memory);
    add(builder, "-rtc", "base=utc");
}

/* A panic ends QEMU, with a status that says so; whether it starts again is the restart policy's to say. */
static void add_panic(Builder *builder)
{
    add(builder, "-action", "reboot=reset,shutdown=poweroff,panic=exit-failure");
    add_json(builder, "-device", device("pvpanic", "panic"));
}

static JsonObject *file_node(const char *dir, const char *name, gboolean read_only)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    JsonObject *node = json_object_new();
    json_object_set_string_member(node, "driver", "file");
    json_object_set_string_member(node, "filename", path);
    json_object_set_string_member(node, "aio", "threads");
    if (read_only)
        json_object_set_boolean_member(node, "read-only", TRUE);
    return node;
}

static void add_flash(Builder *builder, const char *node_name, const char *dir, const char *name, gboolean read_only)
{
    JsonObject *node = json_object_new();
    json_object_set_string_member(node, "node-name", node_name);
    json_object_set_string_member(node, "driver", "raw");
    json_object_set_boolean_member(node, "read-only", read_only);
    json_object_set_object_member(node, "file", file_node(dir, name, read_only));
    add_json(builder, "-blockdev", node);
}

static void add_firmware(Builder *builder)
{
    if (!g_str_equal(builder->in->config->firmware, "uefi"))
        return;
    g_autofree char *dir = g_path_get_dirname(builder->in->firmware_code);
    g_autofree char *name = g_path_get_basename(builder->in->firmware_code);
    add_flash(builder, "firmware-code", dir, name, TRUE);
    add_flash(builder, "firmware-vars", builder->in->disks_dir, BERTH_FILE_FIRMWARE_VARS, FALSE);
}

static void add_path(Builder *builder, const char *option, const char *name)
{
    g_autofree char *path = g_build_filename(builder->in->image_dir, name, NULL);
    add(builder, option, path);
}

static void add_kernel(Builder *builder)
{
    const BerthImageMeta *image = builder->in->image;
    if (image == NULL || !image->has_kernel)
        return;
    const char *own = builder->in->config->cmdline;
    const char *cmdline = own[0] != '\0' ? own : image->cmdline;
    add_path(builder, "-kernel", BERTH_FILE_KERNEL);
    if (image->has_initrd)
        add_path(builder, "-initrd", BERTH_FILE_INITRD);
    if (cmdline != NULL && cmdline[0] != '\0')
        add(builder, "-append", cmdline);
}

/* --- Monitors, console --- */

static void add_monitors(Builder *builder)
{
    add_numbers(builder, "-chardev", "socket,id=qmp,fd=%d,server=on,wait=off", BERTH_QEMU_FD_QMP);
    add(builder, "-mon", "chardev=qmp,mode=control");
    add_numbers(builder, "-chardev", "socket,id=keeper,fd=%d", BERTH_QEMU_FD_MONITOR);
    add(builder, "-mon", "chardev=keeper,mode=control");
    add_numbers(builder, "-chardev", "socket,id=serial,fd=%d", BERTH_QEMU_FD_SERIAL);
    add(builder, "-serial", "chardev:serial");
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
    json_object_set_object_member(node, "file", file_node(dir, name, read_only));
    return node;
}

/* The first disk's backing file is the image, and what a disk's header says of backing files is never believed. */
static void set_backing(const Builder *builder, JsonObject *node, guint index)
{
    const BerthImageMeta *image = builder->in->image;
    if (index != 0 || image == NULL || image->disk_format[0] == '\0') {
        json_object_set_null_member(node, "backing");
        return;
    }
    JsonObject *backing = format_node(image->disk_format, builder->in->image_dir, BERTH_FILE_DISK, TRUE);
    if (g_str_equal(image->disk_format, "qcow2"))
        json_object_set_null_member(backing, "backing");
    json_object_set_object_member(node, "backing", backing);
}

static void add_disk_node(Builder *builder, const BerthDisk *disk, guint index, const char *node_name)
{
    g_autofree char *name = berth_disk_file_name(builder->in->config, index);
    JsonObject *node = format_node(disk->format, builder->in->disks_dir, name, disk->read_only);
    json_object_set_string_member(node, "node-name", node_name);
    /* What the guest gives back, by discarding it or by writing zeroes, the host gets back. */
    if (!disk->read_only) {
        json_object_set_string_member(node, "discard", "unmap");
        json_object_set_string_member(node, "detect-zeroes", "unmap");
    }
    if (g_str_equal(disk->format, "qcow2"))
        set_backing(builder, node, index);
    add_json(builder, "-blockdev", node);
}

static JsonObject *virtio_disk(const Builder *builder, const char *id, guint index)
{
    JsonObject *object = virtio_device(builder, "virtio-blk", id);
    place(builder, object, PCI_SLOT_DISKS + index, 0);
    return object;
}

static JsonObject *scsi_disk(Builder *builder, const char *id)
{
    if (!builder->has_scsi) {
        JsonObject *controller = virtio_device(builder, "virtio-scsi", "scsi");
        place(builder, controller, PCI_SLOT_MISC, MISC_SCSI);
        add_json(builder, "-device", controller);
    }
    builder->has_scsi = TRUE;
    JsonObject *object = device("scsi-hd", id);
    json_object_set_string_member(object, "bus", "scsi.0");
    return object;
}

/* On the controller that q35 has built in. A SATA disk can't be read-only; what can is an optical drive. */
static JsonObject *sata_disk(Builder *builder, const char *id, gboolean read_only)
{
    JsonObject *object = device(read_only ? "ide-cd" : "ide-hd", id);
    g_autofree char *bus = numbered("ide.", builder->n_sata++);
    json_object_set_string_member(object, "bus", bus);
    return object;
}

static JsonObject *disk_device(Builder *builder, const BerthDisk *disk, guint index, const char *id)
{
    if (g_str_equal(disk->bus, "scsi"))
        return scsi_disk(builder, id);
    if (g_str_equal(disk->bus, "sata"))
        return sata_disk(builder, id, disk->read_only);
    return virtio_disk(builder, id, index);
}

static void add_disks(Builder *builder)
{
    const GPtrArray *disks = builder->in->config->disks;
    for (guint i = 0; i < disks->len; i++) {
        const BerthDisk *disk = g_ptr_array_index(disks, i);
        g_autofree char *node = numbered("disk", i);
        g_autofree char *id = numbered("drive", i);
        add_disk_node(builder, disk, i, node);

        JsonObject *object = disk_device(builder, disk, i, id);
        json_object_set_string_member(object, "drive", node);
        /* The guest's /dev/disk/by-id. */
        json_object_set_string_member(object, "serial", node);
        set_boot_order(builder, object);
        add_json(builder, "-device", object);
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

static void add_backend(Builder *builder, const BerthNetwork *network, guint index, const char *id)
{
    JsonObject *backend = json_object_new();
    const gboolean user = g_str_equal(network->mode, "user");
    json_object_set_string_member(backend, "type", user ? "user" : "tap");
    json_object_set_string_member(backend, "id", id);
    if (!user)
        set_number_as_string(backend, "fd", builder->in->tap_fds[index]);
    else if (network->ports->len > 0)
        json_object_set_array_member(backend, "hostfwd", forwardings(network));
    add_json(builder, "-netdev", backend);
}

static void add_card(Builder *builder, const BerthNetwork *network, guint index, const char *backend)
{
    g_autofree char *id = numbered("nic", index);
    g_autofree char *mac = network->mac[0] != '\0' ? g_strdup(network->mac) : berth_network_mac(builder->in->id, index);
    JsonObject *object = virtio_device(builder, "virtio-net", id);
    place(builder, object, PCI_SLOT_NETWORKS + index, 0);
    json_object_set_string_member(object, "netdev", backend);
    json_object_set_string_member(object, "mac", mac);
    /* Only a VM that has nothing else to boot from boots from the network; the others save the time of the boot ROM. */
    if (builder->in->image == NULL)
        set_boot_order(builder, object);
    else if (!builder->mmio)
        json_object_set_string_member(object, "romfile", "");
    add_json(builder, "-device", object);
}

static void add_networks(Builder *builder)
{
    const GPtrArray *networks = builder->in->config->networks;
    for (guint i = 0; i < networks->len; i++) {
        const BerthNetwork *network = g_ptr_array_index(networks, i);
        if (g_str_equal(network->mode, "none"))
            continue;
        g_autofree char *backend = numbered("net", i);
        add_backend(builder, network, i, backend);
        add_card(builder, network, i, backend);
    }
}

/* --- What every VM has --- */

static void add_rng(Builder *builder)
{
    JsonObject *object = virtio_device(builder, "virtio-rng", "rng");
    place(builder, object, PCI_SLOT_MISC, MISC_RNG);
    /* A guest looks for the slot's other functions only where the first says that there are some. */
    if (!builder->mmio)
        json_object_set_boolean_member(object, "multifunction", TRUE);
    add_json(builder, "-device", object);
}

/* Nobody inflates it by hand: it lets the guest report pages that it has freed. */
static void add_balloon(Builder *builder)
{
    JsonObject *object = virtio_device(builder, "virtio-balloon", "balloon");
    place(builder, object, PCI_SLOT_MISC, MISC_BALLOON);
    json_object_set_boolean_member(object, "free-page-reporting", TRUE);
    json_object_set_boolean_member(object, "deflate-on-oom", TRUE);
    add_json(builder, "-device", object);
}

static void add_vsock(Builder *builder)
{
    if (!builder->in->config->vsock)
        return;
    JsonObject *object = virtio_device(builder, "vhost-vsock", "vsock");
    place(builder, object, PCI_SLOT_MISC, MISC_VSOCK);
    json_object_set_int_member(object, "guest-cid", builder->in->cid);
    if (builder->in->vsock_fd >= 0)
        set_number_as_string(object, "vhostfd", builder->in->vsock_fd);
    add_json(builder, "-device", object);
}

/* The keyboard is the PS/2 one that q35 has built in: it works from the firmware on, and needs no driver of the guest's
 * own. A USB keyboard would take all keys to itself, also where the guest knows no USB. A tablet's place is absolute, so
 * that the guest's pointer is where the host's is. */
static void add_screen_on_pci(Builder *builder)
{
    JsonObject *screen =
        g_str_equal(builder->in->config->display, "vga") ? device("VGA", "screen") : device("virtio-vga", "screen");
    place(builder, screen, PCI_SLOT_SCREEN, 0);
    add_json(builder, "-device", screen);
    JsonObject *usb = device("qemu-xhci", "usb");
    place(builder, usb, PCI_SLOT_USB, 0);
    add_json(builder, "-device", usb);
    JsonObject *tablet = device("usb-tablet", "tablet");
    json_object_set_string_member(tablet, "bus", "usb.0");
    add_json(builder, "-device", tablet);
}

static void add_display(Builder *builder)
{
    if (!berth_vm_config_has_display(builder->in->config))
        return;
    if (!builder->mmio) {
        add_screen_on_pci(builder);
        return;
    }
    add_json(builder, "-device", virtio_device(builder, "virtio-gpu", "screen"));
    add_json(builder, "-device", virtio_device(builder, "virtio-keyboard", "keyboard"));
    add_json(builder, "-device", virtio_device(builder, "virtio-tablet", "tablet"));
}

/* systemd(1)'s credential vmm.notify_socket; 2 is the host. A microvm has no SMBIOS. */
static void add_notify_socket(Builder *builder)
{
    if (!builder->in->config->vsock || builder->in->notify_port == 0)
        return;
    if (builder->mmio)
        add_numbers(builder, "-fw_cfg", "name=opt/io.systemd.credentials/vmm.notify_socket,string=vsock-stream:2:%u",
                    builder->in->notify_port);
    else
        add_numbers(builder, "-smbios", "type=11,value=io.systemd.credential:vmm.notify_socket=vsock-stream:2:%u",
                    builder->in->notify_port);
}

/* The channel to the guest's agent. Its device's name is what QEMU's VSERPORT_CHANGE bears. */
static void add_agent(Builder *builder)
{
    if (builder->mmio && berth_vm_config_n_transports(builder->in->config) >= BERTH_MICROVM_TRANSPORTS)
        return;
    JsonObject *controller = virtio_device(builder, "virtio-serial", "channels");
    place(builder, controller, PCI_SLOT_MISC, MISC_CHANNELS);
    add_json(builder, "-device", controller);
    add_numbers(builder, "-chardev", "socket,id=" BERTH_QEMU_AGENT ",fd=%d,server=on,wait=off", BERTH_QEMU_FD_AGENT);
    JsonObject *port = device("virtserialport", BERTH_QEMU_AGENT);
    json_object_set_string_member(port, "bus", "channels.0");
    json_object_set_string_member(port, "chardev", BERTH_QEMU_AGENT);
    json_object_set_string_member(port, "name", "org.qemu.guest_agent.0");
    add_json(builder, "-device", port);
}

GStrv berth_qemu_args(const BerthQemuArgsInput *input)
{
    Builder builder = {
        .in = input,
        .argv = g_ptr_array_new(),
        .mmio = g_str_equal(input->config->machine, "microvm"),
        .next_boot = 1,
    };
    add(&builder, input->qemu, NULL);
    add_identity(&builder);
    add_confinement(&builder);
    add_machine(&builder);
    add_processor_and_memory(&builder);
    add_panic(&builder);
    add_firmware(&builder);
    add_kernel(&builder);
    add_monitors(&builder);
    add_rng(&builder);
    add_balloon(&builder);
    add_disks(&builder);
    add_networks(&builder);
    add_vsock(&builder);
    add_display(&builder);
    add_notify_socket(&builder);
    add_agent(&builder);
    g_ptr_array_add(builder.argv, NULL);
    return (GStrv) g_ptr_array_free(builder.argv, FALSE);
}
