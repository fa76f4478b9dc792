/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bounded-log.h"
#include "client.h"
#include "lines.h"
#include "loop.h"

/* The guest's serial port: its output goes to a log, to the journal and to every client; what clients type goes to it.
 */
#define CONSOLE_CLIENTS_MAX 32

struct console {
    struct loop *loop;
    struct source serial;
    struct source listener;
    struct client clients[CONSOLE_CLIENTS_MAX];
    struct bounded_log log;
    struct lines lines;
    char input[1024]; /* not taken by the guest yet; while there is any, no client is read */
    size_t input_length;
};

/* Takes over both descriptors. */
bool console_init(struct console *console, struct loop *loop, int serial, int listener);
/* Reads what is there, after QEMU's end. */
void console_drain(struct console *console);
