/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../host/guest-notify.h"

/* The notifications of all guests, each taken to the VM whose context id it comes from. Its data is the BerthManager. */
const BerthGuestNotifyHandler *berth_guest_notices(void);
