/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qcow2-header.h"

#include <string.h>

#include "error.h"

/* Offsets and bits are those of QEMU's docs/interop/qcow2.txt; all numbers are big-endian. */
#define VERSION 4
#define BACKING_FILE_OFFSET 8
#define SIZE 24
#define CRYPT_METHOD 32
#define INCOMPATIBLE_FEATURES 72
#define VERSION_2_BYTES 72u
#define INCOMPATIBLE_DATA_FILE (1u << 2)

static guint32 get_be32(const guint8 *bytes)
{
    guint32 value;
    memcpy(&value, bytes, sizeof value);
    return GUINT32_FROM_BE(value);
}

static guint64 get_be64(const guint8 *bytes)
{
    guint64 value;
    memcpy(&value, bytes, sizeof value);
    return GUINT64_FROM_BE(value);
}

static gboolean refuse(GError **error, const char *why)
{
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "The file is no qcow2 image: %s", why);
    return FALSE;
}

gboolean berth_qcow2_header_parse(const guint8 *bytes, gsize length, BerthQcow2Header *header, GError **error)
{
    if (length < VERSION_2_BYTES)
        return refuse(error, "it is too short");
    if (memcmp(bytes, "QFI\xfb", 4) != 0)
        return refuse(error, "it does not begin like one");
    const guint32 version = get_be32(bytes + VERSION);
    if (version != 2 && version != 3)
        return refuse(error, "its version is neither 2 nor 3");
    if (version == 3 && length < BERTH_QCOW2_HEADER_BYTES)
        return refuse(error, "it is too short");
    const guint64 size = get_be64(bytes + SIZE);
    if (size > G_MAXINT64)
        return refuse(error, "the size in its header can't be");

    *header = (BerthQcow2Header){
        .virtual_size = size,
        .has_backing_file = get_be64(bytes + BACKING_FILE_OFFSET) != 0,
        .is_encrypted = get_be32(bytes + CRYPT_METHOD) != 0,
        .has_data_file = version == 3 && (get_be64(bytes + INCOMPATIBLE_FEATURES) & INCOMPATIBLE_DATA_FILE) != 0,
    };
    return TRUE;
}
