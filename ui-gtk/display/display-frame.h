/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* What a guest's screen shows, as QEMU tells it: a whole picture, and then the parts that have changed. QEMU is not
 * trusted: sizes, strides and lengths are checked against each other before a byte is read. Knows no widgets. */

/* More than any screen has, and little enough that no product of them overflows. */
#define BERTH_UI_FRAME_MAX 16384u
/* Pixels, of a whole picture: a quarter of the bytes that a message may have. */
#define BERTH_UI_FRAME_MAX_PIXELS (1u << 25)
/* Either way, of a pointer. */
#define BERTH_UI_CURSOR_MAX 512

typedef struct {
    guint width, height; /* 0: the screen is off */
    guint32 *pixels;     /* rows without gaps, 0xffRRGGBB in the machine's order: opaque */
} BerthUiFrame;

/* Pixels as they come: rows of @stride bytes. */
typedef struct {
    guint32 stride;
    guint32 format; /* pixman's */
    const guint8 *data;
    gsize size;
} BerthUiPixels;

/* Turns the screen off, and frees what it has shown. */
void berth_ui_frame_clear(BerthUiFrame *frame);

/**
 * berth_ui_frame_replace:
 *
 * A whole picture, of another size perhaps. With an error (G_IO_ERROR) the frame is as it was.
 */
gboolean berth_ui_frame_replace(BerthUiFrame *frame, guint32 width, guint32 height, const BerthUiPixels *pixels,
                                GError **error);

/**
 * berth_ui_frame_update:
 * @x, @y, @width, @height: where it has changed. An update may come just before the news that the picture has another
 *   size: what lies outside is left out
 *
 * With an error (G_IO_ERROR) the frame is as it was.
 */
gboolean berth_ui_frame_update(BerthUiFrame *frame, gint32 x, gint32 y, gint32 width, gint32 height,
                               const BerthUiPixels *pixels, GError **error);

/**
 * berth_ui_frame_copy:
 * @times: how many pixels wide and high each becomes, at least 1
 *
 * Returns: (transfer full): the picture, which is not off, in rows without gaps
 */
GBytes *berth_ui_frame_copy(const BerthUiFrame *frame, guint times);

/* Whether a pointer's picture is one: @size bytes of 0xAARRGGBB with its hot spot within. */
gboolean berth_ui_cursor_check(gint32 width, gint32 height, gint32 hot_x, gint32 hot_y, gsize size, GError **error);
