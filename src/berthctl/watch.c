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

/* What holds a removal up, or what has failed. */
static char *remark(const CtlObject *before, const CtlObject *now)
{
    const char *text = "";
    if (before != NULL && now != NULL && !g_str_equal(ctl_get_error(before), ctl_get_error(now)))
        text = ctl_get_error(now);
    if (now != NULL && ctl_get_string(now, "RemovalBlocker")[0] != '\0')
        text = ctl_get_string(now, "RemovalBlocker");
    g_autofree char *printable = ctl_printable(text);
    return printable[0] != '\0' ? g_strconcat(": ", printable, NULL) : g_strdup("");
}

static void print_line(const CtlObject *before, const CtlObject *now)
{
    g_autoptr(GDateTime) time = g_date_time_new_now_local();
    g_autofree char *clock = g_date_time_format(time, "%H:%M:%S");
    g_autofree char *name = ctl_printable((now != NULL ? now : before)->name);
    g_autofree char *old_state = before != NULL ? coloured_state(before) : NULL;
    g_autofree char *new_state = now != NULL ? coloured_state(now) : NULL;
    g_autofree char *why = remark(before, now);
    printf("%s %s: ", clock, name);
    if (before == NULL)
        printf(_("appeared, %s"), new_state);
    else if (now == NULL)
        printf(_("gone, was %s"), old_state);
    else
        printf("%s -> %s%s", old_state, new_state, why);
    putchar('\n');
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
