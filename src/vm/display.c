/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "display.h"

#include "../core/autofd.h"
#include "control.h"
#include "run.h"

/* What QEMU's monitor calls the descriptor between the two commands. Always the same: one whose second command was not sent
 * is closed by the next. */
#define FD_NAME "display"

/* A client on its way to QEMU: two commands. */
typedef struct {
    BerthVm *vm;
    BerthReply *reply;
    guint n_open;    /* commands that are not answered */
    GError *failure; /* (nullable): the first */
} Arrival;

/* (transfer full) (nullable) */
static GError *why_not(const BerthVm *vm)
{
    if (!berth_vm_config_has_display(vm->record->config))
        return g_error_new(BERTH_ERROR, BERTH_ERROR_UNSUPPORTED,
                           "VM \"%s\" has no display; set \"display\" of its definition to \"vga\" or \"virtio\", and "
                           "start it anew",
                           berth_vm_name(vm));
    /* Else clients that come again and again would fill up what lies between us and QEMU with descriptors. */
    if (vm->run && vm->run->qmp && !vm->responsive)
        return g_error_new(BERTH_ERROR, BERTH_ERROR_BUSY,
                           "QEMU of VM \"%s\" does not answer; try again, or power it off", berth_vm_name(vm));
    return berth_vm_no_monitor(vm);
}

/* (transfer full) (nullable): a definition says what the next start will have; what there is now, QEMU knows. */
static GError *contract_error(const BerthVm *vm, const GError *error)
{
    GError *failure = berth_vm_command_error(vm, "OpenDisplay", error, BERTH_ERROR_UNSUPPORTED);
    if (g_error_matches(failure, BERTH_ERROR, BERTH_ERROR_UNSUPPORTED)) {
        g_autofree char *text = g_steal_pointer(&failure->message);
        failure->message =
            g_strconcat(text, "; a display that was added while it ran is there at its next start", NULL);
    }
    return failure;
}

static void arrived(Arrival *arrival)
{
    berth_reply_return(&arrival->reply, arrival->failure);
    g_clear_error(&arrival->failure);
    berth_vm_unref(arrival->vm);
    g_free(arrival);
}

static void command_done(JsonNode *result, const GError *error, gpointer data)
{
    Arrival *arrival = data;
    BerthVm *vm = arrival->vm;
    if (!arrival->failure)
        arrival->failure = contract_error(vm, error);
    if (g_error_matches(error, BERTH_ERROR, BERTH_ERROR_CANCELLED) && vm->run && vm->run->qmp)
        berth_run_is_silent(vm->run);
    if (--arrival->n_open == 0)
        arrived(arrival);
}

static void send_command(Arrival *arrival, const char *command, const char *protocol, int fd)
{
    g_autoptr(JsonObject) arguments = json_object_new();
    if (protocol)
        json_object_set_string_member(arguments, "protocol", protocol);
    json_object_set_string_member(arguments, "fdname", FD_NAME);
    arrival->n_open++;
    berth_qmp_execute_with_fd(arrival->vm->run->qmp, command, arguments, fd, BERTH_COMMAND_TIMEOUT_USEC, command_done,
                              arrival);
}

void berth_vm_add_display_client(BerthVm *vm, int fd, BerthReply *reply)
{
    BERTH_AUTOFD client = fd;
    g_autoptr(GError) error = why_not(vm);
    if (error) {
        berth_reply_return(&reply, error);
        return;
    }
    Arrival *arrival = g_new0(Arrival, 1);
    arrival->vm = berth_vm_ref(vm);
    arrival->reply = reply;
    /* Both at once: QEMU takes commands in their order, and where it refuses the first, it does not know what the second is
     * about. So no descriptor is left with it that nobody asks for. */
    send_command(arrival, "getfd", NULL, berth_steal_fd(&client));
    send_command(arrival, "add_client", "@dbus-display", -1);
}
