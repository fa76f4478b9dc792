/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * berth_capabilities_find:
 * @wish: Accelerator= of berth.conf: "auto", "kvm" or "tcg"
 * @accelerator: (out) (transfer none): what it came to; why goes to the journal
 *
 * What this host can do, found by looking: "kvm" "tcg" "vhost-vsock" "landlock" "tdx" "sev-snp". /dev/kvm that opens is
 * not enough for "kvm": there are para-virtual ones that can't run an ordinary kernel, so the processor must show vmx
 * or svm.
 *
 * Returns: (transfer full): NULL-terminated
 */
GStrv berth_capabilities_find(const char *wish, const char **accelerator);
