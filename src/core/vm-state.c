/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-state.h"

#include "error.h"

static const char *const states[] = {
    [BERTH_VM_STOPPED] = "stopped",   [BERTH_VM_STARTING] = "starting", [BERTH_VM_RUNNING] = "running",
    [BERTH_VM_PAUSED] = "paused",     [BERTH_VM_STOPPING] = "stopping", [BERTH_VM_EXITED] = "exited",
    [BERTH_VM_REMOVING] = "removing", [BERTH_VM_BROKEN] = "broken",
};
G_STATIC_ASSERT(G_N_ELEMENTS(states) == BERTH_VM_STATE_LAST);

static const char *const phases[] = {
    [BERTH_PHASE_NONE] = "",
    [BERTH_PHASE_GRACE] = "grace",
    [BERTH_PHASE_STOPPING] = "stopping",
    [BERTH_PHASE_RELEASING] = "releasing",
    [BERTH_PHASE_DELETING] = "deleting",
    [BERTH_PHASE_WAITING] = "waiting",
};
G_STATIC_ASSERT(G_N_ELEMENTS(phases) == BERTH_PHASE_LAST);

static const char *const exit_reasons[] = {
    [BERTH_EXIT_NONE] = "",
    [BERTH_EXIT_GUEST_SHUTDOWN] = "guest-shutdown",
    [BERTH_EXIT_GUEST_PANIC] = "guest-panic",
    [BERTH_EXIT_HOST_STOP] = "host-stop",
    [BERTH_EXIT_CRASHED] = "crashed",
    [BERTH_EXIT_KILLED] = "killed",
    [BERTH_EXIT_OOM_KILLED] = "oom-killed",
    [BERTH_EXIT_START_FAILED] = "start-failed",
    [BERTH_EXIT_LOST] = "lost",
};
G_STATIC_ASSERT(G_N_ELEMENTS(exit_reasons) == BERTH_EXIT_LAST);

static const char *const methods[] = {
    [BERTH_METHOD_START] = "Start",
    [BERTH_METHOD_SHUTDOWN] = "Shutdown",
    [BERTH_METHOD_POWER_OFF] = "PowerOff",
    [BERTH_METHOD_RESET] = "Reset",
    [BERTH_METHOD_PAUSE] = "Pause",
    [BERTH_METHOD_RESUME] = "Resume",
    [BERTH_METHOD_CONFIGURE] = "Configure",
    [BERTH_METHOD_REMOVE] = "Remove",
    [BERTH_METHOD_CANCEL_REMOVAL] = "CancelRemoval",
    [BERTH_METHOD_OPEN_CONSOLE] = "OpenConsole",
    [BERTH_METHOD_OPEN_DISPLAY] = "OpenDisplay",
    [BERTH_METHOD_OPEN_LOG] = "OpenLog",
    [BERTH_METHOD_REFRESH_GUEST] = "RefreshGuest",
    [BERTH_METHOD_SUBSCRIBE_USAGE] = "SubscribeUsage",
    [BERTH_METHOD_UNSUBSCRIBE_USAGE] = "UnsubscribeUsage",
    [BERTH_METHOD_CLONE] = "Clone",
};
G_STATIC_ASSERT(G_N_ELEMENTS(methods) == BERTH_METHOD_LAST);

#define TO(state) (1u << BERTH_VM_##state)
#define TO_ALL (TO(STATE_LAST) - 1)

/* What may come right after each state. Removing has edges back only for a removal that is taken back within its
 * grace time; broken has edges out only for a Reload that finds the definition mended. */
static const guint edges[] = {
    [BERTH_VM_STOPPED] = TO(STARTING) | TO(REMOVING) | TO(BROKEN),
    [BERTH_VM_STARTING] = TO(RUNNING) | TO(PAUSED) | TO(STOPPING) | TO(STOPPED) | TO(EXITED) | TO(REMOVING),
    [BERTH_VM_RUNNING] = TO(PAUSED) | TO(STOPPING) | TO(STOPPED) | TO(EXITED) | TO(REMOVING) | TO(BROKEN),
    [BERTH_VM_PAUSED] = TO(RUNNING) | TO(STOPPING) | TO(STOPPED) | TO(EXITED) | TO(REMOVING) | TO(BROKEN),
    [BERTH_VM_STOPPING] = TO(STOPPED) | TO(RUNNING) | TO(PAUSED) | TO(EXITED) | TO(REMOVING),
    [BERTH_VM_EXITED] = TO(STARTING) | TO(STOPPED) | TO(REMOVING) | TO(BROKEN),
    [BERTH_VM_REMOVING] = TO(STOPPED) | TO(RUNNING) | TO(PAUSED) | TO(STOPPING) | TO(EXITED) | TO(BROKEN),
    [BERTH_VM_BROKEN] = TO(STOPPED) | TO(RUNNING) | TO(PAUSED) | TO(EXITED) | TO(REMOVING),
};
G_STATIC_ASSERT(G_N_ELEMENTS(edges) == BERTH_VM_STATE_LAST);

/* Where each method makes sense. What is missing for starting and stopping is Busy, for removing Removing, else
 * WrongState. PowerOff in stopped and exited is "make sure": it also ends a restart that is due. */
static const guint allowed[] = {
    [BERTH_METHOD_START] = TO(STOPPED) | TO(EXITED),
    [BERTH_METHOD_SHUTDOWN] = TO(RUNNING) | TO(STOPPING),
    [BERTH_METHOD_POWER_OFF] = TO(STOPPED) | TO(STARTING) | TO(RUNNING) | TO(PAUSED) | TO(STOPPING) | TO(EXITED),
    [BERTH_METHOD_RESET] = TO(RUNNING) | TO(PAUSED),
    [BERTH_METHOD_PAUSE] = TO(RUNNING),
    [BERTH_METHOD_RESUME] = TO(PAUSED),
    [BERTH_METHOD_CONFIGURE] = TO(STOPPED) | TO(RUNNING) | TO(PAUSED) | TO(EXITED),
    [BERTH_METHOD_REMOVE] = TO_ALL,
    [BERTH_METHOD_CANCEL_REMOVAL] = TO(REMOVING),
    [BERTH_METHOD_OPEN_CONSOLE] = TO(STARTING) | TO(RUNNING) | TO(PAUSED) | TO(STOPPING),
    [BERTH_METHOD_OPEN_DISPLAY] = TO(RUNNING) | TO(PAUSED) | TO(STOPPING),
    [BERTH_METHOD_OPEN_LOG] = TO(STOPPED) | TO(STARTING) | TO(RUNNING) | TO(PAUSED) | TO(STOPPING) | TO(EXITED),
    [BERTH_METHOD_REFRESH_GUEST] = TO(RUNNING),
    [BERTH_METHOD_SUBSCRIBE_USAGE] = TO_ALL,
    [BERTH_METHOD_UNSUBSCRIBE_USAGE] = TO_ALL,
    [BERTH_METHOD_CLONE] = TO(STOPPED) | TO(EXITED),
};
G_STATIC_ASSERT(G_N_ELEMENTS(allowed) == BERTH_METHOD_LAST);

const char *berth_vm_state_to_string(BerthVmState state)
{
    return states[state];
}

const char *berth_removal_phase_to_string(BerthRemovalPhase phase)
{
    return phases[phase];
}

const char *berth_exit_reason_to_string(BerthExitReason reason)
{
    return exit_reasons[reason];
}

const char *berth_vm_method_to_string(BerthVmMethod method)
{
    return methods[method];
}

static int find_word(const char *const *words, guint n_words, const char *word)
{
    for (guint i = 0; i < n_words; i++)
        if (g_str_equal(words[i], word))
            return (int) i;
    return -1;
}

int berth_vm_state_from_string(const char *word)
{
    return find_word(states, G_N_ELEMENTS(states), word);
}

int berth_removal_phase_from_string(const char *word)
{
    return find_word(phases, G_N_ELEMENTS(phases), word);
}

int berth_exit_reason_from_string(const char *word)
{
    return find_word(exit_reasons, G_N_ELEMENTS(exit_reasons), word);
}

gboolean berth_vm_state_may_follow(BerthVmState from, BerthVmState to)
{
    return (edges[from] & (1u << to)) != 0;
}

gboolean berth_vm_state_has_process(BerthVmState state)
{
    return ((TO(STARTING) | TO(RUNNING) | TO(PAUSED) | TO(STOPPING)) & (1u << state)) != 0;
}

/* What a person can do about it, by the state that is in the way. */
static const char *advice(BerthVmState state, BerthVmMethod method)
{
    switch (state) {
    case BERTH_VM_STOPPED:
    case BERTH_VM_EXITED:
        return method == BERTH_METHOD_CANCEL_REMOVAL ? "there is no removal to cancel" : "start it first";
    case BERTH_VM_RUNNING:
        return method == BERTH_METHOD_START ? "it runs already" : "it is not paused";
    case BERTH_VM_PAUSED:
        return "resume it first";
    case BERTH_VM_BROKEN:
        return "repair its files and reload, or remove it";
    case BERTH_VM_STARTING:
    case BERTH_VM_STOPPING:
        return "wait until that has ended, or power it off";
    case BERTH_VM_REMOVING:
    case BERTH_VM_STATE_LAST:
        break;
    }
    return "it will be gone soon";
}

static BerthError refusal(BerthVmState state, BerthVmMethod method)
{
    if (method == BERTH_METHOD_CANCEL_REMOVAL)
        return BERTH_ERROR_WRONG_STATE;
    switch (state) {
    case BERTH_VM_REMOVING:
        return BERTH_ERROR_REMOVING;
    case BERTH_VM_STARTING:
    case BERTH_VM_STOPPING:
        return BERTH_ERROR_BUSY;
    case BERTH_VM_STOPPED:
    case BERTH_VM_RUNNING:
    case BERTH_VM_PAUSED:
    case BERTH_VM_EXITED:
    case BERTH_VM_BROKEN:
    case BERTH_VM_STATE_LAST:
        break;
    }
    return BERTH_ERROR_WRONG_STATE;
}

gboolean berth_vm_state_allows(BerthVmState state, BerthVmMethod method, const char *name, GError **error)
{
    if ((allowed[method] & (1u << state)) != 0)
        return TRUE;

    g_set_error(error, BERTH_ERROR, refusal(state, method), "%s is not possible: VM \"%s\" is %s; %s", methods[method],
                name, states[state], advice(state, method));
    return FALSE;
}
