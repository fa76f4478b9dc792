/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* image.json: what is known of an image. */

typedef struct {
    char *name;
    char *description;
    char *version;
    char *sha256;            /* of the disk (of the kernel, where there is no disk), lower-case hex */
    const char *disk_format; /* "qcow2", "raw", "" for no disk; a constant */
    guint64 virtual_size;    /* bytes the guest sees; 0 for no disk */
    guint64 size;            /* bytes of all the image's files together */
    char *cmdline;           /* for direct-kernel images */
    gboolean has_kernel;
    gboolean has_initrd;
    gint64 created; /* µs since the epoch */
} BerthImageMeta;

BerthImageMeta *berth_image_meta_new(const char *name);
BerthImageMeta *berth_image_meta_copy(const BerthImageMeta *meta);
void berth_image_meta_free(BerthImageMeta *meta);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthImageMeta, berth_image_meta_free)

/* The members that a caller may give: name, description, version, cmdline. InvalidArgs names the one that is wrong. */
gboolean berth_image_meta_check(const BerthImageMeta *meta, GError **error);

/* (transfer full): the text of image.json. */
char *berth_image_meta_to_json(const BerthImageMeta *meta, gsize *length);
/* Hostile until checked: bounded, every member there and of the right type, name valid, unknown members refused, and
 * the whole coherent (no virtual size without a disk, no initrd without a kernel ...). */
BerthImageMeta *berth_image_meta_from_json(const char *text, gsize length, GError **error);
