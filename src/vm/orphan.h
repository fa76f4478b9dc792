/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "manager.h"

/* Runs that no VM owns: there is a runtime directory, and no VM of that id. */

typedef struct BerthOrphan BerthOrphan;

/**
 * berth_end_orphans:
 *
 * At start-up, when all VMs are known. An orphan that was started from this very state directory is reported and ended, again
 * and again until the kernel says that nobody is left; its CID is in use as long. One of another state directory is
 * reported and left alone: its VM is there still, where it has only been unmounted. The manager owns them.
 */
void berth_end_orphans(BerthManager *manager);

/* Whether it is being ended, and is not one that is left alone. */
gboolean berth_orphan_is_ending(const BerthOrphan *orphan);
/* 0 where it has none of its own. */
guint32 berth_orphan_cid(const BerthOrphan *orphan);

/* Tries no more. */
void berth_orphan_free(BerthOrphan *orphan);
