/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "batch.h"

/* What a user can do to some VMs, as actions: each is enabled while it is of use to one, and is done to those. */

#define BERTH_UI_TYPE_ACTIONS (berth_ui_actions_get_type())
G_DECLARE_FINAL_TYPE(BerthUiActions, berth_ui_actions, BERTH_UI, ACTIONS, GObject)

/* @toasts: in the window that dialogs belong to */
BerthUiActions *berth_ui_actions_new(AdwToastOverlay *toasts);
/* (transfer none): the actions of berth_ui_action_words() by their names; no VM is theirs at first */
GActionGroup *berth_ui_actions_get_group(BerthUiActions *actions);
/* @vms: (nullable) (element-type BerthUiVm) */
void berth_ui_actions_set_vms(BerthUiActions *actions, BerthUiService *service, GPtrArray *vms);
