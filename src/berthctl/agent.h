/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* polkit's text agent for this terminal, as systemctl has it: `pkttyagent`, where that is installed. */
void ctl_agent_open(void);
/* Ends it and waits for that, so that it does not touch the terminal any more. */
void ctl_agent_close(void);
