/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent-shutdown.h"

#include "../core/error.h"
#include "guest.h"
#include "manager.h"
#include "run.h"

/* From the question to the power button: at most so long, and never more than this part of ShutdownTimeoutSec. */
#define PATIENCE_USEC ((guint64) (10 * G_USEC_PER_SEC))
#define PATIENCE_PART 3u
#define BUTTON_TIMEOUT_USEC (10 * G_USEC_PER_SEC)

typedef struct {
    BerthVm *vm;
    void (*asked)(BerthVm *vm, gboolean success);
    void (*otherwise)(BerthVm *vm, BerthReply *reply); /* (nullable) */
    BerthReply *reply;
    gboolean was_asked;
} AgentShutdown;

static void agent_was_asked(gpointer data)
{
    AgentShutdown *shutdown = data;
    shutdown->was_asked = TRUE;
    shutdown->vm->busy_with = NULL;
    shutdown->asked(shutdown->vm, TRUE);
    berth_reply_return(&shutdown->reply, NULL);
}

static void could_not_ask(AgentShutdown *shutdown, const GError *error)
{
    BerthVm *vm = shutdown->vm;
    vm->busy_with = NULL;
    if (!vm->run || vm->run->ending) /* Remove or PowerOff came in between, or the end by itself */
        return;
    if (shutdown->otherwise) {
        shutdown->otherwise(vm, g_steal_pointer(&shutdown->reply));
        return;
    }
    shutdown->asked(vm, FALSE);
    g_autoptr(GError) failure = g_error_new(BERTH_ERROR, BERTH_ERROR_CANCELLED, "Shutdown of VM \"%s\" failed: %s",
                                            berth_vm_name(vm), error->message);
    berth_reply_return(&shutdown->reply, failure);
}

static void button_pressed(JsonNode *result, const GError *error, gpointer data)
{
    /* Shutdown's deadline acts where it was in vain. */
}

static gboolean is_let_go(const GError *error)
{
    return g_error_matches(error, BERTH_ERROR, BERTH_ERROR_CANCELLED) ||
           g_error_matches(error, BERTH_GUEST_AGENT_ERROR, BERTH_GUEST_AGENT_ERROR_CLOSED);
}

static void press_power_button(BerthVm *vm, const GError *error)
{
    if (vm->state != BERTH_VM_STOPPING || !vm->run || vm->run->ending || !vm->run->qmp)
        return;
    berth_vm_log(vm, G_LOG_LEVEL_MESSAGE,
                 "The guest holds on though its agent was asked (%s); pressing its power button",
                 error ? error->message : "it answered");
    berth_qmp_execute(vm->run->qmp, "system_powerdown", NULL, BUTTON_TIMEOUT_USEC, button_pressed, NULL);
}

static void over(JsonNode *result, const GError *error, gpointer data)
{
    AgentShutdown *shutdown = data;
    if (!shutdown->was_asked)
        could_not_ask(shutdown, error);
    else if (shutdown->otherwise && !is_let_go(error))
        press_power_button(shutdown->vm, error);
    berth_reply_free(shutdown->reply);
    berth_vm_unref(shutdown->vm);
    g_free(shutdown);
}

static guint64 patience(const BerthVm *vm)
{
    return MIN(PATIENCE_USEC, berth_manager_host(vm->manager)->settings->shutdown_timeout_usec / PATIENCE_PART);
}

void berth_agent_shutdown(BerthVm *vm, void (*asked)(BerthVm *vm, gboolean success),
                          void (*otherwise)(BerthVm *vm, BerthReply *reply), BerthReply *reply)
{
    AgentShutdown *shutdown = g_new0(AgentShutdown, 1);
    shutdown->vm = berth_vm_ref(vm);
    shutdown->asked = asked;
    shutdown->otherwise = otherwise;
    shutdown->reply = reply;
    vm->busy_with = "Shutdown";
    berth_guest_ask_to_power_down(vm->run->guest, patience(vm), agent_was_asked, over, shutdown);
}

static void asked_too(JsonNode *result, const GError *error, gpointer data)
{
    /* The keeper's deadline acts where it was in vain. */
}

void berth_agent_shutdown_too(BerthVm *vm)
{
    if (vm->run && berth_guest_agent_answers(vm->run->guest))
        berth_guest_ask_to_power_down(vm->run->guest, patience(vm), NULL, asked_too, NULL);
}
