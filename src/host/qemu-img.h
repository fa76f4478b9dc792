/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* qemu-img as a child process, under limits. Blocking: for workers. */
#define BERTH_QEMU_IMG_SECONDS 30u                    /* wall clock and CPU, for info and create */
#define BERTH_QEMU_IMG_MEMORY (1024ull * 1024 * 1024) /* address space, bytes */

typedef struct {
    guint64 virtual_size; /* bytes */
    gboolean has_backing_file;
    gboolean has_data_file;
    gboolean is_encrypted;
} BerthQemuImgInfo;

/* @fd: the image, read through the descriptor by an unprivileged child; @format: never guessed. */
gboolean berth_qemu_img_info(const char *qemu_img, int fd, const char *format, BerthQemuImgInfo *info, GError **error);

/**
 * berth_qemu_img_create:
 * @path: absolute, must not exist
 * @format: "qcow2" or "raw"
 * @size: bytes; 0: as large as the backing file
 * @backing: (nullable): absolute path, with @backing_format
 */
gboolean berth_qemu_img_create(const char *qemu_img, const char *path, const char *format, guint64 size,
                               const char *backing, const char *backing_format, GError **error);
