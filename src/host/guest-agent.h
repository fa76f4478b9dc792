/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* The host's end of the channel to a guest's QEMU guest agent, on the main loop.
 *
 * The agent speaks when it is spoken to, so nothing is read while nothing is asked: a guest that says more fills its own
 * channel, and wakes nobody. Each question comes after a synchronisation (guest-sync-delimited), which tells what is
 * left of earlier ones from its answer. Questions are asked one after the other, in their order. What is heard is hostile:
 * bounded by qmp-framer.h, and altogether. */

#define BERTH_GUEST_AGENT_ERROR (berth_guest_agent_error_quark())
GQuark berth_guest_agent_error_quark(void);

typedef enum {
    BERTH_GUEST_AGENT_ERROR_REFUSED, /* the agent's own error answer, with its words: it is alive */
    BERTH_GUEST_AGENT_ERROR_SILENT,  /* no answer within the deadline */
    BERTH_GUEST_AGENT_ERROR_BROKEN,  /* it said what no agent says */
    BERTH_GUEST_AGENT_ERROR_CLOSED,  /* QEMU closed the channel */
} BerthGuestAgentError;

typedef struct BerthGuestAgent BerthGuestAgent;

/* Exactly once for each question, and never from within berth_guest_agent_ask(). @result: the agent's "return". */
typedef void (*BerthGuestAgentDone)(JsonNode *result, const GError *error, gpointer data);

/**
 * berth_guest_agent_connect:
 * @path: of a socket that listens already
 * @closed: QEMU has closed the channel; all questions have been answered before. May free the agent
 *
 * Returns: (nullable): %NULL with berth_unix_connect()'s errors. That there is an agent is not said by it
 */
BerthGuestAgent *berth_guest_agent_connect(const char *path, void (*closed)(gpointer data), gpointer data,
                                           GError **error);
/* Questions that are open are answered BERTH_ERROR_CANCELLED before this returns; `closed` is not called. */
void berth_guest_agent_free(BerthGuestAgent *agent);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthGuestAgent, berth_guest_agent_free)

/**
 * berth_guest_agent_ask:
 * @arguments: (nullable) (transfer none)
 * @timeout_usec: from now on, for all of it
 * @sent: (nullable): the agent has answered the synchronisation, and was sent the question. For those of which it says
 *   nothing where all is well
 *
 * Both handlers may free the agent.
 */
void berth_guest_agent_ask(BerthGuestAgent *agent, const char *command, JsonObject *arguments, guint64 timeout_usec,
                           void (*sent)(gpointer data), BerthGuestAgentDone done, gpointer data);
