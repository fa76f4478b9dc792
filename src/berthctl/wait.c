/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>

#include "../core/names.h"
#include "../core/text.h"
#include "../core/vm-state.h"
#include "json.h"
#include "observer.h"
#include "options.h"
#include "text.h"

#define GONE "gone"
#define READY "ready" /* no state of the VM, but of its guest */

typedef struct {
    Ctl *ctl;
    sd_event *event;
    const char *name;  /* as it was typed */
    const char *state; /* that is waited for */
    char *path;        /* of the VM: a later one of the same name is another */
} Wait;

static gboolean has_arrived(const Wait *wait, const CtlObject *vm)
{
    if (vm != NULL && g_str_equal(wait->state, READY))
        return ctl_get_bool(vm, "GuestReady");
    return g_str_equal(wait->state, vm != NULL ? ctl_get_string(vm, "State") : GONE);
}

static CtlStatus arrive(const Wait *wait, const CtlObject *vm)
{
    if (wait->ctl->json && vm != NULL)
        ctl_print_json(ctl_object_to_json(vm), TRUE);
    return CTL_OK;
}

static void on_changed(const CtlObject *before, const CtlObject *now, gpointer data)
{
    Wait *wait = data;
    if (g_strcmp0((now != NULL ? now : before)->path, wait->path) != 0)
        return;
    if (has_arrived(wait, now))
        sd_event_exit(wait->event, arrive(wait, now));
    else if (now == NULL) {
        ctl_usage(_("%s is gone; it will not be %s any more"), wait->name, wait->state);
        sd_event_exit(wait->event, CTL_NOT_FOUND);
    }
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *data)
{
    Wait *wait = data;
    ctl_usage(_("%s is not %s in time"), wait->name, wait->state);
    return sd_event_exit(wait->event, CTL_TIMED_OUT);
}

static CtlStatus run(Wait *wait, gboolean bounded, guint64 timeout)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autoptr(CtlObserver) observer = NULL;
    int r = ctl_observer_new(wait->ctl, wait->event, on_changed, wait, &observer, &error);
    if (r >= 0 && bounded)
        r = sd_event_add_time_relative(wait->event, NULL, CLOCK_MONOTONIC, timeout, 0, on_timeout, wait);
    if (r < 0)
        return ctl_fail(wait->ctl, r, &error, _("Can't wait for %s"), wait->name);

    const CtlObject *vm = ctl_observer_find(observer, wait->name);
    if (has_arrived(wait, vm))
        return arrive(wait, vm);
    if (vm == NULL)
        return ctl_no_such_vm(wait->name);
    wait->path = g_strdup(vm->path);
    r = sd_event_loop(wait->event);
    return r < 0 ? CTL_FAILED : (CtlStatus) r;
}

CtlStatus ctl_run_wait(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_autofree char *timeout_text = NULL;
    const GOptionEntry entries[] = {
        {"timeout", 't', 0, G_OPTION_ARG_STRING, &timeout_text, N_("Wait no longer than this, e.g. 30 or 5min"),
         N_("TIME")},
        G_OPTION_ENTRY_NULL,
    };
    g_auto(GStrv) words = ctl_parse(ctl, command, entries, 2, 2, argc, argv);
    if (words == NULL)
        return CTL_USAGE;
    guint64 timeout = 0;
    if (timeout_text != NULL && !berth_span_parse(timeout_text, &timeout))
        return ctl_usage(_("\"%s\" is no time span"), timeout_text);
    if (!g_str_equal(words[1], GONE) && !g_str_equal(words[1], READY) && berth_vm_state_from_string(words[1]) < 0)
        return ctl_usage(_("\"%s\" is no state"), words[1]);
    CtlStatus status = ctl_connect(ctl, FALSE);
    if (status != CTL_OK)
        return status;

    g_autoptr(sd_event) event = NULL;
    int r = sd_event_new(&event);
    if (r < 0)
        return ctl_fail(ctl, r, &SD_BUS_ERROR_NULL, _("Can't wait for %s"), words[0]);
    Wait wait = {.ctl = ctl, .event = event, .name = words[0], .state = words[1]};
    status = run(&wait, timeout_text != NULL, timeout);
    g_free(wait.path);
    return status;
}
