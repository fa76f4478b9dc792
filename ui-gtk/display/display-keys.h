/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Keys by where they are on a keyboard, not by what is printed on them: what they mean is the guest's business.
 * Pure tables. */

/* What X11, and so GDK, has put before the kernel's codes. */
#define BERTH_UI_KEYCODE_OFFSET 8u

/* The kernel's codes (linux/input-event-codes.h) of the keys that this program itself has to know. */
enum {
    BERTH_UI_KEY_BACKSPACE = 14,
    BERTH_UI_KEY_LEFT_CONTROL = 29,
    BERTH_UI_KEY_LEFT_ALT = 56,
    BERTH_UI_KEY_F1 = 59,
    BERTH_UI_KEY_F2 = 60,
    BERTH_UI_KEY_F3 = 61,
    BERTH_UI_KEY_RIGHT_CONTROL = 97,
    BERTH_UI_KEY_RIGHT_ALT = 100,
    BERTH_UI_KEY_DELETE = 111,
};

/**
 * berth_ui_key_to_qemu:
 * @key: the kernel's code
 *
 * Returns: QEMU's number of it: what a PC's keyboard sends (set 1), with 0x80 for the prefix 0xe0; 0 where QEMU has no
 *   such key
 */
guint berth_ui_key_to_qemu(guint key);

/* (transfer none) (nullable): the keys of a combination, ended by 0, by its name in the menu: "ctrl-alt-delete" */
const guint *berth_ui_key_combination(const char *name);
