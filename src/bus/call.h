/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/error.h"
#include "bus-private.h"

/* A method call on its way: authorised, carried out, answered exactly once. */

/* Carries out; looks up what the call is about anew, since polkit may have taken minutes. Answers, now or later. */
typedef void (*BerthCallFunc)(BerthBus *bus, sd_bus_message *message);

/**
 * berth_call_authorise:
 * @action: (nullable): polkit's; %NULL for what is open to all, where only who calls is to be known
 * @vm: (nullable): its name and id go into the action's details
 *
 * Returns: what a method handler of sd-bus returns
 */
int berth_call_authorise(BerthBus *bus, sd_bus_message *message, const char *action, const BerthVm *vm,
                         BerthCallFunc func);
/* Calls that wait for polkit wait no longer: the daemon ends, and they are told so; or their bus is gone, and who called with
 * it. */
void berth_calls_forget(BerthBus *bus);

/* Answers with @error. */
void berth_call_fail(sd_bus_message *message, const GError *error);
void berth_call_fail_with(sd_bus_message *message, BerthError code, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Answers with nothing. */
void berth_call_succeed(sd_bus_message *message);
/* Answers with a copy of @fd. */
void berth_call_reply_fd(sd_bus_message *message, int fd);
/* What sending an answer to @message has returned: see berth_bus_check_sent(). */
void berth_call_check_sent(sd_bus_message *message, int r);
/* (transfer full): a reply for the model: nothing, or its error; what the answer is about is announced before it. */
BerthReply *berth_call_reply(BerthBus *bus, sd_bus_message *message);
/* The same, that answers with @fd (transfer full) where it went well. */
BerthReply *berth_call_reply_with_fd(BerthBus *bus, sd_bus_message *message, int fd);

/**
 * berth_call_read:
 * @types: a D-Bus signature: the call's in arguments
 *
 * Returns: (transfer full): a tuple of all arguments; %NULL with InvalidArgs
 */
GVariant *berth_call_read(sd_bus_message *message, GError **error);

/* Options: an a{sv} of which known keys are taken one by one; what is left at the end is an error that names it. */
typedef struct {
    GVariantDict dict;
    GError *error;
} BerthOptions;

void berth_options_init(BerthOptions *options, GVariant *asv);
gboolean berth_options_take_boolean(BerthOptions *options, const char *key);
guint32 berth_options_take_uint32(BerthOptions *options, const char *key);
/* @otherwise: what it is where absent */
guint64 berth_options_take_uint64(BerthOptions *options, const char *key, guint64 otherwise);
/* (transfer full): "" where absent */
char *berth_options_take_string(BerthOptions *options, const char *key);
/* A borrowed descriptor of the message, -1 where absent. */
int berth_options_take_handle(BerthOptions *options, const char *key);
/* FALSE with InvalidArgs where a key had a wrong type or is not known. Clears @options. */
gboolean berth_options_end(BerthOptions *options, GError **error);
/* For methods that have none yet. */
gboolean berth_options_none(GVariant *asv, GError **error);
