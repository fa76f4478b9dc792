/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "scripted.h"
#include "src/core/names.h"

/* What the tests of the design's REMOVAL.md share. They bear the numbers of its promises: "/removal/M07/frozen". */

#define REMOVAL_GRACE "{'grace-seconds': <uint32 600>}"
#define REMOVAL_ADD(path, func) SCRIPTED_ADD("/removal/" path, "", func)
#define REMOVAL_TWO_CIDS "[Manager]\nCIDFirst=2000\nCIDLast=2001"
#define REMOVAL_ADD_TWO_CIDS(path, func) SCRIPTED_ADD("/removal/" path, REMOVAL_TWO_CIDS, func)
/* With two CIDs, and QEMU is never killed for not quitting: what a test holds there stays. */
#define REMOVAL_ADD_PATIENT(path, func)                                                                                \
    SCRIPTED_ADD("/removal/" path, "PowerOffTimeoutSec=600\n" REMOVAL_TWO_CIDS, func)
/* Without a daemon yet: for tests that mount something, with removal_start_apart(), or hold its way to the disk. */
#define REMOVAL_ADD_APART(path, func)                                                                                  \
    g_test_add("/removal/" path, Fixture, "", scripted_prepare, func, fixture_tear_down)

/* Kills its keeper, and waits until the daemon has seen that. */
void removal_kill_keeper(Fixture *fixture, const char *path);
/* What a script's fork-child has left in the scope of "web". */
pid_t removal_child_of_qemu(Fixture *fixture);
/* The test's own process, which is nobody's business; removal_end_bystander() says whether it has been left alone. */
pid_t removal_bystander(void);
void removal_end_bystander(pid_t pid);

/* It goes, it is not found any more, and nothing is left. */
void removal_assert_gone(Fixture *fixture, const char *path);
void removal_and_await(Fixture *fixture, const char *path);
void removal_await_phase(Fixture *fixture, const char *path, const char *phase);
/* A removal that is tried again and again says so again each time. */
void removal_await_blocker(Fixture *fixture, const char *path, const char *words);
gboolean removal_has_marker(Fixture *fixture, const char *path);
/* Every method but those of removing is refused with Removing. */
void removal_assert_refuses_all(Fixture *fixture, const char *path);

/* (transfer full): where the one directory lies that is doomed. */
char *removal_doomed_dir(Fixture *fixture);
/* Files */
/* Another end of the grace time, in µs of the real time, for the next daemon: none may run. */
void removal_age_marker(Fixture *fixture, const char *id, gint64 grace_until);
void removal_write(const char *file, const char *text);
/* What stands for a marker, a definition ... that can't be read. */
void removal_make_garbage(const char *file);
void removal_make_empty(const char *file);
void removal_make_directory(const char *file);
void removal_make_dangling_link(const char *file);
void removal_make_link(const char *to, const char *file);
void removal_delete(const char *path);

/* Where there are the CIDs 2000 and 2001 (REMOVAL_ADD_TWO_CIDS): whatever is done meanwhile, nobody else gets 2000; and
 * both are free. That as many VMs can be made as before would not tell: those that are going are counted too. */
void removal_assert_cid_kept(Fixture *fixture);
void removal_assert_cids_free(Fixture *fixture);
/* The host goes down at once and boots: no process and nothing of /run is left. The daemon is there again. */
void removal_reboot(Fixture *fixture);
/* Kills daemon and processes, the daemon first. */
void removal_kill_all(Fixture *fixture);

/* Another berthd on the same state directory ends at once, and the first one goes on. */
void removal_refuse_second_daemon(Fixture *fixture);

/* FALSE (and the test is skipped) where no mount namespace can be made. The daemon lives in it too. */
gboolean removal_start_apart(Fixture *fixture);
