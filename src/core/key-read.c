/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "key-kinds.h"

/* The short way from JSON into structs: a start-up reads thousands of definitions, and a dictionary of variants between
 * the tree of JSON nodes and the struct took most of the time. It takes what the daemon writes; where something is
 * otherwise ("4G", what is unknown or out of its bounds), it leaves it to the long way to say what. */

static gboolean read_object(JsonObject *object, const BerthKeyTarget *targets, guint n_targets);

static gboolean read_number(JsonNode *node, const BerthKey *key, gpointer field)
{
    gint64 number = json_node_get_value_type(node) == G_TYPE_INT64 ? json_node_get_int(node) : -1;
    return number >= 0 && berth_key_set_number(key, key->name, (guint64) number, field, NULL);
}

static gboolean read_bool(JsonNode *node, const BerthKey *key, gpointer field)
{
    if (json_node_get_value_type(node) != G_TYPE_BOOLEAN)
        return FALSE;
    *(gboolean *) field = json_node_get_boolean(node);
    return TRUE;
}

static gboolean read_string(JsonNode *node, const BerthKey *key, gpointer field)
{
    const char *text = json_node_get_string(node); /* NULL where it is none */
    if (!text)
        return FALSE;
    return key->kind == &berth_kind_word ? berth_key_set_word(key, key->name, text, field, NULL)
                                         : berth_key_set_text(key, key->name, text, field, NULL);
}

static gboolean read_list(JsonNode *node, const BerthKey *key, gpointer field)
{
    JsonArray *array = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    if (!array || json_array_get_length(array) > key->max)
        return FALSE;
    GPtrArray *list = *(GPtrArray **) field;
    g_ptr_array_set_size(list, 0);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *entry = json_array_get_element(array, i);
        const BerthKeyTarget target = {key->table, berth_keys_new(key->table)};
        g_ptr_array_add(list, target.fields);
        if (!JSON_NODE_HOLDS_OBJECT(entry) || !read_object(json_node_get_object(entry), &target, 1))
            return FALSE;
    }
    return TRUE;
}

static gboolean read_dict(JsonNode *node, const BerthKey *key, gpointer field)
{
    const BerthKeyTarget target = {key->table, field};
    for (guint i = 0; i < key->table->n_keys; i++)
        berth_key_reset(&key->table->keys[i], field);
    return JSON_NODE_HOLDS_OBJECT(node) && read_object(json_node_get_object(node), &target, 1);
}

static gboolean read_labels(JsonNode *node, const BerthKey *key, gpointer field)
{
    if (!JSON_NODE_HOLDS_OBJECT(node))
        return FALSE;
    key->kind->clear(key, field);
    JsonObjectIter iter;
    const char *name;
    JsonNode *member;
    json_object_iter_init(&iter, json_node_get_object(node));
    while (json_object_iter_next(&iter, &name, &member)) {
        const char *text = JSON_NODE_HOLDS_VALUE(member) ? json_node_get_string(member) : NULL;
        if (!text || !berth_key_add_label(key, key->name, name, text, field, NULL))
            return FALSE;
    }
    return TRUE;
}

static gboolean read_value(JsonNode *node, const BerthKey *key, gpointer field)
{
    if (key->kind == &berth_kind_list)
        return read_list(node, key, field);
    if (key->kind == &berth_kind_dict)
        return read_dict(node, key, field);
    if (key->kind == &berth_kind_labels)
        return read_labels(node, key, field);
    if (!JSON_NODE_HOLDS_VALUE(node))
        return FALSE;
    if (key->kind->parse)
        return read_number(node, key, field);
    return key->kind == &berth_kind_bool ? read_bool(node, key, field) : read_string(node, key, field);
}

static gboolean read_member(const char *name, JsonNode *node, const BerthKeyTarget *targets, guint n_targets)
{
    for (guint i = 0; i < n_targets; i++) {
        const BerthKey *key = berth_keys_find(targets[i].table, name);
        if (key)
            return read_value(node, key, (char *) targets[i].fields + key->offset);
    }
    return FALSE;
}

static gboolean has_required(JsonObject *object, const BerthKeyTable *table)
{
    for (guint i = 0; i < table->n_keys; i++)
        if ((table->keys[i].flags & BERTH_KEY_REQUIRED) && !json_object_has_member(object, table->keys[i].name))
            return FALSE;
    return TRUE;
}

static gboolean read_object(JsonObject *object, const BerthKeyTarget *targets, guint n_targets)
{
    JsonObjectIter iter;
    const char *name;
    JsonNode *member;
    json_object_iter_init(&iter, object);
    while (json_object_iter_next(&iter, &name, &member))
        if (!read_member(name, member, targets, n_targets))
            return FALSE;
    for (guint i = 0; i < n_targets; i++)
        if (!has_required(object, targets[i].table))
            return FALSE;
    return TRUE;
}

gboolean berth_keys_read_object(JsonObject *object, const BerthKeyTarget *targets, guint n_targets)
{
    return read_object(object, targets, n_targets);
}
