/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-keys.h"

#include "bus-variant.h"

static int append_list(sd_bus_message *m, const BerthKey *key, const GPtrArray *list)
{
    int r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "a{sv}");
    for (guint i = 0; r >= 0 && i < list->len; i++)
        r = berth_bus_append_keys(m, key->table, list->pdata[i]);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_variant(sd_bus_message *m, GVariant *floating)
{
    g_autoptr(GVariant) value = g_variant_ref_sink(floating);
    return berth_bus_append_variant(m, value);
}

static int append_field(sd_bus_message *m, const BerthKey *key, gconstpointer field)
{
    if (key->kind == &berth_kind_list)
        return append_list(m, key, *(GPtrArray *const *) field);
    if (key->kind == &berth_kind_dict)
        return berth_bus_append_keys(m, key->table, field);
    if (key->kind == &berth_kind_labels && !*(GHashTable *const *) field)
        return sd_bus_message_append(m, "a{ss}", 0); /* as most VMs have it */
    switch (key->kind->type[0]) {
    case SD_BUS_TYPE_STRING:
        return sd_bus_message_append_basic(m, SD_BUS_TYPE_STRING, *(const char *const *) field);
    case SD_BUS_TYPE_BOOLEAN:
    case SD_BUS_TYPE_UINT32:
    case SD_BUS_TYPE_UINT64:
        return sd_bus_message_append_basic(m, key->kind->type[0], field);
    default:
        return append_variant(m, key->kind->get(key, field));
    }
}

static int append_key(sd_bus_message *m, const BerthKey *key, gconstpointer field)
{
    int r = sd_bus_message_open_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv");
    if (r >= 0)
        r = sd_bus_message_append_basic(m, SD_BUS_TYPE_STRING, key->name);
    if (r >= 0)
        r = sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, key->kind->type);
    if (r >= 0)
        r = append_field(m, key, field);
    if (r >= 0)
        r = sd_bus_message_close_container(m);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int berth_bus_append_keys(sd_bus_message *m, const BerthKeyTable *table, gconstpointer source)
{
    int r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sv}");
    for (guint i = 0; r >= 0 && i < table->n_keys; i++)
        if (berth_key_is_shown(&table->keys[i], source))
            r = append_key(m, &table->keys[i], (const char *) source + table->keys[i].offset);
    return r < 0 ? r : MIN(sd_bus_message_close_container(m), 0);
}
