/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "object.h"

/* JSON on standard output. Objects have the members that the contract names, e.g. "Name", "State"; errors are null or
 * {"Name", "Message"}. */

/* (transfer full) */
JsonNode *ctl_object_to_json(const CtlObject *object);
/* (transfer full): an array of them. */
JsonNode *ctl_objects_to_json(GPtrArray *objects);
/* @node: (transfer full). One line, or indented where @pretty. */
void ctl_print_json(JsonNode *node, gboolean pretty);
