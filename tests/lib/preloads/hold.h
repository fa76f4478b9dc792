/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Steps of berthd that a test can hold just before they are done to the disk, by hold-preload.c. */

#define HOLD_MARK "mark"       /* a removal marker comes to stand */
#define HOLD_UNMARK "unmark"   /* it goes */
#define HOLD_SAVE "save"       /* a definition is replaced */
#define HOLD_WANT "want"       /* that a VM is wanted, or not any more */
#define HOLD_DOOM "doom"       /* a VM's directory goes to the doomed ones */
#define HOLD_GONE "gone"       /* the last file of a VM that is removed goes */
#define HOLD_PUBLISH "publish" /* one that was made becomes a VM's */
#define HOLD_COPY "copy"       /* a VM's disk is copied for another */
#define HOLD_DROP "drop"       /* an image leaves the library */
#define HOLD_SCAN "scan"       /* a definition is read */
#define HOLD_SCANNED "scanned" /* it was read, and now its marker is looked for */

#define HOLD_VARIABLE "BERTH_HOLD"
#define HOLD_ARRIVED ".arrived"

typedef struct Hold Hold;

/* Makes the directory @dir for it, and has the daemon that is spawned with @environ (transfer full) hold what it is
 * told to. @preload: path of hold-preload.so. */
Hold *hold_new(const char *dir, const char *preload, char ***environ);
void hold_free(Hold *hold);
/* From now on, until it is released. */
void hold_at(Hold *hold, const char *point);
/* Waits until the daemon is there. */
void hold_await(Hold *hold, const char *point);
/* Lets go on all that wait, and holds no more. Nothing where it is not held. */
void hold_release(Hold *hold);
