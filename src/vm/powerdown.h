/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm.h"

/* A guest that was asked to power down, by whomever: how long it is waited for, and that its power button is pressed again. */

/**
 * berth_powerdown_begin:
 * @asked_by_keeper: the guest was asked by its keeper, because of a signal, and not by us
 *
 * State stopping until the guest is gone; where it does not go within ShutdownTimeoutSec, it runs on and LastError says
 * so. Its keeper ends it where the signal was systemd's stop, so then we wait longer than the keeper does.
 */
void berth_powerdown_begin(BerthVm *vm, gboolean asked_by_keeper, const char *why);

/* What an earlier daemon began, as vm->run's operation has it, with the rest of its deadline; or with all of it where it is not
 * known whether the guest was asked. */
void berth_powerdown_resume(BerthVm *vm);

/* The guest was asked in vain, and runs on: how it ends is its own affair again. */
void berth_powerdown_end(BerthVm *vm);

/* Somebody has pressed the power button. Where Shutdown has asked for that, it is pressed again after a pause, as a guest in its
 * firmware does not hear it; until the guest is gone, or the deadline has come. Where it was the keeper, that goes on with it. */
void berth_powerdown_button_pressed(BerthVm *vm);

/* Presses it where systemd stops the scope, and no keeper is left that would; and again as above, until systemd's patience is over. */
void berth_powerdown_press_button(BerthVm *vm);
