/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "display-keys.h"

/* The kernel numbered the keys of the first PCs as those number themselves; up to here both are the same. */
#define LAST_COMMON 83u

static const guint8 numbers[] = {
    [86] = 0x56,  /* between the left shift and Z */
    [87] = 0x57,  /* F11 */
    [88] = 0x58,  /* F12 */
    [89] = 0x73,  /* Ro */
    [90] = 0x78,  /* Katakana */
    [91] = 0x77,  /* Hiragana */
    [92] = 0x79,  /* Henkan */
    [93] = 0x70,  /* Katakana and Hiragana */
    [94] = 0x7b,  /* Muhenkan */
    [95] = 0x5c,  /* the keypad's Japanese comma */
    [96] = 0x9c,  /* the keypad's Enter */
    [97] = 0x9d,  /* right Control */
    [98] = 0xb5,  /* the keypad's slash */
    [99] = 0x54,  /* Print, and SysRq with Alt */
    [100] = 0xb8, /* right Alt */
    [101] = 0x5b, /* line feed */
    [102] = 0xc7, /* Home */
    [103] = 0xc8, /* up */
    [104] = 0xc9, /* Page Up */
    [105] = 0xcb, /* left */
    [106] = 0xcd, /* right */
    [107] = 0xcf, /* End */
    [108] = 0xd0, /* down */
    [109] = 0xd1, /* Page Down */
    [110] = 0xd2, /* Insert */
    [111] = 0xd3, /* Delete */
    [113] = 0xa0, /* mute */
    [114] = 0xae, /* quieter */
    [115] = 0xb0, /* louder */
    [116] = 0xde, /* power */
    [117] = 0x59, /* the keypad's = */
    [119] = 0xc6, /* Pause */
    [121] = 0x7e, /* the keypad's comma */
    [122] = 0x72, /* Hangul */
    [123] = 0x71, /* Hanja */
    [124] = 0x7d, /* Yen */
    [125] = 0xdb, /* left Super */
    [126] = 0xdc, /* right Super */
    [127] = 0xdd, /* Menu */
    [140] = 0xa1, /* calculator */
    [142] = 0xdf, /* sleep */
    [143] = 0xe3, /* wake up */
    [155] = 0xec, /* mail */
    [156] = 0xe6, /* bookmarks */
    [157] = 0xeb, /* computer */
    [158] = 0xea, /* back */
    [159] = 0xe9, /* forward */
    [163] = 0x99, /* next song */
    [164] = 0xa2, /* play, pause */
    [165] = 0x90, /* previous song */
    [166] = 0xa4, /* stop */
    [172] = 0xb2, /* home page */
    [173] = 0xe7, /* reload */
};

guint berth_ui_key_to_qemu(guint key)
{
    if (key <= LAST_COMMON)
        return key;
    return key < G_N_ELEMENTS(numbers) ? numbers[key] : 0;
}

#define COMBINATION_MAX 3

static const struct {
    const char *name;
    guint keys[COMBINATION_MAX + 1];
} combinations[] = {
    {"ctrl-alt-delete", {BERTH_UI_KEY_LEFT_CONTROL, BERTH_UI_KEY_LEFT_ALT, BERTH_UI_KEY_DELETE}},
    {"ctrl-alt-backspace", {BERTH_UI_KEY_LEFT_CONTROL, BERTH_UI_KEY_LEFT_ALT, BERTH_UI_KEY_BACKSPACE}},
    {"ctrl-alt-f1", {BERTH_UI_KEY_LEFT_CONTROL, BERTH_UI_KEY_LEFT_ALT, BERTH_UI_KEY_F1}},
    {"ctrl-alt-f2", {BERTH_UI_KEY_LEFT_CONTROL, BERTH_UI_KEY_LEFT_ALT, BERTH_UI_KEY_F2}},
    {"ctrl-alt-f3", {BERTH_UI_KEY_LEFT_CONTROL, BERTH_UI_KEY_LEFT_ALT, BERTH_UI_KEY_F3}},
};

const guint *berth_ui_key_combination(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(combinations); i++)
        if (g_str_equal(combinations[i].name, name))
            return combinations[i].keys;
    return NULL;
}
