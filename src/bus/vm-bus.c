/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"

#include <fcntl.h>
#include <string.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/names.h"
#include "../host/bus-keys.h"
#include "../host/runtime-dir.h"
#include "../host/unix-socket.h"
#include "../vm/control.h"
#include "../vm/display.h"
#include "../vm/guest.h"
#include "../vm/removal.h"
#include "../vm/remove.h"
#include "../vm/restart.h"
#include "../vm/run.h"
#include "../vm/start.h"
#include "usage-bus.h"

/* A removal can be taken back for at most a day. */
#define GRACE_SECONDS_MAX 86400u

char *berth_vm_path(const BerthVm *vm)
{
    g_autofree char *path = NULL;
    sd_bus_path_encode(BERTH_PATH_VM, berth_vm_id(vm), &path);
    return g_strdup(path);
}

BerthVm *berth_bus_find_vm(BerthBus *bus, const char *path)
{
    g_autofree char *id = NULL;
    if (sd_bus_path_decode(path, BERTH_PATH_VM, &id) <= 0)
        return NULL;
    return berth_manager_find_by_id(bus->manager, id);
}

/* Properties: each from memory, at once. */

/* Appended without a look into a format: GetManagedObjects does so for thousands of VMs. */
#define GETTER(name, ...)                                                                                              \
    static int get_##name(sd_bus *connection, const char *path, const char *interface, const char *property,           \
                          sd_bus_message *reply, void *userdata, sd_bus_error *error)                                  \
    {                                                                                                                  \
        const BerthVm *vm = userdata;                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define TEXT(name, value) GETTER(name, return sd_bus_message_append_basic(reply, SD_BUS_TYPE_STRING, value);)
#define NUMBER(name, ctype, type, value)                                                                               \
    GETTER(name, const ctype number = value; return sd_bus_message_append_basic(reply, type, &number);)
#define BOOLEAN(name, value) NUMBER(name, int, SD_BUS_TYPE_BOOLEAN, value)
#define UINT32(name, value) NUMBER(name, guint32, SD_BUS_TYPE_UINT32, value)
#define UINT64(name, value) NUMBER(name, guint64, SD_BUS_TYPE_UINT64, value)

static const BerthVmConfig *config_of(const BerthVm *vm)
{
    return vm->record->config;
}

static guint32 pid_of(const BerthVm *vm)
{
    return vm->run ? (guint32) vm->run->qemu_pid : 0;
}

static gboolean is_wanted(const BerthVm *vm)
{
    return vm->record->wanted && vm->state != BERTH_VM_REMOVING;
}

TEXT(id, berth_vm_id(vm))
TEXT(name, berth_vm_name(vm))
TEXT(state, berth_vm_state_to_string(vm->state))
UINT64(state_changed, vm->state_changed)
TEXT(removal_phase, berth_removal_phase_to_string(berth_vm_removal_phase(vm)))
UINT32(removal_attempt, vm->removal ? vm->removal->attempt : 0)
UINT64(removal_next, vm->removal ? vm->removal->next_attempt : 0)
TEXT(removal_blocker, vm->removal ? vm->removal->blocker : "")
BOOLEAN(wanted, is_wanted(vm))
UINT32(vcpus, config_of(vm) ? config_of(vm)->vcpus : 0)
UINT64(memory, config_of(vm) ? config_of(vm)->memory : 0)
TEXT(image, config_of(vm) ? config_of(vm)->image : "")
UINT32(cid, vm->record->cid)
TEXT(unit, vm->run ? vm->run->unit : "")
UINT32(pid, pid_of(vm))
BOOLEAN(responsive, vm->responsive)
UINT32(n_restarts, vm->restarts.n_restarts)
UINT64(next_start, vm->next_start)
TEXT(exit_reason, berth_exit_reason_to_string(vm->exit_reason))
NUMBER(exit_status, gint32, SD_BUS_TYPE_INT32, vm->exit_status)
UINT64(created, vm->record->created)
UINT64(started, vm->run ? vm->run->started : 0)
BOOLEAN(guest_ready, berth_vm_guest_is_ready(vm))
TEXT(guest_status, berth_vm_guest_status(vm))
TEXT(guest_os, berth_vm_guest_os(vm))

static int get_last_error(sd_bus *connection, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const BerthVm *vm = userdata;
    return sd_bus_message_append(reply, "(ss)", vm->error_name, vm->error_text);
}

static int get_guest_addresses(sd_bus *connection, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    return sd_bus_message_append_strv(reply, (char **) berth_vm_guest_addresses(userdata));
}

static int get_config(sd_bus *connection, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const BerthVm *vm = userdata;
    return config_of(vm) ? berth_bus_append_keys(reply, &berth_vm_config_table, config_of(vm))
                         : sd_bus_message_append(reply, "a{sv}", 0);
}

gsize berth_vm_variable_size(const BerthVm *vm)
{
    const char *const texts[] = {
        berth_vm_id(vm),
        berth_vm_name(vm),
        berth_vm_state_to_string(vm->state),
        vm->removal ? vm->removal->blocker : "",
        vm->error_name,
        vm->error_text,
        config_of(vm) ? config_of(vm)->image : "",
        vm->run ? vm->run->unit : "",
        berth_vm_guest_status(vm),
        berth_vm_guest_os(vm),
    };
    gsize size = config_of(vm) ? berth_bus_after_keys(0, &berth_vm_config_table, config_of(vm)) : 0;
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        size += strlen(texts[i]);
    for (const char *const *address = berth_vm_guest_addresses(vm); *address; address++)
        size += 8 + strlen(*address);
    return size;
}

/* Methods: what is left to do when the caller may, and the VM's state allows it. @args: the arguments, as a tuple. */

static void run_start(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    berth_restart_take_over(vm);
    berth_vm_start(vm, berth_call_reply(bus, message), "Start");
}

static void run_shutdown(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) asv = g_variant_get_child_value(args, 0);
    BerthOptions options;
    berth_options_init(&options, asv);
    g_autofree char *word = berth_options_take_string(&options, "mode");
    BerthShutdownMode mode;
    if (!berth_options_end(&options, &error))
        berth_call_fail(message, error);
    else if (!berth_shutdown_mode_from_string(word, &mode))
        berth_call_fail_with(message, BERTH_ERROR_INVALID_ARGS,
                             "option \"mode\": \"%.64s\" is neither \"agent\" nor \"acpi\"", word);
    else
        berth_vm_shutdown(vm, mode, berth_call_reply(bus, message));
}

static void run_power_off(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    berth_vm_power_off(vm, berth_call_reply(bus, message));
}

static void run_reset(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    berth_vm_reset(vm, berth_call_reply(bus, message));
}

static void run_pause(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    berth_vm_pause(vm, berth_call_reply(bus, message));
}

static void run_resume(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    berth_vm_resume(vm, berth_call_reply(bus, message));
}

static void run_configure(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    g_autoptr(GVariant) changes = g_variant_get_child_value(args, 0);
    berth_manager_configure(bus->manager, vm, changes, berth_call_reply(bus, message));
}

static void run_remove(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) asv = g_variant_get_child_value(args, 0);
    BerthOptions options;
    berth_options_init(&options, asv);
    guint32 grace = berth_options_take_uint32(&options, "grace-seconds");
    if (!berth_options_end(&options, &error))
        berth_call_fail(message, error);
    else if (grace > GRACE_SECONDS_MAX)
        berth_call_fail_with(message, BERTH_ERROR_INVALID_ARGS, "option \"grace-seconds\": %u is more than %u", grace,
                             GRACE_SECONDS_MAX);
    else
        berth_vm_remove(vm, grace, bus->caller, berth_call_reply(bus, message));
}

static void run_cancel_removal(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    berth_vm_cancel_removal(vm, berth_call_reply(bus, message));
}

static void run_open_console(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    g_autoptr(GError) error = NULL;
    const char *runtime_dir = berth_manager_host(bus->manager)->settings->runtime_dir;
    BERTH_AUTOFD fd = berth_runtime_connect_console(runtime_dir, berth_vm_id(vm), &error);
    if (fd < 0)
        berth_call_fail(message, error);
    else
        berth_call_reply_fd(message, fd);
}

static void run_open_display(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    g_autoptr(GError) error = NULL;
    int ends[2];
    /* QEMU lets in who says that he is whom the kernel names. */
    if (!berth_unix_pair(bus->caller, ends, &error)) {
        berth_call_fail(message, error);
        return;
    }
    berth_vm_add_display_client(vm, ends[1], berth_call_reply_with_fd(bus, message, ends[0]));
}

static void run_clone(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) changes = g_variant_get_child_value(args, 1);
    const char *name = NULL;
    g_variant_get_child(args, 0, "&s", &name);
    BerthJob *job = berth_manager_clone(bus->manager, vm, name, changes, &error);
    g_autofree char *path = job ? berth_job_path(job) : NULL;
    if (job)
        berth_call_check_sent(message, sd_bus_reply_method_return(message, "o", path));
    else
        berth_call_fail(message, error);
}

static void run_refresh_guest(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    berth_vm_refresh_guest(vm, berth_call_reply(bus, message));
}

typedef struct {
    BerthVmStore *store;
    char *id;
    const char *name;
    int fd;
    sd_bus_message *message;
} LogOpening;

static void log_opening_free(LogOpening *opening)
{
    berth_autofd_close(&opening->fd);
    sd_bus_message_unref(opening->message);
    g_free(opening->id);
    g_free(opening);
}

static gboolean open_log(gpointer data, GError **error)
{
    LogOpening *opening = data;
    opening->fd = berth_vm_store_open_log(opening->store, opening->id, opening->name, O_RDONLY, error);
    return opening->fd >= 0;
}

static void log_opened(BerthVm *vm, gpointer data, const GError *error)
{
    LogOpening *opening = data;
    if (error)
        berth_call_fail(opening->message, error);
    else
        berth_call_reply_fd(opening->message, opening->fd);
}

static void run_open_log(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args)
{
    const char *log = NULL;
    g_variant_get_child(args, 0, "&s", &log);
    const char *name = g_str_equal(log, "serial") ? BERTH_FILE_SERIAL_LOG
                       : g_str_equal(log, "qemu") ? BERTH_FILE_QEMU_LOG
                                                  : NULL;
    if (!name) {
        berth_call_fail_with(message, BERTH_ERROR_INVALID_ARGS, "log: \"%.64s\" is neither \"serial\" nor \"qemu\"",
                             log);
        return;
    }
    LogOpening *opening = g_new0(LogOpening, 1);
    opening->store = berth_manager_host(bus->manager)->vms;
    opening->id = g_strdup(berth_vm_id(vm));
    opening->name = name;
    opening->fd = -1;
    opening->message = sd_bus_message_ref(message);
    berth_vm_work(vm, BERTH_WORK_SHORT, open_log, opening, (GDestroyNotify) log_opening_free, log_opened);
}

/* One row a method: what it is to polkit (NULL: looking, which is open to all, as the properties are) and to the state
 * table, and whether its last argument's options are its own. */
static const struct {
    BerthVmMethod method;
    const char *action;
    gboolean has_options;
    void (*run)(BerthBus *bus, sd_bus_message *message, BerthVm *vm, GVariant *args);
} methods[] = {
    {BERTH_METHOD_START, BERTH_ACTION_CONTROL, FALSE, run_start},
    {BERTH_METHOD_SHUTDOWN, BERTH_ACTION_CONTROL, TRUE, run_shutdown},
    {BERTH_METHOD_POWER_OFF, BERTH_ACTION_CONTROL, FALSE, run_power_off},
    {BERTH_METHOD_RESET, BERTH_ACTION_CONTROL, FALSE, run_reset},
    {BERTH_METHOD_PAUSE, BERTH_ACTION_CONTROL, FALSE, run_pause},
    {BERTH_METHOD_RESUME, BERTH_ACTION_CONTROL, FALSE, run_resume},
    {BERTH_METHOD_CONFIGURE, BERTH_ACTION_CONFIGURE, FALSE, run_configure},
    {BERTH_METHOD_CLONE, BERTH_ACTION_CREATE, FALSE, run_clone},
    {BERTH_METHOD_REMOVE, BERTH_ACTION_REMOVE, TRUE, run_remove},
    {BERTH_METHOD_CANCEL_REMOVAL, BERTH_ACTION_REMOVE, FALSE, run_cancel_removal},
    {BERTH_METHOD_OPEN_CONSOLE, BERTH_ACTION_CONSOLE, FALSE, run_open_console},
    {BERTH_METHOD_OPEN_DISPLAY, BERTH_ACTION_CONSOLE, FALSE, run_open_display},
    {BERTH_METHOD_OPEN_LOG, BERTH_ACTION_CONSOLE, FALSE, run_open_log},
    {BERTH_METHOD_REFRESH_GUEST, BERTH_ACTION_CONTROL, FALSE, run_refresh_guest},
    {BERTH_METHOD_SUBSCRIBE_USAGE, NULL, TRUE, berth_usage_subscribe},
    {BERTH_METHOD_UNSUBSCRIBE_USAGE, NULL, FALSE, berth_usage_unsubscribe},
};

static guint row_of(sd_bus_message *message)
{
    const char *member = sd_bus_message_get_member(message);
    guint i = 0;
    while (!g_str_equal(member, berth_vm_method_to_string(methods[i].method)))
        i++; /* the vtable lets no other member through */
    return i;
}

static void carry_out(BerthBus *bus, sd_bus_message *message)
{
    g_autoptr(GError) error = NULL;
    guint row = row_of(message);
    BerthVm *vm = berth_bus_find_vm(bus, sd_bus_message_get_path(message));
    if (!vm) {
        berth_call_fail_with(message, BERTH_ERROR_NOT_FOUND, "The VM is gone");
        return;
    }
    g_autoptr(GVariant) args = berth_call_read(message, &error);
    g_autoptr(GVariant) options = args ? g_variant_get_child_value(args, g_variant_n_children(args) - 1) : NULL;
    if (!args || (!methods[row].has_options && !berth_options_none(options, &error)) ||
        !berth_vm_check(vm, methods[row].method, &error))
        berth_call_fail(message, error);
    else
        methods[row].run(bus, message, vm, args);
}

static int vm_method(sd_bus_message *message, void *userdata, sd_bus_error *bus_error)
{
    BerthBus *bus = berth_bus_current(message);
    return berth_call_authorise(bus, message, methods[row_of(message)].action, userdata, carry_out);
}

#define METHOD(name, in, in_names, out, out_names)                                                                     \
    SD_BUS_METHOD_WITH_NAMES(name, in, in_names, out, out_names, vm_method, SD_BUS_VTABLE_UNPRIVILEGED)
#define PROPERTY(name, type, getter) SD_BUS_PROPERTY(name, type, getter, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)
#define CONSTANT(name, type, getter) SD_BUS_PROPERTY(name, type, getter, 0, SD_BUS_VTABLE_PROPERTY_CONST)

const sd_bus_vtable berth_vm_vtable[] = {
    SD_BUS_VTABLE_START(0),
    CONSTANT("Id", "s", get_id),
    PROPERTY("Name", "s", get_name),
    PROPERTY("State", "s", get_state),
    PROPERTY("StateChangeTimestamp", "t", get_state_changed),
    PROPERTY("RemovalPhase", "s", get_removal_phase),
    PROPERTY("RemovalAttempt", "u", get_removal_attempt),
    PROPERTY("RemovalNextAttemptTimestamp", "t", get_removal_next),
    PROPERTY("RemovalBlocker", "s", get_removal_blocker),
    PROPERTY("LastError", "(ss)", get_last_error),
    PROPERTY("WantRunning", "b", get_wanted),
    PROPERTY("Config", "a{sv}", get_config),
    PROPERTY("VCPUs", "u", get_vcpus),
    PROPERTY("MemoryBytes", "t", get_memory),
    PROPERTY("Image", "s", get_image),
    PROPERTY("CID", "u", get_cid),
    PROPERTY("Unit", "s", get_unit),
    PROPERTY("PID", "u", get_pid),
    PROPERTY("Responsive", "b", get_responsive),
    PROPERTY("NRestarts", "u", get_n_restarts),
    PROPERTY("NextStart", "t", get_next_start),
    PROPERTY("ExitReason", "s", get_exit_reason),
    PROPERTY("ExitStatus", "i", get_exit_status),
    CONSTANT("CreatedTimestamp", "t", get_created),
    PROPERTY("StartedTimestamp", "t", get_started),
    PROPERTY("GuestReady", "b", get_guest_ready),
    PROPERTY("GuestStatus", "s", get_guest_status),
    PROPERTY("GuestAddresses", "as", get_guest_addresses),
    PROPERTY("GuestOS", "s", get_guest_os),
    METHOD("Start", "a{sv}", SD_BUS_PARAM(options), "", ),
    METHOD("Shutdown", "a{sv}", SD_BUS_PARAM(options), "", ),
    METHOD("PowerOff", "a{sv}", SD_BUS_PARAM(options), "", ),
    METHOD("Reset", "a{sv}", SD_BUS_PARAM(options), "", ),
    METHOD("Pause", "a{sv}", SD_BUS_PARAM(options), "", ),
    METHOD("Resume", "a{sv}", SD_BUS_PARAM(options), "", ),
    METHOD("Configure", "a{sv}a{sv}", SD_BUS_PARAM(changes) SD_BUS_PARAM(options), "", ),
    METHOD("Clone", "sa{sv}a{sv}", SD_BUS_PARAM(name) SD_BUS_PARAM(changes) SD_BUS_PARAM(options), "o",
           SD_BUS_PARAM(job)),
    METHOD("Remove", "a{sv}", SD_BUS_PARAM(options), "", ),
    METHOD("CancelRemoval", "a{sv}", SD_BUS_PARAM(options), "", ),
    METHOD("OpenConsole", "a{sv}", SD_BUS_PARAM(options), "h", SD_BUS_PARAM(stream)),
    METHOD("OpenDisplay", "a{sv}", SD_BUS_PARAM(options), "h", SD_BUS_PARAM(stream)),
    METHOD("RefreshGuest", "a{sv}", SD_BUS_PARAM(options), "", ),
    METHOD("SubscribeUsage", "a{sv}", SD_BUS_PARAM(options), "", ),
    METHOD("UnsubscribeUsage", "a{sv}", SD_BUS_PARAM(options), "", ),
    SD_BUS_SIGNAL_WITH_NAMES("Usage", "ta{sv}", SD_BUS_PARAM(monotonic_usec) SD_BUS_PARAM(figures), 0),
    METHOD("OpenLog", "sa{sv}", SD_BUS_PARAM(log) SD_BUS_PARAM(options), "h", SD_BUS_PARAM(file)),
    SD_BUS_VTABLE_END,
};
