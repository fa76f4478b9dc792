/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "display-frame.h"

#include <string.h>

#define BYTES_PER_PIXEL 4u
#define OPAQUE 0xff000000u

/* Pixman's names of formats: bits per pixel, order of the colours, and how many bits each has. */
#define FORMAT_XRGB 0x20020888u
#define FORMAT_ARGB 0x20028888u
#define FORMAT_XBGR 0x20030888u
#define FORMAT_ABGR 0x20038888u

static gboolean refuse(GError **error, const char *what)
{
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "QEMU sent a picture that %s", what);
    return FALSE;
}

static gboolean is_known(guint32 format)
{
    return format == FORMAT_XRGB || format == FORMAT_ARGB || format == FORMAT_XBGR || format == FORMAT_ABGR;
}

static gboolean is_swapped(guint32 format)
{
    return format == FORMAT_XBGR || format == FORMAT_ABGR;
}

/* A last row may end where its pixels do. */
static gboolean check_pixels(guint width, guint height, const BerthUiPixels *pixels, GError **error)
{
    if (width == 0 || height == 0 || width > BERTH_UI_FRAME_MAX || height > BERTH_UI_FRAME_MAX ||
        width * height > BERTH_UI_FRAME_MAX_PIXELS)
        return refuse(error, "has no such size");
    if (!is_known(pixels->format))
        return refuse(error, "is in no format that is known here");
    if (pixels->stride < width * BYTES_PER_PIXEL)
        return refuse(error, "has rows that are shorter than it is wide");
    if (pixels->size < (guint64) pixels->stride * (height - 1) + width * BYTES_PER_PIXEL)
        return refuse(error, "is shorter than it says");
    return TRUE;
}

/* What comes need not be aligned. */
static void copy_row(guint32 *to, const guint8 *from, guint width, gboolean swapped)
{
    memcpy(to, from, (gsize) width * BYTES_PER_PIXEL);
    for (guint i = 0; i < width; i++) {
        guint32 pixel = to[i];
        if (swapped)
            pixel = (pixel & 0x0000ff00u) | (pixel >> 16 & 0xffu) | (pixel & 0xffu) << 16;
        to[i] = pixel | OPAQUE;
    }
}

void berth_ui_frame_clear(BerthUiFrame *frame)
{
    g_clear_pointer(&frame->pixels, g_free);
    frame->width = frame->height = 0;
}

/* @width, @height: how much of @pixels is taken, from its upper left corner */
static void copy(BerthUiFrame *frame, guint x, guint y, guint width, guint height, const BerthUiPixels *pixels)
{
    gboolean swapped = is_swapped(pixels->format);
    for (guint row = 0; row < height; row++)
        copy_row(frame->pixels + (gsize) (y + row) * frame->width + x, pixels->data + (gsize) row * pixels->stride,
                 width, swapped);
}

gboolean berth_ui_frame_replace(BerthUiFrame *frame, guint32 width, guint32 height, const BerthUiPixels *pixels,
                                GError **error)
{
    if (!check_pixels(width, height, pixels, error))
        return FALSE;
    if (width != frame->width || height != frame->height) {
        berth_ui_frame_clear(frame);
        frame->pixels = g_new(guint32, (gsize) width * height);
        frame->width = width;
        frame->height = height;
    }
    copy(frame, 0, 0, width, height, pixels);
    return TRUE;
}

gboolean berth_ui_frame_update(BerthUiFrame *frame, gint32 x, gint32 y, gint32 width, gint32 height,
                               const BerthUiPixels *pixels, GError **error)
{
    if (x < 0 || y < 0 || width < 0 || height < 0)
        return refuse(error, "has no such size");
    if (!check_pixels((guint) width, (guint) height, pixels, error))
        return FALSE;
    if ((guint) x < frame->width && (guint) y < frame->height)
        copy(frame, (guint) x, (guint) y, MIN((guint) width, frame->width - (guint) x),
             MIN((guint) height, frame->height - (guint) y), pixels);
    return TRUE;
}

static void enlarge_row(guint32 *to, const guint32 *from, guint width, guint times)
{
    for (guint i = 0; i < width; i++)
        for (guint n = 0; n < times; n++)
            *to++ = from[i];
}

GBytes *berth_ui_frame_copy(const BerthUiFrame *frame, guint times)
{
    gsize row = (gsize) frame->width * times;
    guint32 *pixels = g_new(guint32, row * frame->height * times);
    for (guint y = 0; y < frame->height; y++) {
        guint32 *to = pixels + row * y * times;
        enlarge_row(to, frame->pixels + (gsize) y * frame->width, frame->width, times);
        for (guint n = 1; n < times; n++)
            memcpy(to + row * n, to, row * BYTES_PER_PIXEL);
    }
    return g_bytes_new_take(pixels, row * frame->height * times * BYTES_PER_PIXEL);
}

gboolean berth_ui_cursor_check(gint32 width, gint32 height, gint32 hot_x, gint32 hot_y, gsize size, GError **error)
{
    if (width <= 0 || height <= 0 || width > BERTH_UI_CURSOR_MAX || height > BERTH_UI_CURSOR_MAX)
        return refuse(error, "is a pointer, and has no such size");
    if (hot_x < 0 || hot_y < 0 || hot_x >= width || hot_y >= height)
        return refuse(error, "is a pointer that points from beside itself");
    if (size != (gsize) width * (gsize) height * BYTES_PER_PIXEL)
        return refuse(error, "is a pointer, and not as long as it says");
    return TRUE;
}
