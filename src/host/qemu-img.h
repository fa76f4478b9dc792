/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* qemu-img as a child process, under limits. Blocking, without a main context: for workers, several at once. */
#define BERTH_QEMU_IMG_SECONDS 30u                    /* wall clock and CPU, for info and create */
#define BERTH_QEMU_IMG_MEMORY (1024ull * 1024 * 1024) /* address space, bytes */

typedef struct {
    guint64 virtual_size; /* bytes */
    gboolean has_backing_file;
    gboolean has_data_file;
    gboolean is_encrypted;
} BerthQemuImgInfo;

/**
 * berth_qemu_img_info:
 * @fd: the image, seekable. As root, its mode must let others read it: the child is nobody, and opens it anew
 *   through /dev/fd
 * @format: "qcow2" or "raw", never guessed. A raw image is what it is: no child looks at it
 *
 * An image that refers to other files or is encrypted is told by its header alone: no child ever opens it, whatever
 * that child would make of the names in it.
 *
 * Returns: FALSE with InvalidArgs where the image is damaged, nonsense or costs more than the limits; with
 *   StorageFailed where the child could not do its work
 */
gboolean berth_qemu_img_info(const char *qemu_img, int fd, const char *format, BerthQemuImgInfo *info, GError **error);

/**
 * berth_qemu_img_create:
 * @path: absolute, must not exist; mode 0600
 * @format: "qcow2" or "raw" (sparse)
 * @size: bytes; 0: as large as the backing file
 * @backing: (nullable): absolute path, with @backing_format; for qcow2
 *
 * Not fsynced. Where it fails, with StorageFailed, nothing is left behind.
 */
gboolean berth_qemu_img_create(const char *qemu_img, const char *path, const char *format, guint64 size,
                               const char *backing, const char *backing_format, GError **error);
