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
    sd_event *event; /* with --wait */
    int grace;       /* seconds, -1 where not said */
    gboolean wait;
    GHashTable
        *pending; /* paths of VMs that Remove was answered for, and that are not gone yet; value: name as typed */
    JsonArray *results;
    CtlStatus status;
} Removal;

static void add_result(Removal *removal, const char *name, const char *state)
{
    JsonObject *result = json_object_new();
    json_object_set_string_member(result, "Name", name);
    json_object_set_string_member(result, "State", state);
    json_array_add_object_element(removal->results, result);
}

static void say(const Removal *removal, const char *name, const char *text, const char *state)
{
    if (removal->ctl->json)
        return;
    const char *colour = ctl_colour_of_state(state);
    g_autofree char *printable_name = ctl_printable(name);
    g_autofree char *printable = ctl_printable(text);
    g_autofree char *coloured = g_strconcat(colour, printable, ctl_colour_end(colour), NULL);
    g_autofree char *line = ctl_with_reason(printable_name, coloured);
    printf("%s\n", line);
    fflush(stdout);
}

static void finish(Removal *removal, const char *path, const char *text, const char *state)
{
    const char *name = g_hash_table_lookup(removal->pending, path);
    say(removal, name, text, state);
    add_result(removal, name, state);
    g_hash_table_remove(removal->pending, path);
    if (g_hash_table_size(removal->pending) == 0)
        sd_event_exit(removal->event, CTL_OK);
}

static gboolean differs(const CtlObject *before, const CtlObject *now, const char *property)
{
    return before == NULL || !g_str_equal(ctl_get_string(before, property), ctl_get_string(now, property));
}

/* "deleting"; while something holds it up, that too: "waiting to try again (try 3): …/mnt is a mount point". */
static void say_progress(const Removal *removal, const CtlObject *before, const CtlObject *now)
{
    const char *phase = ctl_get_string(now, "RemovalPhase"), *blocker = ctl_get_string(now, "RemovalBlocker");
    gboolean same_error = before != NULL && g_str_equal(ctl_get_error(before), ctl_get_error(now));
    if (!differs(before, now, "RemovalPhase") && !differs(before, now, "RemovalBlocker") && same_error)
        return;
    const char *reason = blocker[0] != '\0' ? blocker : ctl_get_error(now);
    g_autofree char *step =
        g_str_equal(phase, "waiting")
            ? g_strdup_printf(_("waiting to try again (try %u)"), (guint) ctl_get_number(now, "RemovalAttempt"))
            : g_strdup(phase);
    g_autofree char *text = reason[0] != '\0' ? ctl_with_reason(step, reason) : g_strdup(step);
    say(removal, g_hash_table_lookup(removal->pending, now->path), text, "removing");
}

static void on_changed(const CtlObject *before, const CtlObject *now, gpointer data)
{
    Removal *removal = data;
    const char *path = (now != NULL ? now : before)->path;
    if (!g_hash_table_contains(removal->pending, path))
        return;
    if (now == NULL) {
        finish(removal, path, _("removed"), "gone");
    } else if (g_str_equal(ctl_get_string(now, "State"), "removing")) {
        say_progress(removal, before, now);
    } else if (before != NULL && g_str_equal(ctl_get_string(before, "State"), "removing")) {
        finish(removal, path, _("the removal was cancelled"), ctl_get_string(now, "State"));
        ctl_collect(&removal->status, CTL_FAILED);
    }
}

static void say_under_way(Removal *removal, const char *name)
{
    g_autofree char *text = NULL;
    if (removal->grace > 0)
        text = g_strdup_printf(ngettext("removal begins in %d second; \"berthctl cancel-removal\" takes it back",
                                        "removal begins in %d seconds; \"berthctl cancel-removal\" takes it back",
                                        removal->grace),
                               removal->grace);
    say(removal, name, text != NULL ? text : _("removal is under way"), "removing");
}

static void remove_one(Removal *removal, const char *name)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autofree char *path = NULL;
    g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);
    if (removal->grace >= 0)
        g_variant_dict_insert(&options, "grace-seconds", "u", (guint32) removal->grace);
    int r = ctl_find_vm(removal->ctl, name, &path, &error);
    if (r >= 0)
        r = ctl_call(removal->ctl, path, BERTH_IFACE_VM, "Remove",
                     g_variant_new("(@a{sv})", g_variant_dict_end(&options)), CTL_UNHURRIED, NULL, &error);
    if (r < 0) {
        ctl_collect(&removal->status, ctl_fail(removal->ctl, r, &error, _("Can't remove %s"), name));
        return;
    }
    say_under_way(removal, name);
    if (removal->wait)
        g_hash_table_insert(removal->pending, g_steal_pointer(&path), g_strdup(name));
    else
        add_result(removal, name, "removing");
}

/* Subscribed before the first Remove: whatever becomes of a VM after its answer is seen. */
static void run(Removal *removal, char **names)
{
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autoptr(CtlObserver) observer = NULL;
    if (removal->wait) {
        int r = sd_event_new(&removal->event);
        if (r >= 0)
            r = ctl_observer_new(removal->ctl, removal->event, on_changed, removal, &observer, &error);
        if (r < 0) {
            removal->status = ctl_fail(removal->ctl, r, &error, "%s", _("Can't watch the VMs"));
            return;
        }
    }
    for (char **name = names; *name != NULL; name++)
        remove_one(removal, *name);
    if (g_hash_table_size(removal->pending) > 0 && sd_event_loop(removal->event) != 0)
        ctl_collect(&removal->status, CTL_FAILED);
    if (removal->ctl->json) {
        JsonNode *node = json_node_init_array(json_node_alloc(), removal->results);
        ctl_print_json(node, TRUE);
    }
}

CtlStatus ctl_run_remove(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    Removal removal = {.ctl = ctl, .grace = -1};
    const GOptionEntry entries[] = {
        {"wait", 'w', 0, G_OPTION_ARG_NONE, &removal.wait, N_("Return when the VM is gone"), NULL},
        {"grace", 'g', 0, G_OPTION_ARG_INT, &removal.grace, N_("How long cancel-removal can take it back"),
         N_("SECONDS")},
        G_OPTION_ENTRY_NULL,
    };
    g_auto(GStrv) names = ctl_parse(ctl, command, entries, 1, CTL_ANY, argc, argv);
    if (names == NULL)
        return CTL_USAGE;
    if (removal.grace < -1)
        return ctl_usage("%s", _("--grace must not be negative"));
    CtlStatus status = ctl_connect(ctl, TRUE);
    if (status != CTL_OK)
        return status;

    removal.pending = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    removal.results = json_array_new();
    run(&removal, names);
    g_hash_table_unref(removal.pending);
    json_array_unref(removal.results);
    sd_event_unref(removal.event);
    return removal.status;
}
