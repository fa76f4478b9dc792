/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "src/core/error.h"
#include "src/core/vm-state.h"

static void test_words(void)
{
    for (int state = 0; state < BERTH_VM_STATE_LAST; state++)
        g_assert_cmpint(berth_vm_state_from_string(berth_vm_state_to_string(state)), ==, state);
    for (int reason = 0; reason < BERTH_EXIT_LAST; reason++)
        g_assert_cmpint(berth_exit_reason_from_string(berth_exit_reason_to_string(reason)), ==, reason);
    g_assert_cmpint(berth_vm_state_from_string("Running"), ==, -1);
    g_assert_cmpint(berth_vm_state_from_string(""), ==, -1);
}

/* Every state can be removed, none follows itself, and only its own edges lead out of a removal. */
static void test_edges(void)
{
    for (int state = 0; state < BERTH_VM_STATE_LAST; state++) {
        g_assert_false(berth_vm_state_may_follow(state, state));
        if (state != BERTH_VM_REMOVING)
            g_assert_true(berth_vm_state_may_follow(state, BERTH_VM_REMOVING));
    }
    g_assert_false(berth_vm_state_may_follow(BERTH_VM_REMOVING, BERTH_VM_STARTING));
    g_assert_false(berth_vm_state_may_follow(BERTH_VM_STOPPED, BERTH_VM_RUNNING));
    g_assert_false(berth_vm_state_may_follow(BERTH_VM_BROKEN, BERTH_VM_STARTING));
}

/* The whole table of (state, method), spelled out a second time as a user would read it: "y" allowed, else the
 * error that is due (b Busy, r Removing, w WrongState). Columns: the states in the order of the enumeration. */
static const char *const expected[] = {
    [BERTH_METHOD_START] = "ybwwbyrw",
    [BERTH_METHOD_SHUTDOWN] = "wbywywrw",
    [BERTH_METHOD_POWER_OFF] = "yyyyyyrw",
    [BERTH_METHOD_RESET] = "wbyybwrw",
    [BERTH_METHOD_PAUSE] = "wbywbwrw",
    [BERTH_METHOD_RESUME] = "wbwybwrw",
    [BERTH_METHOD_CONFIGURE] = "ybyybyrw",
    [BERTH_METHOD_REMOVE] = "yyyyyyyy",
    [BERTH_METHOD_CANCEL_REMOVAL] = "wwwwwwyw",
    [BERTH_METHOD_OPEN_CONSOLE] = "wyyyywrw",
    [BERTH_METHOD_OPEN_DISPLAY] = "wbyyywrw",
    [BERTH_METHOD_OPEN_LOG] = "yyyyyyrw",
    [BERTH_METHOD_REFRESH_GUEST] = "wbywbwrw",
    [BERTH_METHOD_SUBSCRIBE_USAGE] = "yyyyyyyy",
    [BERTH_METHOD_UNSUBSCRIBE_USAGE] = "yyyyyyyy",
    [BERTH_METHOD_CLONE] = "ybwwbyrw",
};

static void test_methods(void)
{
    for (int method = 0; method < BERTH_METHOD_LAST; method++) {
        for (int state = 0; state < BERTH_VM_STATE_LAST; state++) {
            g_autoptr(GError) error = NULL;
            gboolean allows = berth_vm_state_allows(state, method, "web", &error);
            char got = 'y';
            if (!allows)
                got = g_error_matches(error, BERTH_ERROR, BERTH_ERROR_BUSY)       ? 'b'
                      : g_error_matches(error, BERTH_ERROR, BERTH_ERROR_REMOVING) ? 'r'
                                                                                  : 'w';
            if (got != expected[method][state])
                g_error("%s in %s: %c, expected %c", berth_vm_method_to_string(method), berth_vm_state_to_string(state),
                        got, expected[method][state]);
            if (!allows) {
                g_assert_nonnull(strstr(error->message, "web"));
                g_assert_nonnull(strstr(error->message, berth_vm_state_to_string(state)));
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vm-state/words", test_words);
    g_test_add_func("/vm-state/edges", test_edges);
    g_test_add_func("/vm-state/methods", test_methods);
    return g_test_run();
}
