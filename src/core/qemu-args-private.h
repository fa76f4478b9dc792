/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "qemu-args.h"

/* Shared by qemu-args.c, which builds the vector and its machine, and qemu-devices.c. */

typedef struct {
    const BerthQemuArgsInput *in;
    GPtrArray *argv;
    gboolean mmio;   /* microvm: devices sit on virtio-mmio, there is no PCI */
    guint next_boot; /* the next bootindex; 0 is -kernel's own */
    guint n_sata;
    gboolean has_scsi;
} QemuArgs;

/* @value: (nullable) */
void qemu_args_add(QemuArgs *args, const char *option, const char *value);
/* For what takes no JSON: the caller's @format holds words of ours and numbers, never a string of a user. */
void qemu_args_add_numbers(QemuArgs *args, const char *option, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Takes @object. */
void qemu_args_add_json(QemuArgs *args, const char *option, JsonObject *object);
/* (transfer full): for -device */
JsonObject *qemu_args_device(const char *driver, const char *id);
/* (transfer full): of a -blockdev */
JsonObject *qemu_args_file_node(const char *dir, const char *name, gboolean read_only);

/* In the order in which they are in the vector. */
void qemu_args_add_rng(QemuArgs *args);
void qemu_args_add_balloon(QemuArgs *args);
void qemu_args_add_disks(QemuArgs *args);
void qemu_args_add_networks(QemuArgs *args);
void qemu_args_add_vsock(QemuArgs *args);
void qemu_args_add_display(QemuArgs *args);
void qemu_args_add_notify_socket(QemuArgs *args);
void qemu_args_add_agent(QemuArgs *args);
