/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-config-table.h"

#include <arpa/inet.h>
#include <string.h>

#include "text.h"

#define KIB (G_GUINT64_CONSTANT(1) << 10)
#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define GIB (G_GUINT64_CONSTANT(1) << 30)
#define TIB (G_GUINT64_CONSTANT(1) << 40)
#define SECOND (G_GUINT64_CONSTANT(1000000))
#define DAY (86400 * SECOND)

/* Texts: what is wrong with one. */

static const char *image_problem(const char *text)
{
    if (!*text || berth_vm_name_check(text, NULL))
        return NULL;
    return "must be an image's name: 1 to 63 of a-z, A-Z, 0-9, \".\", \"_\" and \"-\", beginning with a letter or "
           "digit";
}

static const char *address_problem(const char *text)
{
    struct in_addr address;
    return inet_pton(AF_INET, text, &address) == 1 ? NULL : "must be a numeric IPv4 address";
}

/* As the kernel's dev_valid_name(), but printable, and without the % of its name patterns. 15 is IFNAMSIZ - 1. */
static const char *bridge_problem(const char *text)
{
    gboolean good = !g_str_equal(text, ".") && !g_str_equal(text, "..");
    for (const char *at = text; *at && good; at++)
        good = g_ascii_isgraph(*at) && !strchr("/:%", *at);
    return good ? NULL : "must be an interface's name: at most 15 characters, without \"/\", \":\", \"%\" and spaces";
}

static const char *mac_problem(const char *text)
{
    static const char *const rule = "must be a unicast MAC address such as \"52:54:00:12:34:56\"";
    gboolean zero = TRUE;
    if (!*text)
        return NULL;
    if (strlen(text) != 17)
        return rule;
    for (guint i = 0; i < 17; i++) {
        if (i % 3 == 2 ? text[i] != ':' : !g_ascii_isxdigit(text[i]))
            return rule;
        zero = zero && strchr("0:", text[i]);
    }
    /* The lowest bit of the first byte marks a group address. */
    return zero || (g_ascii_xdigit_value(text[1]) & 1) ? rule : NULL;
}

static const char *line_problem(const char *text)
{
    return berth_text_is_printable(text, "") ? NULL : "must have no control characters";
}

static const char *description_problem(const char *text)
{
    return berth_text_is_printable(text, "\n\t") ? NULL
                                                 : "must have no control characters but line feeds and tabulators";
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define AT(type, member) .offset = G_STRUCT_OFFSET(type, member)

/* The tables. Unless a comment says otherwise, a bound is what QEMU or systemd takes. */

static const BerthKey disk_keys[] = {
    /* Where it may be 0 is for berth_vm_config_check() to say. 64 TiB is what QEMU's qcow2 and ext4 hold comfortably.
     */
    {"size", &berth_kind_bytes, AT(BerthDisk, size), BERTH_KEY_ZERO, .min = MIB, .max = 64 * TIB, .step = 512},
    {"format", &berth_kind_word, AT(BerthDisk, format), .words = WORDS("qcow2", "raw")},
    {"bus", &berth_kind_word, AT(BerthDisk, bus), .words = WORDS("virtio", "sata", "scsi")},
    {"read-only", &berth_kind_bool, AT(BerthDisk, read_only)},
};

static void disk_free(gpointer disk);
static const BerthKeyTable disk_table = {disk_keys, G_N_ELEMENTS(disk_keys), sizeof(BerthDisk), disk_free};

static void disk_free(gpointer disk)
{
    berth_keys_free(&disk_table, disk);
}

static const BerthKey port_keys[] = {
    {"protocol", &berth_kind_word, AT(BerthPort, protocol), .words = WORDS("tcp", "udp")},
    {"host-address", &berth_kind_text, AT(BerthPort, host_address), .max = 15, .text = "127.0.0.1",
     .problem = address_problem},
    {"host-port", &berth_kind_uint, AT(BerthPort, host_port), BERTH_KEY_REQUIRED, .min = 1, .max = 65535},
    {"guest-port", &berth_kind_uint, AT(BerthPort, guest_port), BERTH_KEY_REQUIRED, .min = 1, .max = 65535},
};

static void port_free(gpointer port);
static const BerthKeyTable port_table = {port_keys, G_N_ELEMENTS(port_keys), sizeof(BerthPort), port_free};

static void port_free(gpointer port)
{
    berth_keys_free(&port_table, port);
}

/* What a network has not is not told of it: most are the default one, and a list of VMs tells it of each. */
static const BerthKey network_keys[] = {
    {"mode", &berth_kind_word, AT(BerthNetwork, mode), .words = WORDS("user", "bridge", "none")},
    {"bridge", &berth_kind_text, AT(BerthNetwork, bridge), BERTH_KEY_UNSET, .max = 15, .problem = bridge_problem},
    {"mac", &berth_kind_text, AT(BerthNetwork, mac), BERTH_KEY_LOWER | BERTH_KEY_UNSET, .max = 17,
     .problem = mac_problem},
    {"ports", &berth_kind_list, AT(BerthNetwork, ports), BERTH_KEY_UNSET, .max = 64, .table = &port_table},
};

static void network_free(gpointer network);
const BerthKeyTable berth_network_table = {network_keys, G_N_ELEMENTS(network_keys), sizeof(BerthNetwork),
                                           network_free};

static void network_free(gpointer network)
{
    berth_keys_free(&berth_network_table, network);
}

/* By systemd's names. Below 16 tasks QEMU can't have its threads. */
static const BerthKey limit_keys[] = {
    {"CPUWeight", &berth_kind_uint64, AT(BerthLimits, cpu_weight), BERTH_KEY_UNSET, .min = 1, .max = 10000},
    {"CPUQuota", &berth_kind_uint64, AT(BerthLimits, cpu_quota), BERTH_KEY_UNSET, .min = 1, .max = 25600},
    {"MemoryMax", &berth_kind_bytes, AT(BerthLimits, memory_max), BERTH_KEY_UNSET, .min = 16 * MIB, .max = 2 * TIB},
    {"TasksMax", &berth_kind_uint64, AT(BerthLimits, tasks_max), BERTH_KEY_UNSET, .min = 16, .max = 1048576},
    {"IOWeight", &berth_kind_uint64, AT(BerthLimits, io_weight), BERTH_KEY_UNSET, .min = 1, .max = 10000},
};

static const BerthKeyTable limits_table = {limit_keys, G_N_ELEMENTS(limit_keys), sizeof(BerthLimits), NULL};

/* What 0 unsets again. Spans have the bounds of berth.conf's. */
#define UNSET BERTH_KEY_UNSET | BERTH_KEY_ZERO
#define SPAN BERTH_KEY_LIVE | UNSET, .min = SECOND / 10, .max = DAY

static const BerthKey vm_keys[] = {
    {"vcpus", &berth_kind_uint, AT(BerthVmConfig, vcpus), .min = 1, .max = 255, .fallback = 1},
    {"memory", &berth_kind_bytes, AT(BerthVmConfig, memory), .min = 16 * MIB, .max = TIB, .step = MIB, .fallback = GIB},
    {"image", &berth_kind_text, AT(BerthVmConfig, image), .max = 63, .problem = image_problem},
    {"disks", &berth_kind_list, AT(BerthVmConfig, disks), .max = 16, .table = &disk_table},
    {"networks", &berth_kind_list, AT(BerthVmConfig, networks), .max = 8, .table = &berth_network_table},
    {"machine", &berth_kind_word, AT(BerthVmConfig, machine), .words = WORDS("q35", "microvm")},
    {"firmware", &berth_kind_word, AT(BerthVmConfig, firmware), .words = WORDS("bios", "uefi")},
    {"display", &berth_kind_word, AT(BerthVmConfig, display), .words = WORDS("none", "vga", "virtio")},
    {"cmdline", &berth_kind_text, AT(BerthVmConfig, cmdline), .max = 2 * KIB, .problem = line_problem},
    {"restart", &berth_kind_word, AT(BerthVmConfig, restart), BERTH_KEY_LIVE,
     .words = WORDS("no", "on-failure", "always")},
    {"restart-delay", &berth_kind_span, AT(BerthVmConfig, restarts.delay_usec), SPAN},
    {"restart-max-delay", &berth_kind_span, AT(BerthVmConfig, restarts.max_delay_usec), SPAN},
    {"restart-limit-burst", &berth_kind_uint64, AT(BerthVmConfig, restarts.burst), BERTH_KEY_LIVE | UNSET, .min = 1,
     .max = G_MAXINT32},
    {"restart-limit-interval", &berth_kind_span, AT(BerthVmConfig, restarts.interval_usec), SPAN},
    {"restart-healthy", &berth_kind_span, AT(BerthVmConfig, restarts.healthy_usec), SPAN},
    {"boot-order", &berth_kind_uint64, AT(BerthVmConfig, boot_order), BERTH_KEY_LIVE | UNSET, .min = 1,
     .max = G_MAXINT32},
    {"boot-delay", &berth_kind_span, AT(BerthVmConfig, boot_delay_usec), SPAN},
    {"vsock", &berth_kind_bool, AT(BerthVmConfig, vsock)},
    {"limits", &berth_kind_dict, AT(BerthVmConfig, limits), .table = &limits_table},
    {"description", &berth_kind_text, AT(BerthVmConfig, description), BERTH_KEY_LIVE, .max = KIB,
     .problem = description_problem},
    {"labels", &berth_kind_labels, AT(BerthVmConfig, labels), BERTH_KEY_LIVE, .max = 64},
    {"protected", &berth_kind_bool, AT(BerthVmConfig, protected_), BERTH_KEY_LIVE},
};

const BerthKeyTable berth_vm_config_table = {vm_keys, G_N_ELEMENTS(vm_keys), sizeof(BerthVmConfig), NULL};
