/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "privileges.h"

#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Asked of the kernel again: a call that only seemed to work would leave QEMU with root's rights. */
static bool is_only(uint32_t uid)
{
    uid_t ruid, euid, suid;
    gid_t rgid, egid, sgid;

    return getresuid(&ruid, &euid, &suid) == 0 && getresgid(&rgid, &egid, &sgid) == 0 && ruid == uid && euid == uid &&
           suid == uid && rgid == uid && egid == uid && sgid == uid && getgroups(0, NULL) == 0;
}

bool privileges_become(uint32_t uid)
{
    return setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0 && is_only(uid) &&
           setuid(0) < 0;
}

bool privileges_limit(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}
