/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* What a guest says of itself, made fit for the bus and the journal. The guest is hostile: whatever is not as it should be
 * is left out, and what is kept has bounds and no character that can't be printed. Pure. */

#define BERTH_GUEST_TEXT_MAX 256u     /* bytes of an operating system's name, a status, an interface's name */
#define BERTH_GUEST_STATUS_MAX 288u   /* bytes of what a notification comes to */
#define BERTH_GUEST_ADDRESSES_MAX 64u /* of all interfaces */

/* @result: (nullable): what the agent returns for guest-get-osinfo.
 * (transfer full): "Debian GNU/Linux 12 (bookworm)"; "" where it does not say. */
char *berth_guest_info_os(JsonNode *result);

/* @result: (nullable): what the agent returns for guest-network-get-interfaces.
 * (transfer full): "ADDRESS/PREFIX INTERFACE" each, IPv4 first, else as the guest orders them; without loopback and
 * link-local addresses, which nobody outside of the guest can use. */
GStrv berth_guest_info_addresses(JsonNode *result);

/* A notification as sd_notify(3) has it, of a guest's service manager. */
typedef struct {
    gboolean ready;    /* READY=1 */
    gboolean stopping; /* STOPPING=1 */
    char *status;      /* (nullable): STATUS=, or the unit of X_SYSTEMD_UNIT_ACTIVE= */
    int exit_status;   /* EXIT_STATUS=, 0 to 255; -1 where it has none */
} BerthGuestNotice;

/* @text: not necessarily NUL-terminated. (transfer full): what is unknown in it is passed over. */
BerthGuestNotice *berth_guest_notice_parse(const char *text, gsize length);
void berth_guest_notice_free(BerthGuestNotice *notice);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthGuestNotice, berth_guest_notice_free)
