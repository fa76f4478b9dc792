/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "object.h"
#include "src/core/error.h"
#include "src/core/vm-state.h"

/* A virtual machine as the daemon tells of it. Its GObject properties are those of the table in vm.c; what needs more
 * than reading them has a function here. */

#define BERTH_UI_TYPE_VM (berth_ui_vm_get_type())
G_DECLARE_FINAL_TYPE(BerthUiVm, berth_ui_vm, BERTH_UI, VM, BerthUiObject)

BerthUiVm *berth_ui_vm_new(void);

/* (transfer none): until the next change of it */
const char *berth_ui_vm_get_id(BerthUiVm *vm);
const char *berth_ui_vm_get_name(BerthUiVm *vm);
const char *berth_ui_vm_get_image(BerthUiVm *vm);
const char *berth_ui_vm_get_blocker(BerthUiVm *vm);

/* BERTH_VM_STATE_LAST for one that this program does not know. */
BerthVmState berth_ui_vm_get_state(BerthUiVm *vm);
/* BERTH_PHASE_LAST likewise. */
BerthRemovalPhase berth_ui_vm_get_phase(BerthUiVm *vm);
/* BERTH_EXIT_LAST likewise. */
BerthExitReason berth_ui_vm_get_exit_reason(BerthUiVm *vm);

/**
 * berth_ui_vm_get_last_error:
 * @text: (out) (transfer none): the daemon's own words, "" where nothing has failed
 *
 * Returns: what kind it was, BERTH_ERROR_LAST where that is unknown or nothing has failed
 */
BerthError berth_ui_vm_get_last_error(BerthUiVm *vm, const char **text);

/* µs since the epoch */
guint64 berth_ui_vm_get_created(BerthUiVm *vm);

/* Whether it shall run, whatever it does. */
gboolean berth_ui_vm_is_wanted(BerthUiVm *vm);
/* Whether its emulator answers. */
gboolean berth_ui_vm_is_responsive(BerthUiVm *vm);
/* Whether its definition forbids its removal. */
gboolean berth_ui_vm_is_protected(BerthUiVm *vm);

/* (transfer none) (nullable): a{sv}, the keys of the VM definition */
GVariant *berth_ui_vm_get_config(BerthUiVm *vm);
