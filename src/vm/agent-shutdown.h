/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm.h"

/**
 * berth_agent_shutdown:
 * @asked: the agent has been asked: what follows is Shutdown's; or, with FALSE, nobody has been
 * @otherwise: (nullable): the agent could not be asked; takes the reply. Where there is none, nothing but the agent is tried
 * @reply: (transfer full): answered when the agent was asked
 *
 * Asks the guest's agent, which the caller knows to answer, to power the guest down. It says nothing where all is well, but
 * lets go of its channel soon, as all do in a guest that goes down. Where it refuses, or holds the channel still after
 * some seconds, the power button is pressed, too: for a guest that is slow that does no harm.
 */
void berth_agent_shutdown(BerthVm *vm, void (*asked)(BerthVm *vm, gboolean success),
                          void (*otherwise)(BerthVm *vm, BerthReply *reply), BerthReply *reply);

/* The power button was pressed by the VM's keeper, which knows nothing of agents: where one answers, it is asked, too. That is
 * a stop of systemd's, and a guest that is deaf to its button would be killed at the end of it. */
void berth_agent_shutdown_too(BerthVm *vm);
