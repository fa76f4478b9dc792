/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machined.h"

#include <stdlib.h>
#include <systemd/sd-id128.h>

#include "../core/error.h"
#include "../core/names.h"

#define MACHINED_NAME "org.freedesktop.machine1"
#define MACHINED_PATH "/org/freedesktop/machine1"
#define MACHINED_PATH_MACHINE MACHINED_PATH "/machine"
#define MACHINED_IFACE_MANAGER MACHINED_NAME ".Manager"
#define MACHINED_IFACE_MACHINE MACHINED_NAME ".Machine"
#define MACHINED_ERROR_NO_MACHINE MACHINED_NAME ".NoSuchMachine"
#define MACHINED_ERROR_NO_MACHINE_FOR_PID MACHINED_NAME ".NoMachineForPID"
#define MACHINED_ERROR_EXISTS MACHINED_NAME ".MachineExists"
#define NO_SUCH_UNIT "org.freedesktop.systemd1.NoSuchUnit" /* of an activation of a machined that is masked */

#define SERVICE "berth" /* who registered it, in machined's own terms */

/* Exactly one of @reply and @error is set. Goes on with the call, or answers it. */
typedef void (*OnReply)(BerthMachinedCall *call, sd_bus_message *reply, const sd_bus_error *error);

/* A row of questions, one at a time. */
struct BerthMachinedCall {
    BerthBusLink *link;
    char *id, *unit;
    pid_t leader;
    gboolean starts_machined; /* where it does not run */
    GPtrArray *names;         /* machines that are still to be asked about; the last is first */
    char *machine;            /* the one that is asked about now */
    GHashTable *machines;     /* of the list: machine → unit */
    sd_bus_slot *slot;
    OnReply on_reply;
    guint timer;  /* the deadline of the whole call, 0 for none */
    guint unsent; /* idle source of a call that could not be sent */
    BerthMachinedDone done;
    BerthMachinedListDone list_done;
    gpointer data;
};

/* The life of a call */

static BerthMachinedCall *call_new(BerthBusLink *link, const BerthMachine *machine, gpointer data)
{
    BerthMachinedCall *call = g_new0(BerthMachinedCall, 1);
    call->link = link;
    call->names = g_ptr_array_new_with_free_func(g_free);
    call->data = data;
    if (!machine)
        return call;
    call->id = g_strdup(machine->id);
    call->unit = g_strdup(machine->unit);
    g_ptr_array_add(call->names, g_strconcat(BERTH_UNIT_PREFIX, machine->id, NULL));
    g_ptr_array_add(call->names, g_strdup(machine->name));
    return call;
}

static void detach(BerthMachinedCall *call)
{
    g_clear_handle_id(&call->timer, g_source_remove);
    g_clear_handle_id(&call->unsent, g_source_remove);
    g_clear_pointer(&call->slot, sd_bus_slot_unref);
}

void berth_machined_call_free(BerthMachinedCall **call)
{
    BerthMachinedCall *self = g_steal_pointer(call);
    if (!self)
        return;
    detach(self);
    g_ptr_array_unref(self->names);
    g_clear_pointer(&self->machines, g_hash_table_unref);
    g_free(self->machine);
    g_free(self->id);
    g_free(self->unit);
    g_free(self);
}

/* The caller's callback may free the call: nothing may touch it afterwards. */
static void answer(BerthMachinedCall *call, const GError *error)
{
    detach(call);
    if (call->list_done)
        call->list_done(error ? NULL : call->machines, error, call->data);
    else
        call->done(error, call->data);
}

static void fail(BerthMachinedCall *call, const char *why)
{
    g_autoptr(GError) error = g_error_new(BERTH_ERROR, BERTH_ERROR_CANCELLED, "systemd-machined: %s", why);
    answer(call, error);
}

/* There is nobody who could know anything. */
static gboolean is_absent(const sd_bus_error *error)
{
    return sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER, NO_SUCH_UNIT);
}

static void fail_unless_absent(BerthMachinedCall *call, const sd_bus_error *error)
{
    if (is_absent(error))
        answer(call, NULL);
    else
        fail(call, error->message ? error->message : error->name);
}

static gboolean on_deadline(gpointer data)
{
    BerthMachinedCall *call = data;
    call->timer = 0;
    fail(call, "it has not answered in time");
    return G_SOURCE_REMOVE;
}

static void set_deadline(BerthMachinedCall *call, guint64 timeout_usec)
{
    call->timer = g_timeout_add((guint) (timeout_usec / 1000), on_deadline, call);
}

static gboolean on_unsent(gpointer data)
{
    BerthMachinedCall *call = data;
    call->unsent = 0;
    fail(call, "there is no connection to the bus");
    return G_SOURCE_REMOVE;
}

static int on_reply(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    BerthMachinedCall *call = data;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    g_clear_pointer(&call->slot, sd_bus_slot_unref);
    call->on_reply(call, error ? NULL : reply, error);
    return 0;
}

static sd_bus_message *message_new(BerthMachinedCall *call, const char *path, const char *interface, const char *member)
{
    sd_bus *bus = berth_bus_link_get(call->link);
    sd_bus_message *message = NULL;
    if (bus)
        (void) sd_bus_message_new_method_call(bus, &message, MACHINED_NAME, path, interface, member);
    return message;
}

/* Takes @message, NULL or @built a negative errno where it could not be made. The answer must not come before the
 * caller has its handle, so that a failure is left to the loop. */
static void send(BerthMachinedCall *call, sd_bus_message *message, int built, OnReply next)
{
    call->on_reply = next;
    if (message && built >= 0)
        built = sd_bus_message_set_auto_start(message, call->starts_machined);
    if (message && built >= 0)
        built = sd_bus_call_async(sd_bus_message_get_bus(message), &call->slot, message, on_reply, call, UINT64_MAX);
    if (!message || built < 0)
        call->unsent = g_idle_add_full(G_PRIORITY_DEFAULT, on_unsent, call, NULL);
    sd_bus_message_unref(message);
}

/* One property of @machine. */
static void get_of_machine(BerthMachinedCall *call, const char *machine, const char *property, OnReply next)
{
    char *path = NULL;
    int r = sd_bus_path_encode(MACHINED_PATH_MACHINE, machine, &path);
    sd_bus_message *message = r < 0 ? NULL : message_new(call, path, "org.freedesktop.DBus.Properties", "Get");
    if (message)
        r = sd_bus_message_append(message, "ss", MACHINED_IFACE_MACHINE, property);
    free(path); /* sd-bus's */
    send(call, message, r, next);
}

/* (transfer none) (nullable): NULL also where it is no machine, or gone by now. */
static const char *read_unit(sd_bus_message *reply)
{
    const char *unit = NULL;
    if (reply)
        (void) sd_bus_message_read(reply, "v", "s", &unit);
    return unit;
}

/* FALSE where none is left. */
static gboolean take_next_machine(BerthMachinedCall *call)
{
    g_free(call->machine);
    call->machine = call->names->len > 0 ? g_ptr_array_steal_index(call->names, call->names->len - 1) : NULL;
    return call->machine != NULL;
}

static gboolean is_gone(const sd_bus_error *error)
{
    return sd_bus_error_has_names(error, SD_BUS_ERROR_UNKNOWN_OBJECT, MACHINED_ERROR_NO_MACHINE);
}

static void send_unregister(BerthMachinedCall *call, const char *machine, OnReply next)
{
    sd_bus_message *message = message_new(call, MACHINED_PATH, MACHINED_IFACE_MANAGER, "UnregisterMachine");
    send(call, message, message ? sd_bus_message_append(message, "s", machine) : 0, next);
}

/* forget */

static void forget_next(BerthMachinedCall *call);

static void on_forgotten(BerthMachinedCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    if (error && !is_gone(error))
        fail_unless_absent(call, error);
    else
        forget_next(call);
}

/* Somebody else's machine may bear the name. */
static void on_unit_to_forget(BerthMachinedCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    if (error && !is_gone(error))
        fail_unless_absent(call, error);
    else if (g_strcmp0(read_unit(reply), call->unit) == 0)
        send_unregister(call, call->machine, on_forgotten);
    else
        forget_next(call);
}

static void forget_next(BerthMachinedCall *call)
{
    if (take_next_machine(call))
        get_of_machine(call, call->machine, "Unit", on_unit_to_forget);
    else
        answer(call, NULL);
}

BerthMachinedCall *berth_machined_forget(BerthBusLink *link, const BerthMachine *machine, guint64 timeout_usec,
                                         BerthMachinedDone done, gpointer data)
{
    BerthMachinedCall *call = call_new(link, machine, data);
    call->done = done;
    set_deadline(call, timeout_usec);
    forget_next(call);
    return call;
}

/* register */

static int fill_registration(sd_bus_message *message, const BerthMachinedCall *call)
{
    sd_id128_t id;
    int r = sd_id128_from_string(call->id, &id);
    if (r >= 0)
        r = sd_bus_message_append(message, "s", call->machine);
    if (r >= 0)
        r = sd_bus_message_append_array(message, 'y', &id, sizeof id);
    /* service, class, leader, root directory */
    return r < 0 ? r : sd_bus_message_append(message, "ssus", SERVICE, "vm", (guint32) call->leader, "");
}

static void register_next(BerthMachinedCall *call);

static void on_registered(BerthMachinedCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    gboolean name_is_refused = sd_bus_error_has_names(error, MACHINED_ERROR_EXISTS, SD_BUS_ERROR_INVALID_ARGS);
    if (!error)
        answer(call, NULL);
    else if (name_is_refused && call->names->len > 0)
        register_next(call);
    else
        fail_unless_absent(call, error);
}

static void register_next(BerthMachinedCall *call)
{
    take_next_machine(call);
    sd_bus_message *message = message_new(call, MACHINED_PATH, MACHINED_IFACE_MANAGER, "RegisterMachine");
    send(call, message, message ? fill_registration(message, call) : 0, on_registered);
}

static void on_room_made(BerthMachinedCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    if (error && !is_gone(error))
        fail_unless_absent(call, error);
    else
        register_next(call);
}

static void on_leader(BerthMachinedCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    guint32 leader = 0;
    if (reply && sd_bus_message_read(reply, "v", "u", &leader) >= 0 && leader == (guint32) call->leader)
        answer(call, NULL);
    else
        send_unregister(call, call->machine, on_room_made);
}

/* It found one by the PID or by its unit: ours already, or what is left of an earlier run where machined did not
 * answer in time when that was to be forgotten. */
static void on_machine_found(BerthMachinedCall *call, sd_bus_message *reply)
{
    const char *path;
    char *machine = NULL;
    if (sd_bus_message_read(reply, "o", &path) < 0 || sd_bus_path_decode(path, MACHINED_PATH_MACHINE, &machine) <= 0) {
        fail(call, "its answer names no machine");
        return;
    }
    g_free(call->machine);
    call->machine = g_strdup(machine);
    free(machine); /* sd-bus's */
    get_of_machine(call, call->machine, "Leader", on_leader);
}

static void on_looked_up(BerthMachinedCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    if (reply)
        on_machine_found(call, reply);
    else if (sd_bus_error_has_name(error, MACHINED_ERROR_NO_MACHINE_FOR_PID))
        register_next(call);
    else
        fail_unless_absent(call, error);
}

/* It is asked first, since it takes a second registration of one leader or unit for a machine that failed, and stops
 * the unit. */
BerthMachinedCall *berth_machined_register(BerthBusLink *link, const BerthMachine *machine, pid_t leader,
                                           BerthMachinedDone done, gpointer data)
{
    BerthMachinedCall *call = call_new(link, machine, data);
    call->done = done;
    call->leader = leader;
    call->starts_machined = TRUE;
    sd_bus_message *message = message_new(call, MACHINED_PATH, MACHINED_IFACE_MANAGER, "GetMachineByPID");
    send(call, message, message ? sd_bus_message_append(message, "u", (guint32) leader) : 0, on_looked_up);
    return call;
}

/* list */

static void list_next(BerthMachinedCall *call);

static void on_unit_to_list(BerthMachinedCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    const char *unit = read_unit(reply);
    if (unit)
        g_hash_table_insert(call->machines, g_steal_pointer(&call->machine), g_strdup(unit));
    list_next(call);
}

static void list_next(BerthMachinedCall *call)
{
    if (take_next_machine(call))
        get_of_machine(call, call->machine, "Unit", on_unit_to_list);
    else
        answer(call, NULL);
}

static int read_machines(sd_bus_message *reply, GPtrArray *names)
{
    int r = sd_bus_message_enter_container(reply, 'a', "(ssso)");
    while (r >= 0) {
        const char *name, *service;
        r = sd_bus_message_read(reply, "(ssso)", &name, NULL, &service, NULL);
        if (r == 0)
            return sd_bus_message_exit_container(reply);
        if (r > 0 && g_str_equal(service, SERVICE))
            g_ptr_array_add(names, g_strdup(name));
    }
    return r;
}

static void on_listed(BerthMachinedCall *call, sd_bus_message *reply, const sd_bus_error *error)
{
    if (error)
        fail_unless_absent(call, error);
    else if (read_machines(reply, call->names) < 0)
        fail(call, "its answer is of the wrong type");
    else
        list_next(call);
}

BerthMachinedCall *berth_machined_list(BerthBusLink *link, guint64 timeout_usec, BerthMachinedListDone done,
                                       gpointer data)
{
    BerthMachinedCall *call = call_new(link, NULL, data);
    call->list_done = done;
    call->machines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    set_deadline(call, timeout_usec);
    sd_bus_message *message = message_new(call, MACHINED_PATH, MACHINED_IFACE_MANAGER, "ListMachines");
    send(call, message, 0, on_listed);
    return call;
}
