/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-member.h"

JsonObject *berth_json_as_object(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonObject *berth_json_get_object(JsonObject *object, const char *member)
{
    return berth_json_as_object(json_object_get_member(object, member));
}

const char *berth_json_get_string(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);
    return node && json_node_get_value_type(node) == G_TYPE_STRING ? json_node_get_string(node) : NULL;
}

gint64 berth_json_get_number(JsonObject *object, const char *member)
{
    JsonNode *node = json_object_get_member(object, member);
    return node && json_node_get_value_type(node) == G_TYPE_INT64 ? MAX(json_node_get_int(node), -1) : -1;
}
