/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What a qcow2 image says of itself, and above all of other files, in its first bytes: read by us, before any QEMU opens
 * it, so that none is led to a file of the host by a name in an image. */
#define BERTH_QCOW2_HEADER_BYTES 104u

typedef struct {
    guint64 virtual_size; /* bytes */
    gboolean has_backing_file;
    gboolean has_data_file;
    gboolean is_encrypted;
} BerthQcow2Header;

/**
 * berth_qcow2_header_parse:
 * @bytes: the first @length bytes of the file; BERTH_QCOW2_HEADER_BYTES are enough
 *
 * Returns: FALSE with InvalidArgs where that is no header of version 2 or 3, or claims a size past 63 bits
 */
gboolean berth_qcow2_header_parse(const guint8 *bytes, gsize length, BerthQcow2Header *header, GError **error);
