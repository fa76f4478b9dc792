/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "error.h"
#include "json-guard.h"
#include "key-table.h"
#include "text.h"

/* Into the key's type from JSON, which has one kind of number and no dictionaries of variants, and from what a person
 * types. */

/* All of the static functions return floating values. */

static GVariant *dict_from_json(const BerthKeyTable *table, const char *place, JsonObject *object,
                                const char *const *skip, GError **error);

static gboolean is_number(const BerthKey *key)
{
    return key->kind->parse != NULL;
}

static GVariant *number_new(const BerthKey *key, guint64 value)
{
    return key->kind->type[0] == 'u' ? g_variant_new_uint32((guint32) value) : g_variant_new_uint64(value);
}

static GVariant *number_from_text(const BerthKey *key, const char *place, const char *text, GError **error)
{
    guint64 value;
    g_autofree char *shown = berth_text_quote(text);
    if (!key->kind->parse(text, &value)) {
        berth_key_refuse(error, place, shown, "must be %s", key->kind->noun);
        return NULL;
    }
    return berth_key_check_number(key, place, shown, value, error) ? number_new(key, value) : NULL;
}

static GVariant *number_from_json(const BerthKey *key, const char *place, gint64 value, GError **error)
{
    g_autofree char *shown = g_strdup_printf("%" G_GINT64_FORMAT, value);
    /* What is negative, also because it was 2^63 or more, becomes larger than any key's bound. */
    guint64 number = (guint64) value;
    return berth_key_check_number(key, place, shown, number, error) ? number_new(key, number) : NULL;
}

static GVariant *list_from_json(const BerthKey *key, const char *place, JsonArray *array, GError **error)
{
    g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        g_autofree char *path = g_strdup_printf("%s[%u]", place, i);
        if (!JSON_NODE_HOLDS_OBJECT(node)) {
            g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "%s must be a JSON object", path);
            return NULL;
        }
        GVariant *dict = dict_from_json(key->table, path, json_node_get_object(node), NULL, error);
        if (!dict)
            return NULL;
        g_variant_builder_add_value(&builder, dict);
    }
    return g_variant_builder_end(&builder);
}

static GVariant *labels_from_json(const char *place, JsonObject *object, GError **error)
{
    g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{ss}"));
    JsonObjectIter iter;
    const char *name;
    JsonNode *node;
    json_object_iter_init_ordered(&iter, object);
    while (json_object_iter_next_ordered(&iter, &name, &node)) {
        if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_STRING) {
            g_autofree char *quoted = berth_text_quote(name);
            g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "%s[%s] must be a JSON string", place, quoted);
            return NULL;
        }
        g_variant_builder_add(&builder, "{ss}", name, json_node_get_string(node));
    }
    return g_variant_builder_end(&builder);
}

static const char *json_noun(JsonNode *node)
{
    if (JSON_NODE_HOLDS_OBJECT(node))
        return "an object";
    if (JSON_NODE_HOLDS_ARRAY(node))
        return "an array";
    if (JSON_NODE_HOLDS_NULL(node))
        return "null";
    switch (json_node_get_value_type(node)) {
    case G_TYPE_STRING:
        return "a string";
    case G_TYPE_BOOLEAN:
        return "a boolean";
    case G_TYPE_DOUBLE:
        return "a number with a fraction";
    default:
        return "a number";
    }
}

static GVariant *scalar_from_json(const BerthKey *key, const char *place, JsonNode *node, GError **error)
{
    GType type = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node) : G_TYPE_INVALID;
    if (type == G_TYPE_INT64 && is_number(key))
        return number_from_json(key, place, json_node_get_int(node), error);
    if (type == G_TYPE_BOOLEAN && key->kind == &berth_kind_bool)
        return g_variant_new_boolean(json_node_get_boolean(node));
    if (type == G_TYPE_STRING && key->kind->type[0] == 's')
        return g_variant_new_string(json_node_get_string(node));
    /* A file that a person writes may say "4G", or "5min". */
    if (type == G_TYPE_STRING && (key->kind == &berth_kind_bytes || key->kind == &berth_kind_span))
        return number_from_text(key, place, json_node_get_string(node), error);

    berth_key_refuse(error, place, json_noun(node), "must be %s", key->kind->noun);
    return NULL;
}

static GVariant *value_from_json(const BerthKey *key, const char *place, JsonNode *node, GError **error)
{
    if (key->kind == &berth_kind_list && JSON_NODE_HOLDS_ARRAY(node))
        return list_from_json(key, place, json_node_get_array(node), error);
    if (key->kind == &berth_kind_dict && JSON_NODE_HOLDS_OBJECT(node))
        return dict_from_json(key->table, place, json_node_get_object(node), NULL, error);
    if (key->kind == &berth_kind_labels && JSON_NODE_HOLDS_OBJECT(node))
        return labels_from_json(place, json_node_get_object(node), error);
    return scalar_from_json(key, place, node, error);
}

static GVariant *dict_from_json(const BerthKeyTable *table, const char *place, JsonObject *object,
                                const char *const *skip, GError **error)
{
    g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
    JsonObjectIter iter;
    const char *name;
    JsonNode *node;
    json_object_iter_init_ordered(&iter, object);
    while (json_object_iter_next_ordered(&iter, &name, &node)) {
        if (skip && g_strv_contains(skip, name))
            continue;
        const BerthKey *key = berth_keys_find(table, name);
        if (!key) {
            berth_keys_refuse_unknown(table, place, name, error);
            return NULL;
        }
        g_autofree char *path = berth_key_place(place, name);
        GVariant *value = value_from_json(key, path, node, error);
        if (!value)
            return NULL;
        g_variant_builder_add_value(&builder,
                                    g_variant_new_dict_entry(g_variant_new_string(name), g_variant_new_variant(value)));
    }
    return g_variant_builder_end(&builder);
}

GVariant *berth_keys_from_json(const BerthKeyTable *table, const char *place, JsonObject *object,
                               const char *const *skip, GError **error)
{
    GVariant *dict = dict_from_json(table, place, object, skip, error);
    return dict ? g_variant_ref_sink(dict) : NULL;
}

static GVariant *bool_from_text(const char *place, const char *text, GError **error)
{
    static const char *const yes[] = {"yes", "true", "on", "1", NULL}, *const no[] = {"no", "false", "off", "0", NULL};
    g_autofree char *lower = g_ascii_strdown(text, -1);
    if (g_strv_contains(yes, lower))
        return g_variant_new_boolean(TRUE);
    if (g_strv_contains(no, lower))
        return g_variant_new_boolean(FALSE);

    g_autofree char *shown = berth_text_quote(text);
    berth_key_refuse(error, place, shown, "must be yes or no");
    return NULL;
}

/* As the one member of an object, so that the same guard stands before all JSON. Nothing stands for an empty one. */
static GVariant *json_from_text(const BerthKey *key, const char *text, GError **error)
{
    const char *nothing = key->kind == &berth_kind_list ? "[]" : "{}";
    g_autofree char *wrapped = g_strdup_printf("{\"%s\":%s}", key->name, *text ? text : nothing);
    g_autoptr(JsonObject) object = berth_json_parse_object(wrapped, strlen(wrapped), NULL);
    if (!object || json_object_get_size(object) != 1) {
        g_autofree char *shown = berth_text_quote(text);
        berth_key_refuse(error, key->name, shown, "must be %s, written as JSON", key->kind->noun);
        return NULL;
    }
    return value_from_json(key, key->name, json_object_get_member(object, key->name), error);
}

GVariant *berth_key_from_text(const BerthKey *key, const char *text, GError **error)
{
    GVariant *value = NULL;
    if (!g_utf8_validate(text, -1, NULL))
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "%s is not valid UTF-8", key->name);
    else if (is_number(key))
        value = number_from_text(key, key->name, text, error);
    else if (key->kind == &berth_kind_bool)
        value = bool_from_text(key->name, text, error);
    else if (key->kind->type[0] == 's')
        value = g_variant_new_string(text);
    else
        value = json_from_text(key, text, error);
    return value ? g_variant_ref_sink(value) : NULL;
}
