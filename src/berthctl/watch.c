/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <stdio.h>

#include "../core/names.h"
#include "json.h"
#include "observer.h"
#include "options.h"
#include "text.h"

typedef struct {
    Ctl *ctl;
    sd_event *event;
    const char *only; /* (nullable): name or id as it was typed */
    char *only_path;  /* (nullable): of that VM */
} Watch;

static const char *property(const CtlObject *vm, const char *name)
{
    return vm != NULL ? ctl_get_string(vm, name) : "";
}

static gboolean differs(const CtlObject *before, const CtlObject *now, const char *name)
{
    return !g_str_equal(property(before, name), property(now, name));
}

static gboolean is_worth_a_line(const CtlObject *before, const CtlObject *now)
{
    return before == NULL || now == NULL || differs(before, now, "State") || differs(before, now, "RemovalPhase") ||
           differs(before, now, "RemovalBlocker") || !g_str_equal(ctl_get_error(before), ctl_get_error(now));
}

static void print_json(const CtlObject *before, const CtlObject *now)
{
    const CtlObject *vm = now != NULL ? now : before;
    JsonObject *line = json_object_new();
    json_object_set_int_member(line, "Timestamp", g_get_real_time());
    json_object_set_string_member(line, "Event", before == NULL ? "appeared" : now == NULL ? "gone" : "changed");
    json_object_set_string_member(line, "Name", vm->name);
    json_object_set_string_member(line, "Id", ctl_get_string(vm, "Id"));
    json_object_set_string_member(line, "OldState", property(before, "State"));
    json_object_set_string_member(line, "State", property(now, "State"));
    json_object_set_string_member(line, "RemovalPhase", property(now, "RemovalPhase"));
    json_object_set_string_member(line, "RemovalBlocker", property(now, "RemovalBlocker"));
    json_object_set_string_member(line, "LastError", now != NULL ? ctl_get_error(now) : "");
    JsonNode *node = json_node_init_object(json_node_alloc(), line);
    json_object_unref(line);
    ctl_print_json(node, FALSE);
}

static char *coloured_state(const CtlObject *vm)
{
    const char *state = ctl_get_string(vm, "State"), *colour = ctl_colour_of_state(state);
    g_autofree char *described = ctl_describe_state(state, ctl_get_string(vm, "RemovalPhase"));
    g_autofree char *printable = ctl_printable(described);
    return g_strconcat(colour, printable, ctl_colour_end(colour), NULL);
}

/* What holds a removal up, or what has failed; "" for neither. */
static char *remark(const CtlObject *before, const CtlObject *now)
{
    const char *blocker = ctl_get_string(now, "RemovalBlocker");
    if (blocker[0] != '\0')
        return ctl_printable(blocker);
    return ctl_printable(g_str_equal(ctl_get_error(before), ctl_get_error(now)) ? "" : ctl_get_error(now));
}

static void print_change(const char *clock, const char *name, const CtlObject *before, const CtlObject *now)
{
    g_autofree char *old_state = coloured_state(before);
    g_autofree char *new_state = coloured_state(now);
    g_autofree char *why = remark(before, now);
    if (why[0] != '\0')
        /* Translators: a time, a VM, its state before and now, and why: "12:30:01 web: running -> exited: …" */
        printf(_("%s %s: %s -> %s: %s\n"), clock, name, old_state, new_state, why);
    else
        /* Translators: a time, a VM, its state before and now: "12:30:01 web: starting -> running" */
        printf(_("%s %s: %s -> %s\n"), clock, name, old_state, new_state);
}

static void print_line(const CtlObject *before, const CtlObject *now)
{
    g_autofree char *clock = ctl_format_clock();
    g_autofree char *name = ctl_printable((now != NULL ? now : before)->name);
    if (before != NULL && now != NULL) {
        print_change(clock, name, before, now);
    } else {
        g_autofree char *state = coloured_state(now != NULL ? now : before);
        /* Translators: a time, a VM, its state: "12:30:01 web: appeared, stopped" */
        printf(now != NULL ? _("%s %s: appeared, %s\n") : _("%s %s: gone, was %s\n"), clock, name, state);
    }
    fflush(stdout);
}

static void on_changed(const CtlObject *before, const CtlObject *now, gpointer data)
{
    Watch *watch = data;
    const CtlObject *vm = now != NULL ? now : before;
    if (watch->only != NULL && g_strcmp0(vm->path, watch->only_path) != 0)
        return;
    if (is_worth_a_line(before, now)) {
        if (watch->ctl->json)
            print_json(before, now);
        else
            print_line(before, now);
    }
    if (watch->only != NULL && now == NULL)
        sd_event_exit(watch->event, CTL_OK);
}

static CtlStatus run(Watch *watch)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autoptr(CtlObserver) observer = NULL;
    int r = ctl_observer_new(watch->ctl, watch->event, on_changed, watch, &observer, &error);
    if (r < 0)
        return ctl_fail(watch->ctl, r, &error, "%s", _("Can't watch the VMs"));
    if (watch->only != NULL) {
        const CtlObject *vm = ctl_observer_find(observer, watch->only);
        if (vm == NULL)
            return ctl_no_such_vm(watch->only);
        watch->only_path = g_strdup(vm->path);
    }
    return sd_event_loop(watch->event) < 0 ? CTL_FAILED : CTL_OK;
}

CtlStatus ctl_run_watch(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_auto(GStrv) names = ctl_parse(ctl, command, NULL, 0, 1, argc, argv);
    if (names == NULL)
        return CTL_USAGE;
    CtlStatus status = ctl_connect(ctl, FALSE);
    if (status != CTL_OK)
        return status;
    g_autoptr(sd_event) event = NULL;
    int r = sd_event_new(&event);
    if (r < 0)
        return ctl_fail(ctl, r, &SD_BUS_ERROR_NULL, "%s", _("Can't watch the VMs"));
    Watch watch = {.ctl = ctl, .event = event, .only = names[0]};
    status = run(&watch);
    g_free(watch.only_path);
    return status;
}
