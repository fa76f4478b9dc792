/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/core/error.h"
#include "src/core/vm-config.h"

/* Changes are written in GVariant's text format: <uint32 1>, <uint64 1>, <'s'>. */
static BerthVmConfig *apply_to(const BerthVmConfig *base, const char *changes, GError **error)
{
    g_autoptr(GError) malformed = NULL;
    g_autoptr(GVariant) variant = g_variant_parse(G_VARIANT_TYPE_VARDICT, changes, NULL, NULL, &malformed);
    if (!variant)
        g_error("%s: %s", changes, malformed->message);
    return berth_vm_config_apply(base, variant, error);
}

static BerthVmConfig *apply(const char *changes, GError **error)
{
    g_autoptr(BerthVmConfig) base = berth_vm_config_new();
    return apply_to(base, changes, error);
}

static void assert_taken(const char *changes)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmConfig) config = apply(changes, &error);
    if (!config)
        g_error("%s was refused: %s", changes, error->message);
}

/* @message: all of the error's text, so that what a person reads is seen here. */
static void assert_refused(const char *changes, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmConfig) config = apply(changes, &error);
    if (config)
        g_error("%s was taken", changes);
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
    if (!g_str_equal(error->message, message))
        g_error("%s:\n  %s\ninstead of\n  %s", changes, error->message, message);
    /* The contract has it so, where there is such a key. */
    g_autofree char *place = berth_vm_config_place_in(message);
    if (!place && !g_str_has_prefix(message, "unknown key "))
        g_error("\"%s\" does not begin with the place of its key", message);
}

static void test_defaults(void)
{
    g_autoptr(BerthVmConfig) config = berth_vm_config_new();
    g_autoptr(GVariant) all = g_variant_ref_sink(berth_vm_config_to_variant(config));
    g_autofree char *text = g_variant_print(all, TRUE);
    g_assert_cmpstr(text, ==,
                    "{'vcpus': <uint32 1>, 'memory': <uint64 1073741824>, 'image': <''>, 'disks': <@aa{sv} []>, "
                    "'networks': <[{'mode': <'user'>}]>, "
                    "'machine': <'q35'>, 'firmware': <'bios'>, 'display': <'none'>, 'cmdline': <''>, "
                    "'restart': <'no'>, 'vsock': <false>, 'limits': <@a{sv} {}>, 'description': <''>, 'labels': "
                    "<@a{ss} {}>, 'protected': <false>}");
}

/* The least and the most of every key, and every word. */
static void test_good(void)
{
    static const char *const changes[] = {
        "{}",
        "{'vcpus': <uint32 1>}",
        "{'vcpus': <uint32 255>}",
        "{'memory': <uint64 16777216>}",
        "{'memory': <uint64 1099511627776>}",
        "{'image': <''>}",
        "{'image': <'debian-12'>}",
        "{'disks': <@aa{sv} []>}",
        "{'disks': <[{'size': <uint64 1048576>}]>}",
        "{'disks': <[{'size': <uint64 70368744177664>}]>}",
        "{'disks': <[{'size': <uint64 1049088>}]>}",
        "{'image': <'a'>, 'disks': <[{'size': <uint64 0>}]>}",
        "{'image': <'a'>, 'disks': <@aa{sv} [{}]>}",
        "{'image': <'a'>, 'disks': <[{'size': <uint64 1048576>, 'format': <'raw'>}]>}",
        "{'disks': <[{'size': <uint64 1048576>, 'format': <'qcow2'>, 'bus': <'virtio'>, 'read-only': <false>},"
        "            {'size': <uint64 1048576>, 'format': <'raw'>, 'bus': <'sata'>, 'read-only': <true>},"
        "            {'size': <uint64 1048576>, 'bus': <'scsi'>}]>}",
        "{'networks': <@aa{sv} []>}",
        "{'networks': <@aa{sv} [{}]>}",
        "{'networks': <[{'mode': <'none'>}]>}",
        "{'networks': <[{'mode': <'bridge'>, 'bridge': <'a'>}]>}",
        "{'networks': <[{'mode': <'bridge'>, 'bridge': <'abcdefghijklmno'>}]>}",
        "{'networks': <[{'mac': <''>}]>}",
        "{'networks': <[{'mac': <'52:54:00:12:34:5F'>}]>}",
        "{'networks': <[{'mac': <'00:00:00:00:00:01'>}]>}",
        "{'networks': <[{'mac': <''>}, {'mac': <''>}]>}",
        "{'networks': <[{'ports': <@aa{sv} []>}]>}",
        "{'networks': <[{'ports': <[{'host-port': <uint32 1>, 'guest-port': <uint32 1>}]>}]>}",
        "{'networks': <[{'ports': <[{'host-port': <uint32 65535>, 'guest-port': <uint32 65535>}]>}]>}",
        "{'networks': <[{'ports': <[{'protocol': <'tcp'>, 'host-port': <uint32 1>, 'guest-port': <uint32 1>},"
        "                           {'protocol': <'udp'>, 'host-port': <uint32 1>, 'guest-port': <uint32 1>}]>}]>}",
        "{'networks': <[{'ports': <[{'host-address': <'0.0.0.0'>, 'host-port': <uint32 1>, 'guest-port': <uint32 1>},"
        "                  {'host-address': <'255.255.255.255'>, 'host-port': <uint32 2>, 'guest-port': <uint32 1>},"
        "                  {'host-address': <'10.0.0.1'>, 'host-port': <uint32 2>, 'guest-port': <uint32 1>}]>}]>}",
        "{'machine': <'q35'>}",
        "{'machine': <'microvm'>, 'firmware': <'bios'>, 'disks': <[{'size': <uint64 1048576>}]>}",
        "{'firmware': <'uefi'>}",
        "{'display': <'vga'>}",
        "{'machine': <'microvm'>, 'display': <'virtio'>}",
        "{'cmdline': <''>}",
        "{'restart': <'no'>}",
        "{'restart': <'on-failure'>}",
        "{'restart': <'always'>}",
        "{'restart-delay': <uint64 100000>, 'restart-max-delay': <uint64 100000>, 'restart-healthy': <uint64 100000>,"
        " 'restart-limit-burst': <uint64 1>, 'restart-limit-interval': <uint64 100000>}",
        "{'restart-delay': <uint64 0>, 'restart-limit-burst': <uint64 0>}",
        "{'boot-order': <uint64 1>, 'boot-delay': <uint64 86400000000>}",
        "{'boot-order': <uint64 2147483647>, 'boot-delay': <uint64 0>}",
        "{'vsock': <true>}",
        "{'limits': <@a{sv} {}>}",
        "{'limits': <{'CPUWeight': <uint64 1>, 'CPUQuota': <uint64 1>, 'TasksMax': <uint64 16>,"
        "             'IOWeight': <uint64 1>, 'MemoryMax': <uint64 1073741824>}>}",
        "{'limits': <{'CPUWeight': <uint64 10000>, 'CPUQuota': <uint64 25600>, 'TasksMax': <uint64 1048576>,"
        "             'IOWeight': <uint64 10000>, 'MemoryMax': <uint64 2199023255552>}>}",
        "{'memory': <uint64 16777216>, 'limits': <{'MemoryMax': <uint64 16777216>}>}",
        "{'description': <'two\\nlines\\tof Grüße'>}",
        "{'labels': <@a{ss} {}>}",
        "{'labels': <{'a': '', 'A-z.0_9/x': 'Grüße, 世界'}>}",
        "{'protected': <true>}",
    };
    for (guint i = 0; i < G_N_ELEMENTS(changes); i++)
        assert_taken(changes[i]);
}

static void test_numbers(void)
{
    static const struct {
        const char *changes, *message;
    } cases[] = {
        {"{'vcpus': <uint32 0>}", "vcpus is 0; it must be from 1 to 255"},
        {"{'vcpus': <uint32 256>}", "vcpus is 256; it must be from 1 to 255"},
        {"{'memory': <uint64 15728640>}", "memory is 15M; it must be from 16M to 1T, and a multiple of 1M"},
        {"{'memory': <uint64 0>}", "memory is 0; it must be from 16M to 1T, and a multiple of 1M"},
        {"{'memory': <uint64 1099512676352>}", "memory is 1048577M; it must be from 16M to 1T, and a multiple of 1M"},
        {"{'memory': <uint64 16777217>}", "memory is 16777217; it must be from 16M to 1T, and a multiple of 1M"},
        {"{'disks': <[{'size': <uint64 1048064>}]>}",
         "disks[0].size is 1048064; it must be 0 or from 1M to 64T, and a multiple of 512"},
        {"{'disks': <[{'size': <uint64 1048577>}]>}",
         "disks[0].size is 1048577; it must be 0 or from 1M to 64T, and a multiple of 512"},
        {"{'disks': <[{'size': <uint64 70368744178176>}]>}",
         "disks[0].size is 70368744178176; it must be 0 or from 1M to 64T, and a multiple of 512"},
        {"{'networks': <[{}, {'ports': <[{'host-port': <uint32 0>}]>}]>}",
         "networks[1].ports[0].host-port is 0; it must be from 1 to 65535"},
        {"{'networks': <[{'ports': <[{'host-port': <uint32 65536>}]>}]>}",
         "networks[0].ports[0].host-port is 65536; it must be from 1 to 65535"},
        {"{'networks': <[{'ports': <[{'guest-port': <uint32 0>}]>}]>}",
         "networks[0].ports[0].guest-port is 0; it must be from 1 to 65535"},
        {"{'networks': <[{'ports': <[{'guest-port': <uint32 65536>}]>}]>}",
         "networks[0].ports[0].guest-port is 65536; it must be from 1 to 65535"},
        {"{'restart-delay': <uint64 99999>}", "restart-delay is 99ms 999us; it must be 0 or from 100ms to 1d"},
        {"{'restart-max-delay': <uint64 86400000001>}",
         "restart-max-delay is 1d 1us; it must be 0 or from 100ms to 1d"},
        {"{'restart-limit-burst': <uint64 2147483648>}",
         "restart-limit-burst is 2147483648; it must be 0 or from 1 to 2147483647"},
        {"{'restart-limit-interval': <uint64 1>}", "restart-limit-interval is 1us; it must be 0 or from 100ms to 1d"},
        {"{'restart-healthy': <uint64 1>}", "restart-healthy is 1us; it must be 0 or from 100ms to 1d"},
        {"{'boot-order': <uint64 2147483648>}", "boot-order is 2147483648; it must be 0 or from 1 to 2147483647"},
        {"{'boot-delay': <uint64 1>}", "boot-delay is 1us; it must be 0 or from 100ms to 1d"},
        {"{'limits': <{'CPUWeight': <uint64 0>}>}", "limits.CPUWeight is 0; it must be from 1 to 10000"},
        {"{'limits': <{'CPUWeight': <uint64 10001>}>}", "limits.CPUWeight is 10001; it must be from 1 to 10000"},
        {"{'limits': <{'CPUQuota': <uint64 0>}>}", "limits.CPUQuota is 0; it must be from 1 to 25600"},
        {"{'limits': <{'CPUQuota': <uint64 25601>}>}", "limits.CPUQuota is 25601; it must be from 1 to 25600"},
        {"{'limits': <{'TasksMax': <uint64 15>}>}", "limits.TasksMax is 15; it must be from 16 to 1048576"},
        {"{'limits': <{'TasksMax': <uint64 1048577>}>}", "limits.TasksMax is 1048577; it must be from 16 to 1048576"},
        {"{'limits': <{'IOWeight': <uint64 0>}>}", "limits.IOWeight is 0; it must be from 1 to 10000"},
        {"{'limits': <{'IOWeight': <uint64 10001>}>}", "limits.IOWeight is 10001; it must be from 1 to 10000"},
        {"{'limits': <{'MemoryMax': <uint64 1>}>}", "limits.MemoryMax is 1; it must be from 16M to 2T"},
        {"{'limits': <{'MemoryMax': <uint64 2199023255553>}>}",
         "limits.MemoryMax is 2199023255553; it must be from 16M to 2T"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_refused(cases[i].changes, cases[i].message);
}

#define IMAGE_RULE                                                                                                     \
    "; it must be an image's name: 1 to 63 of a-z, A-Z, 0-9, \".\", \"_\" and \"-\", beginning with a letter or digit"
#define BRIDGE_RULE "; it must be an interface's name: at most 15 characters, without \"/\", \":\", \"%\" and spaces"
#define MAC_RULE "; it must be a unicast MAC address such as \"52:54:00:12:34:56\""

static void test_words_and_texts(void)
{
    static const struct {
        const char *changes, *message;
    } cases[] = {
        {"{'machine': <'pc'>}", "machine is \"pc\"; it must be one of \"q35\", \"microvm\""},
        {"{'machine': <''>}", "machine is \"\"; it must be one of \"q35\", \"microvm\""},
        {"{'firmware': <'UEFI'>}", "firmware is \"UEFI\"; it must be one of \"bios\", \"uefi\""},
        {"{'restart': <'on-\\u001b[31mfailure'>}",
         "restart is \"on-?[31mfailure\"; it must be one of \"no\", \"on-failure\", \"always\""},
        {"{'disks': <[{'format': <'vmdk'>}]>}", "disks[0].format is \"vmdk\"; it must be one of \"qcow2\", \"raw\""},
        {"{'disks': <[{'bus': <'ide'>}]>}",
         "disks[0].bus is \"ide\"; it must be one of \"virtio\", \"sata\", \"scsi\""},
        {"{'networks': <[{'mode': <'nat'>}]>}",
         "networks[0].mode is \"nat\"; it must be one of \"user\", \"bridge\", \"none\""},
        {"{'networks': <[{'ports': <[{'protocol': <'sctp'>}]>}]>}",
         "networks[0].ports[0].protocol is \"sctp\"; it must be one of \"tcp\", \"udp\""},
        {"{'networks': <[{'ports': <[{'host-address': <'localhost'>}]>}]>}",
         "networks[0].ports[0].host-address is \"localhost\"; it must be a numeric IPv4 address"},
        {"{'networks': <[{'ports': <[{'host-address': <'127.1'>}]>}]>}",
         "networks[0].ports[0].host-address is \"127.1\"; it must be a numeric IPv4 address"},
        {"{'networks': <[{'ports': <[{'host-address': <'010.0.0.1'>}]>}]>}",
         "networks[0].ports[0].host-address is \"010.0.0.1\"; it must be a numeric IPv4 address"},
        {"{'networks': <[{'ports': <[{'host-address': <''>}]>}]>}",
         "networks[0].ports[0].host-address is \"\"; it must be a numeric IPv4 address"},
        {"{'image': <'../etc'>}", "image is \"../etc\"" IMAGE_RULE},
        {"{'networks': <[{'bridge': <'a/b'>}]>}", "networks[0].bridge is \"a/b\"" BRIDGE_RULE},
        {"{'networks': <[{'bridge': <'..'>}]>}", "networks[0].bridge is \"..\"" BRIDGE_RULE},
        {"{'networks': <[{'bridge': <'a b'>}]>}", "networks[0].bridge is \"a b\"" BRIDGE_RULE},
        {"{'networks': <[{'bridge': <'br%d'>}]>}", "networks[0].bridge is \"br%d\"" BRIDGE_RULE},
        {"{'networks': <[{'bridge': <'abcdefghijklmnop'>}]>}",
         "networks[0].bridge is \"abcdefghijklmnop\"; it must be at most 15 bytes long, not 16"},
        {"{'networks': <[{'mac': <'53:54:00:12:34:56'>}]>}", "networks[0].mac is \"53:54:00:12:34:56\"" MAC_RULE},
        {"{'networks': <[{'mac': <'00:00:00:00:00:00'>}]>}", "networks[0].mac is \"00:00:00:00:00:00\"" MAC_RULE},
        {"{'networks': <[{'mac': <'52:54:00:12:34'>}]>}", "networks[0].mac is \"52:54:00:12:34\"" MAC_RULE},
        {"{'networks': <[{'mac': <'52-54-00-12-34-56'>}]>}", "networks[0].mac is \"52-54-00-12-34-56\"" MAC_RULE},
        {"{'networks': <[{'mac': <'52:54:00:12:34:5g'>}]>}", "networks[0].mac is \"52:54:00:12:34:5g\"" MAC_RULE},
        {"{'cmdline': <'a\\nb'>}", "cmdline is \"a?b\"; it must have no control characters"},
        {"{'description': <'a\\rb'>}",
         "description is \"a?b\"; it must have no control characters but line feeds and tabulators"},
        {"{'labels': <{'': 'x'}>}", "labels has the label \"\"; a label must be 1 to 63 characters of a-z, A-Z, 0-9, "
                                    "\".\", \"_\", \"-\" and \"/\""},
        {"{'labels': <{'a b': 'x'}>}", "labels has the label \"a b\"; a label must be 1 to 63 characters of a-z, A-Z, "
                                       "0-9, \".\", \"_\", \"-\" and \"/\""},
        {"{'labels': <{'a': 'x\\ny'}>}",
         "labels[\"a\"] is \"x?y\"; it must be at most 256 bytes long and without control characters"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_refused(cases[i].changes, cases[i].message);
}

/* Each key with a value of another type. */
static void test_types(void)
{
    static const struct {
        const char *place, *type, *noun;
    } keys[] = {
        {"vcpus", "u", "a whole number"},
        {"memory", "t", "a number of bytes"},
        {"image", "s", "a text"},
        {"disks", "aa{sv}", "a list of dictionaries"},
        {"disks[0].size", "t", "a number of bytes"},
        {"disks[0].format", "s", "a word"},
        {"disks[0].bus", "s", "a word"},
        {"disks[0].read-only", "b", "yes or no"},
        {"networks", "aa{sv}", "a list of dictionaries"},
        {"networks[0].mode", "s", "a word"},
        {"networks[0].bridge", "s", "a text"},
        {"networks[0].mac", "s", "a text"},
        {"networks[0].ports", "aa{sv}", "a list of dictionaries"},
        {"machine", "s", "a word"},
        {"firmware", "s", "a word"},
        {"display", "s", "a word"},
        {"cmdline", "s", "a text"},
        {"restart", "s", "a word"},
        {"restart-delay", "t", "a time span"},
        {"restart-max-delay", "t", "a time span"},
        {"restart-limit-burst", "t", "a whole number"},
        {"restart-limit-interval", "t", "a time span"},
        {"restart-healthy", "t", "a time span"},
        {"boot-order", "t", "a whole number"},
        {"boot-delay", "t", "a time span"},
        {"vsock", "b", "yes or no"},
        {"limits", "a{sv}", "a dictionary"},
        {"limits.CPUWeight", "t", "a whole number"},
        {"limits.CPUQuota", "t", "a whole number"},
        {"limits.MemoryMax", "t", "a number of bytes"},
        {"limits.TasksMax", "t", "a whole number"},
        {"limits.IOWeight", "t", "a whole number"},
        {"description", "s", "a text"},
        {"labels", "a{ss}", "a dictionary of texts"},
        {"protected", "b", "yes or no"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *name = strrchr(keys[i].place, '.');
        g_autofree char *inner = g_strdup_printf("{'%s': <int16 1>}", name ? name + 1 : keys[i].place);
        g_autofree char *top = g_strndup(keys[i].place, strcspn(keys[i].place, "[."));
        g_autofree char *changes = !name                        ? g_strdup(inner)
                                   : strchr(keys[i].place, '[') ? g_strdup_printf("{'%s': <[%s]>}", top, inner)
                                                                : g_strdup_printf("{'%s': <%s>}", top, inner);
        g_autofree char *message = g_strdup_printf("%s has the D-Bus type \"n\"; it must be \"%s\", %s", keys[i].place,
                                                   keys[i].type, keys[i].noun);
        assert_refused(changes, message);
    }
    static const char *const port_keys[][3] = {
        {"protocol", "s", "a word"},
        {"host-address", "s", "a text"},
        {"host-port", "u", "a whole number"},
        {"guest-port", "u", "a whole number"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(port_keys); i++) {
        g_autofree char *changes =
            g_strdup_printf("{'networks': <[{'ports': <[{'%s': <uint64 1>}]>}]>}", port_keys[i][0]);
        g_autofree char *message =
            g_strdup_printf("networks[0].ports[0].%s has the D-Bus type \"t\"; it must be \"%s\", %s", port_keys[i][0],
                            port_keys[i][1], port_keys[i][2]);
        assert_refused(changes, message);
    }
    assert_refused("{'disks': <@av []>}",
                   "disks has the D-Bus type \"av\"; it must be \"aa{sv}\", a list of dictionaries");

    g_autoptr(BerthVmConfig) base = berth_vm_config_new();
    g_autoptr(GVariant) text = g_variant_ref_sink(g_variant_new_string("vcpus"));
    g_autoptr(GError) error = NULL;
    g_assert_null(berth_vm_config_apply(base, text, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
}

static void test_keys(void)
{
    static const struct {
        const char *changes, *message;
    } cases[] = {
        {"{'vcpu': <uint32 1>}", "unknown key \"vcpu\"; did you mean \"vcpus\"?"},
        {"{'mmeory': <uint32 1>}", "unknown key \"mmeory\"; did you mean \"memory\"?"},
        {"{'Name': <'x'>}", "unknown key \"Name\""},
        {"{'': <'x'>}", "unknown key \"\""},
        {"{'a\\u0007': <'x'>}", "unknown key \"a?\""},
        {"{'disks': <[{'sizes': <uint64 0>}]>}", "unknown key \"disks[0].sizes\"; did you mean \"size\"?"},
        {"{'networks': <[{'ports': <[{'host': <uint32 1>}]>}]>}", "unknown key \"networks[0].ports[0].host\""},
        {"{'limits': <{'CPUShares': <uint64 1>}>}", "unknown key \"limits.CPUShares\""},
        {"{'networks': <[{'ports': <[{'guest-port': <uint32 1>}]>}]>}",
         "networks[0].ports[0].host-port is missing; it must be a whole number"},
        {"{'networks': <[{'ports': <[{'host-port': <uint32 1>}]>}]>}",
         "networks[0].ports[0].guest-port is missing; it must be a whole number"},
        {"[{'vcpus', <uint32 1>}, {'memory', <uint64 16777216>}, {'vcpus', <uint32 1>}]", "vcpus is there twice"},
        {"{'disks': <[@a{sv} [{'bus', <'virtio'>}, {'bus', <'virtio'>}]]>}", "disks[0].bus is there twice"},
        {"{'limits': <@a{sv} [{'IOWeight', <uint64 1>}, {'IOWeight', <uint64 2>}]>}", "limits.IOWeight is there twice"},
        {"{'labels': <@a{ss} [{'a', 'b'}, {'a', 'b'}]>}", "labels has the label \"a\" twice"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_refused(cases[i].changes, cases[i].message);
}

#define DISK "{'size': <uint64 1048576>}"
#define SATA_DISK "{'size': <uint64 1048576>, 'bus': <'sata'>}"

static void test_together(void)
{
    static const struct {
        const char *changes, *message;
    } cases[] = {
        {"{'disks': <@aa{sv} [{}]>}",
         "disks[0].size is 0; only the first disk of a VM with an image may leave its size to the image"},
        {"{'image': <'a'>, 'disks': <[@a{sv} {}, {'size': <uint64 0>}]>}",
         "disks[1].size is 0; only the first disk of a VM with an image may leave its size to the image"},
        {"{'image': <'a'>, 'disks': <[{'format': <'raw'>}]>}",
         "disks[0].format is \"raw\"; an overlay of the image must be \"qcow2\""},
        {"{'machine': <'microvm'>, 'disks': <[" SATA_DISK "]>}",
         "disks[0].bus is \"sata\"; on machine \"microvm\" it must be \"virtio\""},
        {"{'machine': <'microvm'>, 'disks': <[" DISK ", {'size': <uint64 1048576>, 'bus': <'scsi'>}]>}",
         "disks[1].bus is \"scsi\"; on machine \"microvm\" it must be \"virtio\""},
        {"{'machine': <'microvm'>, 'firmware': <'uefi'>}",
         "firmware is \"uefi\"; on machine \"microvm\" it must be \"bios\""},
        {"{'machine': <'microvm'>, 'display': <'vga'>}",
         "display is \"vga\"; machine \"microvm\" has no PCI, so it must be \"virtio\" or \"none\""},
        {"{'disks': <[" SATA_DISK "," SATA_DISK "," SATA_DISK "," SATA_DISK "," DISK "," SATA_DISK "," SATA_DISK
         "," SATA_DISK "]>}",
         "disks[7].bus is \"sata\"; at most 6 disks may be"},
        {"{'networks': <[{'mode': <'bridge'>}]>}",
         "networks[0].bridge is missing; mode \"bridge\" needs the name of a bridge of the host"},
        {"{'networks': <[{'bridge': <'br0'>}]>}",
         "networks[0].bridge is \"br0\"; it makes sense only with mode \"bridge\", not \"user\""},
        {"{'networks': <[{'mode': <'none'>, 'ports': <[{'host-port': <uint32 1>, 'guest-port': <uint32 1>}]>}]>}",
         "networks[0].ports makes sense only with mode \"user\", not \"none\""},
        {"{'networks': <[{'mac': <'52:54:00:00:00:0a'>}, @a{sv} {}, {'mac': <'52:54:00:00:00:0A'>}]>}",
         "networks[2].mac is \"52:54:00:00:00:0a\", which networks[0] has already"},
        {"{'networks': <[{'ports': <[{'host-port': <uint32 80>, 'guest-port': <uint32 1>},"
         "                           {'host-port': <uint32 80>, 'guest-port': <uint32 2>}]>}]>}",
         "networks[0].ports[1].host-port is 80, which networks[0].ports[0] has already"},
        {"{'networks': <[{'ports': <[{'host-port': <uint32 80>, 'guest-port': <uint32 1>}]>}, {'ports': <["
         "  {'host-address': <'0.0.0.0'>, 'host-port': <uint32 80>, 'guest-port': <uint32 2>}]>}]>}",
         "networks[1].ports[0].host-port is 80, which networks[0].ports[0] has already"},
        {"{'limits': <{'MemoryMax': <uint64 1072693248>}>}",
         "limits.MemoryMax is 1023M; it must not be less than the VM's memory, 1G"},
        {"{'memory': <uint64 17179869184>, 'limits': <{'MemoryMax': <uint64 17179869183>}>}",
         "limits.MemoryMax is 17179869183; it must not be less than the VM's memory, 16G"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_refused(cases[i].changes, cases[i].message);
}

/* "{'<key>': <[entry, entry ...]>}" */
static char *repeated(const char *key, const char *entry, guint count)
{
    GString *text = g_string_new(NULL);
    g_string_printf(text, "{'%s': <[", key);
    for (guint i = 0; i < count; i++)
        g_string_append_printf(text, "%s%s", i ? ", " : "", entry);
    g_string_append(text, "]>}");
    return g_string_free(text, FALSE);
}

static char *ports(guint count)
{
    GString *text = g_string_new("{'networks': <[{'ports': <[");
    for (guint i = 0; i < count; i++)
        g_string_append_printf(text, "%s{'host-port': <uint32 %u>, 'guest-port': <uint32 1>}", i ? ", " : "", i + 1);
    g_string_append(text, "]>}]>}");
    return g_string_free(text, FALSE);
}

static char *labels(guint count, guint key_length, guint value_length)
{
    g_autofree char *value = g_strnfill(value_length, 'v');
    GString *text = g_string_new("{'labels': <@a{ss} {");
    for (guint i = 0; i < count; i++)
        g_string_append_printf(text, "%s'%0*u': '%s'", i ? ", " : "", (int) key_length, i, value);
    g_string_append(text, "}>}");
    return g_string_free(text, FALSE);
}

static char *filled(const char *key, guint length)
{
    g_autofree char *value = g_strnfill(length, 'x');
    return g_strdup_printf("{'%s': <'%s'>}", key, value);
}

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define V64 "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"

static void test_amounts(void)
{
    char *most[] = {
        repeated("disks", DISK, 16), repeated("networks", "@a{sv} {}", 8), ports(64),           labels(64, 63, 256),
        filled("cmdline", 2048),     filled("description", 1024),          filled("image", 63),
    };
    for (guint i = 0; i < G_N_ELEMENTS(most); i++) {
        assert_taken(most[i]);
        g_free(most[i]);
    }

    const struct {
        char *changes;
        const char *message;
    } too_much[] = {
        {repeated("disks", DISK, 17), "disks has 17 entries; at most 16 are allowed"},
        {repeated("networks", "@a{sv} {}", 9), "networks has 9 entries; at most 8 are allowed"},
        {ports(65), "networks[0].ports has 65 entries; at most 64 are allowed"},
        {labels(65, 2, 1), "labels has 65 entries; at most 64 are allowed"},
        {labels(1, 64, 1),
         "labels has the label \"0000000000000000000000000000000000000000000000000000000000000000\"; a "
         "label must be 1 to 63 characters of a-z, A-Z, 0-9, \".\", \"_\", \"-\" and \"/\""},
        {labels(1, 1, 257), "labels[\"0\"] is \"" V64 "…\"; it must be at most 256 bytes long and without control "
                            "characters"},
        {filled("cmdline", 2049), "cmdline is \"" X64 "…\"; it must be at most 2048 bytes long, not 2049"},
        {filled("description", 1025), "description is \"" X64 "…\"; it must be at most 1024 bytes long, not 1025"},
        {filled("image", 64), "image is \"" X64 "\"; it must be at most 63 bytes long, not 64"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(too_much); i++) {
        assert_refused(too_much[i].changes, too_much[i].message);
        g_free(too_much[i].changes);
    }
}

/* A microvm's transports are counted over all that need one. */
static void test_microvm_devices(void)
{
    g_autofree char *disks = repeated("disks", DISK, 14), *networks = repeated("networks", "@a{sv} {}", 7);
    disks[strlen(disks) - 1] = '\0';
    g_autofree char *most = g_strdup_printf("%s, 'machine': <'microvm'>, 'vsock': <true>, %s", disks, networks + 1);
    assert_taken(most);
    networks[strlen(networks) - 3] = '\0';
    g_autofree char *none =
        g_strdup_printf("%s, 'machine': <'microvm'>, 'vsock': <true>, %s, {'mode': <'none'>}]>}", disks, networks + 1);
    assert_taken(none);
    g_autofree char *more =
        g_strdup_printf("%s, 'machine': <'microvm'>, 'vsock': <true>, %s, @a{sv} {}]>}", disks, networks + 1);
    assert_refused(more, "disks, networks, vsock and display are 23 devices; machine \"microvm\" takes at most 22");
    /* Screen, keyboard and tablet. */
    g_autofree char *seen =
        g_strdup_printf("%s, 'machine': <'microvm'>, 'display': <'virtio'>, %s]>}", disks, networks + 1);
    assert_refused(seen, "disks, networks, vsock and display are 24 devices; machine \"microvm\" takes at most 22");
}

/* What is not in the changes stays; lists and dictionaries are replaced whole; the base is never touched. */
/* A client shows an error where the key is. */
static void test_place(void)
{
    static const struct {
        const char *text, *place;
    } cases[] = {
        {"memory is 1; it must be from 16M to 1T", "memory"},
        {"image: there is no image \"x\"", "image"},
        {"networks[0].ports[12].host-port: tcp port 80 is forwarded", "networks[0].ports[12].host-port"},
        {"limits.MemoryMax is 1G; it must not be less", "limits.MemoryMax"},
        {"There is a VM \"memory\" already", NULL},
        {"memories are made of this", NULL},
        {"", NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *place = berth_vm_config_place_in(cases[i].text);
        g_assert_cmpstr(place, ==, cases[i].place);
    }
}

static void test_live(void)
{
    static const char *const live[] = {"description", "labels", "protected"};
    static const char *const waiting[] = {"vcpus", "memory", "networks", "limits", "nothing"};
    for (guint i = 0; i < berth_vm_config_table.n_keys; i++) {
        const char *key = berth_vm_config_table.keys[i].name;
        gboolean by_name = g_str_has_prefix(key, "restart") || g_str_has_prefix(key, "boot-");
        for (guint j = 0; j < G_N_ELEMENTS(live); j++)
            by_name = by_name || g_str_equal(key, live[j]);
        g_assert_cmpint(berth_vm_config_is_live(key), ==, by_name); /* the contract lists them */
    }
    for (guint i = 0; i < G_N_ELEMENTS(waiting); i++)
        g_assert_false(berth_vm_config_is_live(waiting[i]));
}

static void test_apply(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmConfig) base = apply("{'vcpus': <uint32 4>, 'disks': <[" DISK ", " DISK "]>,"
                                          " 'limits': <{'CPUWeight': <uint64 5>, 'IOWeight': <uint64 5>}>,"
                                          " 'labels': <{'a': 'b'}>, 'networks': <[{'mac': <'52:54:00:00:00:0A'>}]>}",
                                          &error);
    g_assert_no_error(error);
    g_assert_cmpstr(((BerthNetwork *) base->networks->pdata[0])->mac, ==, "52:54:00:00:00:0a");
    g_autoptr(GVariant) before = g_variant_ref_sink(berth_vm_config_to_variant(base));

    g_autoptr(BerthVmConfig) changed =
        apply_to(base, "{'disks': <[" DISK "]>, 'limits': <{'IOWeight': <uint64 6>}>, 'labels': <{'c': 'd'}>}", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(changed->vcpus, ==, 4);
    g_assert_cmpuint(changed->disks->len, ==, 1);
    g_assert_cmpuint(changed->limits.cpu_weight, ==, 0);
    g_assert_cmpuint(changed->limits.io_weight, ==, 6);
    g_assert_cmpuint(g_hash_table_size(changed->labels), ==, 1);
    g_assert_cmpstr(g_hash_table_lookup(changed->labels, "c"), ==, "d");

    g_autoptr(BerthVmConfig) refused = apply_to(base, "{'vcpus': <uint32 5>, 'machine': <'x'>}", &error);
    g_assert_null(refused);

    g_autoptr(GVariant) after = g_variant_ref_sink(berth_vm_config_to_variant(base));
    g_assert_cmpvariant(before, after);
}

/* A change is checked against what it leaves as it is. */
static void test_apply_checks_the_whole(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmConfig) base = apply("{'image': <'a'>, 'disks': <@aa{sv} [{}]>}", &error);
    g_assert_no_error(error);
    g_autoptr(BerthVmConfig) config = apply_to(base, "{'image': <''>}", &error);
    g_assert_null(config);
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
}

static void test_port_collides(void)
{
    const BerthPort all = {"tcp", (char *) "0.0.0.0", 80, 1}, local = {"tcp", (char *) "127.0.0.1", 80, 2};
    const BerthPort other = {"tcp", (char *) "10.0.0.1", 80, 2}, udp = {"udp", (char *) "127.0.0.1", 80, 2};
    const BerthPort next = {"tcp", (char *) "0.0.0.0", 81, 1};
    g_assert_true(berth_port_collides(&local, &local));
    g_assert_true(berth_port_collides(&all, &local));
    g_assert_true(berth_port_collides(&local, &all));
    g_assert_false(berth_port_collides(&local, &other));
    g_assert_false(berth_port_collides(&local, &udp));
    g_assert_false(berth_port_collides(&all, &next));
}

static BerthImageMeta image(const char *format, guint64 size, gboolean has_kernel)
{
    return (BerthImageMeta){
        .name = (char *) "img", .disk_format = format, .virtual_size = size, .has_kernel = has_kernel};
}

static void test_check_image(void)
{
    const BerthImageMeta disk = image("qcow2", 1 << 21, FALSE), kernel = image("", 0, TRUE);
    const struct {
        const char *changes;
        const BerthImageMeta *image;
        const char *message; /* NULL: good */
    } cases[] = {
        {"{'image': <'img'>}", &disk, NULL},
        {"{'image': <'img'>, 'disks': <@aa{sv} [{}]>}", &disk, NULL},
        {"{'image': <'img'>, 'disks': <[{'size': <uint64 2097152>}]>}", &disk, NULL},
        {"{'image': <'img'>, 'disks': <[{'size': <uint64 1048576>}]>}", &disk,
         "disks[0].size is 1M; it must be 0 or not less than image \"img\", 2M"},
        {"{'image': <'img'>, 'disks': <[{'size': <uint64 2097152>, 'format': <'raw'>}]>}", &disk,
         "disks[0].format is \"raw\"; an overlay of image \"img\" must be \"qcow2\""},
        {"{'image': <'img'>, 'cmdline': <'quiet'>}", &disk,
         "cmdline makes sense only with a kernel, and image \"img\" has none"},
        {"{'image': <'img'>, 'cmdline': <'quiet'>}", &kernel, NULL},
        {"{'image': <'img'>, 'disks': <[{'size': <uint64 1048576>, 'format': <'raw'>}]>}", &kernel, NULL},
        {"{'image': <'img'>, 'disks': <@aa{sv} [{}]>}", &kernel,
         "disks[0].size is 0; image \"img\" has no disk, so the size must be said"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(BerthVmConfig) config = apply(cases[i].changes, &error);
        g_assert_no_error(error);
        gboolean good = berth_vm_config_check_image(config, cases[i].image, &error);
        g_assert_cmpstr(error ? error->message : NULL, ==, cases[i].message);
        g_assert_cmpint(good, ==, cases[i].message == NULL);
    }
}

static void test_names(void)
{
    static const char *const good[] = {"a", "0", "web-1", "A.b_c-D",
                                       "012345678901234567890123456789012345678901234567890123456789012"};
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      "-a",
                                      "_a",
                                      ".a",
                                      "a b",
                                      "a/b",
                                      "ä",
                                      "a\n",
                                      "0123456789012345678901234567890123456789012345678901234567890123",
                                      "11111111-2222-3333-4444-555555555555",
                                      "AAAAAAAA-2222-3333-4444-555555555555"};
    for (guint i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_true(berth_vm_name_check(good[i], NULL));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(berth_vm_name_check(bad[i], &error));
        g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
    }

    g_assert_true(berth_vm_id_is_valid("0a1b2c3d-2222-3333-4444-555555555555"));
    g_assert_false(berth_vm_id_is_valid("0A1b2c3d-2222-3333-4444-555555555555"));
    g_assert_false(berth_vm_id_is_valid("0a1b2c3d-2222-3333-4444-55555555555"));
    g_assert_false(berth_vm_id_is_valid(""));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vm-config/defaults", test_defaults);
    g_test_add_func("/vm-config/good", test_good);
    g_test_add_func("/vm-config/numbers", test_numbers);
    g_test_add_func("/vm-config/words-and-texts", test_words_and_texts);
    g_test_add_func("/vm-config/types", test_types);
    g_test_add_func("/vm-config/keys", test_keys);
    g_test_add_func("/vm-config/together", test_together);
    g_test_add_func("/vm-config/amounts", test_amounts);
    g_test_add_func("/vm-config/microvm-devices", test_microvm_devices);
    g_test_add_func("/vm-config/place", test_place);
    g_test_add_func("/vm-config/live", test_live);
    g_test_add_func("/vm-config/apply", test_apply);
    g_test_add_func("/vm-config/apply-checks-the-whole", test_apply_checks_the_whole);
    g_test_add_func("/vm-config/port-collides", test_port_collides);
    g_test_add_func("/vm-config/check-image", test_check_image);
    g_test_add_func("/vm-config/names", test_names);
    return g_test_run();
}
