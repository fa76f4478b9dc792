/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-glib/json-glib.h>
#include <stdint.h>

#include "src/core/json-guard.h"
#include "src/core/vm-config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A definition that is taken comes back the same, through the bus and through JSON. */
static void check_round_trip(const BerthVmConfig *base, const BerthVmConfig *config)
{
    g_autoptr(GVariant) out = g_variant_ref_sink(berth_vm_config_to_variant(config));
    g_autoptr(BerthVmConfig) back = berth_vm_config_apply(base, out, NULL);
    g_assert_nonnull(back);
    g_autoptr(GVariant) again = g_variant_ref_sink(berth_vm_config_to_variant(back));
    g_assert_true(g_variant_equal(out, again));

    gsize length;
    g_autofree char *json = json_gvariant_serialize_data(out, &length);
    g_autoptr(GVariant) in = berth_vm_config_variant_from_json(json, length, NULL, NULL);
    g_assert_nonnull(in);
    g_assert_true(g_variant_equal(out, in));
}

/* What the short way takes, the long way takes for the same. */
static void check_short_way(const BerthVmConfig *base, const char *text, gsize size)
{
    g_autoptr(JsonObject) object = berth_json_parse_object(text, size, NULL);
    g_autoptr(BerthVmConfig) read = object ? berth_vm_config_read(object, NULL) : NULL;
    if (!read)
        return;
    g_autoptr(GVariant) changes = berth_vm_config_variant_from_json(text, size, NULL, NULL);
    g_autoptr(BerthVmConfig) config = changes ? berth_vm_config_apply(base, changes, NULL) : NULL;
    g_assert_nonnull(config);
    g_autoptr(GVariant) one = g_variant_ref_sink(berth_vm_config_to_variant(read));
    g_autoptr(GVariant) other = g_variant_ref_sink(berth_vm_config_to_variant(config));
    g_assert_true(g_variant_equal(one, other));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const skip[] = {"id", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmConfig) base = berth_vm_config_new();
    g_autoptr(GVariant) changes = berth_vm_config_variant_from_json((const char *) data, size, skip, &error);
    g_autoptr(BerthVmConfig) config = changes ? berth_vm_config_apply(base, changes, &error) : NULL;
    g_assert_true((config == NULL) == (error != NULL));
    if (config)
        check_round_trip(base, config);
    check_short_way(base, (const char *) data, size);
    return 0;
}
