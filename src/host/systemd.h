/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/vm-config.h"
#include "bus-link.h"

/* systemd's manager, as far as scopes need it. Every call is asynchronous, never answered from within the function that
 * makes it, and held by a BerthSystemdCall that its caller owns and frees, in its callback or later; freeing it earlier
 * means that no callback comes any more. What is made while the bus is away, or pending when it goes away, waits for
 * the next one, no longer than its deadline. Errors are StartFailed for a start (Busy where the scope is there
 * already), else Cancelled. Matches (JobRemoved, UnitRemoved ...) and Subscribe are installed each time the link comes
 * up, before any start. */

typedef struct BerthSystemd BerthSystemd;
typedef struct BerthSystemdCall BerthSystemdCall;

typedef struct {
    const char *unit;         /* berth-<id>.scope */
    const char *description;  /* what systemctl shows: the VM's name */
    const char *slice;
    pid_t pid;
    int pidfd;                /* used as PIDFDs= where systemd takes it (255), else pid */
    const BerthLimits *limits;
    guint64 stop_timeout_usec; /* TimeoutStopUSec */
} BerthScopeSpec;

typedef struct {
    gboolean loaded;      /* systemd knows the unit */
    char *active_state;   /* "inactive" "active" "failed" "deactivating" ... */
    char *control_group;  /* as systemd has it, "" where none */
} BerthScopeStatus;

/* Whether @unit is loaded and the kernel says that nobody is in it: a scope whose process had died when systemd carried its start
 * out is active for ever. What can't be known is not empty. */
gboolean berth_scope_is_empty(const BerthScopeStatus *status, const char *unit);
void berth_scope_status_free(BerthScopeStatus *status);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthScopeStatus, berth_scope_status_free)

typedef void (*BerthSystemdDone)(const GError *error, gpointer data);
typedef void (*BerthSystemdStatusDone)(const BerthScopeStatus *status, const GError *error, gpointer data);
/* (element-type utf8 utf8): unit name → active state. */
typedef void (*BerthSystemdListDone)(GHashTable *units, const GError *error, gpointer data);
/* Something about this unit, one of berth-*.scope, may have changed (UnitRemoved, JobRemoved for it, properties): look at the
 * kernel, conclude nothing. */
typedef void (*BerthSystemdHint)(const char *unit, gpointer data);

/* @link outlives it; calls that are still pending when it is freed are never answered. */
BerthSystemd *berth_systemd_new(BerthBusLink *link);
void berth_systemd_free(BerthSystemd *systemd);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthSystemd, berth_systemd_free)
void berth_systemd_set_hint(BerthSystemd *systemd, BerthSystemdHint hint, gpointer data);

/* StartTransientUnit("…", "fail"), answered when its job is removed; an error where the job's result is not "done", or
 * where neither comes within @timeout_usec. A dead unit of that name that is still loaded is reset first. */
BerthSystemdCall *berth_systemd_start_scope(BerthSystemd *systemd, const BerthScopeSpec *spec, guint64 timeout_usec,
                                            BerthSystemdDone done, gpointer data);
/* KillUnit(unit, "all", signal). A unit that is not loaded is success. */
BerthSystemdCall *berth_systemd_kill(BerthSystemd *systemd, const char *unit, int signal, guint64 timeout_usec,
                                     BerthSystemdDone done, gpointer data);
/* StopUnit("replace") and its job's end (which proves no death), then ResetFailedUnit. Not loaded is success. */
BerthSystemdCall *berth_systemd_stop(BerthSystemd *systemd, const char *unit, guint64 timeout_usec,
                                     BerthSystemdDone done, gpointer data);
BerthSystemdCall *berth_systemd_status(BerthSystemd *systemd, const char *unit, guint64 timeout_usec,
                                       BerthSystemdStatusDone done, gpointer data);
/* All units berth-*.scope that systemd has loaded. */
BerthSystemdCall *berth_systemd_list(BerthSystemd *systemd, guint64 timeout_usec, BerthSystemdListDone done, gpointer data);

/* Takes *@call and leaves %NULL; %NULL is fine. */
void berth_systemd_call_free(BerthSystemdCall **call);
/* For a callback: what it is given lives as long as its call. */
#define BERTH_AUTO_SYSTEMD_CALL __attribute__((cleanup(berth_systemd_call_free))) BerthSystemdCall
