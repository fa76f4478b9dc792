/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/image-meta.h"
#include "observer.h"
#include "reply.h"

typedef struct BerthManager BerthManager;

/* An image of the library, and who uses it. */
struct BerthImage {
    BerthImageMeta *meta;
    GPtrArray *users; /* (element-type BerthVm) (not owned): a VM leaves when it goes */
    guint n_reserved; /* creations in flight */
    gboolean removing;
};

/* (transfer full): @meta is taken over. */
BerthImage *berth_image_new(BerthImageMeta *meta);
void berth_image_free(BerthImage *image);

/* Removes it from library and disk; ImageInUse where somebody uses it. @reply: (transfer full). */
void berth_image_remove(BerthManager *manager, BerthImage *image, BerthReply *reply);
