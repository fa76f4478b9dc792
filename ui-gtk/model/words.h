/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm.h"

/* What states, phases, reasons, errors and actions are called for a person, how they look, and why an action can't be
 * had: all in one place, translated. */

typedef struct {
    const char *label; /* "Running" */
    const char *icon;  /* its name in the icon theme or in the resources */
    const char *style; /* CSS class of its badge */
} BerthUiStateWords;

/* (transfer none): of the state that it is in; @label still has to go through gettext. A guest that runs, and whose
 * emulator does not answer, looks otherwise than one that just runs. */
const BerthUiStateWords *berth_ui_state_words(BerthUiVm *vm);

/**
 * berth_ui_describe_state:
 *
 * Returns: (transfer full): "Running"; a removal with its phase: "Removing: deleting files"
 */
char *berth_ui_describe_state(BerthUiVm *vm);

/* (transfer none): of a message of the journal with this priority, 0 to 7; @icon and @style are %NULL where it is a
 * usual one. @label still has to go through gettext. */
const BerthUiStateWords *berth_ui_priority_words(guint priority);

/* (transfer none): how far its removal is, as a sentence; "" where it is not being removed */
const char *berth_ui_describe_removal(BerthUiVm *vm);

/* (transfer none) (nullable): how its last run ended, as a sentence; %NULL where there is nothing to say */
const char *berth_ui_describe_exit(BerthUiVm *vm);

/* (transfer full): that it has failed, or is broken: "“web” has failed" */
char *berth_ui_describe_end(BerthUiVm *vm);

/* (transfer none): what an error means for a person, as a sentence; @code may be BERTH_ERROR_LAST */
const char *berth_ui_error_words(BerthError code);
/* (transfer none): the same of any error */
const char *berth_ui_describe_error(const GError *error);

typedef struct {
    BerthVmMethod method;
    const char *action; /* in the group "vm" */
    const char *label;
    const char *icon;
} BerthUiActionWords;

/* (transfer none): what a user may do to a VM, by buttons */
const BerthUiActionWords *berth_ui_actions(guint *n_actions);
/* (transfer none): of the one with this name */
const BerthUiActionWords *berth_ui_action_words_by_name(const char *action);

/* (transfer full): "“web” could not be started" */
char *berth_ui_describe_failure(BerthUiVm *vm, BerthVmMethod method);

/* (transfer none) (nullable): why @method is no use on @vm now, as a sentence; %NULL where it is */
const char *berth_ui_why_not(BerthUiVm *vm, BerthVmMethod method);
/* (transfer none): signals of a VM that tell that this may have changed, %NULL at the end */
const char *const *berth_ui_why_not_signals(void);
/* (transfer full) (nullable): why @method is no use on any of @vms (element-type BerthUiVm), with a line for each of
 * the first; %NULL where it is of use on one */
char *berth_ui_why_not_any(GPtrArray *vms, BerthVmMethod method);
