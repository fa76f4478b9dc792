/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "bus-link.h"

/* systemd-machined, which shows running VMs beside containers: machinectl list, status, poweroff, reboot, terminate. A
 * host without it is as good: then each of these ends without an error, at once.
 *
 * Every call is asynchronous, never answered from within the function that makes it, answered once, and held by a
 * BerthMachinedCall that its caller owns and frees, in its callback or later; freeing it earlier means that no
 * callback comes any more. Errors are Cancelled, for the journal: no VM is the worse for one. */

typedef struct BerthMachinedCall BerthMachinedCall;

typedef void (*BerthMachinedDone)(const GError *error, gpointer data);
/* (element-type utf8 utf8): machine → unit. */
typedef void (*BerthMachinedListDone)(GHashTable *machines, const GError *error, gpointer data);

/* How a VM is known to machined: as @name; where machined can't take that, or another machine has it, as "berth-" and
 * @id. */
typedef struct {
    const char *name; /* the VM's */
    const char *id;
    const char *unit; /* its scope */
} BerthMachine;

/**
 * berth_machined_register:
 * @leader: the VM's keeper, which must be in its scope, and that scope's job done: machined takes the unit that it
 *    finds it in for the machine's own, and stops that where it is told to terminate the machine
 *
 * Shows a VM as a machine of class "vm". One that is there already stays; one of an earlier run of the VM makes room.
 * Nobody waits for it, so it has no deadline.
 */
BerthMachinedCall *berth_machined_register(BerthBusLink *link, const BerthMachine *machine, pid_t leader,
                                           BerthMachinedDone done, gpointer data);

/**
 * berth_machined_forget:
 *
 * Takes away what machined has on the unit. Where it does not run, it is not started for that. A machined that has
 * answered has no stop of the unit under way and will begin none: it does one thing after the other, and waits for
 * systemd's answer to each of its own calls.
 */
BerthMachinedCall *berth_machined_forget(BerthBusLink *link, const BerthMachine *machine, guint64 timeout_usec,
                                         BerthMachinedDone done, gpointer data);

/* All machines that are registered as Berth's. */
BerthMachinedCall *berth_machined_list(BerthBusLink *link, guint64 timeout_usec, BerthMachinedListDone done,
                                       gpointer data);

/* Takes *@call and leaves %NULL; %NULL is fine. */
void berth_machined_call_free(BerthMachinedCall **call);
/* For a callback: what it is given lives as long as its call. */
#define BERTH_AUTO_MACHINED_CALL __attribute__((cleanup(berth_machined_call_free))) BerthMachinedCall
