/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machined.h"

#include <systemd/sd-id128.h>

#include "../core/names.h"

#define MACHINED_NAME "org.freedesktop.machine1"
#define MACHINED_PATH "/org/freedesktop/machine1"
#define MACHINED_IFACE MACHINED_NAME ".Manager"
#define MACHINED_ERROR_NO_MACHINE MACHINED_NAME ".NoMachineForPID"
#define MACHINED_ERROR_EXISTS MACHINED_NAME ".MachineExists"

typedef struct {
    char *name; /* NULL for the second try, which goes by the id */
    char *id;
    pid_t leader;
} Registration;

static void registration_free(void *data)
{
    Registration *registration = data;
    g_free(registration->name);
    g_free(registration->id);
    g_free(registration);
}

static void tell_failure(const Registration *registration, const sd_bus_error *error)
{
    if (sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                               "org.freedesktop.systemd1.NoSuchUnit"))
        g_debug("There is no systemd-machined to register VM %s with", registration->id);
    else
        g_info("systemd-machined does not take VM %s: %s", registration->id, error->message);
}

static void try_as(sd_bus *bus, const char *name, const Registration *like);

static int on_registered(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    const Registration *registration = data;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    if (!error)
        return 0;
    if (registration->name && sd_bus_error_has_names(error, MACHINED_ERROR_EXISTS, SD_BUS_ERROR_INVALID_ARGS))
        try_as(sd_bus_message_get_bus(reply), NULL, registration);
    else
        tell_failure(registration, error);
    return 0;
}

static int fill(sd_bus_message *message, const Registration *registration)
{
    sd_id128_t id;
    g_autofree char *by_id = g_strconcat(BERTH_UNIT_PREFIX, registration->id, NULL);
    int r = sd_id128_from_string(registration->id, &id);
    if (r >= 0)
        r = sd_bus_message_append(message, "s", registration->name ? registration->name : by_id);
    if (r >= 0)
        r = sd_bus_message_append_array(message, 'y', &id, sizeof id);
    /* service, class, leader, root directory */
    return r < 0 ? r : sd_bus_message_append(message, "ssus", "berth", "vm", (guint32) registration->leader, "");
}

/* Takes @registration, and @message whatever @r says of how it was made. */
static void send(sd_bus *bus, sd_bus_message *message, int r, sd_bus_message_handler_t on_reply,
                 Registration *registration)
{
    sd_bus_slot *slot = NULL;
    if (r >= 0)
        r = sd_bus_call_async(bus, &slot, message, on_reply, registration, 0);
    sd_bus_message_unref(message);
    if (r < 0) {
        g_info("Can't ask systemd-machined to take VM %s: %s", registration->id, g_strerror(-r));
        registration_free(registration);
        return;
    }
    /* It belongs to nobody: it lives until the answer, or as long as the connection. */
    sd_bus_slot_set_destroy_callback(slot, registration_free);
    sd_bus_slot_set_floating(slot, TRUE);
    sd_bus_slot_unref(slot);
}

static int new_call(sd_bus *bus, const char *method, sd_bus_message **message)
{
    return sd_bus_message_new_method_call(bus, message, MACHINED_NAME, MACHINED_PATH, MACHINED_IFACE, method);
}

static void send_registration(sd_bus *bus, Registration *registration)
{
    sd_bus_message *message = NULL;
    int r = new_call(bus, "RegisterMachine", &message);
    if (r >= 0)
        r = fill(message, registration);
    send(bus, message, r, on_registered, registration);
}

static Registration *registration_new(const char *name, const char *id, pid_t leader)
{
    Registration *registration = g_new0(Registration, 1);
    registration->name = g_strdup(name);
    registration->id = g_strdup(id);
    registration->leader = leader;
    return registration;
}

static void try_as(sd_bus *bus, const char *name, const Registration *like)
{
    send_registration(bus, registration_new(name, like->id, like->leader));
}

static int on_looked_up(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    const Registration *registration = data;
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    if (!error)
        return 0;
    if (sd_bus_error_has_name(error, MACHINED_ERROR_NO_MACHINE))
        try_as(sd_bus_message_get_bus(reply), registration->name, registration);
    else
        tell_failure(registration, error);
    return 0;
}

/* It may be registered already, by an earlier daemon. machined 252 takes a second registration of one unit for a machine that
 * has failed, and stops the unit: so it is asked first. */
void berth_machined_register(BerthBusLink *link, const char *name, const char *id, pid_t leader)
{
    sd_bus *bus = berth_bus_link_get(link);
    sd_bus_message *message = NULL;
    if (!bus)
        return;
    int r = new_call(bus, "GetMachineByPID", &message);
    if (r >= 0)
        r = sd_bus_message_append(message, "u", (guint32) leader);
    send(bus, message, r, on_looked_up, registration_new(name, id, leader));
}
