/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../host/audit-look.h"

/* What to do about a finding, in words. (transfer none) */

const char *berth_audit_advice_left_over(const BerthAuditThing *thing);
const char *berth_audit_advice_missing(BerthAuditKind kind);
/* For a CID that is taken by nobody. */
extern const char berth_audit_advice_cid[];
