/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/bus/scripted.h"
#include "tests/lib/fakes/fake-berth.h"
#include "ui-gtk/application.h"
#include "ui-gtk/window.h"

/* The desktop manager's window in the test's own process, with the real daemon of the scripted fixture behind it, or a
 * fake one for what the real one does not do at will. The test sees what a user does, words on widgets that are mapped,
 * and does what a user can: it clicks what is sensitive. */

typedef struct {
    Fixture fixture;
    FakeBerth *fake;
    BerthUiService *service;
    BerthUiWindow *window;
} Stage;

#define STAGE_ADD(path, func) g_test_add(path, Stage, "", stage_set_up, func, stage_tear_down)
#define STAGE_ADD_FAKE(path, func) g_test_add(path, Stage, NULL, stage_set_up_fake, func, stage_tear_down_fake)

void stage_set_up_fake(Stage *stage, gconstpointer unused);
void stage_tear_down_fake(Stage *stage, gconstpointer unused);
void stage_set_up(Stage *stage, gconstpointer config);
void stage_tear_down(Stage *stage, gconstpointer config);
/* What those are made of, for tests that bring a service of their own. @address: (nullable): of the bus that it is on;
 * NULL for the system's own. */
void stage_begin(void);
void stage_end(void);
void stage_open(Stage *stage, const char *address);
void stage_close(Stage *stage);
/* main() of such tests. */
int stage_main(int argc, char **argv, void (*add)(void));

/* The window that is on top: a dialog, or the dialog of one, where there is any. */
GtkWidget *stage_top(Stage *stage);

/* (transfer none) (nullable): the first widget below @root, and mapped, that is a @type and shows @text (NULL: any):
 * the text of a label, the label or tooltip of a button, the words of a badge */
GtkWidget *stage_find(GtkWidget *root, GType type, const char *text);
/* (transfer none) (nullable): the n-th one of a @type, from 0 */
GtkWidget *stage_find_nth(GtkWidget *root, GType type, guint n);
/* Whether these words are anywhere to be seen. */
gboolean stage_sees(Stage *stage, const char *text);
/* Waits for it, and clicks it: it is sensitive. @label: as stage_find() has it */
void stage_click(Stage *stage, const char *label);
/* Waits until it is to be seen, and whether it can be clicked is as told. Returns its tooltip. (transfer none) */
const char *stage_await_button(Stage *stage, const char *label, gboolean sensitive);

/* What the badge of this VM's row says; NULL where there is no such row. (transfer none) */
const char *stage_badge(Stage *stage, const char *vm);
/* Waits for it. */
void stage_await_badge(Stage *stage, const char *vm, const char *text);
/* How many rows are to be seen. */
guint stage_n_rows(Stage *stage);
/* The name in the n-th of them from above. (transfer none) */
const char *stage_row_name(Stage *stage, guint n);
/* Clicks a VM's row, as far as the list is concerned: it is selected alone. */
void stage_choose(Stage *stage, const char *vm);
/* Goes to it, by a double click or Enter. */
void stage_activate(Stage *stage, const char *vm);
/* Goes to another view of the VM that is shown: "journal". */
void stage_view(Stage *stage, const char *view);

/* Real keys, by the display: "ctrl+Return". Without a window manager they go to where the pointer is. */
void stage_press(const char *key);
/* The same with each character of a text. */
void stage_type(const char *text);

/* The terminal of the console, where it is to be seen. (transfer none) (nullable) */
GtkWidget *stage_terminal(Stage *stage);
/* All that it shows, and has shown; "" where there is none. (transfer full) */
char *stage_terminal_text(Stage *stage);
