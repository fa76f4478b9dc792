/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* vsock without a kernel that has it, by vsock-preload.c: the port PORT that berthd listens on is the unix socket of that name
 * in VSOCK_DIRECTORY, and a guest is whoever connects to it from a socket there whose name is as VSOCK_NAME_FORMAT has it: CID
 * and port. */

#define VSOCK_DIRECTORY "BERTH_VSOCK_DIRECTORY"
#define VSOCK_NAME_FORMAT "%u:%u"
