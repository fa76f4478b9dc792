/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <string.h>

#include "src/core/json-guard.h"
#include "src/core/vm-config.h"

/* Random definitions, right by construction, go out and come back the same. `--seed` repeats a run. */

static const char *pick(const char *const *words)
{
    return words[g_test_rand_int_range(0, (int) g_strv_length((char **) words))];
}

#define PICK(...) pick((const char *const[]){__VA_ARGS__, NULL})

static gboolean coin(void)
{
    return g_test_rand_bit() != 0;
}

static GVariant *random_disk(gboolean overlay, gboolean microvm)
{
    GVariantDict disk;
    g_variant_dict_init(&disk, NULL);
    if (!overlay || coin())
        g_variant_dict_insert(&disk, "size", "t", (guint64) g_test_rand_int_range(2048, G_MAXINT) * 512);
    if (!overlay && coin())
        g_variant_dict_insert(&disk, "format", "s", PICK("raw", "qcow2"));
    if (!microvm && coin())
        g_variant_dict_insert(&disk, "bus", "s", PICK("virtio", "scsi"));
    if (coin())
        g_variant_dict_insert(&disk, "read-only", "b", coin());
    return g_variant_dict_end(&disk);
}

static GVariant *random_ports(guint network)
{
    GVariantBuilder ports;
    g_variant_builder_init(&ports, G_VARIANT_TYPE("aa{sv}"));
    for (int i = g_test_rand_int_range(0, 5); i > 0; i--) {
        GVariantDict port;
        g_variant_dict_init(&port, NULL);
        g_variant_dict_insert(&port, "host-port", "u", 1000 * (network + 1) + i);
        g_variant_dict_insert(&port, "guest-port", "u", g_test_rand_int_range(1, 65536));
        if (coin())
            g_variant_dict_insert(&port, "protocol", "s", PICK("tcp", "udp"));
        if (coin())
            g_variant_dict_insert(&port, "host-address", "s", PICK("0.0.0.0", "127.0.0.1", "10.1.2.3"));
        g_variant_builder_add_value(&ports, g_variant_dict_end(&port));
    }
    return g_variant_builder_end(&ports);
}

static GVariant *random_network(guint index)
{
    GVariantDict network;
    g_variant_dict_init(&network, NULL);
    const char *mode = PICK("user", "bridge", "none");
    g_variant_dict_insert(&network, "mode", "s", mode);
    if (g_str_equal(mode, "bridge"))
        g_variant_dict_insert(&network, "bridge", "s", PICK("br0", "virbr-9.x"));
    if (g_str_equal(mode, "user") && coin())
        g_variant_dict_insert_value(&network, "ports", random_ports(index));
    if (coin()) {
        g_autofree char *mac = g_strdup_printf("52:54:00:AB:cd:%02x", index);
        g_variant_dict_insert(&network, "mac", "s", mac);
    }
    return g_variant_dict_end(&network);
}

static GVariant *random_disks(gboolean image, gboolean microvm)
{
    GVariantBuilder disks;
    g_variant_builder_init(&disks, G_VARIANT_TYPE("aa{sv}"));
    /* With 8 networks, vsock and a display, 10 disks are all that a microvm takes. */
    int count = g_test_rand_int_range(0, microvm ? 11 : 17);
    for (int i = 0; i < count; i++)
        g_variant_builder_add_value(&disks, random_disk(image && i == 0, microvm));
    return g_variant_builder_end(&disks);
}

static GVariant *random_networks(void)
{
    GVariantBuilder networks;
    g_variant_builder_init(&networks, G_VARIANT_TYPE("aa{sv}"));
    int count = g_test_rand_int_range(0, 9);
    for (int i = 0; i < count; i++)
        g_variant_builder_add_value(&networks, random_network((guint) i));
    return g_variant_builder_end(&networks);
}

static GVariant *random_limits(guint64 memory)
{
    GVariantDict limits;
    g_variant_dict_init(&limits, NULL);
    if (coin())
        g_variant_dict_insert(&limits, "CPUWeight", "t", (guint64) g_test_rand_int_range(1, 10001));
    if (coin())
        g_variant_dict_insert(&limits, "CPUQuota", "t", (guint64) g_test_rand_int_range(1, 25601));
    if (coin())
        g_variant_dict_insert(&limits, "MemoryMax", "t", memory + (guint64) g_test_rand_int_range(0, G_MAXINT));
    if (coin())
        g_variant_dict_insert(&limits, "TasksMax", "t", (guint64) g_test_rand_int_range(16, 1048577));
    if (coin())
        g_variant_dict_insert(&limits, "IOWeight", "t", (guint64) g_test_rand_int_range(1, 10001));
    return g_variant_dict_end(&limits);
}

static GVariant *random_labels(void)
{
    GVariantBuilder labels;
    g_variant_builder_init(&labels, G_VARIANT_TYPE("a{ss}"));
    for (int i = g_test_rand_int_range(0, 65); i > 0; i--) {
        g_autofree char *name = g_strdup_printf("l/%d", i);
        g_variant_builder_add(&labels, "{ss}", name, PICK("", "x", "\"quoted\\\"", "Grüße 世界 😀"));
    }
    return g_variant_builder_end(&labels);
}

static GVariant *random_definition(void)
{
    GVariantDict all;
    g_variant_dict_init(&all, NULL);
    gboolean image = coin(), microvm = coin();
    guint64 memory = (guint64) g_test_rand_int_range(16, 1048577) << 20;
    g_variant_dict_insert(&all, "memory", "t", memory);
    g_variant_dict_insert(&all, "machine", "s", microvm ? "microvm" : "q35");
    g_variant_dict_insert(&all, "firmware", "s", microvm ? "bios" : PICK("bios", "uefi"));
    if (image)
        g_variant_dict_insert(&all, "image", "s", "debian-12");
    if (coin())
        g_variant_dict_insert(&all, "vcpus", "u", g_test_rand_int_range(1, 256));
    if (coin())
        g_variant_dict_insert_value(&all, "disks", random_disks(image, microvm));
    if (coin())
        g_variant_dict_insert_value(&all, "networks", random_networks());
    if (coin())
        g_variant_dict_insert_value(&all, "limits", random_limits(memory));
    if (coin())
        g_variant_dict_insert_value(&all, "labels", random_labels());
    g_variant_dict_insert(&all, "restart", "s", PICK("no", "on-failure", "always"));
    g_variant_dict_insert(&all, "cmdline", "s", PICK("", "console=ttyS0 \"a b\"", "größe=1"));
    g_variant_dict_insert(&all, "description", "s", PICK("", "one\ntwo\t\\three"));
    g_variant_dict_insert(&all, "display", "s", microvm ? PICK("none", "virtio") : PICK("none", "vga", "virtio"));
    g_variant_dict_insert(&all, "vsock", "b", coin());
    g_variant_dict_insert(&all, "protected", "b", coin());
    return g_variant_ref_sink(g_variant_dict_end(&all));
}

static GVariant *shown(const BerthVmConfig *config)
{
    return g_variant_ref_sink(berth_vm_config_to_variant(config));
}

static BerthVmConfig *definition(GVariant *changes)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmConfig) base = berth_vm_config_new();
    BerthVmConfig *config = berth_vm_config_apply(base, changes, &error);
    g_assert_no_error(error);
    return config;
}

#define ROUNDS 300

static void test_variant(void)
{
    for (guint i = 0; i < ROUNDS; i++) {
        g_autoptr(GVariant) changes = random_definition();
        g_autoptr(BerthVmConfig) config = definition(changes);
        g_autoptr(GVariant) out = shown(config);

        g_autoptr(BerthVmConfig) back = definition(out);
        g_autoptr(GVariant) again = shown(back);
        g_assert_cmpvariant(out, again);

        /* Also onto another definition: every key is said. */
        g_autoptr(GVariant) other_changes = random_definition();
        g_autoptr(BerthVmConfig) other = definition(other_changes);
        g_autoptr(GError) error = NULL;
        g_autoptr(BerthVmConfig) over = berth_vm_config_apply(other, out, &error);
        g_assert_no_error(error);
        g_autoptr(GVariant) over_shown = shown(over);
        g_assert_cmpvariant(out, over_shown);
    }
}

static void test_json(void)
{
    for (guint i = 0; i < ROUNDS; i++) {
        g_autoptr(GVariant) changes = random_definition();
        g_autoptr(BerthVmConfig) config = definition(changes);
        g_autoptr(GVariant) out = shown(config);

        gsize length;
        g_autofree char *text = json_gvariant_serialize_data(out, &length);
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) in = berth_vm_config_variant_from_json(text, length, NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpvariant(out, in);
    }
}

/* The short way knows all that the daemon writes. */
static void test_short_way(void)
{
    for (guint i = 0; i < ROUNDS; i++) {
        g_autoptr(GVariant) changes = random_definition();
        g_autoptr(BerthVmConfig) config = definition(changes);
        g_autoptr(GVariant) out = shown(config);

        gsize length;
        g_autofree char *text = json_gvariant_serialize_data(out, &length);
        g_autoptr(JsonObject) object = berth_json_parse_object(text, length, NULL);
        g_autoptr(BerthVmConfig) read = berth_vm_config_read(object, NULL);
        g_assert_nonnull(read);
        g_autoptr(GVariant) in = shown(read);
        g_assert_cmpvariant(out, in);
    }
}

/* A copy shares nothing with what it was made from: ASan sees it where it does. */
static void test_copy(void)
{
    for (guint i = 0; i < ROUNDS; i++) {
        g_autoptr(GVariant) changes = random_definition();
        BerthVmConfig *config = definition(changes);
        g_autoptr(GVariant) out = shown(config);
        g_autoptr(BerthVmConfig) copy = berth_vm_config_copy(config);
        berth_vm_config_free(config);
        g_autoptr(GVariant) copied = shown(copy);
        g_assert_cmpvariant(out, copied);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vm-config-roundtrip/variant", test_variant);
    g_test_add_func("/vm-config-roundtrip/json", test_json);
    g_test_add_func("/vm-config-roundtrip/short-way", test_short_way);
    g_test_add_func("/vm-config-roundtrip/copy", test_copy);
    return g_test_run();
}
