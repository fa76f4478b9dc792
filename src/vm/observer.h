/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/usage.h"

/* How the model reports upward. It knows nothing of a bus: whoever shows it fills this struct in. */

typedef struct BerthVm BerthVm;
typedef struct BerthImage BerthImage;
typedef struct BerthJob BerthJob;

/* What of a VM has changed; each stands for the properties that change together. */
typedef enum {
    BERTH_ASPECT_NAME = 1 << 0,
    BERTH_ASPECT_STATE = 1 << 1,   /* and its time */
    BERTH_ASPECT_REMOVAL = 1 << 2, /* phase, attempt, next attempt, blocker */
    BERTH_ASPECT_LAST_ERROR = 1 << 3,
    BERTH_ASPECT_WANTED = 1 << 4,
    BERTH_ASPECT_CONFIG = 1 << 5,
    BERTH_ASPECT_PROCESS = 1 << 6, /* unit, PID, time of the start */
    BERTH_ASPECT_RESPONSIVE = 1 << 7,
    BERTH_ASPECT_RESTARTS = 1 << 8, /* how many there were, and when the next start is due */
    BERTH_ASPECT_EXIT = 1 << 9,     /* reason and status */
    BERTH_ASPECT_GUEST = 1 << 10,   /* what the guest says of itself */
} BerthAspect;

typedef struct {
    void (*vm_added)(BerthVm *vm, gpointer data);
    void (*vm_changed)(BerthVm *vm, guint aspects, gpointer data);
    /* While it can still be found: the last chance to tell anybody. */
    void (*vm_removed)(BerthVm *vm, gpointer data);
    /* What a VM uses, for one who has subscribed to that (usage.h). */
    void (*vm_usage)(BerthVm *vm, const char *subscriber, const BerthUsage *usage, gpointer data);

    void (*image_added)(BerthImage *image, gpointer data);
    void (*image_changed)(BerthImage *image, gpointer data); /* who uses it */
    void (*image_removed)(BerthImage *image, gpointer data);

    void (*job_added)(BerthJob *job, gpointer data);
    void (*job_changed)(BerthJob *job, gpointer data); /* progress */
    /* Right before it goes. */
    void (*job_completed)(BerthJob *job, gpointer data);
} BerthObserver;
