/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "draft.h"

#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

#include "src/core/vm-config.h"

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define GIB (G_GUINT64_CONSTANT(1) << 30)

/* Proposals. */

void berth_ui_host_look(BerthUiHost *host)
{
    host->processors = g_get_num_processors();
    host->memory = (guint64) sysconf(_SC_PHYS_PAGES) * (guint64) sysconf(_SC_PAGESIZE);
}

guint berth_ui_propose_vcpus(const BerthUiHost *host)
{
    return CLAMP(host->processors / 2, 1, 4);
}

/* A quarter, so that several fit beside what else runs here; in steps in which people think of memory. */
guint64 berth_ui_propose_memory(const BerthUiHost *host)
{
    guint64 memory = 4 * GIB;
    while (memory > 256 * MIB && memory > host->memory / 4)
        memory /= 2;
    return memory;
}

/* Checks. */

void berth_ui_problem_free(BerthUiProblem *problem)
{
    g_free(problem->place);
    g_free(problem->text);
    g_free(problem);
}

static BerthUiProblem *problem_new(const char *place, const char *text)
{
    BerthUiProblem *problem = g_new(BerthUiProblem, 1);
    problem->place = g_strdup(place);
    problem->text = g_strdup(text);
    return problem;
}

/* What is shown while one types is in the user's language, where the form lets it come about at all. */
static const struct {
    const char *key, *text;
} rules[] = {
    {"host-port", N_("This port of the computer is forwarded already")},
    {"host-address", N_("An address of this computer, such as 127.0.0.1")},
    {"bridge", N_("The name of a bridge of this computer, such as br0")},
    {"MemoryMax", N_("The limit of its memory is less than that")},
};

static const char *rule_of(const char *place, const char *otherwise)
{
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++)
        if (g_str_has_suffix(place, rules[i].key))
            return _(rules[i].text);
    return otherwise;
}

/* The limit is shown nowhere: what breaks it is the memory. */
static char *place_of(const char *text)
{
    char *place = berth_vm_config_place_in(text);
    if (g_strcmp0(place, "limits.MemoryMax") != 0)
        return place;
    g_free(place);
    return g_strdup("memory");
}

BerthUiProblem *berth_ui_check_draft(GVariant *draft, GVariant *config)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthVmConfig) defaults = berth_vm_config_new();
    g_autoptr(BerthVmConfig) base = config ? berth_vm_config_apply(defaults, config, NULL) : NULL;
    if (config && !base)
        return NULL;
    g_autoptr(BerthVmConfig) changed = berth_vm_config_apply(base ? base : defaults, draft, &error);
    if (changed)
        return NULL;
    g_autofree char *key = berth_vm_config_place_in(error->message);
    g_autofree char *place = place_of(error->message);
    return problem_new(place ? place : "", rule_of(key ? key : "", error->message));
}

BerthUiProblem *berth_ui_problem_of(const GError *error)
{
    g_autofree char *place = NULL;
    if (g_error_matches(error, BERTH_ERROR, BERTH_ERROR_NAME_TAKEN))
        place = g_strdup("name");
    else if (error->domain == BERTH_ERROR)
        place = place_of(error->message);
    return problem_new(place ? place : "", error->message);
}

/* What differs. */

static void add_known(GVariantBuilder *builder, GVariant *dict, GVariant *other, gboolean theirs)
{
    GVariantIter iter;
    const char *key;
    GVariant *value;
    g_variant_iter_init(&iter, dict);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
        g_autoptr(GVariant) replacement = g_variant_lookup_value(other, key, NULL);
        if (theirs)
            g_variant_builder_add(builder, "{sv}", key, replacement ? replacement : value);
        else if (!replacement)
            g_variant_builder_add(builder, "{sv}", key, value);
    }
}

GVariant *berth_ui_dict_merge(GVariant *old, GVariant *new)
{
    if (!old)
        return g_variant_ref(new);
    GVariantBuilder builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_VARDICT);
    add_known(&builder, old, new, TRUE);
    add_known(&builder, new, old, FALSE);
    return g_variant_ref_sink(g_variant_builder_end(&builder));
}

GVariant *berth_ui_draft_changes(GVariant *draft, GVariant *config)
{
    GVariantDict changes = G_VARIANT_DICT_INIT(NULL);
    GVariantIter iter;
    const char *key;
    GVariant *value;
    g_variant_iter_init(&iter, draft);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
        g_autoptr(GVariant) old = g_variant_lookup_value(config, key, NULL);
        if (!old || !g_variant_equal(old, value))
            g_variant_dict_insert_value(&changes, key, value);
    }
    return g_variant_ref_sink(g_variant_dict_end(&changes));
}

gboolean berth_ui_changes_wait(GVariant *changes)
{
    GVariantIter iter;
    const char *key;
    g_variant_iter_init(&iter, changes);
    while (g_variant_iter_next(&iter, "{&sv}", &key, NULL))
        if (!berth_vm_config_is_live(key))
            return TRUE;
    return FALSE;
}
