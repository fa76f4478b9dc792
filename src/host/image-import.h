/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "image-copy.h"
#include "image-store.h"

/* What goes into an image's directory. Between the files image-*.c only. */

/* (transfer full): copies, checks, and writes image.json, all fsynced. The directory is the caller's to publish or
 * delete. */
BerthImageMeta *berth_image_stage(int dir_fd, const BerthImageImport *import, BerthCopyJob *job, GError **error);

/* Sets in @meta what an import finds out. */
void berth_image_fill(BerthImageMeta *meta, const BerthImageMeta *found);
