/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm.h"

#include "contract.h"

struct _BerthUiVm {
    BerthUiObject parent_instance;
};

G_DEFINE_FINAL_TYPE(BerthUiVm, berth_ui_vm, BERTH_UI_TYPE_OBJECT)

enum {
    ID,
    NAME,
    STATE,
    STATE_CHANGED,
    REMOVAL_PHASE,
    REMOVAL_ATTEMPT,
    REMOVAL_NEXT,
    REMOVAL_BLOCKER,
    LAST_ERROR,
    WANT_RUNNING,
    CONFIG,
    VCPUS,
    MEMORY,
    IMAGE,
    CID,
    UNIT,
    PID,
    RESPONSIVE,
    N_RESTARTS,
    EXIT_REASON,
    EXIT_STATUS,
    CREATED,
    STARTED,
    GUEST_STATUS,
    GUEST_ADDRESSES,
    GUEST_OS,
    N_PROPERTIES,
};

static const BerthUiProperty properties[] = {
    [ID] = {"Id", "id"},
    [NAME] = {"Name", "name"},
    [STATE] = {"State", "state"},
    [STATE_CHANGED] = {"StateChangeTimestamp", "state-changed"},
    [REMOVAL_PHASE] = {"RemovalPhase", "removal-phase"},
    [REMOVAL_ATTEMPT] = {"RemovalAttempt", "removal-attempt"},
    [REMOVAL_NEXT] = {"RemovalNextAttemptTimestamp", "removal-next"},
    [REMOVAL_BLOCKER] = {"RemovalBlocker", "removal-blocker"},
    [LAST_ERROR] = {"LastError", "last-error"},
    [WANT_RUNNING] = {"WantRunning", "want-running"},
    [CONFIG] = {"Config", "config"},
    [VCPUS] = {"VCPUs", "vcpus"},
    [MEMORY] = {"MemoryBytes", "memory"},
    [IMAGE] = {"Image", "image"},
    [CID] = {"CID", "cid"},
    [UNIT] = {"Unit", "unit"},
    [PID] = {"PID", "pid"},
    [RESPONSIVE] = {"Responsive", "responsive"},
    [N_RESTARTS] = {"NRestarts", "n-restarts"},
    [EXIT_REASON] = {"ExitReason", "exit-reason"},
    [EXIT_STATUS] = {"ExitStatus", "exit-status"},
    [CREATED] = {"CreatedTimestamp", "created"},
    [STARTED] = {"StartedTimestamp", "started"},
    [GUEST_STATUS] = {"GuestStatus", "guest-status"},
    [GUEST_ADDRESSES] = {"GuestAddresses", "guest-addresses"},
    [GUEST_OS] = {"GuestOS", "guest-os"},
};
G_STATIC_ASSERT(G_N_ELEMENTS(properties) == N_PROPERTIES);

BerthUiVm *berth_ui_vm_new(void)
{
    return g_object_new(BERTH_UI_TYPE_VM, NULL);
}

static void berth_ui_vm_class_init(BerthUiVmClass *klass)
{
    berth_ui_object_class_set_properties(
        BERTH_UI_OBJECT_CLASS(klass), (GDBusInterfaceInfo *) &org_berth_berth1_vm_interface, properties, N_PROPERTIES);
}

static void berth_ui_vm_init(BerthUiVm *vm)
{
}

static const char *string_of(BerthUiVm *vm, guint property)
{
    return berth_ui_object_get_string(BERTH_UI_OBJECT(vm), property);
}

const char *berth_ui_vm_get_id(BerthUiVm *vm)
{
    return string_of(vm, ID);
}

const char *berth_ui_vm_get_name(BerthUiVm *vm)
{
    return string_of(vm, NAME);
}

const char *berth_ui_vm_get_image(BerthUiVm *vm)
{
    return string_of(vm, IMAGE);
}

const char *berth_ui_vm_get_blocker(BerthUiVm *vm)
{
    return string_of(vm, REMOVAL_BLOCKER);
}

/* A word that a later daemon may have, and we don't know. */
static guint known(int word, guint unknown)
{
    return word < 0 ? unknown : (guint) word;
}

BerthVmState berth_ui_vm_get_state(BerthUiVm *vm)
{
    return known(berth_vm_state_from_string(string_of(vm, STATE)), BERTH_VM_STATE_LAST);
}

BerthRemovalPhase berth_ui_vm_get_phase(BerthUiVm *vm)
{
    return known(berth_removal_phase_from_string(string_of(vm, REMOVAL_PHASE)), BERTH_PHASE_LAST);
}

BerthExitReason berth_ui_vm_get_exit_reason(BerthUiVm *vm)
{
    return known(berth_exit_reason_from_string(string_of(vm, EXIT_REASON)), BERTH_EXIT_LAST);
}

BerthError berth_ui_vm_get_last_error(BerthUiVm *vm, const char **text)
{
    const char *name = "";
    GVariant *error = berth_ui_object_get_variant(BERTH_UI_OBJECT(vm), LAST_ERROR);
    *text = "";
    if (error)
        g_variant_get(error, "(&s&s)", &name, text);
    return berth_error_from_dbus_name(name);
}

guint64 berth_ui_vm_get_created(BerthUiVm *vm)
{
    return berth_ui_object_get_number(BERTH_UI_OBJECT(vm), CREATED);
}

gboolean berth_ui_vm_is_wanted(BerthUiVm *vm)
{
    return berth_ui_object_get_number(BERTH_UI_OBJECT(vm), WANT_RUNNING) != 0;
}

gboolean berth_ui_vm_is_responsive(BerthUiVm *vm)
{
    return berth_ui_object_get_number(BERTH_UI_OBJECT(vm), RESPONSIVE) != 0;
}

gboolean berth_ui_vm_is_protected(BerthUiVm *vm)
{
    gboolean is_protected = FALSE;
    GVariant *config = berth_ui_vm_get_config(vm);
    return config && g_variant_lookup(config, "protected", "b", &is_protected) && is_protected;
}

GVariant *berth_ui_vm_get_config(BerthUiVm *vm)
{
    return berth_ui_object_get_variant(BERTH_UI_OBJECT(vm), CONFIG);
}
