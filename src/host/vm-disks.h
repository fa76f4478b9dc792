/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/image-meta.h"
#include "../core/vm-config.h"
#include "image-copy.h"

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

/**
 * berth_vm_disks_clone:
 * @vm_dir: absolute path of the (staged) directory
 * @source_dir: absolute path of the VM's whose disks are copied: nobody may write to them meanwhile
 * @config: of both, as far as it says what disks there are
 * @job: tells how far it is; its total is set here
 *
 * The same for a VM that begins with the disks of another, byte for byte: an overlay stays one on the same image. What
 * lies there belongs to whom QEMU ran as, and is trusted in nothing.
 */
gboolean berth_vm_disks_clone(const char *vm_dir, const char *source_dir, const BerthVmConfig *config,
                              BerthCopyJob *job, GError **error);
