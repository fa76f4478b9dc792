/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* What others say is of the type that it should be, or isn't there. */

/* (nullable): @node, which may be %NULL, as an object */
JsonObject *berth_json_as_object(JsonNode *node);
/* (nullable) */
JsonObject *berth_json_get_object(JsonObject *object, const char *member);
/* (nullable) */
const char *berth_json_get_string(JsonObject *object, const char *member);
/* A whole number, 0 to G_MAXINT64; -1 where it is anything else. */
gint64 berth_json_get_number(JsonObject *object, const char *member);
