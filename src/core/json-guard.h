/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* json-glib 1.6 recurses without a bound and crashes on deep nesting: whatever comes from disk, QEMU or
 * qemu-img passes here first. */
#define BERTH_JSON_DEPTH_MAX 32u
#define BERTH_JSON_SIZE_MAX (1024u * 1024u)

/**
 * berth_json_parse_object:
 * @text: JSON, not necessarily NUL-terminated
 * @length: bytes, at most BERTH_JSON_SIZE_MAX
 *
 * Returns: (transfer full): the object; %NULL with InvalidArgs where @text is too long, too deep, not UTF-8,
 *   has a NUL (also an escaped one), is no JSON in the strict sense of RFC 8259 or no object, has a member twice or
 *   a number past 64 bits. Whole numbers above G_MAXINT64 are negative in the result, as json-glib has only gint64.
 */
JsonObject *berth_json_parse_object(const char *text, gsize length, GError **error);
