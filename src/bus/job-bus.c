/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"

#include "../core/error.h"
#include "../core/names.h"

char *berth_job_path(const BerthJob *job)
{
    return g_strdup_printf(BERTH_PATH_JOB "/%u", job->number);
}

BerthJob *berth_bus_find_job(BerthBus *bus, const char *path)
{
    guint64 number = 0;
    if (!g_str_has_prefix(path, BERTH_PATH_JOB "/") ||
        !g_ascii_string_to_unsigned(path + strlen(BERTH_PATH_JOB "/"), 10, 1, G_MAXUINT, &number, NULL))
        return NULL;
    return berth_manager_find_job(bus->manager, (guint) number);
}

#define GETTER(name, type, ...)                                                                                        \
    static int get_##name(sd_bus *connection, const char *path, const char *interface, const char *property,           \
                          sd_bus_message *reply, void *userdata, sd_bus_error *error)                                  \
    {                                                                                                                  \
        const BerthJob *job = userdata;                                                                                \
        return sd_bus_message_append(reply, type, __VA_ARGS__);                                                        \
    }

static double progress_of(const BerthJob *job)
{
    return job->total > 0 ? (double) job->done / (double) job->total : 0;
}

GETTER(operation, "s", job->operation)
GETTER(progress, "d", progress_of(job))
GETTER(done, "t", job->done)
GETTER(total, "t", job->total)

/* What a job makes does not exist before it has ended. */
static int get_object(sd_bus *connection, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    return sd_bus_message_append(reply, "o", "/");
}

static void run_cancel(BerthBus *bus, sd_bus_message *message)
{
    g_autoptr(GError) error = NULL;
    BerthJob *job = berth_bus_find_job(bus, sd_bus_message_get_path(message));
    g_autoptr(GVariant) args = berth_call_read(message, &error);
    g_autoptr(GVariant) options = args ? g_variant_get_child_value(args, 0) : NULL;
    if (!job) {
        berth_call_fail_with(message, BERTH_ERROR_NOT_FOUND, "The job has ended");
    } else if (!args || !berth_options_none(options, &error)) {
        berth_call_fail(message, error);
    } else {
        g_cancellable_cancel(job->cancellable);
        berth_call_succeed(message);
    }
}

/* Whoever may begin it may end it. */
static int method_cancel(sd_bus_message *message, void *userdata, sd_bus_error *bus_error)
{
    const BerthJob *job = userdata;
    const char *action = g_str_equal(job->operation, "clone-vm") ? BERTH_ACTION_CREATE : BERTH_ACTION_IMAGES;
    return berth_call_authorise(berth_bus_current(message), message, action, NULL, run_cancel);
}

const sd_bus_vtable berth_job_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Operation", "s", get_operation, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Object", "o", get_object, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Progress", "d", get_progress, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("BytesDone", "t", get_done, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("BytesTotal", "t", get_total, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_METHOD_WITH_NAMES("Cancel", "a{sv}", SD_BUS_PARAM(options), "", , method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL_WITH_NAMES("Completed", "o(ss)", SD_BUS_PARAM(result) SD_BUS_PARAM(error), 0),
    SD_BUS_VTABLE_END,
};
