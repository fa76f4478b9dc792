/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "ui-gtk/model/vm.h"

/* The list of VMs, which can be searched, sorted and selected from, with its header bar.
 *
 * Properties: "selecting" b, whether several can be selected by check buttons; "folded" b, whether the list hides what
 * is chosen in it, so that a click goes there; "subtitle" s, of the header bar.
 * Signals: "chosen" (BerthUiVm *vm, gboolean opened): the only one selected, as the selection moves; opened, where the
 * user wants to go there. "selection-changed": berth_ui_vm_list_get_selected() has another answer. */

#define BERTH_UI_TYPE_VM_LIST (berth_ui_vm_list_get_type())
G_DECLARE_FINAL_TYPE(BerthUiVmList, berth_ui_vm_list, BERTH_UI, VM_LIST, AdwBin)

/* @vms: (nullable): of BerthUiVm */
void berth_ui_vm_list_set_vms(BerthUiVmList *list, GListModel *vms);
/* (transfer full) (element-type BerthUiVm) */
GPtrArray *berth_ui_vm_list_get_selected(BerthUiVmList *list);
/* Selects this one alone, where it is in the list; %NULL for none. */
void berth_ui_vm_list_choose(BerthUiVmList *list, BerthUiVm *vm);
void berth_ui_vm_list_set_selecting(BerthUiVmList *list, gboolean selecting);
void berth_ui_vm_list_select_all(BerthUiVmList *list);
/* Opens the search; what is typed in @window opens it too. */
void berth_ui_vm_list_search(BerthUiVmList *list);
void berth_ui_vm_list_capture_search(BerthUiVmList *list, GtkWidget *window);
