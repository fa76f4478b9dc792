/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "batch.h"

/**
 * berth_ui_removal_ask:
 * @vms: (element-type BerthUiVm): that Remove is of use to
 *
 * Asks once, says what goes, removes with a time of grace, and offers as long to undo it. Where removals have begun
 * already, and are held up, they are tried again without a question.
 */
void berth_ui_removal_ask(AdwToastOverlay *toasts, BerthUiService *service, GPtrArray *vms);
