/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* The display of a fake QEMU: takes clients as QEMU 7.2 does with -display dbus,p2p=yes, and greets each with a line instead
 * of D-Bus. */
#define FAKE_DISPLAY_GREETING "fake-display\n"

/* From -display. */
void display_set_on(bool on);
/* recv(), and keeps a descriptor that comes along. */
ssize_t display_receive(int fd, void *buffer, size_t size);
/* QMP's getfd and add_client; what QEMU says where it refuses, else NULL. */
const char *display_getfd(const char *name);
const char *display_add_client(const char *protocol, const char *name);
