/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* A QMP monitor on a unix socket, on the main loop. What QEMU says is hostile input: bounded by qmp-framer.h, and
 * what breaks the bounds closes the monitor. */

typedef struct BerthQmp BerthQmp;

typedef struct {
    /* Greeting and capabilities are through. */
    void (*ready)(gpointer data);
    /* @arguments: (nullable), the event's "data". */
    void (*event)(const char *name, JsonObject *arguments, gpointer data);
    /* The monitor is dead (says nothing about QEMU's process). Comes once; pending commands have been answered before. */
    void (*closed)(const GError *error, gpointer data);
} BerthQmpHandler;

/* Exactly once for each command. @result: (nullable). A "GenericError" of QEMU is StartFailed's sibling: code Failed text of QEMU's desc. */
typedef void (*BerthQmpDone)(JsonNode *result, const GError *error, gpointer data);

/* Connects to @path (a socket that listens already: no retry). @handler must outlive it. Handlers may free the monitor. */
BerthQmp *berth_qmp_connect(const char *path, const BerthQmpHandler *handler, gpointer data, GError **error);
/* Pending commands are answered Cancelled before this returns. */
void berth_qmp_free(BerthQmp *qmp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthQmp, berth_qmp_free)

/* @arguments: (nullable) (transfer none). @timeout_usec: then the command is answered with Cancelled "did not answer within …",
 * and a late answer is ignored. Before `ready`, commands wait for it (their deadline runs). */
void berth_qmp_execute(BerthQmp *qmp, const char *command, JsonObject *arguments, guint64 timeout_usec,
                       BerthQmpDone done, gpointer data);
