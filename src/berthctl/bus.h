/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_bus_message, sd_bus_message_unref)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(sd_bus_error, sd_bus_error_free)

/* How long an answer may take: sd-bus' own 25 s for what the daemon answers from memory; no bound where a guest or a
 * person at a password prompt is waited for (the bus answers where the daemon dies). */
#define CTL_QUICK 0
#define CTL_UNHURRIED G_MAXUINT64

/**
 * ctl_connect:
 * @acts: whether polkit may have to ask: then, on a terminal, a text agent is started
 *
 * Returns: CTL_OK, or the exit status, having said why
 */
CtlStatus ctl_connect(Ctl *ctl, gboolean acts);
/* Ends the text agent too. */
void ctl_disconnect(Ctl *ctl);

/* The message of such a call, for those who send it themselves. */
int ctl_new_call(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *args,
                 sd_bus_message **message);

/**
 * ctl_call:
 * @args: (nullable): a tuple of the arguments, sunk if floating; handles ('h') are descriptor numbers
 * @reply: (out) (optional)
 *
 * Returns: negative errno, with @error, as sd-bus has it
 */
int ctl_call(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *args, guint64 timeout,
             sd_bus_message **reply, sd_bus_error *error);

/* A call that takes nothing but options, empty here. */
int ctl_call_simple(Ctl *ctl, const char *path, const char *interface, const char *method, sd_bus_error *error);

/* The object path of the VM with this name or id. (transfer full) */
int ctl_find_vm(Ctl *ctl, const char *name, char **path, sd_bus_error *error);

/**
 * ctl_open:
 * @method: of the VM called @name; answers with a descriptor
 * @args: sunk if floating
 * @fd: (out): close-on-exec
 *
 * Returns: negative errno, with @error
 */
int ctl_open(Ctl *ctl, const char *name, const char *method, GVariant *args, int *fd, sd_bus_error *error);

/**
 * ctl_fail:
 * @r: negative errno, for where @error is not set
 * @format: what could not be done, e.g. "Can't start %s"
 *
 * Says "berthctl: Can't start web: <the daemon's text>", or what to do where there is no daemon.
 *
 * Returns: the exit status that stands for the error
 */
CtlStatus ctl_fail(Ctl *ctl, int r, const sd_bus_error *error, const char *format, ...) G_GNUC_PRINTF(4, 5);

/* "There is no VM …" where the name was looked up here. Returns CTL_NOT_FOUND. */
CtlStatus ctl_no_such_vm(const char *name);

/* The exit status of several: the first that is no success. */
void ctl_collect(CtlStatus *all, CtlStatus one);
