/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit-advice.h"

#include "../core/names.h"

const char berth_audit_advice_cid[] = "It is taken, and no VM has it; restart berthd, which counts anew";

static const char *advice_for_directory(const BerthAuditThing *thing)
{
    switch (thing->tenure) {
    case BERTH_HELD_BY_RUN:
        return "Its VM does not run; restart berthd, which looks who is in there and deletes it";
    case BERTH_HELD_BY_WORK:
        return thing->vm ? "It waits to be deleted; reload, which goes on with that"
                         : "It is not the directory of a VM; look at it, and move or delete it";
    case BERTH_HELD_FOR_GOOD:
        return thing->vm ? "The daemon does not know it; reload to have its VM, or move it elsewhere"
                         : "It is not the directory of a VM; look at it, and move or delete it";
    }
    g_assert_not_reached();
}

/* Start-up sweeps vms/ and images/; in a VM's own directories the next write of the file takes the name over. */
static const char *advice_for_temporary(const BerthAuditThing *thing)
{
    const gboolean is_swept = thing->image || g_str_has_prefix(thing->object, BERTH_DIR_VMS "/" BERTH_STAGING_PREFIX) ||
                              g_str_has_prefix(thing->object, BERTH_DIR_IMAGES "/");
    if (thing->tenure == BERTH_HELD_FOR_GOOD)
        return "It tells how a VM ended that is gone; delete it";
    return is_swept ? "Somebody did not end what was begun; restart berthd, which sweeps it, or delete it"
                    : "A write did not end; delete it";
}

const char *berth_audit_advice_left_over(const BerthAuditThing *thing)
{
    switch (thing->kind) {
    case BERTH_AUDIT_SCOPE:
        return "No running VM has it; unless another berthd owns it, end it with systemctl stop";
    case BERTH_AUDIT_PROCESS:
        return thing->vm ? "It is in the scope of a VM that does not run; look at it, and kill it"
                         : "It runs as a VM's user, outside of every VM's scope; look at it, and kill it";
    case BERTH_AUDIT_DIRECTORY:
        return advice_for_directory(thing);
    case BERTH_AUDIT_TEMPORARY:
        return advice_for_temporary(thing);
    case BERTH_AUDIT_CID:
        return "A process uses it, and it is not its VM's; end that process";
    case BERTH_AUDIT_IMAGE:
        return "It is not in the library; restart berthd, which says what is wrong with it, or delete it";
    case BERTH_AUDIT_DISK:
        return "No VM has it";
    case BERTH_AUDIT_SOCKET:
        return "Nobody serves it; it goes with its directory";
    case BERTH_AUDIT_TAP:
        return "No running VM has it; delete it with ip link delete";
    case BERTH_AUDIT_MACHINE:
        return "No running VM is it; restart systemd-machined, which looks again";
    case BERTH_AUDIT_PORT:
        return "A process of a VM that does not run listens on it; end that process";
    }
    g_assert_not_reached();
}

const char *berth_audit_advice_missing(BerthAuditKind kind)
{
    switch (kind) {
    case BERTH_AUDIT_SCOPE:
        return "systemd does not have the scope of this running VM; power it off and start it again";
    case BERTH_AUDIT_PROCESS:
        return "It is not in the VM's scope any more; power the VM off and start it again";
    case BERTH_AUDIT_DIRECTORY:
        return "Put it back and reload, or remove the VM";
    case BERTH_AUDIT_CID:
        return "The VM has it, and it is not taken; restart berthd, which counts anew";
    case BERTH_AUDIT_IMAGE:
        return "Import it again, or remove what is made on it";
    case BERTH_AUDIT_DISK:
        return "Put it back from a backup, or remove the VM";
    case BERTH_AUDIT_SOCKET:
        return "Power the VM off and start it again, which makes it anew";
    case BERTH_AUDIT_TAP:
        return "The guest has lost its network; power the VM off and start it again";
    case BERTH_AUDIT_TEMPORARY:
    case BERTH_AUDIT_MACHINE:
    case BERTH_AUDIT_PORT:
        break;
    }
    g_assert_not_reached();
}
