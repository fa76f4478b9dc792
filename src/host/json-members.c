/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json-members.h"

#include "../core/error.h"

/* json-glib's own getters convert between types, and complain to the log where they can't. */
static JsonNode *get_value(JsonObject *object, const char *name, GType type, const char *type_name, GError **error)
{
    JsonNode *node = json_object_get_member(object, name);
    if (node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type)
        return node;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "\"%s\" is %s", name, node ? type_name : "missing");
    return NULL;
}

gboolean berth_json_member_string(JsonObject *object, const char *name, const char **value, GError **error)
{
    JsonNode *node = get_value(object, name, G_TYPE_STRING, "no string", error);
    if (!node)
        return FALSE;
    *value = json_node_get_string(node);
    return TRUE;
}

gboolean berth_json_member_int(JsonObject *object, const char *name, gint64 min, gint64 max, gint64 *value,
                               GError **error)
{
    JsonNode *node = get_value(object, name, G_TYPE_INT64, "no whole number", error);
    if (!node)
        return FALSE;
    gint64 number = json_node_get_int(node);
    if (number < min || number > max) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS,
                    "\"%s\" is %" G_GINT64_FORMAT ", not from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, name, number,
                    min, max);
        return FALSE;
    }
    *value = number;
    return TRUE;
}
