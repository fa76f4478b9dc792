/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <stdio.h>

static JsonNode *error_to_json(GVariant *error)
{
    const char *name = "", *message = "";
    g_variant_get(error, "(&s&s)", &name, &message);
    if (name[0] == '\0')
        return json_node_new(JSON_NODE_NULL);
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "Name", name);
    json_object_set_string_member(object, "Message", message);
    JsonNode *node = json_node_init_object(json_node_alloc(), object);
    json_object_unref(object);
    return node;
}

JsonNode *ctl_object_to_json(const CtlObject *object)
{
    JsonObject *members = json_object_new();
    GVariantIter iter;
    const char *name;
    GVariant *value;
    g_variant_iter_init(&iter, object->properties);
    while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
        gboolean is_error = g_str_equal(name, "LastError") && g_variant_is_of_type(value, G_VARIANT_TYPE("(ss)"));
        json_object_set_member(members, name, is_error ? error_to_json(value) : json_gvariant_serialize(value));
    }
    JsonNode *node = json_node_init_object(json_node_alloc(), members);
    json_object_unref(members);
    return node;
}

JsonNode *ctl_objects_to_json(GPtrArray *objects)
{
    JsonArray *array = json_array_new();
    for (guint i = 0; i < objects->len; i++)
        json_array_add_element(array, ctl_object_to_json(objects->pdata[i]));
    JsonNode *node = json_node_init_array(json_node_alloc(), array);
    json_array_unref(array);
    return node;
}

void ctl_print_json(JsonNode *node, gboolean pretty)
{
    g_autofree char *text = json_to_string(node, pretty);
    puts(text);
    fflush(stdout);
    json_node_unref(node);
}
