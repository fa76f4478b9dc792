/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-config.h"

#include <string.h>

#include "error.h"
#include "json-guard.h"
#include "text.h"
#include "vm-config-table.h"

BerthVmConfig *berth_vm_config_new(void)
{
    BerthVmConfig *config = berth_keys_new(&berth_vm_config_table);
    g_ptr_array_add(config->networks, berth_keys_new(&berth_network_table));
    return config;
}

BerthVmConfig *berth_vm_config_copy(const BerthVmConfig *config)
{
    return berth_keys_dup(&berth_vm_config_table, config);
}

void berth_vm_config_free(BerthVmConfig *config)
{
    if (config)
        berth_keys_free(&berth_vm_config_table, config);
}

BerthVmConfig *berth_vm_config_apply(const BerthVmConfig *base, GVariant *changes, GError **error)
{
    if (!g_variant_is_of_type(changes, G_VARIANT_TYPE_VARDICT)) {
        g_set_error_literal(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS,
                            "The definition must be a dictionary of D-Bus type \"a{sv}\"");
        return NULL;
    }
    g_autoptr(BerthVmConfig) config = berth_vm_config_copy(base);
    if (!berth_keys_set(&berth_vm_config_table, "", changes, config, error) || !berth_vm_config_check(config, error))
        return NULL;
    return g_steal_pointer(&config);
}

GVariant *berth_vm_config_to_variant(const BerthVmConfig *config)
{
    return berth_keys_get(&berth_vm_config_table, config);
}

GVariant *berth_vm_config_variant_from_json(const char *text, gsize length, const char *const *skip, GError **error)
{
    g_autoptr(JsonObject) object = berth_json_parse_object(text, length, error);
    return object ? berth_vm_config_variant_from_object(object, skip, error) : NULL;
}

GVariant *berth_vm_config_variant_from_object(JsonObject *object, const char *const *skip, GError **error)
{
    return berth_keys_from_json(&berth_vm_config_table, "", object, skip, error);
}

BerthVmConfig *berth_vm_config_read(JsonObject *object, const BerthKeyTarget *others)
{
    g_autoptr(BerthVmConfig) config = berth_vm_config_new();
    BerthKeyTarget targets[] = {{&berth_vm_config_table, config}, {0}};
    if (others)
        targets[1] = *others;
    if (!berth_keys_read_object(object, targets, others ? 2 : 1) || !berth_vm_config_check(config, NULL))
        return NULL;
    return g_steal_pointer(&config);
}

GVariant *berth_vm_config_variant_from_string(const char *key, const char *text, GError **error)
{
    const BerthKey *known = berth_keys_find(&berth_vm_config_table, key);
    if (!known) {
        berth_keys_refuse_unknown(&berth_vm_config_table, "", key, error);
        return NULL;
    }
    return berth_key_from_text(known, text, error);
}

char *berth_vm_config_place_in(const char *text)
{
    g_autofree char *key = g_strndup(text, strspn(text, G_CSET_a_2_z "-"));
    gsize length = strspn(text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-.[]");
    return berth_keys_find(&berth_vm_config_table, key) ? g_strndup(text, length) : NULL;
}

gboolean berth_vm_config_is_live(const char *key)
{
    const BerthKey *known = berth_keys_find(&berth_vm_config_table, key);
    return known && (known->flags & BERTH_KEY_LIVE);
}

#define NAME_MAX_BYTES 63u

gboolean berth_vm_name_check(const char *name, GError **error)
{
    gsize fit = strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-");
    const char *rule = NULL;
    if (fit == 0 || fit > NAME_MAX_BYTES || name[fit] || !g_ascii_isalnum(*name))
        rule = "must be 1 to 63 of a-z, A-Z, 0-9, \".\", \"_\" and \"-\", beginning with a letter or digit";
    else if (g_uuid_string_is_valid(name))
        rule = "must not look like an id";
    if (!rule)
        return TRUE;

    g_autofree char *shown = berth_text_quote(name);
    berth_key_refuse(error, "The name", shown, "%s", rule);
    return FALSE;
}

gboolean berth_vm_id_is_valid(const char *id)
{
    return g_uuid_string_is_valid(id) && !id[strcspn(id, G_CSET_A_2_Z)];
}
