/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "src/core/recovery-plan.h"

/* Every combination of what may be found */

static BerthFound cell(guint n)
{
    BerthFound found = {0};
    found.stored = n % BERTH_STORED_AS_LAST, n /= BERTH_STORED_AS_LAST;
    found.record = n % BERTH_RECORD_LAST, n /= BERTH_RECORD_LAST;
    found.alive = n % BERTH_ALIVE_LAST, n /= BERTH_ALIVE_LAST;
    found.scope = n % BERTH_SCOPE_LAST, n /= BERTH_SCOPE_LAST;
    found.monitor = n % BERTH_MONITOR_LAST, n /= BERTH_MONITOR_LAST;
    found.exit_told = n % 2, n /= 2;
    found.judged = n % 2, n /= 2;
    found.wanted = n % 2, n /= 2;
    found.moment = n;
    return found;
}

#define N_CELLS                                                                                                        \
    (BERTH_STORED_AS_LAST * BERTH_RECORD_LAST * BERTH_ALIVE_LAST * BERTH_SCOPE_LAST * BERTH_MONITOR_LAST * 2 * 2 * 2 * \
     BERTH_MOMENT_LAST)

static char *describe(const BerthFound *found)
{
    return g_strdup_printf("stored %d, record %d, alive %d, scope %d, monitor %d, exit told %d, judged %d, wanted %d, "
                           "moment %d",
                           found->stored, found->record, found->alive, found->scope, found->monitor, found->exit_told,
                           found->judged, found->wanted, found->moment);
}

/* No cell without a row, none with two, and no row without a cell. */
static void test_cells(void)
{
    g_autofree guint *uses = g_new0(guint, berth_recovery_n_rows());
    for (guint n = 0; n < N_CELLS; n++) {
        const BerthFound found = cell(n);
        guint n_rows = 0;
        for (guint row = 0; row < berth_recovery_n_rows(); row++) {
            const gboolean applies = berth_recovery_row_applies(row, &found);
            n_rows += applies ? 1 : 0;
            uses[row] += applies ? 1 : 0;
        }
        g_autofree char *what = describe(&found);
        if (n_rows != 1)
            g_error("%u rows apply to: %s", n_rows, what);
        g_assert_cmpstr(berth_recovery_plan(&found)->why, !=, "");
    }
    for (guint row = 0; row < berth_recovery_n_rows(); row++)
        g_assert_cmpuint(uses[row], >, 0);
}

/* What holds for all cells, whatever the rows say */

#define SET(act) (1u << BERTH_PLAN_##act)

static gboolean has_operation(const BerthFound *found)
{
    return found->record == BERTH_RECORD_SHUTDOWN || found->record == BERTH_RECORD_POWER_OFF;
}

/* Which acts make sense at all. */
static guint sensible(const BerthFound *found)
{
    const gboolean ran = found->record >= BERTH_RECORD_RUN;
    guint acts = found->alive == BERTH_ALIVE_NOBODY
                     ? SET(REST) | SET(START) | SET(ABIDE) | SET(JUDGE) | SET(UNDO) | SET(UNDO_REDO)
                     : SET(WATCH) | SET(GO_ON) | SET(END) | SET(END_REST) | SET(UNDO) | SET(UNDO_REDO);
    if (!found->wanted)
        acts &= ~SET(START);
    /* A removal wins, and what can't be loaded can't be started. */
    if (found->stored != BERTH_STORED_AS_WHOLE)
        acts &= ~(SET(START) | SET(ABIDE) | SET(GO_ON) | SET(UNDO_REDO));
    /* A guest that runs is ended by nobody but who had begun to. */
    if (ran && found->alive == BERTH_ALIVE_QEMU)
        acts &= SET(WATCH) | SET(GO_ON) | (found->record == BERTH_RECORD_POWER_OFF ? SET(END) : 0);
    if (ran)
        acts &= ~(SET(UNDO) | SET(UNDO_REDO));
    /* What was judged stands, and is not judged again; but who asked for a stop has the last word. */
    if (!found->judged)
        acts &= ~SET(ABIDE);
    else if (found->stored == BERTH_STORED_AS_WHOLE)
        acts &= ~(SET(START) | (has_operation(found) ? 0 : SET(JUDGE)));
    /* After a boot they are of another time, of whatever can be started. */
    if (found->moment == BERTH_MOMENT_BOOT && found->stored == BERTH_STORED_AS_WHOLE)
        acts &= ~SET(JUDGE);
    return acts;
}

static gboolean is_state_fit(const BerthFound *found, const BerthPlan *plan)
{
    if (found->stored == BERTH_STORED_AS_BROKEN)
        return plan->state == BERTH_VM_BROKEN;
    switch (plan->act) {
    case BERTH_PLAN_REST:
    case BERTH_PLAN_START:
    case BERTH_PLAN_ABIDE:
        return plan->state == BERTH_VM_STOPPED;
    case BERTH_PLAN_WATCH:
        return plan->state == BERTH_VM_RUNNING;
    case BERTH_PLAN_GO_ON:
        return plan->state == (found->record == BERTH_RECORD_START ? BERTH_VM_STARTING : BERTH_VM_STOPPING);
    case BERTH_PLAN_END:
        return plan->state == BERTH_VM_STOPPING;
    case BERTH_PLAN_UNDO_REDO:
        return plan->state == BERTH_VM_STARTING && found->wanted;
    case BERTH_PLAN_JUDGE:
    case BERTH_PLAN_END_REST:
    case BERTH_PLAN_UNDO:
        return berth_vm_state_has_process(plan->state);
    case BERTH_PLAN_LAST:
        break;
    }
    return FALSE;
}

/* An operation that was begun says what is wanted, and nothing else does. */
static BerthPlanWish wish_of(const BerthFound *found, const BerthPlan *plan)
{
    if (found->stored != BERTH_STORED_AS_WHOLE)
        return BERTH_WISH_KEPT;
    if (has_operation(found))
        return BERTH_WISH_OFF;
    return plan->act == BERTH_PLAN_GO_ON && found->record == BERTH_RECORD_START ? BERTH_WISH_ON : BERTH_WISH_KEPT;
}

static void test_sense(void)
{
    for (guint n = 0; n < N_CELLS; n++) {
        const BerthFound found = cell(n);
        const BerthPlan *plan = berth_recovery_plan(&found);
        g_autofree char *what = describe(&found);
        if (!(sensible(&found) & (1u << plan->act)) || !is_state_fit(&found, plan) ||
            plan->wish != wish_of(&found, plan))
            g_error("state %d, act %d, wish %d (%s) makes no sense for: %s", plan->state, plan->act, plan->wish,
                    plan->why, what);
    }
}

/* What QEMU's socket or the keeper's record say matters nowhere but where it is asked for. */
static void test_indifference(void)
{
    for (guint n = 0; n < N_CELLS; n++) {
        const BerthFound found = cell(n);
        BerthFound other = found;
        if (found.record != BERTH_RECORD_START)
            other.monitor = !found.monitor;
        if (found.alive != BERTH_ALIVE_NOBODY) {
            other.exit_told = !found.exit_told;
            other.judged = !found.judged;
        }
        g_assert_cmpint(berth_recovery_plan(&found)->act, ==, berth_recovery_plan(&other)->act);
    }
}

/* Each row by an example of what it is for */

typedef struct {
    const char *name;
    BerthFound found;
    BerthVmState state;
    BerthPlanAct act;
    BerthPlanWish wish;
} Case;

#define FOUND(as, record, who, unit, socket, exit, verdict, want, when)                                                \
    {                                                                                                                  \
        BERTH_STORED_AS_##as, BERTH_RECORD_##record, BERTH_ALIVE_##who, BERTH_SCOPE_##unit, BERTH_MONITOR_##socket,    \
            exit, verdict, want, BERTH_MOMENT_##when                                                                   \
    }
#define PLAN(shown, done, kept) BERTH_VM_##shown, BERTH_PLAN_##done, BERTH_WISH_##kept
#define TOLD TRUE
#define UNTOLD FALSE
#define JUDGED TRUE
#define OPEN FALSE
#define WANTED TRUE
#define UNWANTED FALSE

/* clang-format off */
static const Case cases[] = {
    {"off",
     FOUND(WHOLE, NO_DIRECTORY, NOBODY, ABSENT, DEAF, UNTOLD, OPEN, UNWANTED, RESTART), PLAN(STOPPED, REST, KEPT)},
    {"off-after-boot",
     FOUND(WHOLE, NO_DIRECTORY, NOBODY, ABSENT, DEAF, UNTOLD, OPEN, UNWANTED, BOOT), PLAN(STOPPED, REST, KEPT)},
    {"wanted-after-boot",
     FOUND(WHOLE, NO_DIRECTORY, NOBODY, ABSENT, DEAF, UNTOLD, OPEN, WANTED, BOOT), PLAN(STOPPED, START, KEPT)},
    {"boot-interrupted",
     FOUND(WHOLE, NO_DIRECTORY, NOBODY, ABSENT, DEAF, UNTOLD, OPEN, WANTED, RESTART), PLAN(STOPPED, START, KEPT)},
    {"judged",
     FOUND(WHOLE, NO_DIRECTORY, NOBODY, ABSENT, DEAF, UNTOLD, JUDGED, WANTED, RESTART), PLAN(STOPPED, ABIDE, KEPT)},
    {"judged-unwanted",
     FOUND(WHOLE, NO_DIRECTORY, NOBODY, ABSENT, DEAF, UNTOLD, JUDGED, UNWANTED, BOOT), PLAN(STOPPED, ABIDE, KEPT)},
    {"judged-run",
     FOUND(WHOLE, RUN, NOBODY, ABSENT, DEAF, TOLD, JUDGED, WANTED, RESTART), PLAN(STOPPED, ABIDE, KEPT)},
    {"judged-power-off",
     FOUND(WHOLE, POWER_OFF, NOBODY, ABSENT, DEAF, TOLD, JUDGED, WANTED, RESTART), PLAN(STOPPING, JUDGE, OFF)},
    {"put-there",
     FOUND(WHOLE, NO_DIRECTORY, NOBODY, UNKNOWN, DEAF, UNTOLD, OPEN, WANTED, RELOAD), PLAN(STOPPED, REST, KEPT)},
    {"start-without-process",
     FOUND(WHOLE, NONE, NOBODY, ABSENT, DEAF, UNTOLD, OPEN, WANTED, RESTART), PLAN(STOPPED, START, KEPT)},
    {"start-without-process-unwanted",
     FOUND(WHOLE, NONE, NOBODY, ABSENT, DEAF, UNTOLD, OPEN, UNWANTED, RESTART), PLAN(STOPPED, REST, KEPT)},
    {"ghost-of-wanted",
     FOUND(WHOLE, NONE, NOBODY, LOADED, DEAF, UNTOLD, OPEN, WANTED, RESTART), PLAN(STARTING, UNDO_REDO, KEPT)},
    {"keeper-waits-unwanted",
     FOUND(WHOLE, NONE, SOMEBODY, LOADED, DEAF, UNTOLD, OPEN, UNWANTED, RESTART), PLAN(STOPPING, UNDO, KEPT)},
    {"start-deaf-unwanted",
     FOUND(WHOLE, START, KEEPER, LOADED, DEAF, UNTOLD, OPEN, UNWANTED, RESTART), PLAN(STOPPING, UNDO, KEPT)},
    {"start-without-keeper-unwanted",
     FOUND(WHOLE, START, SOMEBODY, LOADED, DEAF, UNTOLD, OPEN, UNWANTED, RESTART), PLAN(STOPPING, UNDO, KEPT)},
    {"ghost",
     FOUND(WHOLE, NO_DIRECTORY, NOBODY, LOADED, DEAF, UNTOLD, OPEN, UNWANTED, RESTART), PLAN(STOPPING, UNDO, KEPT)},
    {"keeper-waits",
     FOUND(WHOLE, NONE, SOMEBODY, LOADED, DEAF, UNTOLD, OPEN, WANTED, RESTART), PLAN(STARTING, UNDO_REDO, KEPT)},
    {"start-goes-on",
     FOUND(WHOLE, START, KEEPER, LOADED, LISTENS, UNTOLD, OPEN, WANTED, RESTART), PLAN(STARTING, GO_ON, ON)},
    {"start-goes-on-unwritten",
     FOUND(WHOLE, START, QEMU, LOADED, LISTENS, UNTOLD, OPEN, UNWANTED, RESTART), PLAN(STARTING, GO_ON, ON)},
    {"start-deaf",
     FOUND(WHOLE, START, QEMU, LOADED, DEAF, UNTOLD, OPEN, WANTED, RESTART), PLAN(STARTING, UNDO_REDO, KEPT)},
    {"start-without-keeper",
     FOUND(WHOLE, START, SOMEBODY, LOADED, DEAF, UNTOLD, OPEN, WANTED, RESTART), PLAN(STARTING, UNDO_REDO, KEPT)},
    {"start-failed",
     FOUND(WHOLE, START, NOBODY, ABSENT, DEAF, TOLD, OPEN, UNWANTED, RESTART), PLAN(STARTING, JUDGE, KEPT)},
    {"start-without-qemu",
     FOUND(WHOLE, START, NOBODY, ABSENT, DEAF, UNTOLD, OPEN, WANTED, RESTART), PLAN(STOPPED, START, KEPT)},
    {"start-without-qemu-unwanted",
     FOUND(WHOLE, START, NOBODY, ABSENT, DEAF, UNTOLD, OPEN, UNWANTED, RESTART), PLAN(STOPPED, REST, KEPT)},
    {"runs",
     FOUND(WHOLE, RUN, QEMU, LOADED, LISTENS, UNTOLD, OPEN, WANTED, RESTART), PLAN(RUNNING, WATCH, KEPT)},
    {"runs-without-socket",
     FOUND(WHOLE, RUN, QEMU, LOADED, DEAF, UNTOLD, OPEN, WANTED, RESTART), PLAN(RUNNING, WATCH, KEPT)},
    {"runs-without-systemd",
     FOUND(WHOLE, RUN, QEMU, UNKNOWN, LISTENS, UNTOLD, OPEN, WANTED, RESTART), PLAN(RUNNING, WATCH, KEPT)},
    {"runs-without-scope",
     FOUND(WHOLE, RUN, QEMU, ABSENT, LISTENS, UNTOLD, OPEN, WANTED, RESTART), PLAN(RUNNING, WATCH, KEPT)},
    {"runs-unwanted",
     FOUND(WHOLE, RUN, QEMU, LOADED, LISTENS, UNTOLD, OPEN, UNWANTED, RESTART), PLAN(RUNNING, WATCH, KEPT)},
    {"systemd-stops-it",
     FOUND(WHOLE, RUN, QEMU, STOPPING, LISTENS, UNTOLD, OPEN, WANTED, RESTART), PLAN(STOPPING, GO_ON, KEPT)},
    {"powerdown",
     FOUND(WHOLE, POWERDOWN, QEMU, LOADED, LISTENS, UNTOLD, OPEN, WANTED, RESTART), PLAN(STOPPING, GO_ON, KEPT)},
    {"shutdown",
     FOUND(WHOLE, SHUTDOWN, QEMU, LOADED, LISTENS, UNTOLD, OPEN, UNWANTED, RESTART), PLAN(STOPPING, GO_ON, OFF)},
    {"shutdown-unwritten",
     FOUND(WHOLE, SHUTDOWN, QEMU, LOADED, LISTENS, UNTOLD, OPEN, WANTED, RESTART), PLAN(STOPPING, GO_ON, OFF)},
    {"power-off",
     FOUND(WHOLE, POWER_OFF, QEMU, LOADED, LISTENS, UNTOLD, OPEN, WANTED, RESTART), PLAN(STOPPING, END, OFF)},
    {"keeper-lingers",
     FOUND(WHOLE, RUN, KEEPER, LOADED, DEAF, UNTOLD, OPEN, WANTED, RESTART), PLAN(STOPPING, END_REST, KEPT)},
    {"helper-lingers",
     FOUND(WHOLE, POWER_OFF, SOMEBODY, LOADED, DEAF, TOLD, OPEN, UNWANTED, RESTART), PLAN(STOPPING, END_REST, OFF)},
    {"ended-told",
     FOUND(WHOLE, RUN, NOBODY, ABSENT, DEAF, TOLD, OPEN, WANTED, RESTART), PLAN(RUNNING, JUDGE, KEPT)},
    {"ended-untold",
     FOUND(WHOLE, RUN, NOBODY, ABSENT, DEAF, UNTOLD, OPEN, WANTED, RESTART), PLAN(RUNNING, JUDGE, KEPT)},
    {"powered-off",
     FOUND(WHOLE, POWER_OFF, NOBODY, ABSENT, DEAF, TOLD, OPEN, WANTED, RESTART), PLAN(STOPPING, JUDGE, OFF)},
    {"old-records-wanted",
     FOUND(WHOLE, RUN, NOBODY, ABSENT, DEAF, TOLD, OPEN, WANTED, BOOT), PLAN(STOPPED, START, KEPT)},
    {"old-records-unwanted",
     FOUND(WHOLE, START, NOBODY, ABSENT, DEAF, TOLD, OPEN, UNWANTED, BOOT), PLAN(STOPPED, REST, KEPT)},
    {"old-records-shutdown",
     FOUND(WHOLE, SHUTDOWN, NOBODY, ABSENT, DEAF, TOLD, OPEN, WANTED, BOOT), PLAN(STOPPED, REST, OFF)},
    {"broken-off",
     FOUND(BROKEN, NO_DIRECTORY, NOBODY, ABSENT, DEAF, UNTOLD, OPEN, WANTED, BOOT), PLAN(BROKEN, REST, KEPT)},
    {"broken-ghost",
     FOUND(BROKEN, NONE, NOBODY, LOADED, DEAF, UNTOLD, OPEN, WANTED, RESTART), PLAN(BROKEN, UNDO, KEPT)},
    {"broken-keeper-waits",
     FOUND(BROKEN, NONE, SOMEBODY, LOADED, DEAF, UNTOLD, OPEN, WANTED, RESTART), PLAN(BROKEN, UNDO, KEPT)},
    {"broken-runs",
     FOUND(BROKEN, RUN, QEMU, LOADED, LISTENS, UNTOLD, OPEN, WANTED, RESTART), PLAN(BROKEN, WATCH, KEPT)},
    {"broken-helper-lingers",
     FOUND(BROKEN, RUN, SOMEBODY, LOADED, DEAF, TOLD, OPEN, WANTED, RESTART), PLAN(BROKEN, END_REST, KEPT)},
    {"broken-ended",
     FOUND(BROKEN, RUN, NOBODY, ABSENT, DEAF, TOLD, OPEN, WANTED, RESTART), PLAN(BROKEN, JUDGE, KEPT)},
    {"going-off",
     FOUND(GOING, NO_DIRECTORY, NOBODY, ABSENT, DEAF, UNTOLD, OPEN, WANTED, BOOT), PLAN(STOPPED, REST, KEPT)},
    {"going-ghost",
     FOUND(GOING, NONE, NOBODY, LOADED, DEAF, UNTOLD, OPEN, WANTED, RESTART), PLAN(STARTING, UNDO, KEPT)},
    {"going-keeper-waits",
     FOUND(GOING, NONE, SOMEBODY, LOADED, DEAF, UNTOLD, OPEN, WANTED, RESTART), PLAN(STARTING, UNDO, KEPT)},
    {"going-start",
     FOUND(GOING, START, KEEPER, LOADED, LISTENS, UNTOLD, OPEN, WANTED, RESTART), PLAN(STARTING, UNDO, KEPT)},
    {"going-runs",
     FOUND(GOING, RUN, QEMU, LOADED, LISTENS, UNTOLD, OPEN, WANTED, RESTART), PLAN(RUNNING, WATCH, KEPT)},
    {"going-shutdown",
     FOUND(GOING, SHUTDOWN, QEMU, LOADED, LISTENS, UNTOLD, OPEN, UNWANTED, RESTART), PLAN(RUNNING, WATCH, KEPT)},
    {"going-power-off",
     FOUND(GOING, POWER_OFF, QEMU, LOADED, LISTENS, UNTOLD, OPEN, UNWANTED, RESTART), PLAN(STOPPING, END, KEPT)},
    {"going-helper-lingers",
     FOUND(GOING, RUN, SOMEBODY, LOADED, DEAF, TOLD, OPEN, WANTED, RESTART), PLAN(RUNNING, END_REST, KEPT)},
    {"going-start-ended",
     FOUND(GOING, START, NOBODY, ABSENT, DEAF, TOLD, OPEN, WANTED, RESTART), PLAN(STARTING, JUDGE, KEPT)},
    {"going-ended",
     FOUND(GOING, RUN, NOBODY, ABSENT, DEAF, TOLD, OPEN, WANTED, RESTART), PLAN(RUNNING, JUDGE, KEPT)},
};
/* clang-format on */

static void test_case(gconstpointer data)
{
    const Case *expected = data;
    const BerthPlan *plan = berth_recovery_plan(&expected->found);
    g_assert_cmpstr(berth_vm_state_to_string(plan->state), ==, berth_vm_state_to_string(expected->state));
    g_assert_cmpint(plan->act, ==, expected->act);
    g_assert_cmpint(plan->wish, ==, expected->wish);
}

static void test_examples(void)
{
    for (guint row = 0; row < berth_recovery_n_rows(); row++) {
        guint n_examples = 0;
        for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
            n_examples += berth_recovery_row_applies(row, &cases[i].found) ? 1 : 0;
        if (n_examples == 0)
            g_error("Row %u of the table has no example here", row);
    }
}

static void test_words(void)
{
    for (int operation = BERTH_RECORD_START; operation < BERTH_RECORD_LAST; operation++)
        g_assert_cmpint(berth_operation_from_string(berth_operation_to_string(operation)), ==, operation);
    g_assert_cmpint(berth_operation_from_string("migrate"), ==, -1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/recovery-plan/cells", test_cells);
    g_test_add_func("/recovery-plan/sense", test_sense);
    g_test_add_func("/recovery-plan/indifference", test_indifference);
    g_test_add_func("/recovery-plan/examples", test_examples);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/recovery-plan/row/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/recovery-plan/words", test_words);
    return g_test_run();
}
