/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* Members of an object that came from disk: InvalidArgs, naming the member, where it is missing, of another type or out
 * of its bounds. */

/* @value: (out) (transfer none) */
gboolean berth_json_member_string(JsonObject *object, const char *name, const char **value, GError **error);
gboolean berth_json_member_int(JsonObject *object, const char *name, gint64 min, gint64 max, gint64 *value,
                               GError **error);
