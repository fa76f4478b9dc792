/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What QEMU calls things on its own D-Bus, org.qemu.Display1. */

#define QEMU_CONSOLE_PATH "/org/qemu/Display1/Console_0"
#define QEMU_LISTENER_PATH "/org/qemu/Display1/Listener"
#define QEMU_IFACE "org.qemu.Display1."
#define QEMU_IFACE_MOUSE QEMU_IFACE "Mouse"
