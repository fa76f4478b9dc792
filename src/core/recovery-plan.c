/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recovery-plan.h"

static const char *const operations[BERTH_RECORD_LAST] = {
    [BERTH_RECORD_START] = "start",         [BERTH_RECORD_RUN] = "",
    [BERTH_RECORD_POWERDOWN] = "powerdown", [BERTH_RECORD_SHUTDOWN] = "shutdown",
    [BERTH_RECORD_POWER_OFF] = "power-off",
};

const char *berth_operation_to_string(BerthRecordFound operation)
{
    return operations[operation];
}

int berth_operation_from_string(const char *word)
{
    for (int i = 0; i < BERTH_RECORD_LAST; i++)
        if (operations[i] && g_str_equal(operations[i], word))
            return i;
    return -1;
}

/* Sets of what may be found. */
#define ANY 0xffu
#define WHOLE (1u << BERTH_STORED_AS_WHOLE)
#define BROKEN (1u << BERTH_STORED_AS_BROKEN)
#define GOING (1u << BERTH_STORED_AS_GOING)
#define NO_DIR (1u << BERTH_RECORD_NO_DIRECTORY)
#define NONE (1u << BERTH_RECORD_NONE)
#define START (1u << BERTH_RECORD_START)
#define RUN (1u << BERTH_RECORD_RUN)
#define POWERDOWN (1u << BERTH_RECORD_POWERDOWN)
#define SHUTDOWN (1u << BERTH_RECORD_SHUTDOWN)
#define POWER_OFF (1u << BERTH_RECORD_POWER_OFF)
#define RAN (RUN | POWERDOWN | SHUTDOWN | POWER_OFF)
#define NOBODY (1u << BERTH_ALIVE_NOBODY)
#define SOMEBODY (1u << BERTH_ALIVE_SOMEBODY)
#define KEEPER (1u << BERTH_ALIVE_KEEPER)
#define QEMU (1u << BERTH_ALIVE_QEMU)
#define LIFE (SOMEBODY | KEEPER | QEMU)
#define NO_SCOPE (1u << BERTH_SCOPE_ABSENT | 1u << BERTH_SCOPE_UNKNOWN)
#define SCOPE (1u << BERTH_SCOPE_LOADED | SCOPE_STOPS)
#define SCOPE_STOPS (1u << BERTH_SCOPE_STOPPING)
#define NOT_STOPPING (ANY & ~SCOPE_STOPS)
#define DEAF (1u << BERTH_MONITOR_DEAF)
#define LISTENS (1u << BERTH_MONITOR_LISTENS)
#define NO (1u << FALSE)
#define YES (1u << TRUE)
#define BOOT (1u << BERTH_MOMENT_BOOT)
#define RESTART (1u << BERTH_MOMENT_RESTART)
#define RELOAD (1u << BERTH_MOMENT_RELOAD)
#define NO_BOOT (RESTART | RELOAD)
#define START_UP (BOOT | RESTART)

typedef struct {
    guint8 stored, record, alive, scope, monitor, exit_told, judged, wanted, moment;
    BerthPlan plan;
} Row;

#define PLAN(state, act, wish, why)                                                                                    \
    {                                                                                                                  \
        BERTH_VM_##state, BERTH_PLAN_##act, BERTH_WISH_##wish, why                                                     \
    }

/* What is found, in the order of Row: stored, record, alive, scope, monitor, exit_told, judged, wanted, moment. No
 * row hides another. */
/* clang-format off */
static const Row rows[] = {
    /* Nobody lives, and there is no record of a run. */
    {WHOLE,  NO_DIR | NONE,               NOBODY,            NO_SCOPE,     ANY,     ANY,  NO,   NO,   START_UP,
     PLAN(STOPPED, REST, KEPT, "nothing of it runs, and nothing should")},
    {WHOLE,  NO_DIR | NONE,               NOBODY,            NO_SCOPE,     ANY,     ANY,  YES,  ANY,  START_UP,
     PLAN(STOPPED, ABIDE, KEPT, "how it ended was judged before")},
    {WHOLE,  NO_DIR | NONE,               NOBODY,            NO_SCOPE,     ANY,     ANY,  NO,   YES,  BOOT,
     PLAN(STOPPED, START, KEPT, "it ran when the host went down")},
    /* Else its end would have been judged. */
    {WHOLE,  NO_DIR,                      NOBODY,            NO_SCOPE,     ANY,     ANY,  NO,   YES,  RESTART,
     PLAN(STOPPED, START, KEPT, "it has not run since the host was booted")},
    /* A start makes the runtime directory before anything else, and the record before its keeper is let go. */
    {WHOLE,  NONE,                        NOBODY,            NO_SCOPE,     ANY,     ANY,  NO,   YES,  RESTART,
     PLAN(STOPPED, START, KEPT, "its start was interrupted before there was a process")},
    /* Who puts a directory there says what it is, and starts it himself. */
    {WHOLE,  NO_DIR | NONE,               NOBODY,            NO_SCOPE,     ANY,     ANY,  ANY,  ANY,  RELOAD,
     PLAN(STOPPED, REST, KEPT, "its directory was put there")},

    /* A keeper that waits, its scope, or one that systemd started when the keeper had gone. */
    {WHOLE,  NO_DIR | NONE,               NOBODY,            SCOPE,        ANY,     ANY,  ANY,  YES,  ANY,
     PLAN(STARTING, UNDO_REDO, KEPT, "its start was interrupted, and has left a scope")},
    {WHOLE,  NO_DIR | NONE,               NOBODY,            SCOPE,        ANY,     ANY,  ANY,  NO,   ANY,
     PLAN(STOPPING, UNDO, KEPT, "its start was interrupted, and has left a scope")},
    {WHOLE,  NO_DIR | NONE,               LIFE,              ANY,          ANY,     ANY,  ANY,  YES,  ANY,
     PLAN(STARTING, UNDO_REDO, KEPT, "its start was interrupted before its keeper was let go")},
    {WHOLE,  NO_DIR | NONE,               LIFE,              ANY,          ANY,     ANY,  ANY,  NO,   ANY,
     PLAN(STOPPING, UNDO, KEPT, "its start was interrupted before its keeper was let go")},

    /* A start whose keeper was let go. Nobody was told that it failed: so it goes on, if it can. */
    {WHOLE,  START,                       KEEPER | QEMU,     ANY,          LISTENS, ANY,  ANY,  ANY,  ANY,
     PLAN(STARTING, GO_ON, ON, "its start goes on")},
    {WHOLE,  START,                       KEEPER | QEMU,     ANY,          DEAF,    ANY,  ANY,  YES,  ANY,
     PLAN(STARTING, UNDO_REDO, KEPT, "its start was interrupted, and QEMU can't be asked how far it is")},
    {WHOLE,  START,                       KEEPER | QEMU,     ANY,          DEAF,    ANY,  ANY,  NO,   ANY,
     PLAN(STOPPING, UNDO, KEPT, "its start was interrupted, and QEMU can't be asked how far it is")},
    {WHOLE,  START,                       SOMEBODY,          ANY,          ANY,     ANY,  ANY,  YES,  ANY,
     PLAN(STARTING, UNDO_REDO, KEPT, "its start was interrupted, and its keeper has ended")},
    {WHOLE,  START,                       SOMEBODY,          ANY,          ANY,     ANY,  ANY,  NO,   ANY,
     PLAN(STOPPING, UNDO, KEPT, "its start was interrupted, and its keeper has ended")},
    {WHOLE,  START,                       NOBODY,            ANY,          ANY,     YES,  NO,   ANY,  NO_BOOT,
     PLAN(STARTING, JUDGE, KEPT, "QEMU ended before it ran the guest")},
    {WHOLE,  START,                       NOBODY,            ANY,          ANY,     NO,   NO,   YES,  NO_BOOT,
     PLAN(STOPPED, START, KEPT, "its start was interrupted before there was a QEMU")},
    {WHOLE,  START,                       NOBODY,            ANY,          ANY,     NO,   NO,   NO,   NO_BOOT,
     PLAN(STOPPED, REST, KEPT, "its start was interrupted, and it is not wanted")},

    /* The guest ran, and QEMU lives. */
    {WHOLE,  RUN,                         QEMU,              NOT_STOPPING, ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(RUNNING, WATCH, KEPT, "it runs on")},
    {WHOLE,  RUN,                         QEMU,              SCOPE_STOPS,  ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(STOPPING, GO_ON, KEPT, "systemd stops its scope")},
    {WHOLE,  POWERDOWN,                   QEMU,              ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(STOPPING, GO_ON, KEPT, "the guest was asked to power down")},
    {WHOLE,  SHUTDOWN,                    QEMU,              ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(STOPPING, GO_ON, OFF, "its Shutdown goes on")},
    {WHOLE,  POWER_OFF,                   QEMU,              ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(STOPPING, END, OFF, "its PowerOff goes on")},

    /* QEMU has ended, and its keeper is about to, or hangs; or a helper does. */
    {WHOLE,  RUN | POWERDOWN,             SOMEBODY | KEEPER, ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(STOPPING, END_REST, KEPT, "QEMU has ended")},
    {WHOLE,  SHUTDOWN | POWER_OFF,        SOMEBODY | KEEPER, ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(STOPPING, END_REST, OFF, "QEMU has ended, as it should")},

    /* All have ended, before this daemon or the one before it. */
    {WHOLE,  START | RUN | POWERDOWN,     NOBODY,            ANY,          ANY,     ANY,  YES,  ANY,  ANY,
     PLAN(STOPPED, ABIDE, KEPT, "how it ended was judged before")},
    {WHOLE,  RUN | POWERDOWN,             NOBODY,            ANY,          ANY,     YES,  NO,   ANY,  NO_BOOT,
     PLAN(RUNNING, JUDGE, KEPT, "it has ended, and its keeper says how")},
    {WHOLE,  RUN | POWERDOWN,             NOBODY,            ANY,          ANY,     NO,   NO,   ANY,  NO_BOOT,
     PLAN(RUNNING, JUDGE, KEPT, "it has ended, and its keeper can't say how")},
    {WHOLE,  SHUTDOWN | POWER_OFF,        NOBODY,            ANY,          ANY,     ANY,  ANY,  ANY,  NO_BOOT,
     PLAN(STOPPING, JUDGE, OFF, "it has ended, as it should")},

    /* Records of before the boot, where /run outlived it: the disk alone says what is wanted. */
    {WHOLE,  START | RUN | POWERDOWN,     NOBODY,            ANY,          ANY,     ANY,  NO,   YES,  BOOT,
     PLAN(STOPPED, START, KEPT, "it ran when the host went down")},
    {WHOLE,  START | RUN | POWERDOWN,     NOBODY,            ANY,          ANY,     ANY,  NO,   NO,   BOOT,
     PLAN(STOPPED, REST, KEPT, "the host went down, and it is not wanted")},
    {WHOLE,  SHUTDOWN | POWER_OFF,        NOBODY,            ANY,          ANY,     ANY,  ANY,  ANY,  BOOT,
     PLAN(STOPPED, REST, OFF, "it was being stopped when the host went down")},

    /* What can't be loaded is never started, and what lives of it is left alone. Half a start is no life. */
    {BROKEN, NO_DIR | NONE,               NOBODY,            NO_SCOPE,     ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(BROKEN, REST, KEPT, "nothing of it runs")},
    {BROKEN, NO_DIR | NONE,               NOBODY,            SCOPE,        ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(BROKEN, UNDO, KEPT, "its start was interrupted, and has left a scope")},
    {BROKEN, NO_DIR | NONE,               LIFE,              ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(BROKEN, UNDO, KEPT, "its start was interrupted before its keeper was let go")},
    {BROKEN, START | RAN,                 KEEPER | QEMU,     ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(BROKEN, WATCH, KEPT, "its processes are left alone")},
    {BROKEN, START | RAN,                 SOMEBODY,          ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(BROKEN, END_REST, KEPT, "QEMU and its keeper have ended")},
    {BROKEN, START | RAN,                 NOBODY,            ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(BROKEN, JUDGE, KEPT, "it has ended")},

    /* A removal is gone on with, and nothing else. It may be taken back within its grace time: then what is shown here
     * is what it was before. */
    {GOING,  NO_DIR | NONE,               NOBODY,            NO_SCOPE,     ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(STOPPED, REST, KEPT, "nothing of it runs")},
    {GOING,  NO_DIR | NONE,               NOBODY,            SCOPE,        ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(STARTING, UNDO, KEPT, "its start was interrupted, and has left a scope")},
    {GOING,  NO_DIR | NONE,               LIFE,              ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(STARTING, UNDO, KEPT, "its start was interrupted before its keeper was let go")},
    {GOING,  START,                       LIFE,              ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(STARTING, UNDO, KEPT, "half a start is not worth a grace time")},
    {GOING,  RUN | POWERDOWN | SHUTDOWN,  QEMU,              ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(RUNNING, WATCH, KEPT, "it runs until its removal ends it")},
    {GOING,  POWER_OFF,                   QEMU,              ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(STOPPING, END, KEPT, "its PowerOff goes on")},
    {GOING,  RAN,                         SOMEBODY | KEEPER, ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(RUNNING, END_REST, KEPT, "QEMU has ended")},
    {GOING,  START,                       NOBODY,            ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(STARTING, JUDGE, KEPT, "its start has ended")},
    {GOING,  RAN,                         NOBODY,            ANY,          ANY,     ANY,  ANY,  ANY,  ANY,
     PLAN(RUNNING, JUDGE, KEPT, "it has ended")},
};
/* clang-format on */

#define HAS(set, value) (((set) & (1u << (value))) != 0)

guint berth_recovery_n_rows(void)
{
    return G_N_ELEMENTS(rows);
}

gboolean berth_recovery_row_applies(guint row, const BerthFound *found)
{
    const Row *at = &rows[row];
    return HAS(at->stored, found->stored) && HAS(at->record, found->record) && HAS(at->alive, found->alive) &&
           HAS(at->scope, found->scope) && HAS(at->monitor, found->monitor) && HAS(at->exit_told, found->exit_told) &&
           HAS(at->judged, found->judged) && HAS(at->wanted, found->wanted) && HAS(at->moment, found->moment);
}

const BerthPlan *berth_recovery_plan(const BerthFound *found)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (berth_recovery_row_applies(i, found))
            return &rows[i].plan;
    g_assert_not_reached(); /* the test goes through every combination */
}
