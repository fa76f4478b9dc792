/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-notices.h"

#include "guest.h"
#include "manager.h"
#include "run.h"

static gboolean admit(guint32 cid, gpointer data)
{
    const BerthVm *vm = berth_manager_find_by_cid(data, cid);
    return vm && vm->run && berth_guest_admits_notice(vm->run->guest);
}

/* Its run may have ended since it was admitted. */
static void notified(guint32 cid, const char *text, gsize length, gpointer data)
{
    BerthVm *vm = berth_manager_find_by_cid(data, cid);
    g_autoptr(BerthGuestNotice) notice = berth_guest_notice_parse(text, length);
    if (vm)
        berth_vm_guest_notice(vm, notice);
}

const BerthGuestNotifyHandler *berth_guest_notices(void)
{
    static const BerthGuestNotifyHandler handler = {.admit = admit, .notified = notified};
    return &handler;
}
