/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/bus/tooled.h"
#include "tests/lib/power-cut/fs-model.h"

/* berthd, whose power is cut at each moment of a scenario: the trace of what it did to its files is replayed on a
 * model of a file system, each tree that a disk may hold after a cut is built, and the daemon is started on it as
 * after a boot.
 *
 * A scenario says what it asks for (and thereby what is promised to it), and looks at what it finds after a boot. */

typedef struct Power Power;

typedef struct {
    /* Prepares what it needs, calls power_begin(), acts, and waits for the end of it. */
    void (*act)(Power *power);
    /* After the boot; @kept: the promises that had been given when power was cut, a bit for each in the order in which
     * the act got or awaited them. */
    void (*check)(Power *power, guint kept);
} PowerScenario;

/* The test /powercut/@name. */
void power_add(const char *name, const PowerScenario *scenario);
/* main() of such tests. The last line says how many trees were tried. */
int power_main(int argc, char **argv, void (*add)(void));

Fixture *power_fixture(Power *power);
Tooled *power_tooled(Power *power);

/* The scenario's act */

/* From here on there are cuts and promises; what is on disk now is durable. The daemon is idle, or is not running. */
void power_begin(Power *power);
/* Calls with an answer that is a promise; aborts the test where it is an error. @parameters: floating; (transfer
 * full) */
GVariant *power_call(Power *power, const char *path, const char *interface, const char *method, GVariant *parameters,
                     GUnixFDList *fds);
/* A method of a VM whose answer is one. @options: in text form */
void power_vm(Power *power, const char *path, const char *method, const char *options);
/* The same of a signal that the act awaits by other means: it is a promise from when it is sent. @object: its first
 * argument or who sends it. */
void power_promise_signal(Power *power, const char *member, const char *object);

/* The scenario's check */

typedef enum {
    POWER_ALIVE = 1 << 0,    /* whole, and as it was */
    POWER_REMOVING = 1 << 1, /* ends gone, and is not started */
    POWER_ABSENT = 1 << 2,
    POWER_BROKEN = 1 << 3,
} PowerFates;

/* The VM @name has one of these fates; where it is alive, its path. (nullable) (transfer full) */
char *power_expect_vm(Power *power, const char *name, PowerFates fates);
/* The image @name is there, whole; or is not there at all. */
void power_expect_image(Power *power, const char *name, gboolean may_be_there, gboolean may_be_absent);
/* (nullable) (transfer full): a property of the VM @name, which is alive or being removed */
GVariant *power_get(Power *power, const char *name, const char *property);
/* What is found is not what must be found: counted, and told with the tree. */
void power_violation(Power *power, const char *format, ...) G_GNUC_PRINTF(2, 3);
