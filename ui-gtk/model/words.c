/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "words.h"

#include <glib/gi18n.h>

static const BerthUiStateWords states[] = {
    [BERTH_VM_STOPPED] = {N_("Stopped"), "media-playback-stop-symbolic", "stopped"},
    [BERTH_VM_STARTING] = {N_("Starting"), "content-loading-symbolic", "starting"},
    [BERTH_VM_RUNNING] = {N_("Running"), "media-playback-start-symbolic", "running"},
    [BERTH_VM_PAUSED] = {N_("Paused"), "media-playback-pause-symbolic", "paused"},
    [BERTH_VM_STOPPING] = {N_("Stopping"), "content-loading-symbolic", "stopping"},
    [BERTH_VM_EXITED] = {N_("Failed"), "computer-fail-symbolic", "exited"},
    [BERTH_VM_REMOVING] = {N_("Removing"), "user-trash-symbolic", "removing"},
    [BERTH_VM_BROKEN] = {N_("Broken"), "dialog-error-symbolic", "broken"},
    [BERTH_VM_STATE_LAST] = {N_("Unknown"), "dialog-question-symbolic", "unknown"},
};
G_STATIC_ASSERT(G_N_ELEMENTS(states) == BERTH_VM_STATE_LAST + 1);

static const BerthUiStateWords not_responding = {N_("Not Responding"), "dialog-warning-symbolic", "unresponsive"};

/* Of syslog(3). */
static const BerthUiStateWords priorities[] = {
    {N_("Emergency"), "dialog-error-symbolic", "error"},
    {N_("Alert"), "dialog-error-symbolic", "error"},
    {N_("Critical"), "dialog-error-symbolic", "error"},
    {N_("Error"), "dialog-error-symbolic", "error"},
    {N_("Warning"), "dialog-warning-symbolic", "warning"},
    {N_("Notice"), NULL, NULL},
    {N_("Information"), NULL, NULL},
    {N_("Debugging"), NULL, NULL},
};

/* What follows "Removing: ", and the whole of it. */
static const struct {
    const char *label, *sentence;
} phases[] = {
    [BERTH_PHASE_NONE] = {NULL, N_("It is going to be removed")},
    [BERTH_PHASE_GRACE] = {N_("can be undone"), N_("It is going to be removed; nothing is deleted yet")},
    [BERTH_PHASE_STOPPING] = {N_("powering off"), N_("It is powered off, to be removed")},
    [BERTH_PHASE_RELEASING] = {N_("cleaning up"), N_("What it used of this computer is given back")},
    [BERTH_PHASE_DELETING] = {N_("deleting files"), N_("Its files are being deleted")},
    [BERTH_PHASE_WAITING] = {N_("held up"), N_("Its removal is held up, and is tried again by itself")},
    [BERTH_PHASE_LAST] = {NULL, N_("It is being removed")},
};
G_STATIC_ASSERT(G_N_ELEMENTS(phases) == BERTH_PHASE_LAST + 1);

static const char *const exits[] = {
    [BERTH_EXIT_NONE] = NULL,
    [BERTH_EXIT_GUEST_SHUTDOWN] = N_("The guest powered itself off"),
    [BERTH_EXIT_GUEST_PANIC] = N_("The guest’s operating system crashed"),
    [BERTH_EXIT_HOST_STOP] = N_("It was stopped"),
    [BERTH_EXIT_CRASHED] = N_("The emulator crashed"),
    [BERTH_EXIT_KILLED] = N_("It was ended from outside"),
    [BERTH_EXIT_OOM_KILLED] = N_("The computer ran out of memory"),
    [BERTH_EXIT_START_FAILED] = N_("It could not be started"),
    [BERTH_EXIT_LOST] = N_("How it ended is not known"),
    [BERTH_EXIT_LAST] = NULL,
};
G_STATIC_ASSERT(G_N_ELEMENTS(exits) == BERTH_EXIT_LAST + 1);

static const char *const errors[] = {
    [BERTH_ERROR_NOT_FOUND] = N_("It does not exist any more"),
    [BERTH_ERROR_NAME_TAKEN] = N_("This name is taken already"),
    [BERTH_ERROR_WRONG_STATE] = N_("This is not possible in its present state"),
    [BERTH_ERROR_BUSY] = N_("It is busy with something else"),
    [BERTH_ERROR_REMOVING] = N_("It is being removed"),
    [BERTH_ERROR_LIMIT_REACHED] = N_("A limit of this computer’s configuration is reached"),
    [BERTH_ERROR_IMAGE_IN_USE] = N_("The image is in use"),
    [BERTH_ERROR_START_FAILED] = N_("The virtual machine could not be started"),
    [BERTH_ERROR_STORAGE_FAILED] = N_("There is a problem with its files or with the disk they are on"),
    [BERTH_ERROR_UNSUPPORTED] = N_("This computer can’t do that"),
    [BERTH_ERROR_CANCELLED] = N_("Something else came in between"),
    [BERTH_ERROR_INVALID_ARGS] = N_("The service did not accept the request"),
    [BERTH_ERROR_ACCESS_DENIED] = N_("You are not allowed to do that"),
    [BERTH_ERROR_LAST] = N_("Something went wrong"),
};
G_STATIC_ASSERT(G_N_ELEMENTS(errors) == BERTH_ERROR_LAST + 1);

static const BerthUiActionWords actions[] = {
    {BERTH_METHOD_START, "start", N_("Start"), "media-playback-start-symbolic"},
    {BERTH_METHOD_SHUTDOWN, "shut-down", N_("Shut Down"), "system-shutdown-symbolic"},
    {BERTH_METHOD_PAUSE, "pause", N_("Pause"), "media-playback-pause-symbolic"},
    {BERTH_METHOD_RESUME, "resume", N_("Resume"), "media-seek-forward-symbolic"},
    {BERTH_METHOD_RESET, "reset", N_("Reset"), "view-refresh-symbolic"},
    {BERTH_METHOD_POWER_OFF, "power-off", N_("Power Off"), "process-stop-symbolic"},
    {BERTH_METHOD_CONFIGURE, "configure", N_("Change…"), "document-edit-symbolic"},
    {BERTH_METHOD_CLONE, "clone", N_("Clone…"), "edit-copy-symbolic"},
    {BERTH_METHOD_REMOVE, "remove", N_("Remove"), "user-trash-symbolic"},
    {BERTH_METHOD_CANCEL_REMOVAL, "cancel-removal", N_("Undo Removal"), "edit-undo-symbolic"},
};

const BerthUiStateWords *berth_ui_state_words(BerthUiVm *vm)
{
    BerthVmState state = berth_ui_vm_get_state(vm);
    return state == BERTH_VM_RUNNING && !berth_ui_vm_is_responsive(vm) ? &not_responding : &states[state];
}

const BerthUiStateWords *berth_ui_priority_words(guint priority)
{
    return &priorities[MIN(priority, G_N_ELEMENTS(priorities) - 1)];
}

char *berth_ui_describe_state(BerthUiVm *vm)
{
    const char *label = _(berth_ui_state_words(vm)->label);
    const char *phase = phases[berth_ui_vm_get_phase(vm)].label;
    /* Translators: a state and its phase: “Removing: deleting files” */
    return phase ? g_strdup_printf(_("%s: %s"), label, _(phase)) : g_strdup(label);
}

const char *berth_ui_describe_removal(BerthUiVm *vm)
{
    if (berth_ui_vm_get_state(vm) != BERTH_VM_REMOVING)
        return "";
    return _(phases[berth_ui_vm_get_phase(vm)].sentence);
}

const char *berth_ui_describe_exit(BerthUiVm *vm)
{
    const char *words = exits[berth_ui_vm_get_exit_reason(vm)];
    return words ? _(words) : NULL;
}

char *berth_ui_describe_end(BerthUiVm *vm)
{
    const char *name = berth_ui_vm_get_name(vm);
    return berth_ui_vm_get_state(vm) == BERTH_VM_BROKEN ? g_strdup_printf(_("“%s” is broken"), name)
                                                        : g_strdup_printf(_("“%s” has failed"), name);
}

const char *berth_ui_error_words(BerthError code)
{
    return _(errors[code]);
}

const char *berth_ui_describe_error(const GError *error)
{
    if (error->domain == BERTH_ERROR)
        return berth_ui_error_words(error->code);
    if (error->domain == G_IO_ERROR || error->domain == G_DBUS_ERROR)
        return _("The service does not answer");
    return berth_ui_error_words(BERTH_ERROR_LAST);
}

const BerthUiActionWords *berth_ui_actions(guint *n_actions)
{
    *n_actions = G_N_ELEMENTS(actions);
    return actions;
}

const BerthUiActionWords *berth_ui_action_words_by_name(const char *action)
{
    guint i = 0;
    while (!g_str_equal(actions[i].action, action))
        i++; /* the program has no other */
    return &actions[i];
}

char *berth_ui_describe_failure(BerthUiVm *vm, BerthVmMethod method)
{
    const char *name = berth_ui_vm_get_name(vm);
    switch (method) {
    case BERTH_METHOD_START:
        return g_strdup_printf(_("“%s” could not be started"), name);
    case BERTH_METHOD_SHUTDOWN:
        return g_strdup_printf(_("“%s” could not be shut down"), name);
    case BERTH_METHOD_PAUSE:
        return g_strdup_printf(_("“%s” could not be paused"), name);
    case BERTH_METHOD_RESUME:
        return g_strdup_printf(_("“%s” could not be resumed"), name);
    case BERTH_METHOD_RESET:
        return g_strdup_printf(_("“%s” could not be reset"), name);
    case BERTH_METHOD_POWER_OFF:
        return g_strdup_printf(_("“%s” could not be powered off"), name);
    case BERTH_METHOD_REMOVE:
        return g_strdup_printf(_("“%s” could not be removed"), name);
    case BERTH_METHOD_CANCEL_REMOVAL:
        return g_strdup_printf(_("The removal of “%s” could not be undone"), name);
    default:
        return g_strdup_printf(_("This failed for “%s”"), name);
    }
}

/* Where the state table says no. */
static const char *why_not_in(BerthVmState state, BerthVmMethod method)
{
    if (method == BERTH_METHOD_CLONE && (state == BERTH_VM_RUNNING || state == BERTH_VM_PAUSED))
        return _("It is running: shut it down first");
    switch (state) {
    case BERTH_VM_STOPPED:
    case BERTH_VM_EXITED:
        return _("It is not running");
    case BERTH_VM_STARTING:
        return _("It is just starting");
    case BERTH_VM_RUNNING:
        return method == BERTH_METHOD_RESUME ? _("It is not paused") : _("It is running already");
    case BERTH_VM_PAUSED:
        return method == BERTH_METHOD_PAUSE ? _("It is paused already") : _("It is paused: resume it first");
    case BERTH_VM_STOPPING:
        return _("It is just stopping");
    case BERTH_VM_REMOVING:
        return _("It is being removed");
    case BERTH_VM_BROKEN:
        return _("Its files can’t be read: it can only be removed");
    case BERTH_VM_STATE_LAST:
        break;
    }
    return _("This program does not know its state");
}

/* What ends a VM is taken at any time; all else is refused while something is under way, even in a fit state. */
static gboolean must_wait(BerthUiVm *vm, BerthVmMethod method)
{
    return method != BERTH_METHOD_POWER_OFF && method != BERTH_METHOD_REMOVE && method != BERTH_METHOD_CANCEL_REMOVAL &&
           berth_ui_object_is_busy(BERTH_UI_OBJECT(vm));
}

/* What the daemon would take, and is no use. */
static const char *why_no_use(BerthUiVm *vm, BerthVmState state, BerthVmMethod method)
{
    BerthRemovalPhase phase = berth_ui_vm_get_phase(vm);
    if (method == BERTH_METHOD_POWER_OFF && !berth_vm_state_has_process(state) && !berth_ui_vm_is_wanted(vm))
        return why_not_in(state, method);
    if (method == BERTH_METHOD_SHUTDOWN && state == BERTH_VM_STOPPING)
        return why_not_in(state, method);
    if (method == BERTH_METHOD_REMOVE && state == BERTH_VM_REMOVING && phase != BERTH_PHASE_WAITING)
        return why_not_in(state, method);
    if (method == BERTH_METHOD_REMOVE && berth_ui_vm_is_protected(vm))
        return _("It is protected from being removed");
    if (method == BERTH_METHOD_CANCEL_REMOVAL && phase != BERTH_PHASE_GRACE)
        return _("Its removal can’t be undone any more");
    return NULL;
}

const char *berth_ui_why_not(BerthUiVm *vm, BerthVmMethod method)
{
    BerthVmState state = berth_ui_vm_get_state(vm);
    if (method == BERTH_METHOD_CANCEL_REMOVAL && state != BERTH_VM_REMOVING)
        return _("It is not being removed");
    if (state == BERTH_VM_STATE_LAST || !berth_vm_state_allows(state, method, "", NULL))
        return why_not_in(state, method);
    if (must_wait(vm, method))
        return _("It is busy with something else");
    return why_no_use(vm, state, method);
}

const char *const *berth_ui_why_not_signals(void)
{
    static const char *const signals[] = {"notify::state",  "notify::removal-phase", "notify::want-running",
                                          "notify::config", "notify::busy",          NULL};
    return signals;
}

/* As many lines as a tooltip bears. */
#define MOST_REASONS 3

char *berth_ui_why_not_any(GPtrArray *vms, BerthVmMethod method)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    if (vms->len == 0)
        return g_strdup(_("Nothing is selected"));
    for (guint i = 0; i < vms->len; i++) {
        const char *reason = berth_ui_why_not(vms->pdata[i], method);
        if (!reason)
            return NULL;
        if (vms->len == 1)
            return g_strdup(reason);
        if (i < MOST_REASONS)
            /* Translators: a virtual machine, and why something can’t be done with it: “web: It is not running” */
            g_ptr_array_add(lines,
                            g_strdup_printf(C_("reason", "%s: %s"), berth_ui_vm_get_name(vms->pdata[i]), reason));
    }
    guint n = vms->len - lines->len;
    if (n > 0)
        /* Translators: virtual machines, below a list of some others */
        g_ptr_array_add(lines, g_strdup_printf(ngettext("And %u more", "And %u more", n), n));
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **) lines->pdata);
}
