/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../core/error.h"
#include "systemd.h"

/* What systemd.c (connection, signals, jobs), systemd-call.c (the life of one call), systemd-start.c and systemd-unit.c (the
 * verbs) share. */

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_PATH_UNIT SYSTEMD_PATH "/unit"
#define SYSTEMD_IFACE_MANAGER SYSTEMD_NAME ".Manager"
#define SYSTEMD_IFACE_JOB SYSTEMD_NAME ".Job"
#define SYSTEMD_IFACE_UNIT SYSTEMD_NAME ".Unit"
#define SYSTEMD_IFACE_SCOPE SYSTEMD_NAME ".Scope"
#define SYSTEMD_ERROR_NO_SUCH_UNIT SYSTEMD_NAME ".NoSuchUnit"
#define SYSTEMD_ERROR_UNIT_EXISTS SYSTEMD_NAME ".UnitExists"

struct BerthSystemd {
    BerthBusLink *link;
    sd_bus *bus;      /* borrowed from the link; NULL while that is down */
    sd_bus *last_bus; /* that, or the one before: messages are made on it, also while there is none to send them */
    GPtrArray *slots; /* (element-type sd_bus_slot): the matches */
    sd_bus_slot *subscribe;
    char *owner;        /* systemd's unique name, NULL while unknown; signals of anybody else are ignored */
    gint64 away_until;  /* monotonic µs: systemd has left the bus, and may come back so long */
    gboolean pids_only; /* this systemd has shown that it knows no PIDFDs= */
    GHashTable *calls;  /* (element-type BerthSystemdCall): those that are not answered yet */
    GHashTable *jobs;   /* job path → BerthSystemdCall that waits for its end */
    GHashTable *early;  /* job path → result: jobs that ended before the reply that names them was seen */
    guint n_expecting;  /* calls with expects_job */
    BerthSystemdHint hint;
    gpointer hint_data;
};

/* Exactly one of @reply and @error is set. Goes on with the call, or answers it. */
typedef void (*SystemdOnReply)(BerthSystemdCall *call, sd_bus_message *reply, const sd_bus_error *error);
/* The job has ended with "done". */
typedef void (*SystemdOnJob)(BerthSystemdCall *call);

struct BerthSystemdCall {
    BerthSystemd *systemd;   /* NULL once answered */
    char *unit;              /* NULL for the list */
    const char *verb;        /* for the texts of errors */
    BerthError code;         /* of its errors */
    guint timer;             /* the deadline of the whole call */
    guint unsent;            /* idle source of a call that could not be sent */
    sd_bus_message *message; /* in flight */
    sd_bus_slot *slot;       /* its answer */
    SystemdOnReply on_reply;
    gboolean is_away;     /* systemd or the bus left instead of answering: asked again when they are back */
    guint away_timer;     /* until then, where systemd alone is away; 0 */
    gboolean heard_twice; /* the message was sent again after that, and may have been heard before */
    gboolean expects_job; /* the reply in flight will name a job */
    char *job;            /* awaited; key in systemd->jobs */
    SystemdOnJob on_job;
    SystemdOnJob on_unit_removed; /* (nullable): what waits for its unit's name to be free */
    gpointer state;               /* the verb's own */
    GDestroyNotify free_state;
    /* Calls the caller's callback, with what the verb has found out where @error is NULL. */
    void (*answer)(BerthSystemdCall *call, const GError *error);
    union {
        BerthSystemdDone plain;
        BerthSystemdStatusDone status;
        BerthSystemdListDone list;
    } done;
    gpointer data;
};

/* A call that is on the books of @systemd, with its deadline running; nothing is sent yet. Where the link is down, what
 * is sent for it waits. */
BerthSystemdCall *systemd_call_new(BerthSystemd *systemd, const char *unit, const char *verb, BerthError code,
                                   guint64 timeout_usec);
/* The same for a verb of which nothing but success or failure is told. */
BerthSystemdCall *systemd_call_new_plain(BerthSystemd *systemd, const char *unit, const char *verb, BerthError code,
                                         guint64 timeout_usec, BerthSystemdDone done, gpointer data);

/* An empty message to systemd's manager; NULL where it can't be had (then systemd_call_send() fails the call). */
sd_bus_message *systemd_call_message(BerthSystemdCall *call, const char *path, const char *interface,
                                     const char *member);

/* @message: (transfer full) (nullable); @built: negative errno where it could not be filled. */
void systemd_call_send(BerthSystemdCall *call, sd_bus_message *message, int built, SystemdOnReply on_reply);
/* The same for a method of the manager whose reply names a job; @on_job is called at its end. */
void systemd_call_send_job(BerthSystemdCall *call, sd_bus_message *message, int built, SystemdOnReply on_reply,
                           SystemdOnJob on_job);
/* Makes systemd forget that the call's unit failed, which would keep its name. */
void systemd_call_send_reset_failed(BerthSystemdCall *call, SystemdOnReply on_reply);
/* For on_reply of a systemd_call_send_job(): reads the job's path, and waits for its end. */
void systemd_call_await_job(BerthSystemdCall *call, sd_bus_message *reply);
void systemd_call_job_ended(BerthSystemdCall *call, const char *result);

/* The bus has gone: it waits for that to come back, no longer than its deadline. */
void systemd_call_bus_lost(BerthSystemdCall *call);

/* systemd is back on the bus: what it did not answer is asked again, and jobs that have ended meanwhile are found out. */
void systemd_call_go_on(BerthSystemdCall *call);

/* Off the books: from here on nothing calls back into @call. */
void systemd_call_detach(BerthSystemdCall *call);

/* The three ways to answer. The caller's callback may free the call: nothing may touch it afterwards. */
void systemd_call_succeed(BerthSystemdCall *call);
void systemd_call_fail(BerthSystemdCall *call, const char *format, ...) G_GNUC_PRINTF(2, 3);
void systemd_call_fail_with(BerthSystemdCall *call, const sd_bus_error *error);

/* How much longer systemd, which did not answer, may stay off the bus before that is an error; 0 for no longer. */
guint systemd_patience_msec(const BerthSystemd *systemd);

/* Whether @unit is named as a scope of ours (which does not prove that it is one). */
gboolean systemd_is_our_unit(const char *unit);
