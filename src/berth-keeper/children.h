/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What QEMU forked and left behind becomes ours, as we are the subreaper. */

/* A descriptor of the kernel's list of our children; -1 where it keeps none. Before privileges are dropped. */
int children_open(void);
/* Kills and reaps until none is left. Where one can't die (state D), neither do we: the scope is not empty. */
void children_kill(int list_fd);
