/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "src/host/keeper.h"
#include "src/host/runtime-dir.h"

/* The real berth-keeper, forked as the daemon does it, with a scripted process in QEMU's place (tests/lib/fakes/stub-qemu.c).
 * Every wait has a deadline. */

#define KEEPER_ID "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
#define KEEPER_ADD(name, func) g_test_add("/keeper/" name, KeeperScene, NULL, keeper_set_up, func, keeper_tear_down)
/* Starts the stand-in with a script. */
#define START(vm, ...) keeper_start(vm, (const char *const[]){__VA_ARGS__, NULL})

typedef struct {
    char *top;
    BerthKeeperSpec spec;
    BerthRuntimeFds fds;
    BerthKeeper *keeper;
    gboolean answered;
    pid_t qemu;
    GError *error;
} KeeperScene;

/* Keepers and what they keep are made to outlive whoever started them: also a test that fails. So the tests run in a
 * child, and what is left after it is killed. */
int keeper_main(int *argc, char ***argv, void (*add)(void));

void keeper_set_up(KeeperScene *vm, gconstpointer unused);
/* Holds that nobody lives and nothing is left. */
void keeper_tear_down(KeeperScene *vm, gconstpointer unused);

/* Forks it for this QEMU; it waits. */
void keeper_spawn(KeeperScene *vm, const char *const *argv);
/* Lets it go on, and waits for its answer: vm->qemu or vm->error. */
void keeper_release(KeeperScene *vm);
/* Both, with the stand-in; @script ends with NULL. */
void keeper_start(KeeperScene *vm, const char *const *script);
void keeper_signal(KeeperScene *vm, int number);

void keeper_wait_fd(int fd, short events);
/* For the keeper's end, and with what it wrote of QEMU's. */
void keeper_wait(KeeperScene *vm);
BerthExitRecord *keeper_wait_record(KeeperScene *vm);
void keeper_check_record(KeeperScene *vm, int wait_status, const char *reason, gboolean panicked, gboolean requested);

int keeper_connect_console(KeeperScene *vm);
/* Everything that comes until @word has, that included; %NULL: until the end. (transfer full) */
char *keeper_read_until(int fd, const char *word);
void keeper_expect(int fd, const char *word);
void keeper_type(int fd, const char *text);
char *keeper_read_log(KeeperScene *vm, const char *name, gsize *length);
