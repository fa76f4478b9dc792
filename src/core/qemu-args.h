/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "image-meta.h"
#include "vm-config.h"

/* From a definition to QEMU's argument vector. Pure and deterministic; golden vectors in tests/unit/qemu-args/.
 * No string of a user is ever joined into an option list: disks, devices and machine properties are JSON. */

typedef struct {
    const char *qemu;        /* path of the binary */
    const char *accelerator; /* "kvm" or "tcg" */
    const char *id;
    const char *name;
    guint32 cid;
    const BerthVmConfig *config;
    const BerthImageMeta *image; /* (nullable) */
    const char *image_dir;       /* absolute, where @image is */
    const char *disks_dir;       /* absolute: disk0, disk1 ... and vars.fd */
    const char *firmware_code;   /* for firmware "uefi" */
    int tap_fds[16];             /* as QEMU will see it, by index of the network; -1 where none */
    guint notify_port;           /* vsock port for the notifications of the guest's systemd; 0: none */
    int vsock_fd;                /* -1: let QEMU open the device itself */
} BerthQemuArgsInput;

/* What QEMU calls the channel to the guest's agent: a device and a chardev. */
#define BERTH_QEMU_AGENT "agent"

/* (transfer full): NULL-terminated. Checked input only: it can't fail. */
GStrv berth_qemu_args(const BerthQemuArgsInput *input);

/* The name of disk @index's file in the VM's disks directory, e.g. "disk0.qcow2". (transfer full) */
char *berth_disk_file_name(const BerthVmConfig *config, guint index);

/* A stable, locally administered unicast MAC for network @index of VM @id. (transfer full) */
char *berth_network_mac(const char *id, guint index);
