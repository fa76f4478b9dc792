/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vm-store.h"

/* vm.json: the members "id", "name", "incarnation", "cid" and "created", and on the same level the definition's keys.
 */

/* (transfer full): the text of vm.json. */
char *berth_vm_record_to_json(const BerthVmRecord *record, gsize *length);

/**
 * berth_vm_record_from_json:
 * @record: (out) (transfer full) (nullable): set on success, and also on failure where only the definition is
 *   damaged: then it holds the default definition. @wanted is left to the caller.
 *
 * Hostile until checked. InvalidArgs, in a form that follows "vm.json: ".
 */
gboolean berth_vm_record_from_json(const char *text, gsize length, BerthVmRecord **record, GError **error);
