/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A directory that can't be reached any more, as on a server that has gone, by stale-preload.c: while the file that
 * STALE_VARIABLE names is there, whose text is an errno, everything that berthd does below STALE_DIRECTORY fails with that. */

#define STALE_VARIABLE "BERTH_STALE"
#define STALE_DIRECTORY "BERTH_STALE_DIRECTORY"
