/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * berth_tap_open:
 * @id: the VM's
 * @index: of the network in the VM
 * @bridge: name of the bridge to join; must exist
 *
 * A tap that lives as long as a descriptor of it is open: the kernel takes it away with QEMU, so there is nothing to
 * release and nothing to leak. Its name is derived from @id and @index ("bt" and 12 hex digits), its alias says whose
 * it is.
 *
 * Returns: the descriptor (close-on-exec), -1 with StartFailed
 */
int berth_tap_open(const char *id, guint index, const char *bridge, GError **error);

/* (transfer full): the interface's name. */
char *berth_tap_name(const char *id, guint index);

/* (transfer full) (element-type utf8 utf8): the taps on this host whose alias says that they are a VM's: name →
 * the VM's id. %NULL with Unsupported where the kernel does not tell. */
GHashTable *berth_tap_list(GError **error);
