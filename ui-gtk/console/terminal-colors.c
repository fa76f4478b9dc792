/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "terminal-colors.h"

#define N_COLORS 16

typedef struct {
    guint32 foreground, background, colors[N_COLORS]; /* 0xRRGGBB */
} Palette;

/* Of the ANSI colours those that are to be read on white are darker. */
static const Palette light = {0x1e1e1e,
                              0xffffff,
                              {0x241f31, 0xc01c28, 0x1e7b4f, 0x905425, 0x1a5fb4, 0x813d9c, 0x0e6e82, 0x9a9996, 0x5e5c64,
                               0xe01b24, 0x26884f, 0xa4600c, 0x1c71d8, 0x9141ac, 0x1a8394, 0xc0bfbc}};
static const Palette dark = {0xffffff,
                             0x1e1e1e,
                             {0x3d3846, 0xed333b, 0x33d17a, 0xe5a50a, 0x62a0ea, 0xc061cb, 0x33c7de, 0xdeddda, 0x9a9996,
                              0xf66151, 0x57e389, 0xf8e45c, 0x99c1f1, 0xdc8add, 0x93ddee, 0xffffff}};

static GdkRGBA rgba(guint32 color)
{
    return (GdkRGBA){(float) (color >> 16 & 0xff) / 255, (float) (color >> 8 & 0xff) / 255,
                     (float) (color & 0xff) / 255, 1};
}

void berth_ui_terminal_set_colors(VteTerminal *vte, gboolean is_dark)
{
    const Palette *palette = is_dark ? &dark : &light;
    GdkRGBA colors[N_COLORS], foreground = rgba(palette->foreground), background = rgba(palette->background);
    for (guint i = 0; i < N_COLORS; i++)
        colors[i] = rgba(palette->colors[i]);
    vte_terminal_set_colors(vte, &foreground, &background, colors, N_COLORS);
}
