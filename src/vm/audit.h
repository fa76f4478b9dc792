/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "audit-compare.h"
#include "manager.h"

/* @findings: (element-type BerthAuditFinding), borrowed; %NULL with @error */
typedef void (*BerthAuditDone)(const GPtrArray *findings, const GError *error, gpointer data);

/**
 * berth_audit:
 *
 * Looks for what the host holds and no VM owns, and for what a VM claims and the host lacks. The daemon goes on
 * meanwhile: files and processes are looked at in a worker, and what is under way is no finding. What is found is
 * looked at again two seconds later: systemd, say, learns of a scope's end a moment after everybody else.
 */
void berth_audit(BerthManager *manager, BerthAuditDone done, gpointer data);
/* For the end of @manager: those that wait for somebody outside are answered with Cancelled. None is in a worker. */
void berth_audits_end(BerthManager *manager);
