/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* A QMP monitor on a unix socket, on the main loop. What QEMU says is hostile input: bounded by qmp-framer.h, and
 * what breaks the bounds closes the monitor.
 *
 * Its errors are in a domain of their own, so that a caller can tell them from its own and none is taken for a bad
 * argument of a D-Bus client (berth_error_dbus_name() makes them Failed). Only a command that is given up, by its
 * deadline or by berth_qmp_free(), is BERTH_ERROR_CANCELLED. */
#define BERTH_QMP_ERROR (berth_qmp_error_quark())
GQuark berth_qmp_error_quark(void);

typedef enum {
    BERTH_QMP_ERROR_REFUSED,  /* QEMU's own error answer, with its words */
    BERTH_QMP_ERROR_CLOSED,   /* the connection can't be made, or has ended */
    BERTH_QMP_ERROR_PROTOCOL, /* QEMU said what no QEMU says; closed by us */
    BERTH_QMP_ERROR_FULL,     /* too many commands are in flight; this one was not sent */
} BerthQmpError;

#define BERTH_QMP_PENDING_MAX 64u       /* commands in flight */
#define BERTH_QMP_OUT_MAX (64u * 1024u) /* bytes that QEMU has not read, and bytes of one command */

typedef struct BerthQmp BerthQmp;

typedef struct {
    /* Greeting and capabilities are through. */
    void (*ready)(gpointer data);
    /* @arguments: (nullable), the event's "data". */
    void (*event)(const char *name, JsonObject *arguments, gpointer data);
    /* An answer whose command's deadline had passed: QEMU is back. */
    void (*late_answer)(gpointer data);
    /* The monitor is dead (says nothing about QEMU's process). Comes once; pending commands have been answered before.
     */
    void (*closed)(const GError *error, gpointer data);
} BerthQmpHandler;

/* Exactly once for each command, and never from within berth_qmp_execute(). @result: (nullable): QEMU's "return". */
typedef void (*BerthQmpDone)(JsonNode *result, const GError *error, gpointer data);

/**
 * berth_qmp_connect:
 * @path: of a socket that listens already, of any length: nothing is tried again. Where QEMU hangs, and takes no more
 *   connections, the monitor waits until it does, as it waits for a greeting
 * @handler: must outlive the monitor; each member may be %NULL; each may free the monitor
 *
 * Whoever else holds the listening socket keeps a connection that QEMU never took alive: close it once QEMU has it.
 *
 * Returns: (nullable): %NULL with BERTH_QMP_ERROR_CLOSED where nobody listens there
 */
BerthQmp *berth_qmp_connect(const char *path, const BerthQmpHandler *handler, gpointer data, GError **error);
/* Pending commands are answered Cancelled before this returns (their handlers must not issue new ones); `closed` is not
 * called. */
void berth_qmp_free(BerthQmp *qmp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthQmp, berth_qmp_free)

/* @arguments: (nullable) (transfer none). @timeout_usec: then the command is answered with Cancelled "did not answer
 * within …", and a late answer is ignored. Before the greeting, commands wait for it (their deadline runs). @done may free
 * the monitor. On a closed monitor the answer is what closed it. */
void berth_qmp_execute(BerthQmp *qmp, const char *command, JsonObject *arguments, guint64 timeout_usec,
                       BerthQmpDone done, gpointer data);

/* The same with a descriptor, for "getfd". @fd: (transfer full): closed once QEMU has it, or will not get it any more. */
void berth_qmp_execute_with_fd(BerthQmp *qmp, const char *command, JsonObject *arguments, int fd, guint64 timeout_usec,
                               BerthQmpDone done, gpointer data);
