/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-view.h"

typedef struct {
    BerthUiService *service;
    BerthUiVm *vm;
    GSignalGroup *of_service, *of_vm;
} BerthUiVmViewPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE(BerthUiVmView, berth_ui_vm_view, ADW_TYPE_BIN)

enum { PROPERTY_SERVICE = 1, PROPERTY_VM, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

static BerthUiVmViewPrivate *private_of(gpointer self)
{
    return berth_ui_vm_view_get_instance_private(self);
}

static void tell(BerthUiVmView *self)
{
    const BerthUiVmViewPrivate *private = private_of(self);
    BERTH_UI_VM_VIEW_GET_CLASS(self)->changed(self, private->service, private->vm);
}

void berth_ui_vm_view_follow_vm(BerthUiVmView *self, const char *signal, GCallback callback)
{
    g_signal_group_connect_swapped(private_of(self)->of_vm, signal, callback, self);
}

void berth_ui_vm_view_follow_service(BerthUiVmView *self, const char *signal, GCallback callback)
{
    g_signal_group_connect_swapped(private_of(self)->of_service, signal, callback, self);
}

static void berth_ui_vm_view_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    BerthUiVmViewPrivate *private = private_of(object);
    gpointer other = g_value_get_object(value);
    gboolean is_vm = id == PROPERTY_VM;
    if (!(is_vm ? g_set_object(&private->vm, other) : g_set_object(&private->service, other)))
        return;
    g_signal_group_set_target(is_vm ? private->of_vm : private->of_service, other);
    tell(BERTH_UI_VM_VIEW(object));
    g_object_notify_by_pspec(object, spec);
}

static void berth_ui_vm_view_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    const BerthUiVmViewPrivate *private = private_of(object);
    g_value_set_object(value, id == PROPERTY_VM ? (gpointer) private->vm : (gpointer) private->service);
}

/* What has begun for a VM ends while there are widgets yet to show that. */
static void berth_ui_vm_view_dispose(GObject *object)
{
    BerthUiVmViewPrivate *private = private_of(object);
    gboolean had_any = private->service || private->vm;
    g_clear_object(&private->of_service);
    g_clear_object(&private->of_vm);
    g_clear_object(&private->service);
    g_clear_object(&private->vm);
    if (had_any)
        tell(BERTH_UI_VM_VIEW(object));
    G_OBJECT_CLASS(berth_ui_vm_view_parent_class)->dispose(object);
}

static void berth_ui_vm_view_class_init(BerthUiVmViewClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;
    object_class->set_property = berth_ui_vm_view_set_property;
    object_class->get_property = berth_ui_vm_view_get_property;
    object_class->dispose = berth_ui_vm_view_dispose;
    specs[PROPERTY_SERVICE] = g_param_spec_object("service", NULL, NULL, BERTH_UI_TYPE_SERVICE, flags);
    specs[PROPERTY_VM] = g_param_spec_object("vm", NULL, NULL, BERTH_UI_TYPE_VM, flags);
    g_object_class_install_properties(object_class, N_PROPERTIES, specs);
}

static void berth_ui_vm_view_init(BerthUiVmView *self)
{
    BerthUiVmViewPrivate *private = private_of(self);
    private->of_service = g_signal_group_new(BERTH_UI_TYPE_SERVICE);
    private->of_vm = g_signal_group_new(BERTH_UI_TYPE_VM);
}
