/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/guest-info.h"
#include "../host/guest-agent.h"
#include "vm.h"

/* What the guest of a run says of itself: by its agent, which is asked when QEMU tells that it has opened its end of the
 * channel, and a few times after that; and by its service manager, which sends notifications. Nothing is asked on a clock
 * for long, and a guest that says nothing is never waited for. */

typedef struct BerthGuest BerthGuest;

BerthGuest *berth_guest_new(BerthRun *run);
void berth_guest_free(BerthGuest *guest);

/* What is known, for the bus. (transfer none); "" and none where nothing is, also of a VM that does not run. */
gboolean berth_vm_guest_is_ready(const BerthVm *vm);
const char *berth_vm_guest_status(const BerthVm *vm);
const char *const *berth_vm_guest_addresses(const BerthVm *vm);
const char *berth_vm_guest_os(const BerthVm *vm);

/* Whether anything has been heard in this run. */
gboolean berth_guest_has_spoken(const BerthGuest *guest);

/* An event of QEMU's monitor: of the channel, or that the guest is another now. */
void berth_guest_monitor_event(BerthGuest *guest, const char *name, JsonObject *arguments);
/* The monitor is connected, and some events may not have been heard: asks QEMU whether the guest has opened the channel. */
void berth_guest_look(BerthGuest *guest);

/* Asks the agent anew. @reply (transfer full) is answered when what it says is known; Unsupported where there is no
 * agent, Cancelled where it does not answer. The caller has checked with berth_vm_check(). */
void berth_vm_refresh_guest(BerthVm *vm, BerthReply *reply);

/* Whether a notification of the guest's service manager is to be heard: a guest that floods is not, for a while. */
gboolean berth_guest_admits_notice(BerthGuest *guest);
void berth_vm_guest_notice(BerthVm *vm, const BerthGuestNotice *notice);

/* Whether the agent has the channel open, and its last answer was in time. */
gboolean berth_guest_agent_answers(const BerthGuest *guest);
/* Asks the agent to power the guest down: see berth_guest_agent_ask(). It answers only where it will not; that it lets go of the
 * channel is the sign that the guest goes down. The caller has checked with berth_guest_agent_answers(). */
void berth_guest_ask_to_power_down(BerthGuest *guest, guint64 patience_usec, void (*sent)(gpointer data),
                                   BerthGuestAgentDone done, gpointer data);
