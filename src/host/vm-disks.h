/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/image-meta.h"
#include "../core/vm-config.h"

/* The files below a VM's disks/: made when the VM is. */

typedef struct {
    const char *qemu_img;
    const BerthVmConfig *config;
    const BerthImageMeta *image; /* (nullable) */
    const char *image_dir;       /* absolute, where @image is */
    const char *firmware_vars;   /* template of the variables, for firmware "uefi" */
    uid_t owner;                 /* (uid_t)-1: leave it alone */
} BerthDisksSpec;

/**
 * berth_vm_disks_make:
 * @vm_dir: absolute path of the (staged) directory
 *
 * Makes the overlay on the image's disk, the blank disks and the firmware's variables. Blocks: for a worker. What it
 * made before an error is the caller's to discard, with the directory.
 */
gboolean berth_vm_disks_make(const char *vm_dir, const BerthDisksSpec *spec, GError **error);
