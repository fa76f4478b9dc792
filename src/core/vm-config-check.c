/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"
#include "text.h"
#include "vm-config-table.h"

/* The ports of the AHCI controller that q35 has built in. */
#define SATA_DISKS_MAX 6u

/* Of a microvm: screen, keyboard and tablet. */
#define DISPLAY_TRANSPORTS 3u

static void refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void refuse(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, message);
}

static gboolean check_disk(const BerthVmConfig *config, guint i, GError **error)
{
    const BerthDisk *disk = g_ptr_array_index(config->disks, i);
    gboolean sized_by_image = i == 0 && *config->image;

    if (disk->size == 0 && !sized_by_image) {
        refuse(error, "disks[%u].size is 0; only the first disk of a VM with an image may leave its size to the image",
               i);
        return FALSE;
    }
    if (disk->size == 0 && !g_str_equal(disk->format, "qcow2")) {
        refuse(error, "disks[%u].format is \"%s\"; an overlay of the image must be \"qcow2\"", i, disk->format);
        return FALSE;
    }
    if (g_str_equal(config->machine, "microvm") && !g_str_equal(disk->bus, "virtio")) {
        refuse(error, "disks[%u].bus is \"%s\"; on machine \"microvm\" it must be \"virtio\"", i, disk->bus);
        return FALSE;
    }
    return TRUE;
}

static gboolean check_disks(const BerthVmConfig *config, GError **error)
{
    guint sata = 0;
    for (guint i = 0; i < config->disks->len; i++) {
        const BerthDisk *disk = g_ptr_array_index(config->disks, i);
        if (!check_disk(config, i, error))
            return FALSE;
        if (g_str_equal(disk->bus, "sata") && ++sata > SATA_DISKS_MAX) {
            refuse(error, "disks[%u].bus is \"sata\"; at most %u disks may be", i, SATA_DISKS_MAX);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean check_network(const BerthNetwork *network, guint i, GError **error)
{
    gboolean bridged = g_str_equal(network->mode, "bridge");
    if (bridged && !*network->bridge) {
        refuse(error, "networks[%u].bridge is missing; mode \"bridge\" needs the name of a bridge of the host", i);
        return FALSE;
    }
    if (!bridged && *network->bridge) {
        refuse(error, "networks[%u].bridge is \"%s\"; it makes sense only with mode \"bridge\", not \"%s\"", i,
               network->bridge, network->mode);
        return FALSE;
    }
    if (network->ports->len > 0 && !g_str_equal(network->mode, "user")) {
        refuse(error, "networks[%u].ports makes sense only with mode \"user\", not \"%s\"", i, network->mode);
        return FALSE;
    }
    return TRUE;
}

static gboolean check_mac(const BerthVmConfig *config, guint i, GError **error)
{
    const BerthNetwork *network = g_ptr_array_index(config->networks, i);
    for (guint j = 0; j < i && *network->mac; j++) {
        const BerthNetwork *other = g_ptr_array_index(config->networks, j);
        if (g_str_equal(network->mac, other->mac)) {
            refuse(error, "networks[%u].mac is \"%s\", which networks[%u] has already", i, network->mac, j);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean berth_port_collides(const BerthPort *a, const BerthPort *b)
{
    return a->host_port == b->host_port && g_str_equal(a->protocol, b->protocol) &&
           (g_str_equal(a->host_address, b->host_address) || g_str_equal(a->host_address, "0.0.0.0") ||
            g_str_equal(b->host_address, "0.0.0.0"));
}

typedef struct {
    const BerthPort *port;
    guint network, index;
} PlacedPort;

static gboolean check_port(const PlacedPort *placed, const GArray *seen, GError **error)
{
    for (guint i = 0; i < seen->len; i++) {
        const PlacedPort *other = &g_array_index(seen, PlacedPort, i);
        if (berth_port_collides(placed->port, other->port)) {
            refuse(error, "networks[%u].ports[%u].host-port is %u, which networks[%u].ports[%u] has already",
                   placed->network, placed->index, placed->port->host_port, other->network, other->index);
            return FALSE;
        }
    }
    return TRUE;
}

/* At most 8 networks with 64 ports each: comparing all pairs is cheap enough. */
static gboolean check_ports(const BerthVmConfig *config, GError **error)
{
    g_autoptr(GArray) seen = g_array_new(FALSE, FALSE, sizeof(PlacedPort));
    for (guint i = 0; i < config->networks->len; i++) {
        const BerthNetwork *network = g_ptr_array_index(config->networks, i);
        for (guint j = 0; j < network->ports->len; j++) {
            const PlacedPort placed = {g_ptr_array_index(network->ports, j), i, j};
            if (!check_port(&placed, seen, error))
                return FALSE;
            g_array_append_val(seen, placed);
        }
    }
    return TRUE;
}

static gboolean check_networks(const BerthVmConfig *config, GError **error)
{
    for (guint i = 0; i < config->networks->len; i++)
        if (!check_network(g_ptr_array_index(config->networks, i), i, error) || !check_mac(config, i, error))
            return FALSE;
    return check_ports(config, error);
}

static gboolean check_limits(const BerthVmConfig *config, GError **error)
{
    if (config->limits.memory_max == 0 || config->limits.memory_max >= config->memory)
        return TRUE;

    g_autofree char *limit = berth_size_format(config->limits.memory_max);
    g_autofree char *memory = berth_size_format(config->memory);
    refuse(error, "limits.MemoryMax is %s; it must not be less than the VM's memory, %s", limit, memory);
    return FALSE;
}

gboolean berth_vm_config_has_display(const BerthVmConfig *config)
{
    return !g_str_equal(config->display, "none");
}

guint berth_vm_config_n_transports(const BerthVmConfig *config)
{
    guint devices = config->disks->len + (config->vsock ? 1 : 0);
    devices += berth_vm_config_has_display(config) ? DISPLAY_TRANSPORTS : 0;
    for (guint i = 0; i < config->networks->len; i++) {
        const BerthNetwork *network = g_ptr_array_index(config->networks, i);
        devices += g_str_equal(network->mode, "none") ? 0 : 1;
    }
    return devices;
}

static gboolean check_microvm(const BerthVmConfig *config, GError **error)
{
    const guint devices = berth_vm_config_n_transports(config);
    if (g_str_equal(config->firmware, "uefi")) {
        refuse(error, "firmware is \"uefi\"; on machine \"microvm\" it must be \"bios\"");
        return FALSE;
    }
    if (g_str_equal(config->display, "vga")) {
        refuse(error, "display is \"vga\"; machine \"microvm\" has no PCI, so it must be \"virtio\" or \"none\"");
        return FALSE;
    }
    if (devices > BERTH_MICROVM_TRANSPORTS) {
        refuse(error, "disks, networks, vsock and display are %u devices; machine \"microvm\" takes at most %u",
               devices, BERTH_MICROVM_TRANSPORTS);
        return FALSE;
    }
    return TRUE;
}

gboolean berth_vm_config_check(const BerthVmConfig *config, GError **error)
{
    if (g_str_equal(config->machine, "microvm") && !check_microvm(config, error))
        return FALSE;
    return check_disks(config, error) && check_networks(config, error) && check_limits(config, error);
}

static gboolean check_overlay(const BerthDisk *disk, const BerthImageMeta *image, GError **error)
{
    if (!g_str_equal(disk->format, "qcow2")) {
        refuse(error, "disks[0].format is \"%s\"; an overlay of image \"%s\" must be \"qcow2\"", disk->format,
               image->name);
        return FALSE;
    }
    if (disk->size != 0 && disk->size < image->virtual_size) {
        g_autofree char *size = berth_size_format(disk->size), *least = berth_size_format(image->virtual_size);
        refuse(error, "disks[0].size is %s; it must be 0 or not less than image \"%s\", %s", size, image->name, least);
        return FALSE;
    }
    return TRUE;
}

gboolean berth_vm_config_check_image(const BerthVmConfig *config, const BerthImageMeta *image, GError **error)
{
    const BerthDisk *first = config->disks->len > 0 ? g_ptr_array_index(config->disks, 0) : NULL;
    gboolean has_disk = *image->disk_format != '\0';

    if (*config->cmdline && !image->has_kernel) {
        refuse(error, "cmdline makes sense only with a kernel, and image \"%s\" has none", image->name);
        return FALSE;
    }
    if (first && first->size == 0 && !has_disk) {
        refuse(error, "disks[0].size is 0; image \"%s\" has no disk, so the size must be said", image->name);
        return FALSE;
    }
    return !first || !has_disk || check_overlay(first, image, error);
}
