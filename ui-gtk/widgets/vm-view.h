/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "ui-gtk/model/service.h"

/* What all that shows one VM has in common: which one, and the service that knows it. Properties: "service" and "vm"
 * (both nullable). */

#define BERTH_UI_TYPE_VM_VIEW (berth_ui_vm_view_get_type())
G_DECLARE_DERIVABLE_TYPE(BerthUiVmView, berth_ui_vm_view, BERTH_UI, VM_VIEW, AdwBin)

struct _BerthUiVmViewClass {
    AdwBinClass parent_class;
    /**
     * @service, @vm: (nullable): as they are now; the view's own, until the next call
     *
     * One of them is another. The last call, with neither, comes when the view goes, and what is in it is still there.
     */
    void (*changed)(BerthUiVmView *view, BerthUiService *service, BerthUiVm *vm);
};

/* @callback is called with @view alone, whenever the VM that it has then emits @signal. */
void berth_ui_vm_view_follow_vm(BerthUiVmView *view, const char *signal, GCallback callback);
void berth_ui_vm_view_follow_service(BerthUiVmView *view, const char *signal, GCallback callback);
