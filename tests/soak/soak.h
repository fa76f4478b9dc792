/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/system/scene.h"

/* Everything at once, for as long as is asked for: several clients call what they like, each in a process of its own;
 * what befalls a host befalls it; somebody listens to all signals. At the end nothing may be left. All that is random
 * comes from one seed. What is found wrong ends the program by g_error(). */

#define SOAK_VMS 10u    /* names, few enough that clients meet */
#define SOAK_GUESTS 2u  /* the first of them, which boot a guest; the others run a QEMU with nobody in it */
#define SOAK_IMAGES 3u  /* names, beside the guest's */
#define SOAK_CLIENTS 5u /* processes */

/* (transfer full): "soak3" */
char *soak_vm_name(guint i);
char *soak_image_name(guint i);

/* A client: calls at random until it is told to end by SIGTERM. Each call is answered, once, with a result or with an
 * error of the contract's, unless the daemon has gone meanwhile. */
int soak_client(guint32 seed);

/* Listens to what the daemon tells of its VMs: each state comes after one that it may come after, no object goes
 * twice, or before it was being removed, and a job that went well has made what can be seen. */
typedef struct Witness Witness;

Witness *witness_new(GDBusConnection *bus);
void witness_free(Witness *witness);
guint witness_n_edges(const Witness *witness);
guint witness_n_clones(const Witness *witness);

/* Clients, as processes. */
typedef struct Crowd Crowd;

Crowd *crowd_new(guint32 seed);
/* SIGKILL to one of them, in whose place another one comes. */
void crowd_lose_one(Crowd *crowd, GRand *random);
/* All come to an end, which must be a good one. */
void crowd_free(Crowd *crowd);

/* One thing at random of what may befall the daemon, its VMs and systemd. @may_kill: it may be the end of the daemon. */
typedef struct Trouble Trouble;

Trouble *trouble_new(Crowd *crowd, guint32 seed);
void trouble_strike(Trouble *trouble, gboolean may_kill);
/* Who was stopped goes on. */
void trouble_free(Trouble *trouble);

/* What the daemon uses, after a few VMs have come and gone. */
typedef struct {
    guint n_fds;
    guint64 pss; /* bytes */
} Figures;

Figures figures_of_daemon(void);
/* Removes all VMs and images but the guest's, and holds that nothing is left. */
void leftovers_assert_none(void);
/* That no daemon has told of a bug of its own, or come to a bad end. */
void journal_assert_good(void);
