/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm.h"

/* What is filled in for a VM before the daemon has it: proposals, checks and what differs, without a widget. A draft is
 * an a{sv} of the definition's keys, those that the form shows. */

/* What this computer has. The service is on it: nobody reaches another one's from here. */
typedef struct {
    guint processors;
    guint64 memory; /* bytes */
} BerthUiHost;

void berth_ui_host_look(BerthUiHost *host);

/* Half of what there is, as far as that makes sense for a guest that nobody knows. */
guint berth_ui_propose_vcpus(const BerthUiHost *host);
/* Bytes. */
guint64 berth_ui_propose_memory(const BerthUiHost *host);

/* What is wrong, and where: the key's place as in "networks[0].ports[1].host-port", "name", or "" for the whole. */
typedef struct {
    char *place;
    char *text;
} BerthUiProblem;

void berth_ui_problem_free(BerthUiProblem *problem);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthUiProblem, berth_ui_problem_free)

/**
 * berth_ui_check_draft:
 * @config: (nullable): a{sv}, the definition that @draft changes; %NULL for a new one
 *
 * By the rules that the daemon itself goes by, as far as they need to know nothing of the host and of other VMs. Where
 * @config is of a daemon that knows more than this program, the daemon alone can tell.
 *
 * Returns: (transfer full) (nullable): the first problem
 */
BerthUiProblem *berth_ui_check_draft(GVariant *draft, GVariant *config);

/* (transfer full): what the daemon answered, in its own words */
BerthUiProblem *berth_ui_problem_of(const GError *error);

/* (transfer full): @old (nullable) with the values of @new in the place of its own: what is the same stays the same,
 * in its order too, and keys that this program does not know are kept. All are a{sv}; none is floating. */
GVariant *berth_ui_dict_merge(GVariant *old, GVariant *new);

/* (transfer full): the keys of @draft that have another value in @config; as an a{sv}, not floating */
GVariant *berth_ui_draft_changes(GVariant *draft, GVariant *config);

/* Whether some of @changes would wait for the next start of a VM that runs. */
gboolean berth_ui_changes_wait(GVariant *changes);
