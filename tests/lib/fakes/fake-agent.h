/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <poll.h>
#include <stdbool.h>

/* The channel of a fake QEMU's guest agent, and the agent at its end: it answers as qemu-ga 7.2 does, unless the script has a
 * rule for the command (fake-qemu.c tells the language). */

/* The listening end of the channel. */
void agent_listen(int listener);
/* The guest opens its end, or lets go of it: what the host says waits meanwhile. */
void agent_set_open(bool open);
/* From now on it takes nothing, and says nothing. */
void agent_hang(void);
bool agent_is_open(void);
/* What to wait for, and to do then. Returns whether the guest was told to power down, and obeys. */
struct pollfd agent_poll(void);
bool agent_turn(void);
