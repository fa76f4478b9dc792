/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-keys.h"

#include <string.h>

#include "bus-variant.h"

int berth_bus_append_name(sd_bus_message *m, const char *name)
{
    const gsize length = strlen(name);
    char *space;
    int r = sd_bus_message_append_string_space(m, length, &space);
    if (r >= 0)
        memcpy(space, name, length);
    return MIN(r, 0);
}

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
        r = berth_bus_append_name(m, key->name);
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

/* Sizes: where in a message the next byte comes, by D-Bus' rules of alignment. */

static gsize aligned(gsize at, gsize to)
{
    return (at + to - 1) & ~(to - 1);
}

static gsize after_text(gsize at, const char *text)
{
    return aligned(at, 4) + 4 + strlen(text) + 1;
}

static gsize after_array_length(gsize at, gsize alignment_of_entries)
{
    return aligned(aligned(at, 4) + 4, alignment_of_entries);
}

static gsize after_labels(gsize at, GHashTable *labels)
{
    GHashTableIter iter;
    gpointer name, value;
    at = after_array_length(at, 8);
    if (!labels)
        return at;
    g_hash_table_iter_init(&iter, labels);
    while (g_hash_table_iter_next(&iter, &name, &value))
        at = after_text(after_text(aligned(at, 8), name), value);
    return at;
}

static gsize after_list(gsize at, const BerthKey *key, const GPtrArray *list)
{
    at = after_array_length(at, 4);
    for (guint i = 0; i < list->len; i++)
        at = berth_bus_after_keys(at, key->table, list->pdata[i]);
    return at;
}

static gsize after_field(gsize at, const BerthKey *key, gconstpointer field)
{
    if (key->kind == &berth_kind_list)
        return after_list(at, key, *(GPtrArray *const *) field);
    if (key->kind == &berth_kind_dict)
        return berth_bus_after_keys(at, key->table, field);
    if (key->kind == &berth_kind_labels)
        return after_labels(at, *(GHashTable *const *) field);
    switch (key->kind->type[0]) {
    case SD_BUS_TYPE_STRING:
        return after_text(at, *(const char *const *) field);
    case SD_BUS_TYPE_UINT64:
        return aligned(at, 8) + 8;
    default:
        return aligned(at, 4) + 4;
    }
}

gsize berth_bus_after_keys(gsize at, const BerthKeyTable *table, gconstpointer source)
{
    at = after_array_length(at, 8);
    for (guint i = 0; i < table->n_keys; i++) {
        const BerthKey *key = &table->keys[i];
        if (berth_key_is_shown(key, source))
            at = after_field(after_text(aligned(at, 8), key->name) + 1 + strlen(key->kind->type) + 1, key,
                             (const char *) source + key->offset);
    }
    return at;
}
